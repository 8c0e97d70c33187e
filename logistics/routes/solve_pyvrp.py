"""A static problem in PyVRP's terms: iterated local search (Wouda et al. 2024).

Expresses everything but driving limits, which are turned into a distance (near the truth, not it),
and the windows of a pair beyond its first and last: `retime` judges what comes back. Several
windows are alternatives of which one is chosen; barred stops are too far to drive to.
"""

import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyvrp
from pyvrp import (
    Activity,
    ActivityType,
    IteratedLocalSearch,
    IteratedLocalSearchParams,
    PenaltyManager,
    PenaltyParams,
)
from pyvrp.exceptions import PenaltyBoundWarning
from pyvrp.search import (
    OPERATORS,
    LocalSearch,
    NeighbourhoodParams,
    PerturbationManager,
    PerturbationParams,
    compute_neighbours,
)
from pyvrp.stop import MaxIterations, MaxRuntime, MultipleCriteria, NoImprovement

from logistics.routes.static import Fleet, Found, Job, Matrix, StaticProblem, Stop, Tour

# As PyVRP's stubs spell it.
Loose: TypeAlias = "np.ndarray[Any, Any]"
# An arc longer than any route may be: a vehicle with such an arc is never feasible.
NEVER_M = 2**40
_LONGEST_M = 2**39
# PyVRP's own settings are for searches of minutes. Measured at 6 s of one core, gap in %: X-n200
# 2.4 → 0.3, X-n303 1.9 → 1.3, X-n401 1.6 → 0.8; at 8 s R1_10_1 8.8 → 5.7; at 5 s X101-FSMFD 2.5 →
# 0.5. Small problems are past that after some seconds: they need great changes (R208 4.8 → 0.2) and
# to go back to the best when stuck; five of Solomon's at 4 s: 0.06, X-n101 at 4 s 1.0 → 0.0, X-n303
# at 8 s 2.2 → 1.0, PR11A at 30 s 3.3 → 1.7.
_UPDATES = 100
_SPEED = 120_000  # iterations per second, times stops
_HISTORY = (100, 300)  # the least and the most; between them 20 per iteration and stop
_CHANGES = 12
_MUCH = 12  # iterations per stop
_STUCK = 20  # iterations per stop without a better plan; and before the search gives up
_HOPELESS = 500
_NEAREST = 25  # neighbours, where there is neither a window nor a choice of vehicles
# So late costs as much at first as leaving out the dearest pickup of a pair: three made depots with
# pairs 1 to 6 % cheaper. Without pairs it was not settled (six better, two worse): left as it was.
_LATE_S = 1800
_DEAREST = 100_000.0  # PyVRP's own bound of a penalty, raised where costs are large
NOTHING = Found((), float("inf"))


def solve(job: Job) -> Found:
    """The best tours found; `NOTHING` where no feasible ones were."""
    began = time.perf_counter()
    problem = job.problem
    if not problem.stops or not problem.fleets:
        return NOTHING
    model = Model(problem)
    rng = pyvrp.RandomNumberGenerator(seed=job.seed % 2**31)
    near, change, params = _settings(job)
    search = LocalSearch(
        model.data, rng, compute_neighbours(model.data, near), PerturbationManager(change)
    )
    for operator in OPERATORS:
        if operator.supports(model.data):
            search.add_operator(operator(model.data))
    penalties = _penalties(problem)
    with warnings.catch_warnings():
        # It says that feasible plans are hard to find; what was found is judged either way.
        warnings.simplefilter("ignore", PenaltyBoundWarning)
        if job.start is None:
            random = pyvrp.Solution.make_random(model.data, rng)
            first = search(random, penalties.cost_evaluator(), exhaustive=True)
        else:
            first = model.solution(job.start.tours)
        ils = IteratedLocalSearch(model.data, penalties, search, first, params)
        result = ils.run(_stop(job, time.perf_counter() - began), collect_stats=False)
    if not result.best.is_feasible():
        return NOTHING
    return Found(tuple(sorted(model.tours(result.best))), result.cost())


def _settings(
    job: Job,
) -> tuple[NeighbourhoodParams, PerturbationParams, IteratedLocalSearchParams]:
    """Short-sighted for what is left to improve at once, patient for what is nearly solved."""
    problem, num = job.problem, len(job.problem.stops)
    effort = (job.budget.iterations or _SPEED / num * (job.budget.seconds or 0.0)) / num
    one_trip = all(fleet.max_trips == 1 for fleet in problem.fleets)
    if one_trip and effort > _MUCH:
        patient = IteratedLocalSearchParams(_STUCK * num, history_length=100)
        return NeighbourhoodParams(), PerturbationParams(), patient
    near = NeighbourhoodParams()
    if len(problem.fleets) == 1 and not problem.timed:
        near = NeighbourhoodParams(num_neighbours=_NEAREST)
    history = int(np.clip(20 * effort, *_HISTORY))
    hasty = IteratedLocalSearchParams(history_length=history)
    return near, PerturbationParams(max_perturbations=_CHANGES), hasty


def _stop(job: Job, spent_s: float) -> MultipleCriteria:
    """The end of the budget, or of all hope: what is left over may serve another depot."""
    idle = NoImprovement(_HOPELESS * len(job.problem.stops))
    if job.budget.iterations is not None:
        return MultipleCriteria([MaxIterations(job.budget.iterations), idle])
    assert job.budget.seconds is not None
    return MultipleCriteria([MaxRuntime(max(job.budget.seconds - spent_s, 0.0)), idle])


def _penalties(problem: StaticProblem) -> PenaltyManager:
    """What breaking a rule by one unit costs at first: a load's worth costs ten mean arcs.

    PyVRP's own start, 50,000 for every problem, takes 40,000 iterations to come down to the size of
    a problem's costs, which is longer than most searches last.
    """
    fleet = problem.fleets[0]
    arc = float(problem.distance_m[fleet.profile].mean()) * max(fleet.cost_per_m, 1)
    loads = np.array([np.maximum(s.delivery, s.pickup) for s in problem.stops], dtype=float)
    dearest = max((s.penalty or 0 for s in problem.stops if s.goes_to is not None), default=0)
    rate = max(10.0 * max(fleet.cost_per_m, fleet.cost_per_s, 1), dearest / _LATE_S)
    first = [10 * arc / max(load, 1.0) for load in loads.mean(axis=0)]
    params = PenaltyParams(_UPDATES, max_penalty=max(_DEAREST, 10 * max(first)))
    return PenaltyManager((first, rate, rate), params)


class Model:
    """PyVRP's data, and which of its activities stands for which stop."""

    def __init__(self, problem: StaticProblem) -> None:
        self.problem = problem
        self.stop_of: dict[tuple[ActivityType, int], int] = {}
        self.activities_of: dict[int, list[Activity]] = {}
        clients: list[pyvrp.Client] = []
        groups: list[pyvrp.ClientGroup] = []
        shipments: list[pyvrp.Shipment] = []
        comes_from = {s.goes_to for s in problem.stops if s.goes_to is not None}
        for index, stop in enumerate(problem.stops):
            if stop.goes_to is not None:
                self._know(index, Activity(ActivityType.PICKUP, len(shipments)))
                self._know(stop.goes_to, Activity(ActivityType.DELIVERY, len(shipments)))
                shipments.append(_shipment(stop, problem.stops[stop.goes_to]))
            elif index not in comes_from:
                group = None
                if len(stop.windows) > 1:
                    group = len(groups)
                    members = range(len(clients), len(clients) + len(stop.windows))
                    groups.append(pyvrp.ClientGroup(list(members), stop.penalty is None))
                for client in _clients(stop, group):
                    self._know(index, Activity(ActivityType.CLIENT, len(clients)))
                    clients.append(client)
        distances, durations, profiles = _matrices(problem)
        self.data = pyvrp.ProblemData(
            [pyvrp.Location(0, 0)] * len(problem.distance_m[0]),
            clients,
            [pyvrp.Depot(node) for node in range(problem.num_depots)],
            [_vehicle(problem, f, p) for f, p in zip(problem.fleets, profiles, strict=True)],
            distances,
            durations,
            groups,
            shipments,
        )

    def _know(self, stop: int, activity: Activity) -> None:
        self.stop_of[activity.type, activity.idx] = stop
        self.activities_of.setdefault(stop, []).append(activity)

    def solution(self, tours: Sequence[Tour]) -> pyvrp.Solution:
        return pyvrp.Solution(
            self.data,
            [pyvrp.Route(self.data, list(self._activities(tour)), tour.fleet) for tour in tours],
        )

    def _activities(self, tour: Tour) -> Iterator[Activity]:
        """Of a stop with several windows the first one that is open long enough."""
        fleet = self.problem.fleets[tour.fleet]
        duration_s = self.problem.duration_s[fleet.profile]
        here, clock_s = fleet.start, fleet.opens_s
        for number, trip in enumerate(tour.trips):
            if number:
                yield Activity(ActivityType.DEPOT, fleet.reload_at[0])
                clock_s += int(duration_s[here, fleet.reload_at[0]])
                here = fleet.reload_at[0]
            for index in trip:
                stop, activities = self.problem.stops[index], self.activities_of[index]
                clock_s += int(duration_s[here, stop.node])
                closed = sum(window.closes_s < clock_s for window in stop.windows[:-1])
                yield activities[min(closed, len(activities) - 1)]
                clock_s = max(clock_s, stop.windows[closed].opens_s) + stop.service_s
                here = stop.node

    def tours(self, solution: pyvrp.Solution) -> Iterator[Tour]:
        for route in solution.routes():
            trips: list[list[int]] = [[]]
            for activity in list(route)[1:-1]:
                if activity.is_depot():
                    trips.append([])
                else:
                    trips[-1].append(self.stop_of[activity.type, activity.idx])
            yield Tour(route.vehicle_type(), tuple(tuple(trip) for trip in trips if trip))


def _clients(stop: Stop, group: int | None) -> Iterator[pyvrp.Client]:
    for window in stop.windows:
        yield pyvrp.Client(
            stop.node,
            delivery=list(stop.delivery),
            pickup=list(stop.pickup),
            service_duration=stop.service_s,
            tw_early=window.opens_s,
            tw_late=window.closes_s,
            release_time=stop.release_s,
            prize=stop.penalty or 0,
            required=stop.penalty is None and group is None,
            group=group,
        )


def _shipment(pickup: Stop, delivery: Stop) -> pyvrp.Shipment:
    # One that closes before it opens is refused by PyVRP; without a prize it is left out.
    closes_s = max(delivery.windows[-1].closes_s, pickup.windows[0].opens_s)
    in_time = closes_s == delivery.windows[-1].closes_s
    return pyvrp.Shipment(
        pickup.node,
        delivery.node,
        pickup_tw_early=pickup.windows[0].opens_s,
        pickup_tw_late=pickup.windows[-1].closes_s,
        pickup_service_duration=pickup.service_s,
        delivery_tw_early=delivery.windows[0].opens_s,
        delivery_tw_late=closes_s,
        delivery_service_duration=delivery.service_s,
        amount=list(pickup.pickup),
        prize=in_time * ((pickup.penalty or 0) + (delivery.penalty or 0)),
        required=pickup.penalty is None,
    )


def _vehicle(problem: StaticProblem, fleet: Fleet, profile: int) -> pyvrp.VehicleType:
    reach_m = [_LONGEST_M]
    if fleet.max_distance_m is not None:
        reach_m.append(fleet.max_distance_m)
    if fleet.max_drive_s is not None and fleet.max_drive_s < fleet.closes_s - fleet.opens_s:
        duration_s = problem.duration_s[fleet.profile].sum()
        metres_per_second = problem.distance_m[fleet.profile].sum() / max(duration_s, 1)
        reach_m.append(int(fleet.max_drive_s * metres_per_second))
    shift_s = fleet.closes_s - fleet.opens_s
    return pyvrp.VehicleType(
        fleet.num,
        list(fleet.capacity),
        fleet.start,
        fleet.end,
        fixed_cost=fleet.cost_fixed,
        tw_early=fleet.opens_s,
        tw_late=fleet.closes_s,
        shift_duration=shift_s if fleet.max_duration_s is None else fleet.max_duration_s,
        max_distance=min(reach_m),
        unit_distance_cost=fleet.cost_per_m,
        unit_duration_cost=fleet.cost_per_s,
        profile=profile,
        reload_depots=list(fleet.reload_at),
        max_reloads=fleet.max_trips - 1,
    )


def _matrices(problem: StaticProblem) -> tuple[list[Loose], list[Loose], list[int]]:
    """Distance and duration per profile, and each fleet's profile: its matrix and barred stops."""
    known: dict[tuple[int, frozenset[int]], int] = {}
    distances: list[Matrix] = []
    durations: list[Matrix] = []
    profiles = []
    for fleet in problem.fleets:
        key = (fleet.profile, fleet.barred)
        if key not in known:
            known[key] = len(distances)
            distance_m = problem.distance_m[fleet.profile]
            if fleet.barred:
                distance_m = distance_m.copy()
                distance_m[:, [problem.stops[stop].node for stop in fleet.barred]] = NEVER_M
                np.fill_diagonal(distance_m, 0)
            distances.append(distance_m)
            durations.append(problem.duration_s[fleet.profile])
        profiles.append(known[key])
    return distances, durations, profiles
