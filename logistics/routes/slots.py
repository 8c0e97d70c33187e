"""Travel by a matrix per slot of the day, where every arc has traffic of its own.

Knows durations per slot; nothing of orders or vehicles. A later slot that is quicker is waited for
(the arrival times' lower envelope; Malandraki and Daskin 1992), so leaving later never means
arriving earlier (FIFO). Leaving just when a slot ends is leaving in it. Times are whole seconds.
"""

from dataclasses import dataclass, field
from math import ceil

import numpy as np
from numpy.typing import NDArray

Durations = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SlotTravel:
    """distance_m (n, n); duration_s (slots, n, n): driving when leaving in a slot of slot_s.

    The last slot holds for ever, the first one before midnight as well.
    """

    distance_m: NDArray[np.int64]
    duration_s: Durations
    slot_s: int
    # Per slot the earliest arrival of whoever waits for the start of it or of a later one.
    _waited: list[list[list[int]]] = field(init=False, repr=False)
    _driven: list[list[list[int]]] = field(init=False, repr=False)
    # The same by arc.
    _arcs: Durations = field(init=False, repr=False)
    _arcs_waited: Durations = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_driven", self.duration_s.tolist())
        waited_s = self._soonest_by_waiting()
        object.__setattr__(self, "_waited", waited_s.tolist())
        object.__setattr__(self, "_arcs", self.duration_s.transpose(1, 2, 0).copy())
        object.__setattr__(self, "_arcs_waited", waited_s.transpose(1, 2, 0).copy())

    def _soonest_by_waiting(self) -> Durations:
        """(slots + 1, n, n): the arrival of whoever leaves at the start of a slot or later."""
        starts = self.slot_s * np.arange(len(self.duration_s))[:, None, None]
        soonest = np.minimum.accumulate((starts + self.duration_s)[::-1], axis=0)[::-1]
        never = np.full((1, *soonest.shape[1:]), np.iinfo(np.int64).max)
        return np.concatenate((soonest, never))

    @property
    def same_all_day(self) -> bool:
        return bool((self.duration_s == self.duration_s[0]).all())

    def arrive(self, start: int, end: int, depart_s: int, speed_factor: float = 1.0) -> int:
        """The arrival of a vehicle that leaves node `start` for `end` at depart_s."""
        slot = self._slot(depart_s)
        driven_s = self._driven[slot][start][end]
        if speed_factor == 1.0:
            return min(depart_s + driven_s, self._waited[slot + 1][start][end])
        soonest_s = depart_s + ceil(driven_s / speed_factor)
        for later in range(slot + 1, len(self._driven)):
            if self.slot_s * later >= soonest_s:
                break
            driven_s = ceil(self._driven[later][start][end] / speed_factor)
            soonest_s = min(soonest_s, self.slot_s * later + driven_s)
        return soonest_s

    def arrive_all(
        self, start: int, end: int, depart_s: Durations, speed_factor: float = 1.0
    ) -> Durations:
        """The arrivals for many departures; waiting for a later slot only at speed factor 1."""
        slot = np.minimum((depart_s - 1) // self.slot_s, len(self.duration_s) - 1)
        slot = np.maximum(slot, 0)
        driven_s: Durations = self._arcs[start, end].take(slot)
        if speed_factor != 1.0:
            return depart_s + np.ceil(driven_s / speed_factor).astype(np.int64)
        waited_s: Durations = self._arcs_waited[start, end].take(slot + 1)
        return np.asarray(np.minimum(depart_s + driven_s, waited_s))

    def depart(self, start: int, end: int, arrive_s: int, speed_factor: float = 1.0) -> int:
        """The latest departure that still arrives by arrive_s."""
        for slot in range(self._slot(arrive_s), -1, -1):
            latest_s = arrive_s - ceil(self._driven[slot][start][end] / speed_factor)
            if slot + 1 < len(self._driven):
                ends_s = self.slot_s * (slot + 1)
                waits = self.arrive(start, end, ends_s, speed_factor) <= arrive_s
                latest_s = ends_s if waits else min(latest_s, ends_s)
            if slot == 0 or latest_s > self.slot_s * slot:
                return latest_s
        raise AssertionError("the first slot has no beginning")

    def mean_s(self, from_s: NDArray[np.int64], to_s: NDArray[np.int64]) -> Durations:
        """Driving seconds (n, n), those of a node's arcs meant over when it is left."""
        slots = len(self.duration_s)
        edges = self.slot_s * np.arange(slots + 1)
        share = np.minimum(to_s[:, None] + 1, edges[1:]) - np.maximum(from_s[:, None], edges[:-1])
        share = np.maximum(share, 0).astype(float)
        share[share.sum(axis=1) == 0, -1] = 1.0
        share /= share.sum(axis=1, keepdims=True)
        mean_s = np.einsum("is,sij->ij", share, self.duration_s)
        return np.asarray(np.ceil(mean_s - 1e-6), dtype=np.int64)

    def _slot(self, depart_s: int) -> int:
        return min(max((depart_s - 1) // self.slot_s, 0), len(self._driven) - 1)
