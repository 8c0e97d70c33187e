"""Where families, and groups that must be kept apart, may lie: decided before any SKU's slot.

A family gets one aisle: the one where most of it lies, else the one with which all SKUs together
walk least, roughly reckoned. Of two groups that must be apart the smaller gets bays of its own,
those it has to itself now or else around the bay where it would be picked most, and the other may
lie in none of these nor beside them. Within their zones the SKUs are placed like all others, and
whatever the slots, no relation breaks. Also says who lies near whom while SKUs are moved. Knows
slots and the free layout; no solver, no tables.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from logistics.slotting.problem import (
    NONE,
    Demand,
    Flags,
    Ints,
    Reals,
    Relations,
    Warehouse,
    Zones,
    bound,
    fits,
)
from logistics.slotting.travel import Walking


def zoned(warehouse: Warehouse, demand: Demand, walking: Walking, free_layout: Ints) -> Demand:
    """The demand with its zones; free_layout (n,): the slots of an ideal without relations."""
    relations = demand.relations
    assert relations is not None
    bay = bays(warehouse)
    anywhere = np.full(relations.group.size, NONE)
    closed = np.zeros((len(relations.apart), int(bay.max()) + 1), dtype=bool)
    zones = Zones(relations.group, anywhere, walking.layout.aisle, bay, closed)
    zones = _apart(warehouse, demand, relations, zones, free_layout)
    apart = replace(demand, zones=zones)
    home = _homes(warehouse, apart, relations, walking, free_layout)
    return replace(demand, zones=replace(zones, home=home))


def bays(warehouse: Warehouse) -> Ints:
    """The number of every slot's bay, aisle by aisle, with one number left out between aisles."""
    places = np.column_stack((warehouse.aisle, warehouse.y_m))
    distinct, bay = np.unique(places, axis=0, return_inverse=True)
    aisles_before = np.unique(distinct[:, 0], return_inverse=True)[1]
    numbers: Ints = (np.arange(len(distinct)) + aisles_before)[bay.reshape(-1)]
    return numbers


def lie_apart(demand: Demand, holds: Ints, sku: int, slots: Ints) -> Flags:
    """Whether the SKU in each of the slots (k,) would be apart from what holds (s,) names."""
    relations, zones = demand.relations, demand.zones
    if relations is None or zones is None or not relations.apart[relations.group[sku]].any():
        return np.ones(slots.size, dtype=bool)
    clashing = np.unique(zones.bay[relations.clash(sku, holds)])
    near = np.concatenate((clashing - 1, clashing, clashing + 1))
    apart: Flags = ~np.isin(zones.bay[slots], near)
    return apart


def come_near(
    demand: Demand, holds: Ints, slot_of: Ints, carries: Iterable[tuple[int, int]]
) -> bool:
    """Whether one of the carries (SKU, slot), in order, brings together what must be apart."""
    if demand.relations is None:
        return False
    holds, slot_of = holds.copy(), slot_of.copy()
    for sku, target in carries:
        if not lie_apart(demand, holds, sku, np.array([target])).all():
            return True
        if slot_of[sku] != NONE:
            holds[slot_of[sku]] = NONE
        holds[target], slot_of[sku] = sku, target
    return False


def _apart(
    warehouse: Warehouse, demand: Demand, relations: Relations, zones: Zones, free_layout: Ints
) -> Zones:
    """The zones with bays closed to groups, so that no two that must be apart come near."""
    closed, held = zones.closed.copy(), _groups_in_bays(warehouse, relations, zones)
    locked = _groups_in_bays(warehouse, relations, zones, warehouse.locked)
    num_groups = len(closed) - 1
    for group in range(num_groups):
        closed[relations.apart[group]] |= _beside(locked[group])
    sizes = np.bincount(relations.group[relations.group != NONE], minlength=num_groups)
    for group in np.argsort(sizes, kind="stable").tolist():
        larger = sizes > sizes[group]
        larger |= (sizes == sizes[group]) & (np.arange(num_groups) > group)
        if not relations.apart[group, :-1][larger].any():
            continue
        alone = held[group] & ~_beside(held[relations.apart[group]].any(axis=0)) & ~closed[group]
        so_far = replace(demand, zones=replace(zones, closed=closed))
        own = _own_bays(warehouse, so_far, group, alone, free_layout)
        closed[group] |= ~own
        closed[relations.apart[group]] |= _beside(own)
    return replace(zones, closed=closed)


def _groups_in_bays(
    warehouse: Warehouse, relations: Relations, zones: Zones, among: Flags | None = None
) -> Flags:
    """Whether each group (g + 1,) lies in each bay tonight, in any slot or among some (s,)."""
    held = warehouse.holds != NONE
    slots = np.flatnonzero(held if among is None else held & among)
    lies = np.zeros_like(zones.closed)
    lies[relations.group[warehouse.holds[slots]], zones.bay[slots]] = True
    lies[NONE] = False
    return lies


def _beside(some: Flags) -> Flags:
    """Some bays (b,) and their neighbours."""
    near = some.copy()
    near[1:] |= some[:-1]
    near[:-1] |= some[1:]
    return near


def _own_bays(
    warehouse: Warehouse, demand: Demand, group: int, alone: Flags, free_layout: Ints
) -> Flags:
    """As many bays (b,) as the group needs: those it has to itself, and the nearest to them."""
    assert demand.zones is not None
    bay = demand.zones.bay
    skus = np.flatnonzero(demand.zones.group == group)
    skus = skus[~bound(warehouse, demand)[skus]]
    start = np.flatnonzero(alone)
    if not start.size:
        lying = skus[free_layout[skus] != NONE]
        picks = np.bincount(bay[free_layout[lying]], demand.picks_per_day[lying], alone.size)
        start = np.array([int(picks.argmax())])
    free = np.flatnonzero(~warehouse.locked)
    away = np.abs(bay[free][:, None] - start).min(axis=1)
    own = np.zeros_like(alone)
    for number in np.unique(np.column_stack((away, bay[free])), axis=0)[:, 1]:
        if not skus.size:
            break
        seated = _seat(warehouse, demand, skus, free[bay[free] == number])
        own[number] = (seated != NONE).any()
        skus = skus[seated == NONE]
    return own


def _homes(
    warehouse: Warehouse,
    demand: Demand,
    relations: Relations,
    walking: Walking,
    free_layout: Ints,
) -> Ints:
    """The aisle (n,) of every SKU's family; families that lie together come first, then the
    fastest."""
    home, aisle = np.full(relations.family.size, NONE), walking.layout.aisle
    picks = demand.picks_per_day
    cost_m = walking.aisle_costs(walking.picks_by_aisle(picks, free_layout)[0])
    families = [
        np.flatnonzero(relations.family == family)
        for family in np.unique(relations.family[relations.family != NONE])
    ]
    lies_in = [_where_it_lies(warehouse, demand, aisle, skus) for skus in families]
    speed = [float(picks[skus].mean()) for skus in families]
    taken = warehouse.locked.copy()
    busy = np.zeros(cost_m.size)
    for number in sorted(range(len(families)), key=lambda f: (lies_in[f] == NONE, -speed[f], f)):
        skus = families[number]
        metres = np.zeros(cost_m.size)
        for tried in range(cost_m.size):
            home[skus] = tried
            metres[tried] = _guess_m(walking, picks, cost_m, home)
        order = np.lexsort((metres, np.arange(cost_m.size) != lies_in[number]))
        chosen, seats = _first_with_room(warehouse, demand, aisle, skus, order, taken, busy)
        taken[seats] = True
        busy[chosen] += picks[skus].sum()
        home[skus] = chosen
    return home


def _where_it_lies(warehouse: Warehouse, demand: Demand, aisle: Ints, skus: Ints) -> int:
    """The aisle of a frozen SKU of the family, else of at least half of those that lie anywhere;
    -1: neither."""
    faces = demand.face[skus][demand.face[skus] != NONE]
    locked = faces[warehouse.locked[faces]]
    aisles, count = np.unique(aisle[locked if locked.size else faces], return_counts=True)
    if not aisles.size or (not locked.size and 2 * count.max() < faces.size):
        return NONE
    return int(aisles[count.argmax()])


def _guess_m(walking: Walking, picks: Reals, cost_m: Reals, home: Ints) -> float:
    """Metres a day if the SKUs without a home (n,) fill the other slots, the fastest first, the
    cheapest aisle first."""
    settled = home != NONE
    in_aisle = np.zeros(cost_m.size)
    np.add.at(in_aisle, home[settled], picks[settled])
    room = np.bincount(walking.layout.aisle, minlength=cost_m.size)
    room = np.maximum(room - np.bincount(home[settled], minlength=cost_m.size), 0)
    order = np.argsort(cost_m, kind="stable")
    fastest = -np.sort(-picks[~settled])
    filled = np.repeat(order, room[order])[: fastest.size]
    np.add.at(in_aisle, filled, fastest[: filled.size])
    return float(walking.metres(in_aisle, 0.0))


def _first_with_room(
    warehouse: Warehouse,
    demand: Demand,
    aisle: Ints,
    skus: Ints,
    order: Ints,
    taken: Flags,
    busy: Reals,
) -> tuple[int, Ints]:
    """The first of the aisles that takes all SKUs, else the one that takes most; and the seats."""
    movable = skus[~bound(warehouse, demand)[skus]]
    picks = float(demand.picks_per_day[skus].sum())
    best: tuple[int, Ints] | None = None
    for number in order.tolist():
        slots = np.flatnonzero((aisle == number) & ~taken)
        seated = _seat(warehouse, demand, movable, slots)
        seats = seated[seated != NONE]
        if seats.size == movable.size and busy[number] + picks <= warehouse.aisle_picks:
            return number, seats
        if best is None or seats.size > best[1].size:
            best = number, seats
    assert best is not None
    return best


def _seat(warehouse: Warehouse, demand: Demand, skus: Ints, slots: Ints) -> Ints:
    """A slot for each SKU (k,), -1 for none: the largest first, each in the smallest that fits."""
    seats = np.full(skus.size, NONE)
    by_size = slots[np.lexsort((slots, warehouse.capacity_kg[slots], warehouse.capacity_m3[slots]))]
    for number in np.lexsort((skus, -demand.unit_kg[skus], -demand.unit_m3[skus])).tolist():
        possible = np.flatnonzero(fits(warehouse, demand, int(skus[number]), by_size))
        if possible.size:
            seats[number] = by_size[possible[0]]
            by_size = np.delete(by_size, possible[0])
    return seats
