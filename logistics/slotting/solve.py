"""The best slot for every SKU: min-cost flow from SKUs to slots. The only file that knows OR-Tools.

The expected walking is concave in the picks per aisle, so its slope at a layout bounds it from
above: a flow by the slope's slot costs never walks more than that layout. A few rounds of
slope and flow settle. Each round decides aisles first and then, aisle by aisle, depths; slots of
one aisle, class, level and capacity are one node of the flow.
"""

import numpy as np
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from logistics.slotting.congestion import spread
from logistics.slotting.problem import (
    NONE,
    TOLERANCE,
    Demand,
    Flags,
    Ints,
    Reals,
    Warehouse,
    bound,
    effort,
    fits,
    reach_m,
    reached_m,
    zone_of,
)
from logistics.slotting.travel import Layout, Walking

_ROUNDS = 4
# Costs are integers: walking up to _WALK; a slot too small for the stock costs more than any walk;
# leaving a SKU out costs more than making a hundred others short, and more the faster it is.
_WALK = 10**8
_SHORT = 2 * _WALK
_LEFT_OUT = 200 * _WALK
_MAX_ARCS = 4_000_000
_MAX_SIZES = (64, 16, 8, 4, 2, 1)


def assign(warehouse: Warehouse, demand: Demand, walking: Walking) -> Ints:
    """The slot of every SKU (n,) if all could be moved at once; -1: no slot is left for it.

    Locked slots keep what they hold. As many SKUs are placed as can be, the fastest first.
    """
    free = np.flatnonzero(~warehouse.locked)
    stays = bound(warehouse, demand)
    skus = np.flatnonzero(~stays)
    best = np.where(stays, demand.face, NONE)
    picks = _first_guess(warehouse, demand, walking, skus, free)
    least_m = np.inf
    for _ in range(_ROUNDS):
        slot_of = np.where(stays, demand.face, NONE)
        slot_of[skus] = _round(warehouse, demand, walking, picks, skus, free)
        picks, depth_picks_m = walking.picks_by_aisle(demand.picks_per_day, slot_of)
        metres = float(walking.metres(picks, depth_picks_m))
        metres += reached_m(warehouse, demand, slot_of)
        if metres >= least_m - 1e-6:
            break
        best, least_m = slot_of, metres
    filled = _fill(warehouse, demand, walking.slot_costs(picks), best, skus, free)
    settled = spread(warehouse, demand, walking, filled)
    return _in_order(demand, walking, picks, settled, skus)


def match(costs: Ints, allowed: Flags, left_out: Ints, room: Ints) -> Ints:
    """The cheapest group (n,) for each of n SKUs, -1 for those left out, by min-cost flow.

    costs, allowed (n, g); left_out (n,) the cost of no group; room (g,) SKUs that a group takes.
    """
    num_skus, num_groups = costs.shape
    sku, group = np.nonzero(allowed)
    sink = num_skus + num_groups
    flow = SimpleMinCostFlow()
    ones = np.ones(num_skus, dtype=np.int64)
    arcs = flow.add_arcs_with_capacity_and_unit_cost(
        sku, num_skus + group, np.ones(sku.size, dtype=np.int64), costs[sku, group]
    )
    every_sku, every_group = np.arange(num_skus), np.arange(num_groups)
    flow.add_arcs_with_capacity_and_unit_cost(every_sku, ones * sink, ones, left_out)
    flow.add_arcs_with_capacity_and_unit_cost(
        num_skus + every_group, np.full(num_groups, sink), room, np.zeros(num_groups, dtype=int)
    )
    flow.set_nodes_supplies(every_sku, ones)
    flow.set_node_supply(sink, -num_skus)
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise AssertionError(f"min-cost flow ended with {status.name}")
    chosen = np.full(num_skus, NONE, dtype=np.int64)
    used = flow.flows(arcs) > 0 if sku.size else np.zeros(0, dtype=bool)
    chosen[sku[used]] = group[used]
    return chosen


def _fill(
    warehouse: Warehouse, demand: Demand, costs_m: Reals, slot_of: Ints, skus: Ints, free: Ints
) -> Ints:
    """What fits only the true size of a slot whose size was rounded down, the fastest first."""
    filled = slot_of.copy()
    empty = np.setdiff1d(free, slot_of)
    left_out = skus[slot_of[skus] == NONE]
    for sku in left_out[np.argsort(-demand.picks_per_day[left_out], kind="stable")].tolist():
        open_slots = empty[fits(warehouse, demand, sku, empty)]
        if open_slots.size:
            own_m = costs_m[open_slots] + reach_m(warehouse, demand, sku, open_slots)
            filled[sku] = open_slots[np.argmin(own_m)]
            empty = empty[empty != filled[sku]]
    return filled


def _in_order(demand: Demand, walking: Walking, picks: Reals, slot_of: Ints, skus: Ints) -> Ints:
    """SKUs that are alike in everything change places until they lie in the order of their ids.

    It costs nothing by the model, and families of articles have neighbouring ids and are bought
    together: on real order lines this walked 1.5 to 4 % less.
    """
    placed = skus[slot_of[skus] != NONE]
    traits = [demand.picks_per_day, demand.storage_class, demand.unit_m3, demand.unit_kg]
    traits += [demand.stock_m3, demand.stock_kg]
    if demand.zones is not None:
        traits += [demand.zones.home, demand.zones.group]
    alike = np.column_stack([trait[placed] for trait in traits])
    kind = np.unique(alike, axis=0, return_inverse=True)[1].reshape(-1)
    slots = slot_of[placed]
    costs_m = walking.slot_costs(picks)[slots]
    ordered = slot_of.copy()
    ordered[placed[np.lexsort((placed, kind))]] = slots[np.lexsort((slots, costs_m, kind))]
    return ordered


def _first_guess(
    warehouse: Warehouse, demand: Demand, walking: Walking, skus: Ints, free: Ints
) -> Reals:
    """Picks per aisle when, class by class, the fastest SKUs fill the aisles next to the depot."""
    layout = walking.layout
    distance_m = np.abs(layout.aisle_x_m - layout.depot_x_m)[layout.aisle]
    guess = np.full(demand.face.size, NONE)
    for storage_class in np.unique(demand.storage_class):
        slots = free[warehouse.storage_class[free] == storage_class]
        slots = slots[np.lexsort((slots, layout.depth_m[slots], distance_m[slots]))]
        mine = skus[demand.storage_class[skus] == storage_class]
        mine = mine[np.argsort(-demand.picks_per_day[mine], kind="stable")][: slots.size]
        guess[mine] = slots[: mine.size]
    guess = np.where(bound(warehouse, demand), demand.face, guess)
    return walking.picks_by_aisle(demand.picks_per_day, guess)[0]


def _round(
    warehouse: Warehouse, demand: Demand, walking: Walking, picks: Reals, skus: Ints, free: Ints
) -> Ints:
    """The slots of the SKUs, cheapest by the slope at these picks: the aisle, then the depth."""
    layout = walking.layout
    aisle_costs_m = walking.aisle_costs(picks)[layout.aisle]
    slot_of = _place(warehouse, demand, layout, aisle_costs_m, skus, free)
    aisle_of = np.where(slot_of == NONE, NONE, layout.aisle[slot_of])
    for aisle in np.unique(aisle_of[aisle_of != NONE]):
        here, slots = np.flatnonzero(aisle_of == aisle), free[layout.aisle[free] == aisle]
        slot_of[here] = _place(warehouse, demand, layout, walking.depth_costs, skus[here], slots)
    return slot_of


def _place(
    warehouse: Warehouse, demand: Demand, layout: Layout, costs_m: Reals, skus: Ints, slots: Ints
) -> Ints:
    """The slot (n,) of each SKU that makes Σ picks × cost least.

    costs_m (s,) of walking per pick; reaching the slot is added, by the SKU's weight.
    """
    if not skus.size or not slots.size:
        return np.full(skus.size, NONE, dtype=np.int64)
    kinds, one_of, group, room = alike(warehouse, demand, layout, costs_m, slots, skus.size)
    cost_m, storage_class, reach, lift_kg, m3, kg = kinds.T[2:]
    m3, kg, lift_kg = m3 + TOLERANCE, kg + TOLERANCE, lift_kg + TOLERANCE
    allowed = demand.storage_class[skus, None] == storage_class
    allowed &= (demand.unit_m3[skus, None] <= m3) & (
        demand.unit_kg[skus, None] <= np.minimum(kg, lift_kg)
    )
    if demand.zones is not None:
        allowed &= demand.zones.admit(skus[:, None], one_of)
    short = (demand.stock_m3[skus, None] > m3) | (demand.stock_kg[skus, None] > kg)
    own_m = cost_m + effort(demand)[skus, None] * reach
    walk_m = demand.picks_per_day[skus, None] * own_m
    walk = np.rint(walk_m * (_WALK / max(walk_m.max(), 1e-9))).astype(np.int64)
    picks = demand.picks_per_day[skus]
    left_out = np.rint(picks * (2 * _WALK / max(picks.max(), 1e-9))).astype(np.int64) + _LEFT_OUT
    chosen = match(walk + short * _SHORT, allowed, left_out, room)
    slot_of = np.full(skus.size, NONE, dtype=np.int64)
    # Within a group all slots cost the same; the fastest SKU takes the one nearest the front.
    by_group = np.lexsort((slots, layout.depth_m[slots], group))
    placed = np.flatnonzero(chosen != NONE)
    fastest = placed[np.lexsort((placed, -demand.picks_per_day[skus[placed]], chosen[placed]))]
    first_slot = np.cumsum(room) - room
    first_sku = np.searchsorted(chosen[fastest], chosen[fastest])
    place = first_slot[chosen[fastest]] + np.arange(fastest.size) - first_sku
    slot_of[fastest] = slots[by_group[place]]
    return slot_of


def alike(
    warehouse: Warehouse,
    demand: Demand,
    layout: Layout,
    costs_m: Reals,
    slots: Ints,
    num_skus: int,
) -> tuple[Reals, Ints, Ints, Ints]:
    """Slots alike (g, 8), one slot of each, the group of each slot, and how many slots a group has;
    a group is its zone, aisle, cost, class, reach_m, lift_kg, m3 and kg.

    Where every slot has measures of its own the flow would be too large, so capacities are then
    rounded down to fewer sizes: what fits the smaller size fits the slot.
    """
    for sizes in _MAX_SIZES:
        kind = (
            zone_of(warehouse, demand)[slots].astype(np.float64),
            layout.aisle[slots].astype(np.float64),
            costs_m[slots],
            warehouse.storage_class[slots].astype(np.float64),
            warehouse.reach_m[slots],
            warehouse.lift_kg[slots],
            _round_down(warehouse.capacity_m3[slots], sizes),
            _round_down(warehouse.capacity_kg[slots], sizes),
        )
        kinds, one_of, group, room = np.unique(
            np.column_stack(kind),
            axis=0,
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        if len(kinds) * num_skus <= _MAX_ARCS:
            break
    return kinds, slots[one_of], group.reshape(-1), room


def _round_down(values: Reals, sizes: int) -> Reals:
    """Values rounded down to at most so many sizes, each standing for as many slots."""
    distinct = np.unique(values)
    if distinct.size <= sizes:
        return values
    steps = np.unique(np.quantile(values, np.arange(sizes) / sizes, method="lower"))
    rounded: Reals = steps[np.searchsorted(steps, values, side="right") - 1]
    return rounded
