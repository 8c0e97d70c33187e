"""A depot's problem with its travel times held still: what the engines search, and the way back.

Skills and locks become barred stops, breaks a shorter shift; crews that differ in nothing but
their names become one fleet.
"""

from dataclasses import dataclass, replace
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

from logistics.routes.problem import Crew, DepotProblem, Order, Plan, Route, plan_of
from logistics.routes.static import Fleet, Found, StaticProblem, Stop, Tour

# Costs are whole numbers in the engines. With the dearer of a metre and a second at 400 the other
# one is rounded by well under a percent of the whole, and PyVRP's penalties (up to 100,000) bite.
_DEAREST = 400
_LOAD_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Flat:
    """members: the crews of each fleet of the problem."""

    problem: StaticProblem
    members: tuple[tuple[int, ...], ...]

    def found(self, plan: Plan) -> Found:
        """The plan in the engines' terms."""
        fleet_of = {crew: fleet for fleet, crews in enumerate(self.members) for crew in crews}
        tours = [Tour(fleet_of[route.crew], (route.orders,)) for route in plan.routes]
        return Found(tuple(sorted(tours)), np.inf)

    def plan(self, found: Found) -> Plan:
        """The tours dealt to the crews of their fleets, the first crews first."""
        free = [list(reversed(crews)) for crews in self.members]
        routes = [Route(free[tour.fleet].pop(), tour.stops) for tour in found.tours]
        return plan_of(routes, len(self.problem.stops))


def flatten(problem: DepotProblem, duration_s: NDArray[np.int64]) -> Flat:
    """The problem under static driving times at speed factor 1, (n, n) whole seconds."""
    scale, steps = _scale(problem), _steps(problem)
    speeds = sorted({crew.speed_factor for crew in problem.crews})
    kinds: dict[Fleet, list[int]] = {}
    for index, crew in enumerate(problem.crews):
        barred = (o for o in range(len(problem.orders)) if not problem.suits(index, o))
        profile = speeds.index(crew.speed_factor)
        fleet = _fleet(crew, profile, frozenset(barred), scale, steps)
        kinds.setdefault(fleet, []).append(index)
    flat = StaticProblem(
        1,
        tuple(_stop(order, index + 1, scale, steps) for index, order in enumerate(problem.orders)),
        tuple(replace(fleet, num=len(crews)) for fleet, crews in kinds.items()),
        (problem.travel.distance_m,) * len(speeds),
        tuple(np.ceil(duration_s / speed).astype(np.int64) for speed in speeds),
    )
    return Flat(flat, tuple(tuple(crews) for crews in kinds.values()))


def _stop(order: Order, node: int, scale: float, steps: tuple[int, int]) -> Stop:
    load = (ceil(order.weight_mg / steps[0]), ceil(order.volume_mm3 / steps[1]))
    return Stop(
        node=node,
        windows=order.windows,
        delivery=(0, 0) if order.pickup else load,
        pickup=load if order.pickup else (0, 0),
        service_s=order.service_s,
        penalty=round(order.penalty * scale),
    )


def _fleet(
    crew: Crew, profile: int, barred: frozenset[int], scale: float, steps: tuple[int, int]
) -> Fleet:
    return Fleet(
        num=1,
        capacity=(crew.capacity_mg // steps[0], crew.capacity_mm3 // steps[1]),
        opens_s=crew.starts_s,
        closes_s=max(crew.ends_s - crew.breaks_needed * crew.break_s, crew.starts_s),
        cost_fixed=round(crew.cost_fixed * scale),
        cost_per_m=round(crew.cost_per_km / 1000 * scale),
        cost_per_s=round(crew.cost_per_h / 3600 * scale),
        max_distance_m=crew.range_m,
        max_drive_s=crew.max_drive_s,
        profile=profile,
        barred=barred,
    )


def _scale(problem: DepotProblem) -> float:
    rates = {r for c in problem.crews for r in (c.cost_per_km / 1000, c.cost_per_h / 3600) if r > 0}
    if not rates:
        return 1000.0
    return 1 / rates.pop() if len(rates) == 1 else _DEAREST / max(rates)


def _steps(problem: DepotProblem) -> tuple[int, int]:
    """Milligrams and cubic millimetres per whole load: exact where a common divisor allows it."""
    steps = []
    for loads, room in (
        ([o.weight_mg for o in problem.orders], [c.capacity_mg for c in problem.crews]),
        ([o.volume_mm3 for o in problem.orders], [c.capacity_mm3 for c in problem.crews]),
    ):
        # Rounding loads up and room down is safe; exact insertion wins back what it costs.
        steps.append(max(gcd(*loads, *room), ceil(max(room) / _LOAD_STEPS), 1))
    return steps[0], steps[1]
