"""Travel where the traffic differs from place to place, as among the depots of a pool.

Knows distances, free-flow durations and which zone's traffic each place has; nothing of orders or
vehicles. A leg is driven at the speeds of the zone that it begins in, so leaving later never means
arriving earlier (FIFO), as in `Travel`.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from logistics.routes.travel import SLOT_S, Travel


@dataclass(frozen=True, slots=True, eq=False)
class ZoneTravel:
    """distance_m, base_s (n, n): metres, and seconds at speed factor 1.

    zone_of: each node's zone; factors: of each zone, as `Travel` has them.
    """

    distance_m: NDArray[np.int64]
    base_s: NDArray[np.float64]
    zone_of: tuple[int, ...]
    factors: tuple[tuple[float, ...], ...]
    _travels: tuple[Travel, ...] = field(init=False, repr=False)  # by zone

    def __post_init__(self) -> None:
        zones = (Travel(self.distance_m, self.base_s, factors) for factors in self.factors)
        object.__setattr__(self, "_travels", tuple(zones))

    def _from(self, node: int) -> Travel:
        return self._travels[self.zone_of[node]]

    def arrive(self, start: int, end: int, depart_s: int, speed_factor: float = 1.0) -> int:
        """The arrival of a vehicle that leaves node `start` for `end` at depart_s."""
        return self._from(start).arrive(start, end, depart_s, speed_factor)

    def depart(self, start: int, end: int, arrive_s: int, speed_factor: float = 1.0) -> int:
        """The latest departure that still arrives by arrive_s."""
        return self._from(start).depart(start, end, arrive_s, speed_factor)

    def arrive_all(
        self, start: int, end: int, depart_s: NDArray[np.int64], speed_factor: float = 1.0
    ) -> NDArray[np.int64]:
        """The arrivals for many departures."""
        return self._from(start).arrive_all(start, end, depart_s, speed_factor)

    def mean_s(self, from_s: NDArray[np.int64], to_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Driving seconds (n, n), each node's arcs at its mean pace over when it is left."""
        pace = np.empty(len(self.zone_of))
        for zone, travel in enumerate(self._travels):
            here = np.flatnonzero(np.array(self.zone_of) == zone)
            pace[here] = travel.mean_pace(from_s[here], to_s[here])
        return np.asarray(np.ceil(self.base_s * pace[:, None]), dtype=np.int64)

    @property
    def slot_s(self) -> int:
        return SLOT_S

    @property
    def same_all_day(self) -> bool:
        return all(len(set(factors)) == 1 for factors in self.factors)
