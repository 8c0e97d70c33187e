"""Tonight's moves: the few that save most walking on the way to the ideal layout, in order.

A move carries one SKU into a slot that is empty by then. A step is one to three moves that bring a
SKU into its ideal aisle: straight into an empty slot; after the SKU there has gone to an empty
slot; or by a swap with it over one empty slot. SKUs without a slot come first, the fastest first,
for at most half of the moves, and go elsewhere when that is cheaper; after them those that lie
where they may not. Then come the exchanges that pay best together, and then, again and again, the
step of all others that saves most per move; or such steps alone, where that saves more. A move's
saving is the fall in expected walking and ties, so savings add up; carrying a SKU out of the way
shows as a loss of its own, and a first slot saves nothing. Knows walking and slots; no solver, no
tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from logistics.slotting.detours import direct
from logistics.slotting.exchanges import Slopes, exchanges
from logistics.slotting.floor import Floor, Move, Step
from logistics.slotting.problem import (
    NONE,
    Demand,
    Ints,
    Reals,
    Warehouse,
    fits,
    reach_m,
    suits,
    zone_of,
)
from logistics.slotting.travel import Walking
from logistics.slotting.zones import lie_apart

_TRIED_AT_ONCE = 16  # SKUs, most promising first
_TRIED_PER_MOVE = 4  # misplaced SKUs, the fastest first
_VICTIMS = 3  # SKUs in the way that are tried for each


@dataclass(frozen=True, slots=True)
class Night:
    """The moves in order, the layout (n,) they lead to, and why SKUs are still without a slot."""

    moves: tuple[Move, ...]
    slot_of: Ints
    unplaced: dict[int, str]


def plan_moves(
    warehouse: Warehouse,
    demand: Demand,
    walking: Walking,
    ideal: Ints,
    max_moves: int,
    min_saving_m_per_day: float,
    slopes: Slopes | None = None,
) -> Night:
    """At most max_moves moves; a step saves at least min_saving_m_per_day for each of its moves.

    Where every SKU lies as it may, no less is saved than by make_best with as many moves or fewer;
    and where an aisle may be only so busy, no less than with a smaller budget.
    ideal (n,): the slot of every SKU in the layout to work towards. slopes: what a pick of each SKU
    adds in each aisle, where past tours tell; else all SKUs are alike.
    """
    least = max(min_saving_m_per_day, 1e-6)
    floor = Floor(warehouse, demand, walking, ideal)
    first, _ = _place(floor, ideal, (max_moves + 1) // 2, least)
    nights = []
    for together, ties, budget in _beginnings(floor, slopes, max_moves - len(first), least):
        after = floor.copy()
        after.ties = ties
        moves = first + _make_all(after, together, budget, least)
        moves += make_best(after, ideal, max_moves - len(moves), least)
        more, unplaced = _place(after, ideal, max_moves - len(moves), least)
        nights.append(Night((*moves, *more), after.slot_of, unplaced))
    return max(nights, key=_saved)


def make_best(floor: Floor, ideal: Ints, max_moves: int, least_m: float) -> list[Move]:
    """Make the steps that save most per move, until none is worth it.

    A larger budget begins with the same steps, so it never saves less.
    """
    # Whom no aisle may take, being busier alone than it may be, can still come nearer in its own.
    ideal = np.where(ideal == NONE, floor.slot_of, ideal)
    moves: list[Move] = []
    while len(moves) < max_moves:
        steps = _best_steps(floor, ideal, least_m)
        room = max_moves - len(moves)
        if steps and len(steps[0][1]) > room:
            # The last moves go to the best of the smaller steps, and end the night.
            smaller = [step for step in steps if len(step[1]) <= room]
            return moves + (floor.make(max(smaller, key=lambda s: s[0])[1]) if smaller else [])
        if not steps:
            break
        moves += floor.make(steps[0][1])
    return moves


def _beginnings(
    floor: Floor, slopes: Slopes | None, max_moves: int, least_m: float
) -> list[tuple[list[Step], Reals, int]]:
    """(steps, ties, their budget) that a night can begin with, the best steps alone among them.

    A larger budget's exchanges are others, not more, and where a cap forbids some of them, they can
    save less than a smaller's. So there a night begins as a smaller budget's could, and goes on.
    """
    if np.isinf(floor.warehouse.aisle_picks):
        steps, ties = exchanges(floor, slopes, max_moves, least_m)
        return [([], ties, max_moves), (steps, ties, max_moves)]
    budgets = {0} | {many << i for i in range(max_moves.bit_length()) for many in (1, 3)}
    return [
        (*exchanges(floor, slopes, budget, least_m), budget)
        for budget in sorted(budgets)
        if budget <= max_moves
    ]


def _saved(night: Night) -> float:
    return sum(move.saving_m_per_day for move in night.moves)


def _make_all(floor: Floor, steps: list[Step], max_moves: int, least_m: float) -> list[Move]:
    """Make those of the steps that are worth it, the best per move first.

    A chain that is forbidden, too long or not worth it is tried again without its last move.
    """
    moves: list[Move] = []
    while steps and len(moves) < max_moves:
        short = [step for step in steps if len(step) <= max_moves - len(moves)]
        per_move_m = floor.savings(short) / np.array([len(step) for step in short])
        if (per_move_m >= least_m).any():
            best = short[int(np.argmax(per_move_m))]
            moves += floor.make(best)
            steps = [step for step in steps if step != best]
        else:
            # Without its last move a cycle would leave a SKU where it was only to make way.
            steps = [step[:-1] for step in steps if 1 < len(step) == len(dict(step))]
    return moves


def _place(
    floor: Floor, ideal: Ints, max_moves: int, least_m: float
) -> tuple[list[Move], dict[int, str]]:
    """Give new SKUs a slot, and then misplaced ones a better one, the fastest first; and why new
    ones that are left have none."""
    moves: list[Move] = []
    unplaced: dict[int, str] = {}
    picks, holds = floor.demand.picks_per_day, floor.holds.copy()
    # Else who goes there sooner may lie near what it must not, or crowd an aisle for a while.
    unruled = floor.demand.relations is None and bool(np.isinf(floor.warehouse.aisle_picks))
    new, misplaced = np.flatnonzero(floor.slot_of == NONE), floor.misplaced()
    urgent = [skus[np.argsort(-picks[skus], kind="stable")] for skus in (new, misplaced)]
    urgent[1] = urgent[1][: _TRIED_PER_MOVE * max_moves]
    for sku in np.concatenate(urgent).tolist():
        is_new = floor.slot_of[sku] == NONE
        if not is_new and len(moves) == max_moves:
            break
        steps = _placements(floor, sku, int(ideal[sku]))
        small = [step for step in steps if len(moves) + len(step) <= max_moves]
        worth = floor.savings(small) - least_m * np.array([len(step) for step in small])
        if np.isfinite(worth).any() and (not is_new or floor.may_place(sku)):
            moves += floor.make(small[int(np.argmax(worth))])
            moves = direct(holds, moves) if unruled else moves
        elif is_new:
            unplaced[sku] = _reason(floor, sku, bool(steps), crowds=bool(small))
    return moves, unplaced


def _placements(floor: Floor, sku: int, ideal: int) -> list[Step]:
    """Into the best empty slot, or in place of one in its ideal aisle; if need be, of any other."""
    warehouse, demand, empty = floor.warehouse, floor.demand, floor.empty
    open_slots = empty[fits(warehouse, demand, sku, empty) & floor.welcome(sku, empty)]
    steps: list[Step] = []
    if open_slots.size:
        steps = [((sku, _preferred(floor, sku, ideal, open_slots)),)]
    if ideal != NONE:
        steps += _steps(floor, sku, ideal, floor.walking.slot_costs(floor.picks))
    return steps or _any_exchange(floor, sku)


def _any_exchange(floor: Floor, sku: int) -> list[Step]:
    """In place of the slowest SKU that can go to an empty slot."""
    warehouse, demand, empty = floor.warehouse, floor.demand, floor.empty
    taken = floor.free[floor.holds[floor.free] != NONE]
    taken = taken[fits(warehouse, demand, sku, taken) & floor.welcome(sku, taken)]
    refuges = empty[warehouse.storage_class[empty] == demand.storage_class[sku]]
    kinds = np.column_stack(
        (
            warehouse.capacity_m3[refuges],
            warehouse.capacity_kg[refuges],
            warehouse.lift_kg[refuges],
            warehouse.aisle[refuges],
            zone_of(warehouse, demand)[refuges],
        )
    )
    refuges = refuges[np.unique(kinds, axis=0, return_index=True)[1]]  # one of each kind
    others = floor.holds[taken]
    can_go = suits(warehouse, demand, others[:, None], refuges[None, :]).any(axis=1)
    if not can_go.any():
        return []
    slowest = np.flatnonzero(can_go)[np.argmin(demand.picks_per_day[others[can_go]])]
    other = int(others[slowest])
    lasting = empty[suits(warehouse, demand, other, empty)]
    lasting = lasting[lie_apart(demand, floor.holds, other, lasting)]
    if not lasting.size:
        return []
    refuge = _preferred(floor, other, NONE, lasting)
    return [((other, refuge), (sku, int(taken[slowest])))]


def _preferred(floor: Floor, sku: int, ideal: int, slots: Ints) -> int:
    """With room for the stock, in the ideal aisle, nearest."""
    costs = floor.own_costs(floor.walking.slot_costs(floor.picks), sku)
    small = ~suits(floor.warehouse, floor.demand, sku, slots)
    aisle = floor.walking.layout.aisle
    elsewhere = aisle[slots] != (aisle[ideal] if ideal != NONE else NONE)
    return int(slots[np.lexsort((slots, costs[slots], elsewhere, small))[0]])


def _reason(floor: Floor, sku: int, possible: bool, crowds: bool) -> str:
    every = np.arange(floor.holds.size)
    if possible and not floor.may_place(sku):
        return "the last empty slots of its storage class are kept for moving others"
    if possible and not crowds:
        return "tonight's moves are used up"
    if not fits(floor.warehouse, replace(floor.demand, zones=None), sku, every).any():
        return "no slot of its storage class takes one unit by size and weight"
    if not fits(floor.warehouse, floor.demand, sku, every).any():
        return "no slot for it is in its family's aisle and apart from what it must not lie near"
    empty = floor.empty[fits(floor.warehouse, floor.demand, sku, floor.empty)]
    if empty.size and not lie_apart(floor.demand, floor.holds, sku, empty).any():
        return "what it must be kept apart from still lies beside every slot for it"
    if possible or empty.size:
        return "every aisle with a slot for it is as busy as it may be"
    return "every slot that would take it is occupied"


def _best_steps(floor: Floor, ideal: Ints, least_m: float) -> list[tuple[float, Step]]:
    """(saving, step) by saving per move, of the most promising SKUs that have any worth making."""
    costs = floor.walking.slot_costs(floor.picks)
    # A hot SKU alone in a far aisle makes that aisle look cheap; the slope at the ideal does not.
    promise = np.maximum(_promise(floor, ideal, costs), _promise(floor, ideal, floor.goal_costs))
    hopeful = np.flatnonzero(promise >= least_m)
    hopeful = hopeful[np.argsort(-promise[hopeful], kind="stable")]
    for start in range(0, hopeful.size, _TRIED_AT_ONCE):
        tried = hopeful[start : start + _TRIED_AT_ONCE].tolist()
        steps = [step for sku in tried for step in _steps(floor, sku, int(ideal[sku]), costs)]
        if not steps:
            continue
        found = [
            (float(saving), step)
            for saving, step in zip(floor.savings(steps), steps, strict=True)
            if saving >= least_m * len(step)
        ]
        if found:
            return sorted(found, key=lambda s: (-s[0] / len(s[1]), s[1]))
    return []


def _promise(floor: Floor, ideal: Ints, costs: Reals) -> Reals:
    """What each SKU (n,) would save in the nearest slot of its ideal aisle; 0 if it stays."""
    layout, now = floor.walking.layout, floor.slot_of
    cheapest = np.full(layout.aisle_x_m.size, costs.max())
    np.minimum.at(cheapest, layout.aisle[floor.free], costs[floor.free])
    stays = (ideal == NONE) | (floor.demand.face == NONE) | floor.warehouse.locked[now]
    reach = reach_m(floor.warehouse, floor.demand, np.arange(now.size), now)
    saved_m = costs[now] + reach - cheapest[layout.aisle[ideal]]
    every = np.arange(ideal.size)
    saved_m += floor.ties[every, layout.aisle[now]] - floor.ties[every, layout.aisle[ideal]]
    return np.where(stays, 0.0, floor.demand.picks_per_day * saved_m)


def _steps(floor: Floor, sku: int, ideal: int, costs: Reals) -> Iterator[Step]:
    """The ways to bring a SKU nearer within its ideal aisle."""
    warehouse, demand, layout = floor.warehouse, floor.demand, floor.walking.layout
    here, picks = int(floor.slot_of[sku]), demand.picks_per_day
    own, goal = floor.own_costs(costs, sku), floor.own_costs(floor.goal_costs, sku)
    wrong = here == NONE or not fits(warehouse, demand, sku, here)
    now_m = np.inf if wrong else own[here]
    goal_m = np.inf if wrong else goal[here]
    near = floor.free[layout.aisle[floor.free] == layout.aisle[ideal]]
    near = near[(own[near] < now_m) | (goal[near] < goal_m)]
    near = near[suits(warehouse, demand, sku, near)]
    near = near[np.argsort(own[near], kind="stable")]
    others = floor.holds[near]
    empty = floor.empty
    if (others == NONE).any():
        yield ((sku, int(near[others == NONE][0])),)
    taken, others = near[others != NONE], others[others != NONE]
    there_m = costs[taken] + reach_m(warehouse, demand, others, taken)
    here_m = costs.max() if here == NONE else costs[here] + reach_m(warehouse, demand, others, here)
    swap_m = picks[sku] * (min(now_m, own.max()) - own[taken]) + picks[others] * (there_m - here_m)
    for slot in taken[np.argsort(-swap_m, kind="stable")][:_VICTIMS].tolist():
        other = int(floor.holds[slot])
        refuges = empty[fits(warehouse, demand, other, empty)]
        refuges = refuges[lie_apart(demand, floor.holds, other, refuges)]
        if not refuges.size:
            continue
        theirs = floor.own_costs(costs, other)
        lasting = refuges[suits(warehouse, demand, other, refuges)]
        if lasting.size:
            yield ((other, int(lasting[np.argmin(theirs[lasting])])), (sku, slot))
        if here != NONE and suits(warehouse, demand, other, here):
            yield ((other, int(refuges[np.argmin(costs[refuges])])), (sku, slot), (other, here))
