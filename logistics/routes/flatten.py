"""A depot's problem with its travel times held still: what the engines search, and the way back.

Skills and locks become barred stops, breaks a shorter shift; crews that differ in nothing but
their names become one fleet. Overtime is left to exact insertion, as a last resort.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, gcd
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from logistics.routes.problem import Crew, DepotProblem, Plan, plan_of, route_of
from logistics.routes.slots import SlotTravel
from logistics.routes.static import Day, Fleet, Found, StaticProblem, Stop, Tour, Traffic
from logistics.routes.zones import ZoneTravel

# Costs are whole numbers in the engines. With the dearer of a metre and a second at 400 the other
# one is rounded by well under a percent of the whole, and PyVRP's penalties (up to 100,000) bite.
_DEAREST = 400
_LOAD_STEPS = 10_000
N = TypeVar("N", np.int64, np.float64)
Steps = dict[int, int]  # kind of load that matters → what one whole unit of it is


@dataclass(frozen=True, slots=True)
class Flat:
    """members: the crews of each fleet of the problem; known: the orders each crew is used to."""

    problem: StaticProblem
    members: tuple[tuple[int, ...], ...]
    known: tuple[frozenset[int], ...]

    def found(self, plan: Plan) -> Found:
        """The plan in the engines' terms."""
        fleet_of = {crew: fleet for fleet, crews in enumerate(self.members) for crew in crews}
        tours = [Tour(fleet_of[route.crew], route.trips) for route in plan.routes]
        return Found(tuple(sorted(tours)), np.inf)

    def plan(self, found: Found) -> Plan:
        """The tours dealt to the crews of their fleets, to those that know most of their orders."""
        routes = []
        for fleet, crews in enumerate(self.members):
            tours = [tour for tour in found.tours if tour.fleet == fleet]
            pairs = [(tour, crew) for tour in range(len(tours)) for crew in crews]
            known = {
                (tour, crew): len(self.known[crew].intersection(tours[tour].stops))
                for tour, crew in pairs
            }
            dealt: dict[int, int] = {}
            for tour, crew in sorted(pairs, key=lambda pair: (-known[pair], pair)):
                if tour not in dealt and crew not in dealt.values():
                    dealt[tour] = crew
            routes += [route_of(crew, tours[tour].trips) for tour, crew in dealt.items()]
        return plan_of(routes, len(self.problem.stops))


def flatten(
    problem: DepotProblem,
    duration_s: NDArray[np.int64],
    most_s: int | None = None,
    traffic: bool = False,
) -> Flat:
    """The problem under static driving times at speed factor 1, (n, n) whole seconds.

    most_s: the longest that a route may take, whatever the shift. traffic: whether to tell what
    the static times stand for, which must be possible.
    """
    scale, steps = _scale(problem), _steps(problem)
    # Whoever reaches the depot is held up by a reload; the shift's end comes as much later.
    reload_s = max((crew.reload_s for crew in problem.crews if crew.max_trips > 1), default=0)
    num_depots = len(problem.depots)
    bases = [problem.base(depot) for depot in range(num_depots)]
    nodes = np.array([*bases, *range(1, len(problem.orders) + 1)])
    distance_m = problem.travel.distance_m[np.ix_(nodes, nodes)]
    duration_s = duration_s[np.ix_(nodes, nodes)]
    duration_s[num_depots:, :num_depots] += reload_s
    profiles = sorted({(crew.speed_factor, crew.returns) for crew in problem.crews})
    kinds: dict[Fleet, list[int]] = {}
    barred = _barred(problem)
    for index, crew in enumerate(problem.crews):
        profile = profiles.index((crew.speed_factor, crew.returns))
        fleet = _fleet(crew, profile, barred[index], scale, steps, reload_s)
        kinds.setdefault(fleet, []).append(index)
    flat = StaticProblem(
        num_depots,
        tuple(_stop(problem, index, scale, steps) for index in range(len(problem.orders))),
        tuple(
            replace(fleet, num=len(crews), max_duration_s=most_s) for fleet, crews in kinds.items()
        ),
        tuple(_homeward(distance_m, returns, num_depots) for _, returns in profiles),
        tuple(
            _homeward(np.ceil(duration_s / speed).astype(np.int64), returns, num_depots)
            for speed, returns in profiles
        ),
        _traffic(problem, nodes, profiles) if traffic else None,
    )
    known = (
        frozenset(k for k, o in enumerate(problem.orders) if o.usual_vehicle == crew.vehicle_id)
        for crew in problem.crews
    )
    return Flat(flat, tuple(tuple(crews) for crews in kinds.values()), tuple(known))


def may_tell_traffic(problem: DepotProblem) -> bool:
    """Whether there is traffic, of the kind that can be told to an engine that plans by it, and no
    rule that this engine knows nothing of."""
    travel, crews = problem.travel, problem.crews
    told = not isinstance(travel, SlotTravel) and not travel.same_all_day
    by_work = all(crew.lunch is None and crew.break_after_drive_s is None for crew in crews)
    one_trip = all(crew.max_trips == 1 for crew in crews)
    return told and by_work and one_trip and all(order.pair is None for order in problem.orders)


def _traffic(
    problem: DepotProblem, nodes: NDArray[np.int64], profiles: Sequence[tuple[float, bool]]
) -> Traffic:
    travel, num_depots = problem.travel, len(problem.depots)
    assert not isinstance(travel, SlotTravel)
    factors = travel.factors if isinstance(travel, ZoneTravel) else (travel.factors,)
    zone_of = travel.zone_of if isinstance(travel, ZoneTravel) else (0,) * len(travel.base_s)
    slots = max(len(zone) for zone in factors)
    base_s = travel.base_s[np.ix_(nodes, nodes)]
    return Traffic(
        tuple(_homeward(base_s / speed, returns, num_depots) for speed, returns in profiles),
        np.array(zone_of)[nodes],
        np.array([[*zone, *[zone[-1]] * (slots - len(zone))] for zone in factors]),
        travel.slot_s,
    )


def _barred(problem: DepotProblem) -> list[frozenset[int]]:
    """The orders that each crew may not serve, found once for all crews that are alike in it."""
    locked = {order.locked_vehicle for order in problem.orders}
    tied = any(order.own_depot_only for order in problem.orders)
    known: dict[tuple[object, ...], frozenset[int]] = {}
    found = []
    for index, crew in enumerate(problem.crews):
        key = (
            crew.skills,
            crew.room,
            crew.vehicle_id if crew.vehicle_id in locked else None,
            crew.depot if tied else None,
        )
        if key not in known:
            orders = range(len(problem.orders))
            known[key] = frozenset(o for o in orders if not problem.suits(index, o))
        found.append(known[key])
    return found


def _homeward(matrix: NDArray[N], returns: bool, num_depots: int) -> NDArray[N]:
    """The matrix; for vehicles that do not return, the way to a depot is nothing."""
    if returns:
        return matrix
    matrix = matrix.copy()
    matrix[:, :num_depots] = 0
    return matrix


def _stop(problem: DepotProblem, index: int, scale: float, steps: Steps) -> Stop:
    order, nothing = problem.orders[index], (0,) * len(steps)
    load = tuple(ceil(order.load[kind] / step) for kind, step in steps.items())
    return Stop(
        node=len(problem.depots) + index,
        windows=order.windows,
        delivery=nothing if order.pickup else load,
        pickup=load if order.pickup else nothing,
        service_s=order.service_s,
        penalty=round(order.penalty * scale),
        goes_to=problem.partners[index] if order.pickup else None,
    )


def _fleet(
    crew: Crew, profile: int, barred: frozenset[int], scale: float, steps: Steps, reload_s: int
) -> Fleet:
    return Fleet(
        num=1,
        capacity=tuple(crew.room[kind] // step for kind, step in steps.items()),
        opens_s=crew.starts_s,
        closes_s=max(crew.regular_ends_s - crew.breaks_needed * crew.break_s, crew.starts_s)
        + reload_s,
        start=crew.depot,
        end=crew.depot,
        reload_at=(crew.depot,) if crew.max_trips > 1 else (),
        max_trips=crew.max_trips,
        cost_fixed=round(crew.cost_fixed * scale),
        cost_per_m=round(crew.cost_per_km / 1000 * scale),
        cost_per_s=round(crew.cost_per_h / 3600 * scale),
        max_distance_m=crew.range_m,
        max_drive_s=crew.max_drive_s,
        profile=profile,
        barred=barred,
        day=Day(crew.regular_ends_s, crew.break_after_s, crew.break_s),
    )


def _scale(problem: DepotProblem) -> float:
    rates = {r for c in problem.crews for r in (c.cost_per_km / 1000, c.cost_per_h / 3600) if r > 0}
    if not rates:
        return 1000.0
    return 1 / rates.pop() if len(rates) == 1 else _DEAREST / max(rates)


def _steps(problem: DepotProblem) -> Steps:
    """Kind of load that some crew could have too much of → what one whole unit of it is.

    Exact where a common divisor allows it. The first kind is there always: engines want one.
    """
    steps = {}
    for kind in range(3):
        loads = [order.load[kind] for order in problem.orders]
        # What is beyond all loads is no limit, and would only coarsen the units.
        rooms = [min(crew.room[kind], sum(loads)) for crew in problem.crews]
        if kind == 0 or min(rooms) < sum(loads):
            # Rounding loads up and room down is safe; exact insertion wins back what it costs.
            steps[kind] = max(gcd(*loads, *rooms), ceil(max(rooms) / _LOAD_STEPS), 1)
    return steps
