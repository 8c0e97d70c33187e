"""No aisle is expected to be busier than it may be: SKUs change aisles until it holds.

Walking is least with the fast SKUs crowded into few aisles, so a cap binds in the best aisles
first. SKUs there change places with slower ones, or go to empty slots, where that costs least per
pick that leaves. Knows walking and slots; no solver, no tables.
"""

from dataclasses import dataclass

import numpy as np

from logistics.slotting.problem import (
    NONE,
    TOLERANCE,
    Demand,
    Ints,
    Reals,
    Warehouse,
    contents,
    fits,
    reach_m,
)
from logistics.slotting.travel import Walking

_TRIED = 16  # SKUs of the aisle, the fastest
_EXCHANGE_M = 1.0  # of walking a day that an exchange must be worth: few large ones, not many small
_MAX_EXCHANGES = 400  # from one aisle


def spread(warehouse: Warehouse, demand: Demand, walking: Walking, slot_of: Ints) -> Ints:
    """The layout slot_of (n,) with no aisle over warehouse.aisle_picks, locked slots apart.

    A SKU that no exchange can help is left out (-1).
    """
    if np.isinf(warehouse.aisle_picks):
        return slot_of
    floor = _Floor(warehouse, demand, walking, slot_of.copy())
    for aisle in range(walking.layout.aisle_x_m.size):
        for _ in range(_MAX_EXCHANGES):
            if floor.excess(aisle) <= 0 or not floor.exchange(aisle):
                break
        while floor.excess(aisle) > 0 and floor.leave_one_out(aisle):
            pass
    return floor.slot_of


def spare_picks(warehouse: Warehouse, picks: Reals) -> Reals:
    """Picks (a,) that may still come to each aisle."""
    return warehouse.aisle_picks * (1 + TOLERANCE) - picks


@dataclass(slots=True, eq=False)
class _Floor:
    """The layout after the exchanges so far."""

    warehouse: Warehouse
    demand: Demand
    walking: Walking
    slot_of: Ints

    @property
    def picks(self) -> Reals:
        return self.walking.picks_by_aisle(self.demand.picks_per_day, self.slot_of)[0]

    def excess(self, aisle: int) -> float:
        return -float(spare_picks(self.warehouse, self.picks)[aisle])

    def movable(self, aisle: int) -> Ints:
        """SKUs with picks in unlocked slots of the aisle, the fastest first."""
        picks = self.demand.picks_per_day
        skus = np.flatnonzero((self.slot_of != NONE) & (picks > 0))
        slots = self.slot_of[skus]
        skus = skus[(self.walking.layout.aisle[slots] == aisle) & ~self.warehouse.locked[slots]]
        fastest: Ints = skus[np.argsort(-picks[skus], kind="stable")]
        return fastest

    def exchange(self, aisle: int) -> bool:
        """Make the exchange that costs least per pick that leaves the aisle, if there is one."""
        skus, slots = self.movable(aisle)[:_TRIED], np.flatnonzero(~self.warehouse.locked)
        holds = contents(self.warehouse, self.slot_of)
        rate = self._cost_per_pick(aisle, skus[:, None], slots[None, :], holds[slots][None, :])
        if not rate.size or np.isinf(rate.min()):
            return False
        of_sku, of_slot = np.unravel_index(int(rate.argmin()), rate.shape)
        sku, slot = int(skus[of_sku]), int(slots[of_slot])
        if holds[slot] != NONE:
            self.slot_of[holds[slot]] = self.slot_of[sku]
        self.slot_of[sku] = slot
        return True

    def leave_one_out(self, aisle: int) -> bool:
        """The slowest SKU whose leaving is enough, or the fastest."""
        skus = self.movable(aisle)
        if skus.size:
            enough = skus[self.demand.picks_per_day[skus] >= self.excess(aisle)]
            self.slot_of[enough[-1] if enough.size else skus[0]] = NONE
        return bool(skus.size)

    def _cost_per_pick(self, aisle: int, skus: Ints, slots: Ints, others: Ints) -> Reals:
        """Metres per pick that leaves (n, s) if each SKU takes each slot and the other there its
        own; inf where that breaks a rule."""
        warehouse, demand, of = self.warehouse, self.demand, self.walking.layout.aisle
        here, taken = self.slot_of[skus], others != NONE
        back = np.where(taken, demand.picks_per_day[others], 0.0)
        leaving = demand.picks_per_day[skus] - back
        allowed = (of[slots] != aisle) & (leaving > 0) & fits(warehouse, demand, skus, slots)
        allowed &= leaving <= spare_picks(warehouse, self.picks)[of[slots]]
        allowed &= ~taken | fits(warehouse, demand, others, here)
        costs = self.walking.slot_costs(self.picks)
        farther_m = costs[slots] - costs[here]

        def reached(sku: Ints) -> Reals:
            return reach_m(warehouse, demand, sku, slots) - reach_m(warehouse, demand, sku, here)

        added_m = demand.picks_per_day[skus] * (farther_m + reached(skus))
        added_m -= back * (farther_m + reached(others))
        gained = np.minimum(np.maximum(leaving, TOLERANCE), self.excess(aisle))
        return np.where(allowed, (added_m + _EXCHANGE_M) / gained, np.inf)
