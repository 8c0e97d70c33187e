"""Tonight's layout → the steps that pay best together, by a price per move.

What a pick of a SKU walks in each aisle depends on what else lies there, so it is asked of the
layout that the moves lead to, again and again, and averaged: moves that chase each other settle
(fictitious play; Brown 1951). Between two layouts the mean of both ends' costs is right to the
second order, and what it adds to the expected walking is handed back as `ties`. Slots of one aisle
and size are a group; who comes into a group gets the nearest slots that are open there. Steps are
whole: a chain into an empty slot, or a cycle over one. Knows no tables.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from logistics.slotting.floor import Floor, Step
from logistics.slotting.price import priced, sequences
from logistics.slotting.problem import (
    NONE,
    Flags,
    Ints,
    Reals,
    fits,
    reach_m,
    suits,
)
from logistics.slotting.solve import alike

_ROUNDS = 4

# Metres (n, a) that a pick of each SKU adds in each aisle, where the SKUs (n,) lie in these slots.
Slopes = Callable[[Ints], Reals]


def exchanges(
    floor: Floor, slopes: Slopes | None, max_moves: int, least_m: float
) -> tuple[list[Step], Reals]:
    """Steps of at most max_moves moves in all, cycles' moves out of the way not counted, and ties.

    A move has to save least_m metres a day. Steps touch no slot of each other. ties (n, a): metres
    per pick of a SKU in an aisle beyond the expected walking; 0 without slopes of its own.
    """
    walked = partial(_slopes, floor)
    slopes = slopes or walked
    shelves = _Shelves(floor)
    begin_m = mean_m = slopes(floor.slot_of)
    usual_m = walked(floor.slot_of)
    target = floor.slot_of
    for number in range(2, _ROUNDS + 1):
        target = shelves.move(mean_m, usual_m, max_moves, least_m)
        end_m = slopes(target)
        mean_m = mean_m + (end_m - mean_m) / number
        usual_m = usual_m + (walked(target) - usual_m) / number
    target = shelves.move(mean_m, usual_m, max_moves, least_m)
    walked_m = walked(floor.slot_of) + walked(target)
    ties = (begin_m + slopes(target) - walked_m) / 2
    return _steps(floor, target), np.broadcast_to(ties, (target.size, ties.shape[1]))


def _slopes(floor: Floor, slot_of: Ints) -> Reals:
    """Metres per pick (1, a) of any SKU, by the expected walking alone."""
    picks = floor.walking.picks_by_aisle(floor.demand.picks_per_day, slot_of)[0]
    return floor.walking.aisle_costs(picks)[None, :]


class _Shelves:
    """The SKUs that may move (k,) and the groups of slots (g,) they may move to."""

    def __init__(self, floor: Floor) -> None:
        warehouse, demand, slot_of = floor.warehouse, floor.demand, floor.slot_of
        self.floor = floor
        placed = (demand.face != NONE) & (slot_of != NONE)
        self.skus = np.flatnonzero(placed & ~warehouse.locked[slot_of])
        usable = np.zeros(floor.holds.size, dtype=bool)
        usable[~warehouse.locked & (floor.holds == NONE)] = True
        usable[slot_of[self.skus]] = True
        self.slots = np.flatnonzero(usable)
        layout = floor.walking.layout
        same = np.zeros(usable.size)
        num_skus = max(self.skus.size, 1)
        _, one_of, group, self.room = alike(warehouse, demand, layout, same, self.slots, num_skus)
        self.group_of = np.full(usable.size, NONE)
        self.group_of[self.slots] = group
        self.aisle = layout.aisle[one_of]
        self.home = self.group_of[slot_of[self.skus]]
        self.allowed: Flags = suits(warehouse, demand, self.skus[:, None], one_of)
        self.allowed[np.arange(self.skus.size), self.home] = True
        self.reach_m = reach_m(warehouse, demand, self.skus[:, None], one_of)

    def move(self, per_pick_m: Reals, usual_m: Reals, max_moves: int, least_m: float) -> Ints:
        """The slots (n,) after the best moves by metres per pick (n or 1, a).

        usual_m (1, a): those of a newcomer, for whom a SKU leaves one slot and takes another.
        """
        if not self.skus.size:
            return self.floor.slot_of
        picks = self.floor.demand.picks_per_day
        own_m = np.broadcast_to(per_pick_m, (picks.size, per_pick_m.shape[1]))[self.skus]
        costs_m = picks[self.skus, None] * (own_m[:, self.aisle] + self.reach_m)
        costs_m -= self.floor.walking.newcomer_picks * usual_m[:, self.aisle]
        group = priced(costs_m, self.allowed, self.home, self.room, max_moves, least_m)
        return self._deal(group)

    def _deal(self, group: Ints) -> Ints:
        """Who stays keeps his slot, of those who come to a group the fastest get the nearest."""
        floor, moving = self.floor, np.flatnonzero(group != self.home)
        slot_of = floor.slot_of.copy()
        slot_of[self.skus[moving]] = NONE
        unused = np.setdiff1d(self.slots, slot_of)
        depth_m, speed = floor.walking.layout.depth_m, floor.demand.picks_per_day
        for target in np.unique(group[moving]):
            mine = self.skus[moving[group[moving] == target]]
            near = unused[self.group_of[unused] == target]
            near = near[np.lexsort((near, depth_m[near]))]
            slot_of[mine[np.argsort(-speed[mine], kind="stable")]] = near[: mine.size]
        return slot_of


def _steps(floor: Floor, target: Ints) -> list[Step]:
    """Chains as they are, cycles over an empty slot that nobody goes to, and only what fits."""
    warehouse, demand = floor.warehouse, floor.demand
    empty = np.flatnonzero(~warehouse.locked & (floor.holds == NONE))
    chains, cycles = sequences(floor.slot_of, target, empty)
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
