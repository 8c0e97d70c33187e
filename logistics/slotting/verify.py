"""The rules of a slotting plan, one function each, judged slot by slot from plain lists.

Shares nothing with the solver or the planning of moves: it plays the moves on the layout of tonight
and looks at what each one does. A fault that lies in tonight's layout already, and that no move
touches, is not the plan's. `verify` returns every violation; a published plan has none.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from logistics.slotting.faces import FaceRules
from logistics.slotting.floor import Move
from logistics.slotting.problem import NONE, TOLERANCE, Demand, Warehouse


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: where, and by which SKU."""

    rule: str
    slot_id: str
    sku_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is judged: the moves, the layouts (sku → slot) after them and at best, the unplaced."""

    warehouse: Warehouse
    demand: Demand
    max_moves: int
    moves: Sequence[Move]
    after: Sequence[int]
    ideal: Sequence[int]
    unplaced: Mapping[int, str]
    faces: FaceRules


Found = Iterator[Violation]


def verify(plan: Plan) -> list[Violation]:
    """Every violation of every rule."""
    return [violation for rule in RULES for violation in rule(plan)]


def wrong_class(plan: Plan) -> Found:
    for sku, slot in _changes(plan):
        if plan.warehouse.storage_class[slot] != plan.demand.storage_class[sku]:
            yield _violation("wrong_class", plan, sku, slot)


def too_large(plan: Plan) -> Found:
    for sku, slot in _changes(plan):
        if plan.demand.unit_m3[sku] > plan.warehouse.capacity_m3[slot] + TOLERANCE:
            yield _violation("too_large", plan, sku, slot)


def too_heavy(plan: Plan) -> Found:
    for sku, slot in _changes(plan):
        if plan.demand.unit_kg[sku] > plan.warehouse.capacity_kg[slot] + TOLERANCE:
            yield _violation("too_heavy", plan, sku, slot)


def too_high(plan: Plan) -> Found:
    """A unit is no heavier than may be lifted at the slot's level."""
    for sku, slot in _changes(plan):
        if plan.demand.unit_kg[sku] > plan.warehouse.lift_kg[slot] + TOLERANCE:
            yield _violation("too_high", plan, sku, slot)


def locked_slots(plan: Plan) -> Found:
    """A frozen slot, or a SKU's reserve, keeps what it holds."""
    locked = plan.warehouse.locked
    for sku, slot in _changes(plan):
        if locked[slot]:
            yield _violation("locked_slots", plan, sku, slot)
    for move in plan.moves:
        if move.from_slot != NONE and locked[move.from_slot]:
            yield _violation("locked_slots", plan, move.sku, move.from_slot)
    for sku, face in enumerate(plan.demand.face.tolist()):
        if face != NONE and locked[face] and plan.ideal[sku] != face:
            yield _violation("locked_slots", plan, sku, face)


def impossible_moves(plan: Plan) -> Found:
    """Each move takes its SKU from where it is to a slot that is empty at that moment."""
    holds, slot_of = plan.warehouse.holds.tolist(), plan.demand.face.tolist()
    for move in plan.moves:
        origin = NONE if move.opens_face else slot_of[move.sku]
        if origin != move.from_slot or holds[move.to_slot] != NONE:
            yield _violation("impossible_moves", plan, move.sku, move.to_slot)
        _play(move, holds, slot_of)


def not_what_the_moves_lead_to(plan: Plan) -> Found:
    holds, slot_of = plan.warehouse.holds.tolist(), plan.demand.face.tolist()
    for move in plan.moves:
        _play(move, holds, slot_of)
    for sku, slot in enumerate(slot_of):
        if slot != plan.after[sku]:
            yield _violation("not_what_the_moves_lead_to", plan, sku, plan.after[sku])


def too_many_moves(plan: Plan) -> Found:
    for move in plan.moves[plan.max_moves :]:
        yield _violation("too_many_moves", plan, move.sku, move.to_slot)


def shared_slots(plan: Plan) -> Found:
    """One SKU per slot, tonight's reserves counted."""
    locked, holds = plan.warehouse.locked, plan.warehouse.holds
    opened = [move.to_slot for move in plan.moves if move.opens_face]
    for slot_of, further in ((plan.after, opened), (plan.ideal, [])):
        taken = Counter([slot for slot in slot_of if slot != NONE] + further)
        for sku, slot in enumerate(slot_of):
            reserved = slot != NONE and locked[slot] and holds[slot] != sku
            if slot != NONE and (taken[slot] > 1 or reserved):
                yield _violation("shared_slots", plan, sku, slot)


def scattered_families(plan: Plan) -> Found:
    """Whatever of a family is moved, tonight or in the ideal, comes into one aisle."""
    if plan.demand.relations is None:
        return
    family, home = plan.demand.relations.family.tolist(), dict[int, int]()
    for sku, slot in _changes(plan, also_unchanged=True):
        aisle = int(plan.warehouse.aisle[slot])
        if family[sku] != NONE and home.setdefault(family[sku], aisle) != aisle:
            yield _violation("scattered_families", plan, sku, slot)


def too_near(plan: Plan) -> Found:
    """No SKU comes into the bay, or beside the bay, of one it must be kept apart from."""
    if plan.demand.relations is None:
        return
    locked, near = plan.warehouse.locked, _near(plan.warehouse)
    holds, slot_of = plan.warehouse.holds.tolist(), plan.demand.face.tolist()
    for move in plan.moves:
        _play(move, holds, slot_of)
        if _clashes(plan, move.sku, [holds[slot] for slot in near[move.to_slot]]):
            yield _violation("too_near", plan, move.sku, move.to_slot)
    best = [sku if keeps else NONE for sku, keeps in zip(plan.warehouse.holds, locked, strict=True)]
    placed = [(sku, slot) for sku, slot in enumerate(plan.ideal) if slot != NONE]
    for sku, slot in placed:
        best[slot] = sku
    for sku, slot in placed:
        if not locked[slot] and _clashes(plan, sku, [best[other] for other in near[slot]]):
            yield _violation("too_near", plan, sku, slot)


def faces_astray(plan: Plan) -> Found:
    """A SKU has further faces in the aisle of the first, and at most so many slots in all."""
    holds, slot_of = plan.warehouse.holds.tolist(), plan.demand.face.tolist()
    for move in plan.moves:
        _play(move, holds, slot_of)
    for sku, slot in ((move.sku, move.to_slot) for move in plan.moves if move.opens_face):
        face = plan.after[sku]
        elsewhere = face == NONE or plan.warehouse.aisle[face] != plan.warehouse.aisle[slot]
        if elsewhere or holds.count(sku) > plan.faces.max_faces:
            yield _violation("faces_astray", plan, sku, slot)


def faces_oversold(plan: Plan) -> Found:
    """A further face is promised to save what the fewer replenishments are worth, no more."""
    holds, slot_of = plan.warehouse.holds.tolist(), plan.demand.face.tolist()
    for move in plan.moves:
        units = plan.demand.units_per_day[move.sku]
        before = _units_in_slots(plan, holds, move.sku)
        _play(move, holds, slot_of)
        if move.opens_face:
            fewer = units / before - units / _units_in_slots(plan, holds, move.sku)
            if move.saving_m_per_day > plan.faces.replenishing_m * fewer * (1 + 1e-6):
                yield _violation("faces_oversold", plan, move.sku, move.to_slot)


def crowded_aisles(plan: Plan) -> Found:
    """No aisle is busier than it may be, but for what was there tonight or is locked there."""
    picks, locked = plan.demand.picks_per_day, plan.warehouse.locked
    tonight = plan.demand.face.tolist()
    kept = [slot if slot != NONE and locked[slot] else NONE for slot in tonight]
    for slot_of, unavoidable in ((plan.after, tonight), (plan.ideal, kept)):
        busy, before = _aisle_picks(plan, slot_of), _aisle_picks(plan, unavoidable)
        for sku, slot in enumerate(slot_of):
            aisle = NONE if slot == NONE else int(plan.warehouse.aisle[slot])
            most = max(plan.warehouse.aisle_picks, before[aisle]) * (1 + 1e-6)
            if slot != NONE and picks[sku] > 0 and busy[aisle] > most:
                yield _violation("crowded_aisles", plan, sku, slot)


def unaccounted(plan: Plan) -> Found:
    """Every SKU has a slot or a reason, not both."""
    for sku, slot in enumerate(plan.after):
        if (slot == NONE) != bool(plan.unplaced.get(sku)):
            yield _violation("unaccounted", plan, sku, slot)


RULES = (
    wrong_class,
    too_large,
    too_heavy,
    too_high,
    locked_slots,
    impossible_moves,
    not_what_the_moves_lead_to,
    too_many_moves,
    shared_slots,
    scattered_families,
    too_near,
    faces_astray,
    faces_oversold,
    crowded_aisles,
    unaccounted,
)


def _changes(plan: Plan, also_unchanged: bool = False) -> Iterator[tuple[int, int]]:
    """(sku, slot) wherever a move or the ideal puts a SKU into a slot that is not its face; on
    demand also where the ideal leaves it in its face, locked ones apart."""
    for move in plan.moves:
        yield move.sku, move.to_slot
    for sku, slot in enumerate(plan.ideal):
        changed = slot != plan.demand.face[sku]
        if slot != NONE and (changed or (also_unchanged and not plan.warehouse.locked[slot])):
            yield sku, slot


def _near(warehouse: Warehouse) -> list[list[int]]:
    """The slots in the bay of every slot and in the bays before and behind it, in its aisle."""
    slots_at: dict[int, dict[float, list[int]]] = {}
    places = list(zip(warehouse.aisle.tolist(), warehouse.y_m.tolist(), strict=True))
    for slot, (aisle, y_m) in enumerate(places):
        slots_at.setdefault(aisle, {}).setdefault(y_m, []).append(slot)
    near: dict[tuple[int, float], list[int]] = {}
    for aisle, at in slots_at.items():
        bays = sorted(at)
        for number, y_m in enumerate(bays):
            beside = bays[max(number - 1, 0) : number + 2]
            near[aisle, y_m] = [slot for bay in beside for slot in at[bay]]
    return [near[place] for place in places]


def _clashes(plan: Plan, sku: int, others: Sequence[int]) -> bool:
    """Whether the SKU must be kept apart from one of the others."""
    assert plan.demand.relations is not None
    group, apart = plan.demand.relations.group, plan.demand.relations.apart
    return any(other != NONE and apart[group[sku], group[other]] for other in others)


def _play(move: Move, holds: list[int], slot_of: list[int]) -> None:
    if not move.opens_face:
        if slot_of[move.sku] != NONE:
            holds[slot_of[move.sku]] = NONE
        slot_of[move.sku] = move.to_slot
    holds[move.to_slot] = move.sku


def _units_in_slots(plan: Plan, holds: Sequence[int], sku: int) -> float:
    """Whole units, at least one a slot; inf for goods without size."""
    m3, kg = float(plan.demand.unit_m3[sku]), float(plan.demand.unit_kg[sku])
    units = 0.0
    for slot in (slot for slot, held in enumerate(holds) if held == sku):
        by_m3 = plan.warehouse.capacity_m3[slot] / m3 if m3 else math.inf
        by_kg = plan.warehouse.capacity_kg[slot] / kg if kg else math.inf
        most = min(by_m3, by_kg) + TOLERANCE
        units += max(math.floor(most), 1) if math.isfinite(most) else math.inf
    return units


def _aisle_picks(plan: Plan, slot_of: Sequence[int]) -> Counter[int]:
    busy: Counter[int] = Counter()
    for sku, slot in enumerate(slot_of):
        if slot != NONE:
            busy[int(plan.warehouse.aisle[slot])] += plan.demand.picks_per_day[sku]
    return busy


def _violation(rule: str, plan: Plan, sku: int, slot: int) -> Violation:
    slot_id = "" if slot == NONE else plan.warehouse.slot_ids[slot]
    return Violation(rule, slot_id, plan.demand.sku_ids[sku])
