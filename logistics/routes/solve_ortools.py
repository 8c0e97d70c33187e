"""A static problem in OR-Tools' terms: guided local search (Voudouris and Tsang 1999).

Expresses driving limits, which PyVRP does not; but one trip a vehicle, and no release times: a
problem with those has no answer here. Travel goes in as matrices: a Python callback per arc would
cost more than the search itself. A stop that must be served is one that is very dear to leave out,
so that there always is a plan to start from.
"""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from ortools.constraint_solver import pywrapcp, routing_enums_pb2
from ortools.util import optional_boolean_pb2

from logistics.routes.problem import Budget
from logistics.routes.static import (
    NOTHING,
    Fleet,
    Found,
    Job,
    Matrix,
    StaticProblem,
    Stop,
    Tour,
    left_out,
)

_UNLIMITED = 2**40
_MUST = 100  # times the longest arc: the price of leaving out a stop that must be served


def solve(job: Job) -> Found:
    """The best tours found; the start, or else `NOTHING`, where a stop that must be served is on
    none of them.

    A budget of iterations counts failures of its search, about as many a second as PyVRP's
    iterations. OR-Tools takes no seed.
    """
    problem, began = job.problem, time.monotonic()
    nothing = job.start if job.start is not None else NOTHING
    if not problem.stops or not problem.fleets or any(s.release_s for s in problem.stops):
        return nothing
    model = Model(problem)
    parameters = _parameters(job.budget, time.monotonic() - began)
    if job.budget.iterations is not None:
        # A limit on solutions is never reached once guided local search finds no more of them.
        limit = model.routing.solver().FailuresLimit(job.budget.iterations)
        model.routing.AddSearchMonitor(limit)
    model.routing.CloseModelWithParameters(parameters)
    found = None
    if job.start is not None:
        found = model.improve(job.start.tours, parameters)
    if found is None:
        found = model.routing.SolveWithParameters(parameters)
    if found is None:
        found = model.improve((), parameters)
    if found is None:
        return nothing
    tours = tuple(sorted(model.tours(found)))
    if any(problem.stops[stop].penalty is None for stop in left_out(problem, tours)):
        return nothing
    return Found(tours, float(found.ObjectiveValue()))


def _parameters(budget: Budget, spent_s: float) -> object:
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    first = routing_enums_pb2.FirstSolutionStrategy
    parameters.first_solution_strategy = first.PARALLEL_CHEAPEST_INSERTION
    search = routing_enums_pb2.LocalSearchMetaheuristic
    parameters.local_search_metaheuristic = search.GUIDED_LOCAL_SEARCH
    # Taking out near stops and putting each back where it is cheapest: R112 6.1 → 3.2 % at 4 s.
    operators = parameters.local_search_operators
    operators.use_global_cheapest_insertion_close_nodes_lns = optional_boolean_pb2.BOOL_TRUE
    operators.use_local_cheapest_insertion_close_nodes_lns = optional_boolean_pb2.BOOL_TRUE
    # With a budget of iterations the clock is out of reach; without any, OR-Tools warns.
    limit_s = budget.seconds - spent_s if budget.seconds is not None else 86_400
    parameters.time_limit.FromMilliseconds(max(round(limit_s * 1000), 1))
    return parameters


class Model:
    """OR-Tools' model of a problem: a node is a node, a vehicle one of a fleet."""

    def __init__(self, problem: StaticProblem) -> None:
        self.problem = problem
        self.fleet_of = [f for f, fleet in enumerate(problem.fleets) for _ in range(fleet.num)]
        self.vehicles: list[Fleet] = [problem.fleets[f] for f in self.fleet_of]
        starts = [vehicle.start for vehicle in self.vehicles]
        ends = [vehicle.end for vehicle in self.vehicles]
        size = len(problem.distance_m[0])
        self.manager = pywrapcp.RoutingIndexManager(size, len(self.vehicles), starts, ends)
        self.routing = pywrapcp.RoutingModel(self.manager)
        self.stop_at = {stop.node: index for index, stop in enumerate(problem.stops)}
        for node in set(range(size)) - set(starts) - set(ends) - set(self.stop_at):
            self.routing.AddDisjunction([self.manager.NodeToIndex(node)], 0)
            self.routing.VehicleVar(self.manager.NodeToIndex(node)).SetValues([-1])
        self._add_costs()
        self._add_time()
        self._add_loads()
        self._add_limits()
        self._add_pairs()

    def improve(self, tours: Sequence[Tour], parameters: object) -> pywrapcp.Assignment | None:
        free = [
            [v for v, fleet in enumerate(self.fleet_of) if fleet == f]
            for f in range(len(self.problem.fleets))
        ]
        routes: list[list[int]] = [[] for _ in self.vehicles]
        for tour in tours:
            nodes = [self.problem.stops[stop].node for stop in tour.stops]
            routes[free[tour.fleet].pop(0)] = nodes
        assignment = self.routing.ReadAssignmentFromRoutes(routes, True)
        if assignment is None:
            return None
        return self.routing.SolveFromAssignmentWithParameters(assignment, parameters)

    def tours(self, found: pywrapcp.Assignment) -> Iterator[Tour]:
        for vehicle, fleet in enumerate(self.fleet_of):
            stops = []
            index = found.Value(self.routing.NextVar(self.routing.Start(vehicle)))
            while not self.routing.IsEnd(index):
                stops.append(self.stop_at[self.manager.IndexToNode(index)])
                index = found.Value(self.routing.NextVar(index))
            if stops:
                yield Tour(fleet, (tuple(stops),))

    def _index(self, stop: Stop) -> int:
        return int(self.manager.NodeToIndex(stop.node))

    def _add_costs(self) -> None:
        """Distance and fixed costs, the price of leaving a stop out, and who may serve it."""
        longest = max(int(matrix.max()) for matrix in self.problem.distance_m)
        dearest = max(fleet.cost_per_m * longest + fleet.cost_fixed for fleet in self.vehicles)
        arcs = self._per_kind(
            lambda fleet: self.problem.distance_m[fleet.profile] * fleet.cost_per_m,
            lambda fleet: (fleet.profile, fleet.cost_per_m),
        )
        for vehicle, (fleet, arc) in enumerate(zip(self.vehicles, arcs, strict=True)):
            self.routing.SetArcCostEvaluatorOfVehicle(arc, vehicle)
            self.routing.SetFixedCostOfVehicle(fleet.cost_fixed, vehicle)
        for index, stop in enumerate(self.problem.stops):
            penalty = _MUST * dearest if stop.penalty is None else stop.penalty
            self.routing.AddDisjunction([self._index(stop)], penalty)
            able = [v for v, fleet in enumerate(self.vehicles) if index not in fleet.barred]
            if len(able) < len(self.vehicles):
                self.routing.VehicleVar(self._index(stop)).SetValues([-1, *able])

    def _add_time(self) -> None:
        """Driving and service, windows, shifts, and the price of time."""
        service_s = np.zeros(len(self.problem.distance_m[0]), dtype=np.int64)
        for stop in self.problem.stops:
            service_s[stop.node] = stop.service_s
        transits = self._per_kind(
            lambda fleet: self.problem.duration_s[fleet.profile] + service_s[:, None],
            lambda fleet: fleet.profile,
        )
        horizon_s = max(fleet.closes_s for fleet in self.vehicles)
        self.routing.AddDimensionWithVehicleTransits(transits, horizon_s, horizon_s, False, "time")
        time = self.routing.GetDimensionOrDie("time")
        for stop in self.problem.stops:
            index = self._index(stop)
            if stop.windows[0].opens_s > horizon_s:
                self.routing.VehicleVar(index).SetValue(-1)
                continue
            cumul = time.CumulVar(index)
            cumul.SetRange(stop.windows[0].opens_s, min(stop.windows[-1].closes_s, horizon_s))
            for window, following in zip(stop.windows, stop.windows[1:], strict=False):
                cumul.RemoveInterval(window.closes_s + 1, following.opens_s - 1)
        for vehicle, fleet in enumerate(self.vehicles):
            for end in (self.routing.Start(vehicle), self.routing.End(vehicle)):
                time.CumulVar(end).SetRange(fleet.opens_s, fleet.closes_s)
                if fleet.cost_per_s or fleet.max_duration_s is not None:
                    self.routing.AddVariableMinimizedByFinalizer(time.CumulVar(end))
            time.SetSpanCostCoefficientForVehicle(fleet.cost_per_s, vehicle)
            if fleet.max_duration_s is not None:
                time.SetSpanUpperBoundForVehicle(fleet.max_duration_s, vehicle)

    def _add_loads(self) -> None:
        """What is on board on every leg: the deliveries still to come and the pickups so far."""
        size = len(self.problem.distance_m[0])
        paired = {s.goes_to for s in self.problem.stops if s.goes_to is not None}
        for number in range(len(self.vehicles[0].capacity)):
            room = [fleet.capacity[number] for fleet in self.vehicles]
            out, change = [0] * size, [0] * size
            for index, stop in enumerate(self.problem.stops):
                out[stop.node] = 0 if index in paired else stop.delivery[number]
                change[stop.node] = stop.pickup[number] - stop.delivery[number]
            delivered = self.routing.RegisterUnaryTransitVector(out)
            name = f"delivered {number}"
            self.routing.AddDimensionWithVehicleCapacity(delivered, 0, room, True, name)
            if all(-c == o for c, o in zip(change, out, strict=True)):
                continue
            aboard = self.routing.RegisterUnaryTransitVector(change)
            more = f"aboard {number}"
            self.routing.AddDimensionWithVehicleCapacity(aboard, 0, room, False, more)
            for vehicle in range(len(self.vehicles)):
                # A vehicle starts with exactly what it will deliver, not with what it may collect.
                start = self.routing.GetDimensionOrDie(more).CumulVar(self.routing.Start(vehicle))
                end = self.routing.GetDimensionOrDie(name).CumulVar(self.routing.End(vehicle))
                self.routing.solver().Add(start == end)

    def _add_limits(self) -> None:
        """Range and driving time, where any vehicle has such a limit."""
        self._add_limit("range", self.problem.distance_m, [f.max_distance_m for f in self.vehicles])
        self._add_limit("drive", self.problem.duration_s, [f.max_drive_s for f in self.vehicles])

    def _add_limit(
        self, name: str, matrices: Sequence[Matrix], limits: Sequence[int | None]
    ) -> None:
        if any(limit is not None for limit in limits):
            arcs = self._per_kind(lambda f: matrices[f.profile], lambda f: f.profile)
            room = [_UNLIMITED if limit is None else limit for limit in limits]
            self.routing.AddDimensionWithVehicleTransitAndCapacity(arcs, 0, room, True, name)

    def _add_pairs(self) -> None:
        time = self.routing.GetDimensionOrDie("time")
        for stop in self.problem.stops:
            if stop.goes_to is not None:
                here, there = self._index(stop), self._index(self.problem.stops[stop.goes_to])
                self.routing.AddPickupAndDelivery(here, there)
                same = self.routing.VehicleVar(here) == self.routing.VehicleVar(there)
                self.routing.solver().Add(same)
                self.routing.solver().Add(time.CumulVar(here) <= time.CumulVar(there))

    def _per_kind(
        self, matrix: Callable[[Fleet], Matrix], kind: Callable[[Fleet], object]
    ) -> list[int]:
        """One registered matrix per kind of vehicle; its number for each vehicle."""
        known: dict[object, int] = {}
        for fleet in self.vehicles:
            if kind(fleet) not in known:
                known[kind(fleet)] = self.routing.RegisterTransitMatrix(matrix(fleet).tolist())
        return [known[kind(fleet)] for fleet in self.vehicles]
