"""A depot's problem in PyVRP's terms: iterated local search over a static matrix.

Expresses capacities with deliveries and pickups, several windows (as alternatives of which one is
chosen), shifts, range, a mixed fleet, skills and locked vehicles (as arcs too long to drive), and
orders that may be dropped at a price. Driving limits are turned into a distance and breaks into a
shorter shift, which is near the truth but not it: `retime` judges what comes back.
"""

import warnings
from collections.abc import Sequence
from math import ceil, gcd
from typing import Any, TypeAlias

import numpy as np
import pyvrp
from numpy.typing import NDArray
from pyvrp.exceptions import PenaltyBoundWarning
from pyvrp.stop import MaxIterations, MaxRuntime

from logistics.routes.problem import Budget, Crew, DepotProblem, Plan, Route, plan_of

# As PyVRP's stubs spell it.
Matrix: TypeAlias = "np.ndarray[Any, Any]"
# An arc longer than any route may be: a vehicle with such an arc is never feasible.
NEVER_M = 20_000_000
_LONGEST_M = 10_000_000
# Costs are whole numbers in PyVRP. With the dearer of a metre and a second at 400 the other one is
# rounded by well under a percent of the whole, and PyVRP's penalties (up to 100,000) still bite.
_DEAREST = 400
_LOAD_STEPS = 10_000
# A night's budget is a few thousand iterations: PyVRP adapts its penalties every 500, we every 50.
# Seen, not proven: 4,497 against 4,829 by the default on three made depots of 133 orders at 1,500
# iterations, one seed each; no better on X-n200 and RC105 at 4 s.
_PARAMS = pyvrp.SolveParams(penalty=pyvrp.PenaltyParams(solutions_between_updates=50))


def solve(
    problem: DepotProblem,
    duration_s: NDArray[np.int64],
    budget: Budget,
    seed: int,
    start: Plan | None = None,
) -> Plan:
    """The best plan found for static driving times at speed factor 1, (n, n) whole seconds.

    start: a plan to improve on. An instance without a feasible answer found yields the empty plan.
    """
    if not problem.orders or not problem.crews:
        return plan_of((), len(problem.orders))
    types = _types(problem)
    data, order_of = _data(problem, duration_s, types)
    initial = None if start is None else _solution(problem, data, order_of, types, start)
    with warnings.catch_warnings():
        # It says that feasible plans are hard to find; what was found is judged either way.
        warnings.simplefilter("ignore", PenaltyBoundWarning)
        result = pyvrp.solve(
            data,
            _stop(budget),
            seed=seed % 2**31,
            collect_stats=False,
            display=False,
            params=_PARAMS,
            initial_solution=initial,
        )
    return _plan(problem, result.best, order_of, types)


def _stop(budget: Budget) -> MaxRuntime | MaxIterations:
    if budget.iterations is not None:
        return MaxIterations(budget.iterations)
    assert budget.seconds is not None
    return MaxRuntime(budget.seconds)


def _types(problem: DepotProblem) -> list[list[int]]:
    """Crews that differ in nothing but their names, together: (type, crew indices)."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, crew in enumerate(problem.crews):
        suits = tuple(problem.suits(index, order) for order in range(len(problem.orders)))
        key = (
            suits,
            crew.capacity_mg,
            crew.capacity_mm3,
            crew.starts_s,
            crew.ends_s,
            (crew.cost_fixed, crew.cost_per_km, crew.cost_per_h),
            (crew.speed_factor, crew.range_m, crew.max_drive_s),
            crew.breaks_needed * crew.break_s,
        )
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def _data(
    problem: DepotProblem, duration_s: NDArray[np.int64], types: Sequence[Sequence[int]]
) -> tuple[pyvrp.ProblemData, list[int]]:
    """PyVRP's problem, and the order that each of its clients stands for."""
    scale = _scale(problem)
    weigh, measure = _steps(problem)
    clients: list[pyvrp.Client] = []
    groups: list[pyvrp.ClientGroup] = []
    order_of: list[int] = []
    for index, order in enumerate(problem.orders):
        load = [
            ceil(order.weight_mg / weigh),
            ceil(order.volume_mm3 / measure),
        ]
        group = None
        if len(order.windows) > 1:
            group = len(groups)
            members = range(len(clients), len(clients) + len(order.windows))
            groups.append(pyvrp.ClientGroup(list(members), required=False))
        for window in order.windows:
            order_of.append(index)
            clients.append(
                pyvrp.Client(
                    index + 1,
                    delivery=[0, 0] if order.pickup else load,
                    pickup=load if order.pickup else [0, 0],
                    service_duration=order.service_s,
                    tw_early=window.opens_s,
                    tw_late=window.closes_s,
                    prize=round(order.penalty * scale),
                    required=False,
                    group=group,
                )
            )
    distances, durations, profiles = _matrices(problem, duration_s, types)
    vehicles = [
        _vehicle(problem.crews[members[0]], len(members), profile, scale, (weigh, measure), pace)
        for members, profile, pace in zip(
            types, profiles, _metres_per_second(problem, duration_s, types), strict=True
        )
    ]
    locations = [pyvrp.Location(0, 0) for _ in range(len(problem.orders) + 1)]
    depots = [pyvrp.Depot(0)]
    data = pyvrp.ProblemData(locations, clients, depots, vehicles, distances, durations, groups)
    return data, order_of


def _vehicle(
    crew: Crew,
    num: int,
    profile: int,
    scale: float,
    steps: tuple[int, int],
    metres_per_second: float,
) -> pyvrp.VehicleType:
    reach_m = [_LONGEST_M]
    if crew.range_m is not None:
        reach_m.append(crew.range_m)
    if crew.max_drive_s is not None and crew.max_drive_s < crew.ends_s - crew.starts_s:
        reach_m.append(int(crew.max_drive_s * metres_per_second))
    return pyvrp.VehicleType(
        num,
        [crew.capacity_mg // steps[0], crew.capacity_mm3 // steps[1]],
        fixed_cost=round(crew.cost_fixed * scale),
        tw_early=crew.starts_s,
        tw_late=max(crew.ends_s - crew.breaks_needed * crew.break_s, crew.starts_s),
        max_distance=min(reach_m),
        unit_distance_cost=round(crew.cost_per_km / 1000 * scale),
        unit_duration_cost=round(crew.cost_per_h / 3600 * scale),
        profile=profile,
    )


def _scale(problem: DepotProblem) -> float:
    rates = {r for c in problem.crews for r in (c.cost_per_km / 1000, c.cost_per_h / 3600) if r > 0}
    if not rates:
        return 1000.0
    return 1 / rates.pop() if len(rates) == 1 else _DEAREST / max(rates)


def _steps(problem: DepotProblem) -> tuple[int, int]:
    """Milligrams and cubic millimetres per PyVRP unit: exact where a common divisor allows it.

    PyVRP starts from penalties made for loads of tens to hundreds; counted finely it spends its
    first 50,000 iterations lowering them.
    """
    steps = []
    for loads, room in (
        ([o.weight_mg for o in problem.orders], [c.capacity_mg for c in problem.crews]),
        ([o.volume_mm3 for o in problem.orders], [c.capacity_mm3 for c in problem.crews]),
    ):
        # Rounding loads up and room down is safe; exact insertion wins back what it costs.
        steps.append(max(gcd(*loads, *room), ceil(max(room) / _LOAD_STEPS), 1))
    return steps[0], steps[1]


def _matrices(
    problem: DepotProblem, duration_s: NDArray[np.int64], types: Sequence[Sequence[int]]
) -> tuple[list[Matrix], list[Matrix], list[int]]:
    """Distance and duration per profile, and each type's profile: speed and orders it may serve."""
    distances: list[Matrix] = []
    durations: list[Matrix] = []
    profiles: list[int] = []
    known: dict[tuple[float, tuple[bool, ...]], int] = {}
    for members in types:
        speed = problem.crews[members[0]].speed_factor
        suits = tuple(problem.suits(members[0], order) for order in range(len(problem.orders)))
        if (speed, suits) not in known:
            known[speed, suits] = len(distances)
            distance_m = problem.travel.distance_m.copy()
            distance_m[:, 1:][:, ~np.array(suits)] = NEVER_M
            np.fill_diagonal(distance_m, 0)
            distances.append(distance_m)
            durations.append(np.ceil(duration_s / speed).astype(np.int64))
        profiles.append(known[speed, suits])
    return distances, durations, profiles


def _metres_per_second(
    problem: DepotProblem, duration_s: NDArray[np.int64], types: Sequence[Sequence[int]]
) -> list[float]:
    mean = problem.travel.distance_m.sum() / max(duration_s.sum(), 1)
    return [float(mean) * problem.crews[members[0]].speed_factor for members in types]


def _solution(
    problem: DepotProblem,
    data: pyvrp.ProblemData,
    order_of: Sequence[int],
    types: Sequence[Sequence[int]],
    plan: Plan,
) -> pyvrp.Solution:
    first: dict[int, int] = {}
    for client, order in enumerate(order_of):
        first.setdefault(order, client)
    type_of = {crew: index for index, members in enumerate(types) for crew in members}
    routes = [
        pyvrp.Route(data, [first[order] for order in route.orders], type_of[route.crew])
        for route in plan.routes
    ]
    return pyvrp.Solution(data, routes)


def _plan(
    problem: DepotProblem,
    solution: pyvrp.Solution,
    order_of: Sequence[int],
    types: Sequence[Sequence[int]],
) -> Plan:
    if not solution.is_feasible():
        return plan_of((), len(problem.orders))
    free = [list(reversed(members)) for members in types]
    routes = [
        Route(
            free[route.vehicle_type()].pop(),
            tuple(order_of[stop.idx] for stop in route if stop.is_client()),
        )
        for route in solution.routes()
    ]
    return plan_of(routes, len(problem.orders))
