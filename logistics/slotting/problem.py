"""A warehouse and what is picked in it, as arrays, and which SKU may lie in which slot.

Knows no tables, no walking and no solver. Slots (s,) are in slot_id order, SKUs (n,) in sku_id
order; a slot or SKU is named by its index in these, and -1 stands for "none".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
NONE = -1
# A unit of 0.1 m3 fits a slot of 0.1 m3, whatever binary fractions make of it.
TOLERANCE = 1e-9
_WEIGHS_KG = 10.0  # goods of so many kg are twice the effort of goods without weight


@dataclass(frozen=True, slots=True, eq=False)
class Warehouse:
    """The slots (s,) and what lies in them tonight.

    holds: the SKU in each slot. locked: slots that are not ours to fill or empty: the frozen ones,
    and every further slot of a SKU that lies in several (its face is the one nearest the depot;
    the rest is its reserve).
    """

    id: str
    slot_ids: tuple[str, ...]
    aisle: Ints
    x_m: Reals
    y_m: Reals
    capacity_m3: Reals
    capacity_kg: Reals
    reach_m: Reals  # of walking that a pick without weight at the slot's level is as bad as
    lift_kg: Reals  # the heaviest unit that may be lifted at its level
    storage_class: Ints  # index into tables.STORAGE_CLASSES
    holds: Ints
    locked: Flags
    aisle_picks: float = np.inf  # the most expected picks a day in one aisle


@dataclass(frozen=True, slots=True, eq=False)
class Relations:
    """What the SKUs (n,) are to each other: family (n,) lies in one aisle; SKUs of two groups that
    must be kept apart never lie in one bay or in neighbouring ones. -1: of no family, of no group.
    """

    family: Ints
    group: Ints
    apart: Flags  # (g + 1, g + 1): two groups; the last row and column, of no group, are false

    def clash(self, sku: int, others: Ints) -> Flags:
        """Whether the SKU must be kept apart from others (k,); -1 among them is nobody."""
        clashes: Flags = self.apart[self.group[sku], self.group[others]] & (others != NONE)
        return clashes


@dataclass(frozen=True, slots=True, eq=False)
class Zones:
    """Where SKUs (n,) may lie so that they break no relation, whichever slots they take there."""

    group: Ints  # (n,) as in Relations
    home: Ints  # (n,) the aisle of its family; -1: any
    aisle: Ints  # (s,) of the slot
    bay: Ints  # (s,) neighbouring bays have neighbouring numbers, and no others do
    closed: Flags  # (g + 1, bays) whether a group may not lie there; the last row is of no group

    def at_home(self, sku: Ints | int, slot: Ints | int) -> Flags:
        """Whether the slot is in the aisle of the SKU's family; sku and slot broadcast."""
        home: Flags = (self.home[sku] == NONE) | (self.home[sku] == self.aisle[slot])
        return home

    def admit(self, sku: Ints | int, slot: Ints | int) -> Flags:
        """Whether the SKU may lie in the slot; sku and slot broadcast."""
        admitted: Flags = self.at_home(sku, slot) & ~self.closed[self.group[sku], self.bay[slot]]
        return admitted


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """The SKUs (n,) of the warehouse: their sizes, and what is expected to be picked.

    face: the slot each SKU is picked from tonight. stock_m3, stock_kg: what a slot should hold (the
    replenishment days' demand, never less than one unit).
    """

    sku_ids: tuple[str, ...]
    face: Ints
    picks_per_day: Reals  # order lines
    units_per_day: Reals
    forecast: Flags  # picks come from the forecast, not from recent order lines
    storage_class: Ints
    unit_m3: Reals
    unit_kg: Reals
    stock_m3: Reals
    stock_kg: Reals
    relations: Relations | None = None
    zones: Zones | None = None  # that follow from the relations


def bound(warehouse: Warehouse, demand: Demand) -> Flags:
    """SKUs (n,) that stay in a locked slot."""
    stays: Flags = (demand.face != NONE) & warehouse.locked[demand.face]
    return stays


def contents(warehouse: Warehouse, slot_of: Ints) -> Ints:
    """The SKU in each slot (s,) with the SKUs (n,) in slots slot_of; locked slots as they are."""
    holds: Ints = np.where(warehouse.locked, warehouse.holds, NONE)
    placed = np.flatnonzero(slot_of != NONE)
    holds[slot_of[placed]] = placed
    return holds


def can_spare(warehouse: Warehouse, empty: Ints, storage_class: int, kept_share: float) -> bool:
    """Whether, with one of the empty slots (k,) filled, this share of all slots of the storage
    class would still be empty."""
    same = warehouse.storage_class == storage_class
    return int(same[empty].sum()) > int(kept_share * same.sum())


def fits(warehouse: Warehouse, demand: Demand, sku: Ints | int, slot: Ints | int) -> Flags:
    """Whether one unit of the SKU may lie in the slot; sku and slot broadcast."""
    allowed: Flags = (
        (warehouse.storage_class[slot] == demand.storage_class[sku])
        & (warehouse.capacity_m3[slot] >= demand.unit_m3[sku] - TOLERANCE)
        & (warehouse.capacity_kg[slot] >= demand.unit_kg[sku] - TOLERANCE)
        & (warehouse.lift_kg[slot] >= demand.unit_kg[sku] - TOLERANCE)
    )
    return allowed if demand.zones is None else allowed & demand.zones.admit(sku, slot)


def zone_of(warehouse: Warehouse, demand: Demand) -> Ints:
    """A number (s,) for every slot; slots of one number are open to the same groups."""
    if demand.zones is None:
        return np.zeros(warehouse.locked.size, dtype=np.int64)
    pattern = np.unique(demand.zones.closed.T, axis=0, return_inverse=True)[1]
    zones: Ints = pattern.reshape(-1)[demand.zones.bay]
    return zones


def reach_m(warehouse: Warehouse, demand: Demand, sku: Ints | int, slot: Ints | int) -> Reals:
    """What stooping and climbing to the slot is worth, in metres per pick; sku and slot broadcast.

    None at waist height, where reach_m is 0; more the heavier a unit is.
    """
    metres: Reals = warehouse.reach_m[slot] * effort(demand)[sku]
    return metres


def effort(demand: Demand) -> Reals:
    """Of one pick of each SKU (n,), against goods without weight."""
    return 1 + demand.unit_kg / _WEIGHS_KG


def reached_m(warehouse: Warehouse, demand: Demand, slot_of: Ints) -> float:
    """Of the picks of a day, SKUs in slots slot_of (n,); picks without a slot are left out."""
    placed = np.flatnonzero(slot_of != NONE)
    metres = reach_m(warehouse, demand, placed, slot_of[placed])
    return float(demand.picks_per_day[placed] @ metres)


def suits(warehouse: Warehouse, demand: Demand, sku: Ints | int, slot: Ints | int) -> Flags:
    """Whether the slot also holds the stock the SKU should have, or as much as its face now."""
    face = demand.face[sku]
    now_m3 = np.where(face != NONE, warehouse.capacity_m3[face], np.inf)
    now_kg = np.where(face != NONE, warehouse.capacity_kg[face], np.inf)
    enough: Flags = (
        fits(warehouse, demand, sku, slot)
        & (warehouse.capacity_m3[slot] >= np.minimum(demand.stock_m3[sku], now_m3) - TOLERANCE)
        & (warehouse.capacity_kg[slot] >= np.minimum(demand.stock_kg[sku], now_kg) - TOLERANCE)
    )
    return enough
