"""What an instance of the route benchmark says, in the units of its file. Knows no solver."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Vehicle:
    """num vehicles of a kind at one depot; reloads: whether they may come back and go again."""

    num: int
    capacity: float
    depot: int = 0
    cost_fixed: float = 0.0
    cost_per_unit: float = 1.0
    max_duration: float = np.inf
    reloads: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """Arrival times per arc, linear between breakpoints (departure, arrival); slot: of traffic."""

    arcs: dict[tuple[int, int], tuple[Floats, Floats]]
    horizon: float
    slot: float


@dataclass(frozen=True, slots=True)
class Case:
    """Nodes below num_depots are depots; client k (from 1) is node num_depots + k - 1.

    distance (n, n): rounded as the set's convention wants it, and the travel time as well. demand,
    service, release, prize (n,): a client with a prize may be left out at that price. windows
    (n, 2): of service beginning, of a depot its hours. pairs: (pickup, delivery) nodes. clock: how
    long an arc takes at a time of day, where that differs; the cost is then time on the road.
    steps: whole numbers per unit that hold every value.
    cost_scale: units of bks.json per unit of the file.
    """

    set: str
    name: str
    num_depots: int
    distance: Floats
    demand: Floats
    windows: Floats
    service: Floats
    release: Floats
    prize: Floats
    vehicles: tuple[Vehicle, ...]
    steps: int
    cost_scale: float = 1.0
    pairs: tuple[tuple[int, int], ...] = ()
    clock: Clock | None = None

    @property
    def num_clients(self) -> int:
        return len(self.demand) - self.num_depots


@dataclass(frozen=True, slots=True)
class Trips:
    """One vehicle's kind, and the client numbers of each of its trips from depot to depot."""

    vehicle: int
    clients: tuple[tuple[int, ...], ...]
