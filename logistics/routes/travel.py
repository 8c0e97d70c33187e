"""How far and how long from one place to another, at any time of day.

Knows a distance matrix, free-flow durations and the traffic's speed per half hour; knows nothing of
orders or vehicles. Speed is piecewise constant in time and a leg is integrated through the slots it
is driven in (Ichoua et al. 2003), so leaving later never means arriving earlier (FIFO). Times are
whole seconds after the run date's midnight: every arrival is rounded up, so plans never promise
a second too much.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

SLOT_S = 1800
EARTH_RADIUS_M = 6_371_000.0
_ROUNDING_S = 1e-6  # integration noise must not cost a whole second


@dataclass(frozen=True, slots=True, eq=False)
class Travel:
    """distance_m, base_s (n, n): metres, and seconds at speed factor 1; node 0 is the depot.

    factors: speed over free flow per half hour from midnight on; the last one holds for ever.
    """

    distance_m: NDArray[np.int64]
    base_s: NDArray[np.float64]
    factors: tuple[float, ...] = (1.0,)
    # Free-flow seconds' worth of driving that fit between midnight and each slot's start: a leg is
    # a step of base_s on this clock, whatever the traffic.
    _clock: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        clock = SLOT_S * np.concatenate(([0.0], np.cumsum(self.factors[:-1])))
        object.__setattr__(self, "_clock", tuple(clock.tolist()))

    def arrive(self, start: int, end: int, depart_s: int, speed_factor: float = 1.0) -> int:
        """The arrival of a vehicle that leaves node `start` for `end` at depart_s."""
        work = self.base_s.item(start, end) / speed_factor
        if len(self.factors) == 1:
            return depart_s + ceil(work / self.factors[0] - _ROUNDING_S)
        return ceil(self._time(self._worked(depart_s) + work) - _ROUNDING_S)

    def depart(self, start: int, end: int, arrive_s: int, speed_factor: float = 1.0) -> int:
        """The latest departure that still arrives by arrive_s."""
        work = self.base_s.item(start, end) / speed_factor
        depart_s = floor(self._time(self._worked(arrive_s) - work) + _ROUNDING_S)
        while self.arrive(start, end, depart_s, speed_factor) > arrive_s:
            depart_s -= 1
        return depart_s

    def mean_pace(self, from_s: NDArray[np.int64], to_s: NDArray[np.int64]) -> NDArray[np.float64]:
        """Driving seconds per free-flow second, averaged over each interval [from_s, to_s]."""
        pace = 1 / np.asarray(self.factors)
        total = SLOT_S * np.concatenate(([0.0], np.cumsum(pace)))
        edges = SLOT_S * np.arange(len(total))

        def until(time_s: NDArray[np.int64]) -> NDArray[np.float64]:
            beyond = np.maximum(time_s - edges[-1], 0) * pace[-1]
            before = np.minimum(time_s, 0) * pace[0]
            return np.asarray(np.interp(time_s, edges, total) + beyond + before)

        to_s = np.maximum(to_s, from_s + 1)
        return (until(to_s) - until(from_s)) / (to_s - from_s)

    def mean_s(self, from_s: NDArray[np.int64], to_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Driving seconds (n, n), each node's arcs at its mean pace over when it is left."""
        pace = self.mean_pace(from_s, to_s)
        return np.asarray(np.ceil(self.base_s * pace[:, None]), dtype=np.int64)

    def arrive_all(
        self, start: int, end: int, depart_s: NDArray[np.int64], speed_factor: float = 1.0
    ) -> NDArray[np.int64]:
        """The arrivals for many departures."""
        work = self.base_s.item(start, end) / speed_factor
        edges, clock = SLOT_S * np.arange(len(self.factors)), np.asarray(self._clock)
        slot = np.clip(depart_s // SLOT_S, 0, len(edges) - 1)
        worked = clock[slot] + (depart_s - edges[slot]) * np.asarray(self.factors)[slot] + work
        slot = np.maximum(np.searchsorted(clock, worked, side="right") - 1, 0)
        arrive_s = edges[slot] + (worked - clock[slot]) / np.asarray(self.factors)[slot]
        return np.asarray(np.ceil(arrive_s - _ROUNDING_S), dtype=np.int64)

    @property
    def slot_s(self) -> int:
        return SLOT_S

    @property
    def same_all_day(self) -> bool:
        return len(set(self.factors)) == 1

    def _worked(self, time_s: float) -> float:
        slot = min(max(int(time_s // SLOT_S), 0), len(self.factors) - 1)
        return self._clock[slot] + (time_s - slot * SLOT_S) * self.factors[slot]

    def _time(self, worked: float) -> float:
        slot = max(bisect_right(self._clock, worked) - 1, 0)
        return slot * SLOT_S + (worked - self._clock[slot]) / self.factors[slot]


@dataclass(frozen=True, slots=True, eq=False)
class Roads:
    """distance_m, duration_s (n, n): between all places, free-flow; NaN where nothing is known."""

    distance_m: NDArray[np.float64]
    duration_s: NDArray[np.float64]


def haversine_m(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Great-circle metres between all pairs of points given in degrees, (n, n)."""
    return great_circle_m(lat[:, None], lon[:, None], lat, lon)


def great_circle_m(
    from_lat: NDArray[np.float64],
    from_lon: NDArray[np.float64],
    to_lat: NDArray[np.float64],
    to_lon: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Great-circle metres from points to points given in degrees, as they broadcast."""
    phi, lam, to_phi, to_lam = (np.radians(x) for x in (from_lat, from_lon, to_lat, to_lon))
    half = (
        np.sin((phi - to_phi) / 2) ** 2
        + np.cos(phi) * np.cos(to_phi) * np.sin((lam - to_lam) / 2) ** 2
    )
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(half, 1.0))))
