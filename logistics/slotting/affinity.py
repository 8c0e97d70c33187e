"""What is picked together comes to lie together, and a gate that asks later orders about it.

A pick costs walking only if its tour would not enter the aisle anyway. `gather` counts, in past
tours, how often each SKU's fellow picks leave an aisle unentered, shrinks that towards what holds
of all SKUs, and re-assigns SKUs to aisles by these costs, a part of them at a time. Slots change
hands only among SKUs that lie in slots of one kind, so no rule can break. Knows no tables.
"""

from dataclasses import replace

import numpy as np

from logistics.slotting.problem import NONE, Demand, Ints, Reals, Warehouse
from logistics.slotting.solve import match
from logistics.slotting.travel import Layout, Tours, walk

_ROUNDS = 20
_MOVING = 0.35  # share of SKUs that may move in a round: all at once would chase each other
_USUAL_TOURS = 10.0  # tours of all SKUs that count beside a SKU's own
_JUDGED = 0.25  # share of the tours, the latest, that say whether it helps
_CLEARLY = 0.005
_COST = 10**8


def gather(
    warehouse: Warehouse,
    layout: Layout,
    tours: Tours,
    picks_per_day: Reals,
    slot_of: Ints,
    rounds: int = _ROUNDS,
    seed: int = 0,
) -> Ints:
    """The slots (n,) after SKUs that are picked together have changed places.

    picks_per_day (n,) is expected, tours are past; slot_of (n,): -1 for no slot.
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
    for _ in range(rounds):
        costs_m = picks_per_day[:, None] * _aisle_costs(layout, tours, settled)
        moving = placed[rng.random(placed.size) < _MOVING]
        for one in np.unique(kind[settled[moving]]):
            skus = moving[kind[settled[moving]] == one]
            settled[skus] = _exchange(layout, costs_m[skus], picks_per_day[skus], settled[skus])
    return settled


def gather_if_it_helps(
    warehouse: Warehouse, demand: Demand, layout: Layout, tours: Tours, slot_of: Ints
) -> Ints:
    """Gathered by all tours, if what the earlier ones teach shortens the later ones; else as it is.

    tours are in the order of time. SKUs with relations stay where they are.
    """
    if not tours.tour.size or not (slot_of != NONE).any():
        return slot_of
    last = int(tours.tour[-1] * (1 - _JUDGED))
    is_later = tours.tour > last
    earlier = Tours(tours.tour[~is_later], tours.sku[~is_later])
    later = Tours(tours.tour[is_later] - last - 1, tours.sku[is_later])
    picks_per_day = demand.picks_per_day
    warehouse = _without_related(warehouse, demand, slot_of)
    tried = gather(warehouse, layout, earlier, picks_per_day, slot_of)
    if not helps(layout, later, slot_of, tried):
        return slot_of
    return gather(warehouse, layout, tours, picks_per_day, slot_of)


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


def _aisle_costs(layout: Layout, tours: Tours, slot_of: Ints) -> Reals:
    """Metres (n, a) that a pick of the SKU adds to a tour if the SKU lies in the aisle."""
    lying = slot_of[tours.sku] != NONE
    order = np.argsort(tours.sku[lying], kind="stable")
    tour, sku = tours.tour[lying][order], tours.sku[lying][order]
    if not sku.size:
        return np.zeros((slot_of.size, layout.aisle_x_m.size))
    aisle, x_m = layout.aisle[slot_of[sku]], layout.aisle_x_m
    picks = np.zeros((int(tour.max()) + 1, x_m.size), dtype=np.int32)
    np.add.at(picks, (tour, aisle), 1)
    fellows = picks[tour]
    fellows[np.arange(tour.size), aisle] -= 1
    entered = fellows > 0
    left_m = np.where(entered, x_m, layout.depot_x_m).min(axis=1).clip(max=layout.depot_x_m)
    right_m = np.where(entered, x_m, layout.depot_x_m).max(axis=1).clip(min=layout.depot_x_m)
    beyond_m = np.maximum(x_m - right_m[:, None], 0.0) + np.maximum(left_m[:, None] - x_m, 0.0)
    added_m = np.where(entered, 0.0, layout.length_m) + 2 * beyond_m
    own, first, count = np.unique(sku, return_index=True, return_counts=True)
    usual_m = added_m.mean(axis=0)
    costs_m: Reals = np.tile(usual_m, (slot_of.size, 1))
    total_m = np.add.reduceat(added_m, first, axis=0) + _USUAL_TOURS * usual_m
    costs_m[own] = total_m / (count + _USUAL_TOURS)[:, None]
    return costs_m


def _exchange(layout: Layout, costs_m: Reals, picks_per_day: Reals, slots: Ints) -> Ints:
    """The same slots, dealt to the SKUs (n,) by costs_m (n, a); in an aisle the fastest first."""
    room = np.bincount(layout.aisle[slots], minlength=costs_m.shape[1])
    costs = np.rint(costs_m * (_COST / max(costs_m.max(), 1e-9))).astype(np.int64)
    everywhere = np.ones(costs.shape, dtype=bool)
    aisle_of = match(costs, everywhere, np.full(slots.size, 10 * _COST), room)
    by_aisle = slots[np.lexsort((slots, layout.depth_m[slots], layout.aisle[slots]))]
    fastest = np.lexsort((np.arange(slots.size), -picks_per_day, aisle_of))
    dealt = np.empty_like(slots)
    dealt[fastest] = by_aisle
    return dealt
