"""Tonight's layout → the steps that pay best together, by a price per move.

What a pick of a SKU walks in each aisle depends on what else lies there, so it is asked of the
layout that the moves lead to, again and again, and averaged: moves that chase each other settle
(fictitious play; Brown 1951). Between two layouts the mean of both ends' costs is right to the
second order, and what it adds to the expected walking is handed back as `ties`. Slots of one aisle
and size are a group; who comes into a group gets the nearest slots that are open there. Steps are
whole: a chain into an empty slot, or a cycle over one. Knows no tables.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from logistics.slotting.price import Chain, priced, sequences
from logistics.slotting.problem import NONE, Demand, Flags, Ints, Reals, Warehouse, fits, suits
from logistics.slotting.solve import alike
from logistics.slotting.travel import Walking

_ROUNDS = 4

# Metres (n, a) that a pick of each SKU adds in each aisle, where the SKUs (n,) lie in these slots.
Slopes = Callable[[Ints], Reals]


@dataclass(frozen=True, slots=True, eq=False)
class Tonight:
    """What lies where: SKUs (n,) in slot_of, slots (s,) holding holds."""

    warehouse: Warehouse
    demand: Demand
    walking: Walking
    slot_of: Ints
    holds: Ints

    def slopes(self, slot_of: Ints) -> Reals:
        """Metres per pick (1, a) of any SKU, by the expected walking alone."""
        picks = self.walking.picks_by_aisle(self.demand.picks_per_day, slot_of)[0]
        return self.walking.aisle_costs(picks)[None, :]


def exchanges(
    tonight: Tonight, slopes: Slopes | None, max_moves: int, least_m: float
) -> tuple[list[Chain], Reals]:
    """Steps of at most max_moves moves in all, cycles' moves out of the way not counted, and ties.

    A move has to save least_m metres a day. Steps touch no slot of each other. ties (n, a): metres
    per pick of a SKU in an aisle beyond the expected walking; 0 without slopes of its own.
    """
    slopes = slopes or tonight.slopes
    shelves = _Shelves(tonight)
    begin_m = mean_m = slopes(tonight.slot_of)
    target = tonight.slot_of
    for number in range(2, _ROUNDS + 1):
        target = shelves.move(mean_m, max_moves, least_m)
        end_m = slopes(target)
        mean_m = mean_m + (end_m - mean_m) / number
    target = shelves.move(mean_m, max_moves, least_m)
    walked_m = tonight.slopes(tonight.slot_of) + tonight.slopes(target)
    ties = (begin_m + slopes(target) - walked_m) / 2
    return _steps(tonight, target), np.broadcast_to(ties, (target.size, ties.shape[1]))


class _Shelves:
    """The SKUs that may move (k,) and the groups of slots (g,) they may move to."""

    def __init__(self, tonight: Tonight) -> None:
        warehouse, demand, slot_of = tonight.warehouse, tonight.demand, tonight.slot_of
        self.tonight = tonight
        placed = (demand.face != NONE) & (slot_of != NONE)
        self.skus = np.flatnonzero(placed & ~warehouse.locked[slot_of])
        usable = np.zeros(tonight.holds.size, dtype=bool)
        usable[~warehouse.locked & (tonight.holds == NONE)] = True
        usable[slot_of[self.skus]] = True
        self.slots = np.flatnonzero(usable)
        layout = tonight.walking.layout
        same = np.zeros(usable.size)
        _, group, self.room = alike(warehouse, layout, same, self.slots, max(self.skus.size, 1))
        self.group_of = np.full(usable.size, NONE)
        self.group_of[self.slots] = group
        first = np.unique(group, return_index=True)[1]
        self.aisle = layout.aisle[self.slots[first]]
        self.home = self.group_of[slot_of[self.skus]]
        self.allowed: Flags = suits(warehouse, demand, self.skus[:, None], self.slots[first])
        self.allowed[np.arange(self.skus.size), self.home] = True

    def move(self, per_pick_m: Reals, max_moves: int, least_m: float) -> Ints:
        """The slots (n,) after the best moves by metres per pick (n or 1, a)."""
        if not self.skus.size:
            return self.tonight.slot_of
        picks = self.tonight.demand.picks_per_day
        own_m = np.broadcast_to(per_pick_m, (picks.size, per_pick_m.shape[1]))[self.skus]
        costs_m = picks[self.skus, None] * own_m[:, self.aisle]
        group = priced(costs_m, self.allowed, self.home, self.room, max_moves, least_m)
        return self._deal(group)

    def _deal(self, group: Ints) -> Ints:
        """Who stays keeps his slot, of those who come to a group the fastest get the nearest."""
        tonight, moving = self.tonight, np.flatnonzero(group != self.home)
        slot_of = tonight.slot_of.copy()
        slot_of[self.skus[moving]] = NONE
        unused = np.setdiff1d(self.slots, slot_of)
        depth_m, speed = tonight.walking.layout.depth_m, tonight.demand.picks_per_day
        for target in np.unique(group[moving]):
            mine = self.skus[moving[group[moving] == target]]
            near = unused[self.group_of[unused] == target]
            near = near[np.lexsort((near, depth_m[near]))]
            slot_of[mine[np.argsort(-speed[mine], kind="stable")]] = near[: mine.size]
        return slot_of


def _steps(tonight: Tonight, target: Ints) -> list[Chain]:
    """Chains as they are, cycles over an empty slot that nobody goes to, and only what fits."""
    warehouse, demand = tonight.warehouse, tonight.demand
    empty = np.flatnonzero(~warehouse.locked & (tonight.holds == NONE))
    chains, cycles = sequences(tonight.slot_of, target, empty)
    spare = np.setdiff1d(empty, target)
    for cycle in cycles:
        sku, slot = cycle[-1]
        refuges = spare[fits(warehouse, demand, sku, spare)]
        if refuges.size:
            chains.append(((sku, int(refuges[0])), *cycle[:-1], (sku, slot)))
    return [
        chain
        for chain in chains
        if all(suits(warehouse, demand, sku, slot) for sku, slot in dict(chain).items())
    ]
