"""A static problem as PyVRP's data, and its solutions as tours.

Expresses everything but driving limits, which are turned into a distance (near the truth, not it),
and the windows of a pair beyond its first and last: `retime` judges what comes back. Several
windows are alternatives of which one is chosen; barred stops are too far to drive to.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyvrp
from pyvrp import Activity, ActivityType

from logistics.routes.static import Fleet, Matrix, StaticProblem, Stop, Tour

# As PyVRP's stubs spell it.
Loose: TypeAlias = "np.ndarray[Any, Any]"
# An arc longer than any route may be: a vehicle with such an arc is never feasible.
NEVER_M = 2**40
_LONGEST_M = 2**39


class Model:
    """PyVRP's data, and which of its activities stands for which stop."""

    def __init__(self, problem: StaticProblem) -> None:
        self.problem = problem
        # Of several windows all but one are prizes that PyVRP has missed whatever is served.
        self.never_won = 0
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
                    self.never_won += len(members[1:]) * (stop.penalty or 0)
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
