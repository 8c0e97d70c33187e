"""What is picked together comes to lie together, and a gate that asks later orders about it.

A pick costs walking only if its tour would not enter the aisle anyway. `gather` counts, in past
tours, how often each SKU's fellow picks leave an aisle unentered, shrinks that towards what holds
of SKUs that are bought alike and of all SKUs, and re-assigns SKUs to aisles by these costs, a part
of them at a time. The costs are noisy at first, as in annealing: without noise each seed ended in a
layout of its own, and the longer one made past tours walk, the longer later ones did. Slots change
hands only among SKUs that lie in slots of one kind, so no rule can break. Knows no tables.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from logistics.slotting.exchanges import Slopes
from logistics.slotting.fellows import Fellows, fellows
from logistics.slotting.problem import NONE, Demand, Flags, Ints, Reals, Warehouse
from logistics.slotting.solve import match
from logistics.slotting.travel import Layout, Tours, walk

_ROUNDS, _TRIAL_ROUNDS = 80, 10
_MOVING = 0.6  # share of SKUs that may move in a round: all at once would chase each other
_HOT, _COLD = 0.6, 0.0006  # aisle lengths: noise on what a pick adds, in the first and last round
# Beside its own tours a SKU counts so many of those that are bought alike, and they of all SKUs'.
_FELLOW_TOURS, _USUAL_TOURS = 20.0, 30.0
_REACH = 5  # neighbouring ids on each side
_JUDGED = 0.25  # share of the tours, the latest, that say whether it helps
_CLEARLY = 0.005
_COST = 10**8


def gather(
    warehouse: Warehouse,
    layout: Layout,
    added_m: Slopes,
    picks_per_day: Reals,
    slot_of: Ints,
    rounds: int = _ROUNDS,
    seed: int = 0,
) -> Ints:
    """The slots (n,) after SKUs that are picked together have changed places.

    added_m: the `slopes` of past tours; picks_per_day (n,) is expected; slot_of (n,): -1 for no
    slot.
    """
    rng = np.random.default_rng(seed)
    kind = np.unique(
        np.column_stack(
            (
                warehouse.storage_class,
                warehouse.capacity_m3,
                warehouse.capacity_kg,
                warehouse.reach_m,
                warehouse.lift_kg,
            )
        ),
        axis=0,
        return_inverse=True,
    )[1].reshape(-1)
    placed = np.flatnonzero(slot_of != NONE)
    placed = placed[~warehouse.locked[slot_of[placed]]]
    settled = slot_of.copy()
    for number in range(rounds):
        heat_m = layout.length_m * _HOT * (_COLD / _HOT) ** (number / rounds)
        pick_m = added_m(settled)
        costs_m = picks_per_day[:, None] * (pick_m + heat_m * rng.standard_normal(pick_m.shape))
        moving = placed[rng.random(placed.size) < _MOVING]
        for one in np.unique(kind[settled[moving]]):
            skus = moving[kind[settled[moving]] == one]
            settled[skus] = _exchange(layout, costs_m[skus], picks_per_day[skus], settled[skus])
    return settled


def gather_if_it_helps(
    warehouse: Warehouse, demand: Demand, layout: Layout, tours: Tours, slot_of: Ints
) -> tuple[Ints, Slopes] | None:
    """Gathered by all tours, and by which slopes, if what the earlier ones teach shortens the later
    ones; else None.

    tours are in the order of time. SKUs with relations stay where they are.
    """
    if not tours.tour.size or not (slot_of != NONE).any():
        return None
    last = int(tours.tour[-1] * (1 - _JUDGED))
    earlier, later = tours.between(0, last + 1), tours.between(last + 1, len(tours))
    picks_per_day = demand.picks_per_day
    warehouse = _without_related(warehouse, demand, slot_of)
    taught_m = slopes(layout, earlier, slot_of.size)
    tried = gather(warehouse, layout, taught_m, picks_per_day, slot_of, _TRIAL_ROUNDS)
    if not helps(layout, later, slot_of, tried):
        return None
    added_m = slopes(layout, tours, slot_of.size)
    return gather(warehouse, layout, added_m, picks_per_day, slot_of), added_m


def helps(layout: Layout, later: Tours, before: Ints, after: Ints) -> bool:
    """Whether tours later than those learnt from walk clearly less in the layout after."""
    walked_m = walk(layout, later, before).sum()
    return bool(walk(layout, later, after).sum() < (1 - _CLEARLY) * walked_m)


def _without_related(warehouse: Warehouse, demand: Demand, slot_of: Ints) -> Warehouse:
    """The warehouse with the slots locked that hold SKUs of a family or a group."""
    if demand.relations is None:
        return warehouse
    family, group = demand.relations.family, demand.relations.group
    locked = warehouse.locked.copy()
    locked[slot_of[(slot_of != NONE) & ((family != NONE) | (group != NONE))]] = True
    return replace(warehouse, locked=locked)


def slopes(layout: Layout, tours: Tours, num_skus: int) -> Slopes:
    """Metres (n, a) that a pick of each SKU adds to a tour if the SKU lies in the aisle, by the
    slots (n,) of all. Of tours that lie further back less is learnt.
    """
    alike = fellows(tours, tours.weights, num_skus)
    by_sku = np.argsort(tours.sku, kind="stable")
    ordered = Tours(tours.tour[by_sku], tours.sku[by_sku])
    return partial(_aisle_costs, layout, ordered, tours.weights, alike)


def _aisle_costs(
    layout: Layout, by_sku: Tours, weights: Reals, alike: Fellows, slot_of: Ints
) -> Reals:
    num_aisles = layout.aisle_x_m.size
    lying = slot_of[by_sku.sku] != NONE
    tour, sku = by_sku.tour[lying], by_sku.sku[lying]
    total_m, count = np.zeros((slot_of.size, num_aisles)), np.zeros(slot_of.size)
    if not sku.size:
        return total_m
    aisle = layout.aisle[slot_of[sku]]
    picks = np.bincount(tour * num_aisles + aisle, minlength=weights.size * num_aisles)
    picks = picks.reshape(-1, num_aisles)
    added_m = _added(layout, picks > 0)[tour]
    # Where a pick is its tour's only one in the aisle, the fellows leave that aisle unentered.
    alone = np.flatnonzero(picks[tour, aisle] == 1)
    entered = picks[tour[alone]] > 0
    entered[np.arange(alone.size), aisle[alone]] = False
    added_m[alone] = _added(layout, entered)
    weight = weights[tour]
    own, first = np.unique(sku, return_index=True)
    total_m[own] = np.add.reduceat(added_m * weight[:, None], first, axis=0)
    count[own] = np.add.reduceat(weight, first)
    usual_m = total_m.sum(axis=0) / count.sum()
    fellows_m = (_of_alike(alike, total_m) + _USUAL_TOURS * usual_m) / (
        _of_alike(alike, count[:, None]) + _USUAL_TOURS
    )
    costs_m: Reals = (total_m + _FELLOW_TOURS * fellows_m) / (count + _FELLOW_TOURS)[:, None]
    return costs_m


def _of_alike(alike: Fellows, rows: Reals) -> Reals:
    """Sums (n, a) of the rows (n, a) of who is bought in the same tours, and of those with the
    neighbouring ids: families of articles have them, and are bought alike before tours can tell.

    On four origins of real order lines the former brought 0.6 points more of the oracle's gain.
    """
    sums = np.pad(rows, ((_REACH + 1, _REACH), (0, 0))).cumsum(axis=0)
    near = sums[2 * _REACH + 1 :] - sums[: -2 * _REACH - 1] - rows
    of_both: Reals = near + alike.sums(rows)
    return of_both


def _added(layout: Layout, entered: Flags) -> Reals:
    """Metres (..., a) that entering one more aisle adds where the aisles entered (..., a) are."""
    x_m, depot_x_m = layout.aisle_x_m, layout.depot_x_m
    reached_m = np.where(entered, x_m, depot_x_m)
    left_m, right_m = reached_m.min(axis=-1), reached_m.max(axis=-1)
    left_m, right_m = np.minimum(left_m, depot_x_m), np.maximum(right_m, depot_x_m)
    beyond_m = np.maximum(x_m - right_m[:, None], left_m[:, None] - x_m).clip(min=0.0)
    added: Reals = np.where(entered, 0.0, layout.length_m) + 2 * beyond_m
    return added


def _exchange(layout: Layout, costs_m: Reals, picks_per_day: Reals, slots: Ints) -> Ints:
    """The same slots, dealt to the SKUs (n,) by costs_m (n, a); in an aisle the fastest first."""
    room = np.bincount(layout.aisle[slots], minlength=costs_m.shape[1])
    costs_m = costs_m - costs_m.min(axis=1, keepdims=True)  # noise may have taken them below 0
    costs = np.rint(costs_m * (_COST / max(costs_m.max(), 1e-9))).astype(np.int64)
    everywhere = np.ones(costs.shape, dtype=bool)
    aisle_of = match(costs, everywhere, np.full(slots.size, 10 * _COST), room)
    by_aisle = slots[np.lexsort((slots, layout.depth_m[slots], layout.aisle[slots]))]
    fastest = np.lexsort((np.arange(slots.size), -picks_per_day, aisle_of))
    dealt = np.empty_like(slots)
    dealt[fastest] = by_aisle
    return dealt
