"""A routing problem with one matrix per kind of vehicle, in whole numbers: what the engines solve.

Knows no table, no traffic and no engine. Distances, times, loads and costs are whole numbers of any
unit; the nodes below num_depots are depots, every stop stands at a node of its own above them. An
open route ends at a depot node that costs nothing to reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from logistics.routes.problem import Budget, TimeWindow

Matrix: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stop:
    """A customer. delivery: loaded at the start of its trip; pickup: unloaded at the trip's end.

    windows: disjoint, in time order. release_s: no trip with its goods leaves before. penalty: the
    cost of leaving it out, None: it must be served. goes_to: of a pickup whose goods go to another
    stop (which has them as its delivery) on the same trip, instead of to a depot.
    """

    node: int
    windows: tuple[TimeWindow, ...]
    delivery: tuple[int, ...]
    pickup: tuple[int, ...]
    service_s: int = 0
    release_s: int = 0
    penalty: int | None = None
    goes_to: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """A shift's end, and the break that must have begun break_after_s after leaving the depot or
    the last one (None: never); it is taken on arrival, and waiting that long is a break."""

    closes_s: int
    break_after_s: int | None
    break_s: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """num vehicles that differ in nothing. None: no such limit.

    reload_at: depots where a new trip may begin; max_trips: trips of one vehicle. barred: stops
    that these vehicles may not serve. max_duration_s: from leaving the first depot to the end.
    day: for who knows the traffic; for others closes_s leaves time for the breaks.
    """

    num: int
    capacity: tuple[int, ...]
    opens_s: int
    closes_s: int
    start: int = 0
    end: int = 0
    cost_fixed: int = 0
    cost_per_m: int = 1
    cost_per_s: int = 0
    max_distance_m: int | None = None
    max_duration_s: int | None = None
    max_drive_s: int | None = None
    reload_at: tuple[int, ...] = ()
    max_trips: int = 1
    profile: int = 0
    barred: frozenset[int] = frozenset()
    day: Day | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """What the static driving times stand for.

    base_s (n, n) per profile: driving at free flow. zone_of (n,): in whose traffic legs from each
    node are driven; factors (zones, slots): speed over free flow by slots of slot_s from midnight
    on, the last of which holds for ever.
    """

    base_s: tuple[NDArray[np.float64], ...]
    zone_of: NDArray[np.int64]
    factors: NDArray[np.float64]
    slot_s: int


@dataclass(frozen=True, slots=True, eq=False)
class StaticProblem:
    """distance_m, duration_s: a matrix (n, n) per profile.

    traffic: for engines that know the time of day, every fleet then has its day; None: the static
    times are all there is.
    """

    num_depots: int
    stops: tuple[Stop, ...]
    fleets: tuple[Fleet, ...]
    distance_m: tuple[Matrix, ...]
    duration_s: tuple[Matrix, ...]
    traffic: Traffic | None = None

    @property
    def timed(self) -> bool:
        """Whether some window is narrower than the day."""
        opens_s = min(fleet.opens_s for fleet in self.fleets)
        closes_s = max(fleet.closes_s for fleet in self.fleets)
        return any(
            stop.windows[0].opens_s > opens_s or stop.windows[-1].closes_s < closes_s
            for stop in self.stops
        )


@dataclass(frozen=True, slots=True, order=True)
class Tour:
    """One vehicle's trips, each a sequence of stops."""

    fleet: int
    trips: tuple[tuple[int, ...], ...]

    @property
    def stops(self) -> tuple[int, ...]:
        return tuple(stop for trip in self.trips for stop in trip)


@dataclass(frozen=True, slots=True)
class Found:
    """The tours of an engine and their cost by its own account; infinite: no tours."""

    tours: tuple[Tour, ...]
    cost: float


NOTHING = Found((), inf)


@dataclass(frozen=True, slots=True)
class Job:
    """One call of an engine. start: tours to improve on. cooling: which part of it is this job's,
    for a search that cools down."""

    engine: str
    problem: StaticProblem
    budget: Budget
    seed: int
    start: Found | None = None
    cooling: tuple[float, float] = (0.0, 1.0)


def left_out(problem: StaticProblem, tours: Sequence[Tour]) -> list[int]:
    """The stops on no tour."""
    served = {stop for tour in tours for stop in tour.stops}
    return [stop for stop in range(len(problem.stops)) if stop not in served]
