"""Further pick faces of fast SKUs, each bought with the replenishments that it saves.

A SKU is replenished when all its faces are empty, and one trip fills them all: its units a day over
the units that its faces hold, so each further face is worth less than the one before (Bartholdi
and Hackman 2008, "Allocating space in a forward pick area of a distribution center for small
parts"). A further face lies in the aisle of the first, where it adds no walking; its price is what
the SKU that makes way for it walks more. The face worth most per move is opened, again and again,
while it is worth its moves. Knows walking and slots; no solver, no tables.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from logistics.slotting.congestion import spare_picks
from logistics.slotting.effect import Prospect
from logistics.slotting.floor import Move
from logistics.slotting.moves import Night
from logistics.slotting.payback import Step, by_step, is_urgent, only, per_move_m
from logistics.slotting.problem import (
    NONE,
    TOLERANCE,
    Demand,
    Ints,
    Reals,
    Warehouse,
    can_spare,
    contents,
    fits,
    reach_m,
    suits,
)
from logistics.slotting.zones import lie_apart

# Faces never take the last empty slots of a storage class: tomorrow's new SKUs need them.
_KEPT_EMPTY = 0.05
_TRIED = 5  # SKUs that could make way for a face


@dataclass(frozen=True, slots=True)
class FaceRules:
    """Most slots of one SKU, and the metres of walking that one replenishment is worth."""

    max_faces: int
    replenishing_m: float


def open_faces(
    prospect: Prospect,
    night: Night,
    rules: FaceRules,
    max_moves: int,
    least_m: float,
) -> Night:
    """The night, of at most max_moves moves, with those that open faces.

    A face is worth least_m metres a day for each of its moves. Where not all moves fit, the night's
    last ones, which save least, make way for faces that save more; none that gives a new SKU its
    slot, or brings one from where it may not lie.
    """
    if rules.max_faces == 1:
        return night
    steps = _open(prospect, night, rules, max_moves, least_m)
    if len(night.moves) + sum(map(len, steps)) > max_moves:
        night = _without_what_faces_beat(prospect, night, steps, max_moves)
        left = max_moves - len(night.moves)
        steps = _open(prospect, night, rules, left, least_m)
    return _with(night, steps)


def replenishments(warehouse: Warehouse, demand: Demand, holds: Ints) -> Reals:
    """Replenishments a day of each SKU (n,) with holds (s,) in the slots; 0 of what lies nowhere or
    has no size."""
    held = _units_held(warehouse, demand, holds)
    return np.divide(demand.units_per_day, held, out=np.zeros_like(held), where=held > 0)


def slot_units(warehouse: Warehouse, demand: Demand, sku: Ints | int, slot: Ints | int) -> Reals:
    """Units of the SKU that the slot holds, at least one, endless without size; sku and slot
    broadcast."""
    with np.errstate(divide="ignore"):
        by_m3 = warehouse.capacity_m3[slot] / demand.unit_m3[sku]
        by_kg = warehouse.capacity_kg[slot] / demand.unit_kg[sku]
    units: Reals = np.maximum(np.floor(np.minimum(by_m3, by_kg) + TOLERANCE), 1.0)
    return units


def _units_held(warehouse: Warehouse, demand: Demand, holds: Ints) -> Reals:
    slots = np.flatnonzero(holds != NONE)
    units = slot_units(warehouse, demand, holds[slots], slots)
    held = np.zeros(demand.face.size)
    np.add.at(held, holds[slots], units)
    return held


def _open(
    prospect: Prospect,
    night: Night,
    rules: FaceRules,
    max_moves: int,
    least_m: float,
) -> list[Step]:
    """The steps that open faces after the night's moves, the best per move first."""
    floor = _Floor(prospect, night, rules)
    steps: list[Step] = []
    left = max_moves
    queue = [(-hope_m, sku) for sku, hope_m in enumerate(floor.hopes_m()) if hope_m >= least_m]
    heapq.heapify(queue)
    while queue and left:
        _, sku = heapq.heappop(queue)
        possible = [step for step in floor.steps(sku) if len(step) <= left]
        best = max(possible, key=per_move_m, default=())
        if not best or per_move_m(best) < least_m:
            continue
        if queue and per_move_m(best) < -queue[0][0]:
            heapq.heappush(queue, (-per_move_m(best), sku))  # another may be worth more
            continue
        floor.make(best)
        steps.append(best)
        left -= len(best)
        if (hope_m := float(floor.hopes_m()[sku])) >= least_m:
            heapq.heappush(queue, (-hope_m, sku))
    return steps


def _without_what_faces_beat(
    prospect: Prospect, night: Night, steps: list[Step], max_moves: int
) -> Night:
    """The night without the last steps that save less per move than faces in their place would."""
    made, num_moves = by_step(night), len(night.moves)
    for face in steps:
        num_moves += len(face)
        while num_moves > max_moves:
            urgent = not made or is_urgent(prospect, made[-1])
            if urgent or per_move_m(made[-1]) >= per_move_m(face):
                return only(prospect.demand, night, made)
            num_moves -= len(made.pop())
    return only(prospect.demand, night, made)


def _with(night: Night, steps: list[Step]) -> Night:
    first = max((move.step for move in night.moves), default=0) + 1
    numbered = [
        replace(move, step=number) for number, step in enumerate(steps, first) for move in step
    ]
    slot_of = night.slot_of.copy()
    for move in numbered:
        if not move.opens_face:
            slot_of[move.sku] = move.to_slot
    return replace(night, moves=(*night.moves, *numbered), slot_of=slot_of)


class _Floor:
    """The warehouse after the night's moves and the faces opened so far."""

    def __init__(self, prospect: Prospect, night: Night, rules: FaceRules) -> None:
        self.prospect, self.walking, self.rules = prospect, prospect.walking, rules
        warehouse, demand = prospect.warehouse, prospect.demand
        self.warehouse, self.demand = warehouse, demand
        self.slot_of = night.slot_of.copy()
        self.holds = contents(warehouse, self.slot_of)
        self.free = np.flatnonzero(~warehouse.locked)
        self.opened = np.zeros(self.holds.size, dtype=bool)
        self.largest = np.zeros(self.slot_of.size)
        kinds = np.column_stack((warehouse.capacity_m3, warehouse.capacity_kg))
        every = np.arange(self.slot_of.size)
        for slot in np.unique(kinds, axis=0, return_index=True)[1].tolist():
            self.largest = np.maximum(self.largest, slot_units(warehouse, demand, every, slot))

    def hopes_m(self) -> Reals:
        """What a further face, as large as any slot, would save each SKU (n,) at most."""
        num_faces = np.bincount(self.holds[self.holds != NONE], minlength=self.slot_of.size)
        may = (self.slot_of != NONE) & (num_faces < self.rules.max_faces)
        saved_m = self._saved_m(np.arange(self.slot_of.size), self.largest)
        return np.where(may, saved_m, 0.0)

    def steps(self, sku: int) -> Iterator[Step]:
        """The ways to open a further face in the aisle of the first."""
        warehouse, demand, aisle = self.warehouse, self.demand, self.walking.layout.aisle
        storage_class = int(demand.storage_class[sku])
        if not can_spare(warehouse, self._empty, storage_class, _KEPT_EMPTY):
            return
        slots = self.free[aisle[self.free] == aisle[self.slot_of[sku]]]
        slots = slots[fits(warehouse, demand, sku, slots) & ~self.opened[slots]]
        slots = slots[lie_apart(demand, self.holds, sku, slots)]
        saved_m = self._saved_m(np.full(slots.size, sku), slot_units(warehouse, demand, sku, slots))
        empty = self.holds[slots] == NONE
        if empty.any():
            best = int(np.where(empty, saved_m, -1.0).argmax())
            yield (Move(sku, NONE, int(slots[best]), float(saved_m[best]), opens_face=True),)
        taken = ~empty & ~np.isin(self.holds[slots], [sku, *self.holds[self.opened]])
        yield from self._after_making_way(sku, slots[taken], saved_m[taken])

    def make(self, step: Step) -> None:
        for move in step:
            if move.opens_face:
                self.opened[move.to_slot] = True
            else:
                self.holds[move.from_slot] = NONE
                self.slot_of[move.sku] = move.to_slot
            self.holds[move.to_slot] = move.sku

    def _after_making_way(self, sku: int, slots: Ints, saved_m: Reals) -> Iterator[Step]:
        """A face in one of the slots, after the SKU there has gone to an empty one."""
        warehouse, demand = self.warehouse, self.demand
        empty = self._empty
        if not slots.size or not empty.size:
            return
        others = self.holds[slots]
        here, there = (slots[:, None], empty[None, :])
        costs_m = self.walking.slot_costs(self._picks)
        farther_m = costs_m[there] - costs_m[here]
        farther_m += reach_m(warehouse, demand, others[:, None], there)
        farther_m -= reach_m(warehouse, demand, others, slots)[:, None]
        net_m = saved_m[:, None] - demand.picks_per_day[others][:, None] * farther_m
        net_m = np.where(suits(warehouse, demand, others[:, None], there), net_m, -np.inf)
        for index in np.argsort(-net_m, axis=None, kind="stable")[:_TRIED].tolist():
            row, column = np.unravel_index(index, net_m.shape)
            other, slot, refuge = int(others[row]), int(slots[row]), int(empty[column])
            if np.isfinite(net_m[row, column]) and self._welcome(other, refuge):
                away = Move(other, slot, refuge, self.prospect.saved_m(self.slot_of, other, refuge))
                yield away, Move(sku, NONE, slot, float(saved_m[row]), opens_face=True)
                return

    def _welcome(self, sku: int, slot: int) -> bool:
        """Whether the SKU may come to the slot from another."""
        aisle, slots = self.walking.layout.aisle, np.array([slot])
        stays = aisle[slot] == aisle[self.slot_of[sku]]
        spare = spare_picks(self.warehouse, self._picks)[aisle[slot]]
        room = stays or spare >= self.demand.picks_per_day[sku]
        return bool(room and lie_apart(self.demand, self.holds, sku, slots)[0])

    def _saved_m(self, skus: Ints, units: Reals) -> Reals:
        """Metres a day that a face of so many units more saves each of the SKUs (k,)."""
        held = _units_held(self.warehouse, self.demand, self.holds)[skus]
        fills = np.zeros(held.size)
        sized = np.isfinite(held) & (held > 0)
        fills[sized] = 1 / held[sized] - 1 / (held[sized] + units[sized])
        saved: Reals = self.rules.replenishing_m * self.demand.units_per_day[skus] * fills
        return saved

    @property
    def _empty(self) -> Ints:
        slots: Ints = self.free[self.holds[self.free] == NONE]
        return slots

    @property
    def _picks(self) -> Reals:
        return self.walking.picks_by_aisle(self.demand.picks_per_day, self.slot_of)[0]
