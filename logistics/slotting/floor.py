"""The warehouse while tonight's moves are planned: what lies where, and what a step would save.

Knows walking and the rules that several SKUs break together; chooses no moves.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from logistics.slotting.congestion import spare_picks
from logistics.slotting.problem import (
    NONE,
    TOLERANCE,
    Demand,
    Flags,
    Ints,
    Reals,
    Warehouse,
    can_spare,
    fits,
    reach_m,
)
from logistics.slotting.travel import Walking
from logistics.slotting.zones import come_near, lie_apart

# New SKUs never take the last empty slots of a large storage class: without an empty slot nothing
# could ever be moved again.
_KEPT_EMPTY = 0.01


@dataclass(frozen=True, slots=True)
class Move:
    """sku goes from from_slot (-1: it had none) to to_slot; saving in metres a day.

    step: the moves of one step, numbered from 1, are carried out whole or not at all. opens_face:
    the SKU comes from its reserve to a further slot, and stays in its own.
    """

    sku: int
    from_slot: int
    to_slot: int
    saving_m_per_day: float
    step: int = 1
    opens_face: bool = False


Carry = tuple[int, int]  # a SKU and the slot it goes to
Step = tuple[Carry, ...]  # carried out whole or not at all


class Floor:
    """The warehouse after the moves so far; goal_costs (s,) are the slot costs at the ideal.

    picks (a,) a day with those of newcomers to empty slots, busy (a,) without. Who moves into an
    empty slot leaves another to the newcomers, and what they walk more counts against the move.
    ties (n, a): metres per pick that a SKU walks more in an aisle than an average one would.
    """

    def __init__(self, warehouse: Warehouse, demand: Demand, walking: Walking, ideal: Ints) -> None:
        self.warehouse, self.demand, self.walking = warehouse, demand, walking
        self.ties = np.zeros((demand.face.size, walking.layout.aisle_x_m.size))
        self.slot_of = demand.face.copy()
        self.holds = warehouse.holds.copy()
        self.steps = 0
        self.free = np.flatnonzero(~warehouse.locked)
        self.picks, self.depth_picks_m = walking.picks_by_aisle(demand.picks_per_day, self.slot_of)
        alone = replace(walking, newcomer_picks=0.0)
        self.busy = alone.picks_by_aisle(demand.picks_per_day, self.slot_of)[0]
        self.goal_costs = walking.slot_costs(walking.picks_by_aisle(demand.picks_per_day, ideal)[0])

    @property
    def empty(self) -> Ints:
        slots: Ints = self.free[self.holds[self.free] == NONE]
        return slots

    def copy(self) -> "Floor":
        other = copy(self)
        other.slot_of, other.holds = self.slot_of.copy(), self.holds.copy()
        return other

    def make(self, step: Step) -> list[Move]:
        self.steps += 1
        return [self._carry(carry) for carry in step]

    def _carry(self, carry: Carry) -> Move:
        sku, target = carry
        origin = int(self.slot_of[sku])
        saving_m = 0.0 if origin == NONE else float(self._saved_m([(carry,)])[0])
        self.picks, self.depth_picks_m = self._after((carry,))
        self.busy = self._busy_after((carry,))
        self.slot_of[sku], self.holds[target] = target, sku
        if origin != NONE:
            self.holds[origin] = NONE
        return Move(sku, origin, target, saving_m, self.steps)

    def may_place(self, sku: int) -> bool:
        """Whether an empty slot of the new SKU's class would be left for moving others."""
        storage_class = int(self.demand.storage_class[sku])
        return can_spare(self.warehouse, self.empty, storage_class, _KEPT_EMPTY)

    def savings(self, steps: Sequence[Step]) -> Reals:
        """Metres a day that each step saves by itself; the walk to a new SKU counts against it.

        -inf for a step that makes an aisle busier than it may be, or brings together what must be
        kept apart.
        """
        if not steps:
            return np.zeros(0)
        forbidden = [
            self._crowds(step) or come_near(self.demand, self.holds, self.slot_of, step)
            for step in steps
        ]
        return np.where(forbidden, -np.inf, self._saved_m(steps))

    def welcome(self, sku: int, slots: Ints) -> Flags:
        """Whether the new SKU would leave the slot's aisle no busier than it may be, and lie apart
        from what it must be kept apart from."""
        left = spare_picks(self.warehouse, self.busy)[self.walking.layout.aisle[slots]]
        roomy: Flags = left >= self.demand.picks_per_day[sku]
        return roomy & lie_apart(self.demand, self.holds, sku, slots)

    def misplaced(self) -> Ints:
        """SKUs that could be moved from where they may not lie."""
        placed = np.flatnonzero(self.slot_of != NONE)
        wrong = ~fits(self.warehouse, self.demand, placed, self.slot_of[placed])
        skus: Ints = placed[wrong & ~self.warehouse.locked[self.slot_of[placed]]]
        return skus

    def own_costs(self, costs: Reals, sku: int) -> Reals:
        """Metres per pick (s,) of the SKU, reaching the slots included."""
        return costs + reach_m(self.warehouse, self.demand, sku, np.arange(costs.size))

    def _saved_m(self, steps: Sequence[Step]) -> Reals:
        after = [self._after(step) for step in steps]
        picks = np.array([picks for picks, _ in after])
        depth_picks_m = np.array([depth for _, depth in after])
        now_m = self.walking.metres(self.picks, self.depth_picks_m)
        own_saved_m = np.array([self._own_saved_m(step) for step in steps])
        saved: Reals = now_m - self.walking.metres(picks, depth_picks_m) + own_saved_m
        return saved

    def _crowds(self, step: Step) -> bool:
        """Whether it makes an aisle busier than it may be."""
        if np.isinf(self.warehouse.aisle_picks):
            return False
        picks = self._busy_after(step)
        busier = picks > self.busy + TOLERANCE
        return bool((busier & (spare_picks(self.warehouse, picks) < 0)).any())

    def _own_saved_m(self, step: Step) -> float:
        """What the SKUs of a step reach less, and walk less than average ones would."""
        skus, targets = np.array(list(dict(step).items())).T
        origins, aisle = self.slot_of[skus], self.walking.layout.aisle
        now_m, then_m = (
            reach_m(self.warehouse, self.demand, skus, slots) + self.ties[skus, aisle[slots]]
            for slots in (origins, targets)
        )
        saved_m = np.where(origins == NONE, 0.0, now_m) - then_m
        return float(self.demand.picks_per_day[skus] @ saved_m)

    def _after(self, step: Step) -> tuple[Reals, float]:
        layout, depth = self.walking.layout, self.depth_picks_m
        skus, origins, targets = self._ends(step)
        amounts = self.demand.picks_per_day[skus] - self.walking.newcomer_picks
        depth += float(amounts @ layout.depth_m[targets])
        depth -= float(amounts @ np.where(origins == NONE, 0.0, layout.depth_m[origins]))
        return self._moved(self.picks, amounts, origins, targets), depth

    def _busy_after(self, step: Step) -> Reals:
        skus, origins, targets = self._ends(step)
        return self._moved(self.busy, self.demand.picks_per_day[skus], origins, targets)

    def _ends(self, step: Step) -> tuple[Ints, Ints, Ints]:
        """The SKUs of a step, where they lie and where each ends."""
        skus, targets = np.array(list(dict(step).items())).T
        return skus, self.slot_of[skus], targets

    def _moved(self, by_aisle: Reals, amounts: Reals, origins: Ints, targets: Ints) -> Reals:
        aisle, known = self.walking.layout.aisle, origins != NONE
        moved = by_aisle.copy()
        np.add.at(moved, aisle[targets], amounts)
        np.subtract.at(moved, aisle[origins[known]], amounts[known])
        return moved
