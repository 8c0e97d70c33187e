"""A depot's problem in OR-Tools' terms: guided local search over a static matrix.

Expresses every rule of the problem, driving limits included, and can start from a plan; breaks are
only reserved, by a shorter shift (its break intervals took 7 s to read in a plan of 133 orders; it
is `retime` that places breaks). Travel goes in as matrices: a Python callback per arc would cost
more than the search itself.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from ortools.constraint_solver import pywrapcp, routing_enums_pb2

from logistics.routes.problem import Budget, Crew, DepotProblem, Plan, Route, plan_of

# Costs are whole numbers: thousandths of a cost unit, times ten metres or seconds of rounding.
_SCALE = 10_000


def solve(
    problem: DepotProblem,
    duration_s: NDArray[np.int64],
    budget: Budget,
    seed: int,
    start: Plan | None = None,
) -> Plan:
    """The best plan found for static driving times at speed factor 1, (n, n) whole seconds.

    start: a plan to improve on; without one, or when it breaks a rule here, parallel cheapest
    insertion makes one. All orders may be dropped, so there always is a plan. A budget of
    iterations counts failures of its search, about as many a second as PyVRP's iterations. OR-Tools
    takes no seed.
    """
    del seed
    if not problem.orders or not problem.crews:
        return plan_of((), len(problem.orders))
    num_nodes, num_crews = len(problem.orders) + 1, len(problem.crews)
    manager = pywrapcp.RoutingIndexManager(num_nodes, num_crews, 0)
    routing = pywrapcp.RoutingModel(manager)
    _add_costs(problem, manager, routing)
    _add_time(problem, duration_s, manager, routing)
    _add_loads(problem, routing)
    _add_limits(problem, duration_s, routing)
    parameters = _parameters(budget)
    if budget.iterations is not None:
        # A limit on solutions is never reached once guided local search finds no more of them.
        routing.AddSearchMonitor(routing.solver().FailuresLimit(budget.iterations))
    routing.CloseModelWithParameters(parameters)
    found = None
    if start is not None:
        found = _from_plan(problem, routing, start, parameters)
    if found is None:
        found = routing.SolveWithParameters(parameters)
    if found is None:
        found = _from_plan(problem, routing, plan_of((), len(problem.orders)), parameters)
    return _plan(problem, manager, routing, found)


def _from_plan(
    problem: DepotProblem,
    routing: pywrapcp.RoutingModel,
    plan: Plan,
    parameters: object,
) -> pywrapcp.Assignment | None:
    orders = {route.crew: [order + 1 for order in route.orders] for route in plan.routes}
    routes = [orders.get(crew, []) for crew in range(len(problem.crews))]
    assignment = routing.ReadAssignmentFromRoutes(routes, True)
    if assignment is None:
        return None
    return routing.SolveFromAssignmentWithParameters(assignment, parameters)


def _parameters(budget: Budget) -> object:
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    first = routing_enums_pb2.FirstSolutionStrategy
    parameters.first_solution_strategy = first.PARALLEL_CHEAPEST_INSERTION
    search = routing_enums_pb2.LocalSearchMetaheuristic
    parameters.local_search_metaheuristic = search.GUIDED_LOCAL_SEARCH
    # With a budget of iterations the clock is out of reach; without any, OR-Tools warns.
    limit_s = budget.seconds if budget.seconds is not None else 86_400
    parameters.time_limit.FromMilliseconds(max(round(limit_s * 1000), 1))
    return parameters


def _add_costs(
    problem: DepotProblem, manager: pywrapcp.RoutingIndexManager, routing: pywrapcp.RoutingModel
) -> None:
    """Distance and fixed costs, the price of leaving an order out, and who may serve it."""
    registered: dict[float, int] = {}
    for index, crew in enumerate(problem.crews):
        if crew.cost_per_km not in registered:
            arcs = np.rint(problem.travel.distance_m * (crew.cost_per_km / 1000 * _SCALE))
            registered[crew.cost_per_km] = routing.RegisterTransitMatrix(
                arcs.astype(np.int64).tolist()
            )
        routing.SetArcCostEvaluatorOfVehicle(registered[crew.cost_per_km], index)
        routing.SetFixedCostOfVehicle(round(crew.cost_fixed * _SCALE), index)
    for index, order in enumerate(problem.orders):
        node = manager.NodeToIndex(index + 1)
        suited = [crew for crew in range(len(problem.crews)) if problem.suits(crew, index)]
        routing.AddDisjunction([node], round(order.penalty * _SCALE))
        if len(suited) < len(problem.crews):
            routing.VehicleVar(node).SetValues([-1, *suited])


def _add_time(
    problem: DepotProblem,
    duration_s: NDArray[np.int64],
    manager: pywrapcp.RoutingIndexManager,
    routing: pywrapcp.RoutingModel,
) -> None:
    """Driving and service, windows, shifts, and the price of time."""
    service_s = np.array([0, *(order.service_s for order in problem.orders)])
    transits = _per_speed(
        problem, lambda speed: _driven(duration_s, speed) + service_s[:, None], routing
    )
    horizon_s = max(crew.ends_s for crew in problem.crews)
    routing.AddDimensionWithVehicleTransits(transits, horizon_s, horizon_s, False, "time")
    time = routing.GetDimensionOrDie("time")
    for index, order in enumerate(problem.orders):
        cumul = time.CumulVar(manager.NodeToIndex(index + 1))
        if order.windows[0].opens_s > horizon_s:
            routing.VehicleVar(manager.NodeToIndex(index + 1)).SetValue(-1)
            continue
        cumul.SetRange(order.windows[0].opens_s, min(order.windows[-1].closes_s, horizon_s))
        for window, following in zip(order.windows, order.windows[1:], strict=False):
            cumul.RemoveInterval(window.closes_s + 1, following.opens_s - 1)
    for index, crew in enumerate(problem.crews):
        for end in (routing.Start(index), routing.End(index)):
            time.CumulVar(end).SetRange(crew.starts_s, _ends_s(crew))
            routing.AddVariableMinimizedByFinalizer(time.CumulVar(end))
        time.SetSpanCostCoefficientForVehicle(round(crew.cost_per_h / 3600 * _SCALE), index)


def _add_loads(problem: DepotProblem, routing: pywrapcp.RoutingModel) -> None:
    """What is on board on every leg: the deliveries still to come and the pickups so far."""
    for name, loads, room in (
        ("mg", [o.weight_mg for o in problem.orders], [c.capacity_mg for c in problem.crews]),
        ("mm3", [o.volume_mm3 for o in problem.orders], [c.capacity_mm3 for c in problem.crews]),
    ):
        out = [0 if o.pickup else load for o, load in zip(problem.orders, loads, strict=True)]
        back = [load if o.pickup else 0 for o, load in zip(problem.orders, loads, strict=True)]
        delivered = routing.RegisterUnaryTransitVector([0, *out])
        routing.AddDimensionWithVehicleCapacity(delivered, 0, room, True, f"delivered {name}")
        if not any(back):
            continue
        change = [b - o for b, o in zip(back, out, strict=True)]
        aboard = routing.RegisterUnaryTransitVector([0, *change])
        routing.AddDimensionWithVehicleCapacity(aboard, 0, room, False, f"aboard {name}")
        for crew in range(len(problem.crews)):
            # A vehicle starts with exactly what it will deliver, not with what it may collect.
            start = routing.GetDimensionOrDie(f"aboard {name}").CumulVar(routing.Start(crew))
            end = routing.GetDimensionOrDie(f"delivered {name}").CumulVar(routing.End(crew))
            routing.solver().Add(start == end)


def _add_limits(
    problem: DepotProblem, duration_s: NDArray[np.int64], routing: pywrapcp.RoutingModel
) -> None:
    """Range and driving time, where any crew has such a limit."""
    if any(crew.range_m is not None for crew in problem.crews):
        metres = routing.RegisterTransitMatrix(problem.travel.distance_m.tolist())
        limits = [10**9 if crew.range_m is None else crew.range_m for crew in problem.crews]
        routing.AddDimensionWithVehicleCapacity(metres, 0, limits, True, "range")
    if any(crew.max_drive_s is not None for crew in problem.crews):
        transits = _per_speed(problem, lambda speed: _driven(duration_s, speed), routing)
        limits = [10**9 if c.max_drive_s is None else c.max_drive_s for c in problem.crews]
        routing.AddDimensionWithVehicleTransitAndCapacity(transits, 0, limits, True, "drive")


def _ends_s(crew: Crew) -> int:
    return max(crew.ends_s - crew.breaks_needed * crew.break_s, crew.starts_s)


def _driven(duration_s: NDArray[np.int64], speed_factor: float) -> NDArray[np.int64]:
    return np.ceil(duration_s / speed_factor).astype(np.int64)


def _per_speed(
    problem: DepotProblem,
    transit: Callable[[float], NDArray[np.int64]],
    routing: pywrapcp.RoutingModel,
) -> list[int]:
    """One registered matrix per distinct speed factor; its number for each crew."""
    speeds = sorted({crew.speed_factor for crew in problem.crews})
    registered = {s: routing.RegisterTransitMatrix(transit(s).tolist()) for s in speeds}
    return [registered[crew.speed_factor] for crew in problem.crews]


def _plan(
    problem: DepotProblem,
    manager: pywrapcp.RoutingIndexManager,
    routing: pywrapcp.RoutingModel,
    found: pywrapcp.Assignment | None,
) -> Plan:
    if found is None:
        return plan_of((), len(problem.orders))
    return plan_of(
        [
            Route(crew, tuple(_visited(crew, manager, routing, found)))
            for crew in range(len(problem.crews))
        ],
        len(problem.orders),
    )


def _visited(
    crew: int,
    manager: pywrapcp.RoutingIndexManager,
    routing: pywrapcp.RoutingModel,
    found: pywrapcp.Assignment,
) -> Sequence[int]:
    orders = []
    index = found.Value(routing.NextVar(routing.Start(crew)))
    while not routing.IsEnd(index):
        orders.append(manager.IndexToNode(index) - 1)
        index = found.Value(routing.NextVar(index))
    return orders
