"""The exact timetable of a route under traffic, and what it costs. Knows no solver.

A vehicle leaves as late as it can without coming home later than if it had left at once, drives,
waits for the window, serves. Breaks are placed on arrival at stops so that lateness, then time, is
least. A route that breaks a rule is still timed, and `Faults` says by how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from logistics.routes.depart import cheapest_departure
from logistics.routes.loads import most, on_board, torn_pairs
from logistics.routes.problem import Crew, DepotProblem, Load, Order, Route, TimeWindow, route_cost


@dataclass(frozen=True, slots=True)
class Visit:
    """A stop. load: on board when leaving. slack_s: how much later it could arrive in its window.

    rest_s: the part of start_s - arrival_s that is the driver's break.
    """

    order: int
    arrival_s: int
    start_s: int
    departure_s: int
    slack_s: int
    rest_s: int
    load: Load


@dataclass(frozen=True, slots=True)
class Reload:
    """A stay at the depot before the visit at this position."""

    before: int
    arrival_s: int
    start_s: int
    departure_s: int
    load: Load


@dataclass(frozen=True, slots=True)
class Faults:
    """By how much a route breaks each rule; all zero when it keeps them."""

    late_s: int = 0
    overwork_s: int = 0  # without the break that is due
    overtime_s: int = 0  # after the shift's end
    overdrive_s: int = 0
    overrange_m: int = 0
    overload: Load = (0, 0, 0)
    misfits: int = 0
    extra_trips: int = 0
    torn_pairs: int = 0

    @property
    def none(self) -> bool:
        return self == _KEPT

    @property
    def severity(self) -> float:
        """One number that falls as a route gets closer to keeping its rules (about seconds)."""
        times = self.late_s + self.overwork_s + self.overtime_s + self.overdrive_s
        mg, mm3, parcels = self.overload
        loads = mg / 1e4 + mm3 / 1e5 + parcels * 60
        never = self.misfits + self.extra_trips + self.torn_pairs
        return times + self.overrange_m / 10 + loads + 1e6 * never


_KEPT = Faults()


@dataclass(frozen=True, slots=True)
class TimedRoute:
    """A route with its times; peak: the most on board on any leg."""

    crew: int
    departs_s: int
    returns_s: int
    visits: tuple[Visit, ...]
    distance_m: int
    drive_s: int
    peak: Load
    cost: float
    faults: Faults
    reloads: tuple[Reload, ...] = ()

    @property
    def route(self) -> Route:
        orders = tuple(visit.order for visit in self.visits)
        return Route(self.crew, orders, tuple(reload.before for reload in self.reloads))

    @property
    def calls(self) -> list[Visit | Reload]:
        """Visits and reloads in turn."""
        calls: list[Visit | Reload] = list(self.visits)
        for reload in reversed(self.reloads):
            calls.insert(reload.before, reload)
        return calls


def calls_of(problem: DepotProblem, route: Route) -> tuple[list[Order], list[int]]:
    """The route's calls in turn and their nodes; to reload is a call at the depot."""
    crew = problem.crews[route.crew]
    base = problem.base(crew.depot)
    orders = [problem.orders[order] for order in route.orders]
    nodes = [order + 1 for order in route.orders]
    for position in reversed(route.reloads):
        open_ = (TimeWindow(crew.starts_s, _EVER_S),)  # what is late shows at home
        orders.insert(position, Order("reload", 0, 0, open_, crew.reload_s, penalty=0.0))
        nodes.insert(position, base)
    return orders, nodes


_EVER_S = 10**9


def retime(problem: DepotProblem, route: Route) -> TimedRoute:
    """The route's timetable, leaving the depot at its best time.

    Without traffic that is as late as one can without coming home later; with it, when the day is
    shortest, a quarter of a slot or less from the best moment.
    """
    crew = problem.crews[route.crew]
    orders, nodes = calls_of(problem, route)
    run = _leaving_late(problem, crew, orders, nodes, crew.starts_s)
    if _hopeless(run, crew) or problem.travel.same_all_day:
        return _timed(problem, route, crew, orders, nodes, run)
    timed = _timed(problem, route, crew, orders, nodes, run)
    departs_s = cheapest_departure(problem, crew, orders, nodes)
    if departs_s is None:
        return timed
    run = _leaving_late(problem, crew, orders, nodes, departs_s)
    other = _timed(problem, route, crew, orders, nodes, run)
    return min(timed, other, key=lambda t: (t.faults.severity, t.cost))


def _leaving_late(
    problem: DepotProblem, crew: Crew, orders: Sequence[Order], nodes: Sequence[int], departs_s: int
) -> "_Run":
    """The run from departs_s on, leaving as late as one can without coming home later."""
    soonest = _run(problem, crew, orders, nodes, departs_s)
    if _hopeless(soonest, crew):
        return soonest
    same = (soonest.late_s, soonest.overwork_s, soonest.free_s)
    # Who leaves later waits less, at the first stops first: breaks there may be needed no more.
    resting = [number for number, (_, _, rest_s) in enumerate(soonest.stops) if rest_s > 0]
    for first in (len(orders), *reversed(resting)):
        latest_s = _latest_departure(problem, crew, orders, nodes, soonest, first)
        if latest_s <= departs_s:
            continue
        later = _run(problem, crew, orders, nodes, latest_s)
        if (later.late_s, later.overwork_s, later.free_s) <= same:
            return later
    return soonest


def _hopeless(run: "_Run", crew: Crew) -> bool:
    return run.late_s > 0 or run.overwork_s > 0 or run.free_s > crew.ends_s


class _Run(NamedTuple):
    """One way through the stops so far, (arrival, start, rest) each."""

    late_s: int
    overwork_s: int
    free_s: int  # when the last thing so far was done; in the end, home
    fresh_s: int  # when work began after the last break
    departs_s: int
    driven_s: int = 0  # since the last break, where breaks go by driving
    lunched: bool = False
    rests: int = 0
    stops: tuple[tuple[int, int, int], ...] = ()


def _run(
    problem: DepotProblem, crew: Crew, orders: Sequence[Order], nodes: Sequence[int], departs_s: int
) -> _Run:
    """The best way to drive the route from departs_s on, over all places to take the breaks.

    Waiting may be break enough; if not, every stop is tried, up to one break above the fewest that
    a whole shift needs. A route that is late even without a break stays without.
    """
    run = _drive(problem, crew, orders, nodes, departs_s, 0)
    if run.overwork_s == 0 or run.late_s > 0 or run.free_s > crew.ends_s:
        return run
    return _drive(problem, crew, orders, nodes, departs_s, crew.breaks_needed + 1)


def _drive(
    problem: DepotProblem,
    crew: Crew,
    orders: Sequence[Order],
    nodes: Sequence[int],
    departs_s: int,
    max_rests: int,
) -> _Run:
    arrive, speed = problem.travel.arrive, crew.speed_factor
    runs = [_Run(0, 0, departs_s, departs_s, departs_s)]
    here = base = problem.base(crew.depot)
    for order, node in zip(orders, nodes, strict=True):
        grown = []
        for run in runs:
            arrival_s = arrive(here, node, run.free_s, speed)
            if crew.break_after_drive_s is not None:
                run = _driven(run, crew.break_after_drive_s, arrival_s)
            grown.append(_stop(run, crew, order, arrival_s, 0))
            if run.rests < max_rests:
                grown.append(_stop(run, crew, order, arrival_s, crew.break_s))
                if crew.lunch is not None and arrival_s < crew.lunch.opens_s:
                    until_s = crew.lunch.opens_s + crew.break_s
                    grown.append(_stop(run, crew, order, arrival_s, until_s - arrival_s))
        runs = grown if len(grown) == 1 else _promising(grown, crew)
        here = node
    home = [
        _come_home(run, crew, arrive(here, base, run.free_s, speed) if crew.returns else run.free_s)
        for run in runs
    ]
    return min(home, key=lambda run: (run.late_s, run.overwork_s, run.free_s, run.stops))


def _stop(run: _Run, crew: Crew, order: Order, arrival_s: int, rest_s: int) -> _Run:
    ready_s = arrival_s + rest_s
    start_s = order.start(ready_s)
    late_s = 0
    if start_s is None:
        start_s, late_s = ready_s, ready_s - order.windows[-1].closes_s
    rested = start_s - arrival_s >= crew.break_s and crew.has_breaks
    return _Run(
        run.late_s + late_s,
        run.overwork_s + (_overwork(run, crew, arrival_s) if rested else 0),
        start_s + order.service_s,
        start_s if rested else run.fresh_s,
        run.departs_s,
        0 if rested else run.driven_s,
        run.lunched or _lunches(crew, arrival_s, start_s),
        run.rests + (rest_s > 0),
        (*run.stops, (arrival_s, start_s, crew.break_s if rested else 0)),
    )


def _lunches(crew: Crew, arrival_s: int, start_s: int) -> bool:
    """Whether a break between arrival and service can begin within lunch."""
    if crew.lunch is None:
        return False
    begins_s = max(arrival_s, crew.lunch.opens_s)
    return begins_s <= crew.lunch.closes_s and begins_s + crew.break_s <= start_s


def _driven(run: _Run, limit_s: int, arrival_s: int) -> _Run:
    """The run at the end of a leg; driving on beyond the limit is overwork."""
    driven_s = run.driven_s + arrival_s - run.free_s
    over_s = max(driven_s - max(limit_s, run.driven_s), 0)
    return run._replace(driven_s=driven_s, overwork_s=run.overwork_s + over_s)


def _come_home(run: _Run, crew: Crew, returns_s: int) -> _Run:
    if crew.break_after_drive_s is not None:
        run = _driven(run, crew.break_after_drive_s, returns_s)
    overwork_s = run.overwork_s + _overwork(run, crew, returns_s)
    lunch = crew.lunch
    if lunch is not None and run.departs_s < lunch.opens_s and returns_s > lunch.closes_s:
        overwork_s += 0 if run.lunched else crew.break_s
    return run._replace(free_s=returns_s, overwork_s=overwork_s)


def _overwork(run: _Run, crew: Crew, until_s: int) -> int:
    if crew.break_after_s is None:
        return 0
    return max(until_s - run.fresh_s - crew.break_after_s, 0)


def _promising(runs: Sequence[_Run], crew: Crew) -> list[_Run]:
    """The runs without a fault that no other beats in time, freshness and breaks left.

    Without any such run the route breaks a rule whatever is done; the least late one is enough.
    """
    limit_s = inf if crew.break_after_s is None else crew.break_after_s
    sound = [
        run
        for run in runs
        if run.late_s == run.overwork_s == 0 and run.free_s - run.fresh_s <= limit_s
    ]
    if not sound:
        return [min(runs, key=lambda r: (r.late_s + r.overwork_s, r.free_s, -r.fresh_s, r.rests))]
    kept: list[_Run] = []
    for run in sorted(
        sound, key=lambda r: (r.free_s, -r.fresh_s, r.driven_s, not r.lunched, r.rests)
    ):
        if not any(
            k.fresh_s >= run.fresh_s
            and k.driven_s <= run.driven_s
            and k.lunched >= run.lunched
            and k.rests <= run.rests
            for k in kept
        ):
            kept.append(run)
    return kept


def _latest_departure(
    problem: DepotProblem,
    crew: Crew,
    orders: Sequence[Order],
    nodes: Sequence[int],
    run: _Run,
    first: int,
) -> int:
    """The latest departure that comes home when `run` does, its breaks from the stop `first` on
    taken at the same stops."""
    depart, speed = problem.travel.depart, crew.speed_factor
    base = problem.base(crew.depot)
    by_s, after = run.free_s, base if crew.returns else None
    for number in range(len(orders) - 1, -1, -1):
        order, node, (_, start_s, rest_s) = orders[number], nodes[number], run.stops[number]
        leaves_s = by_s if after is None else depart(node, after, by_s, speed)
        latest_s = order.latest_start(leaves_s - order.service_s)
        by_s = max(start_s, latest_s if latest_s is not None else start_s)
        by_s -= rest_s if number >= first else 0
        after = node
    return by_s if after is None else depart(base, after, by_s, speed)


def _timed(
    problem: DepotProblem,
    route: Route,
    crew: Crew,
    orders: Sequence[Order],
    nodes: Sequence[int],
    run: _Run,
) -> TimedRoute:
    loads = [load for trip in route.trips for load in on_board(problem, trip)]
    peak, drive_s, free_s = most(loads), 0, run.departs_s
    base = problem.base(crew.depot)
    visits: list[Visit] = []
    reloads: list[Reload] = []
    for order, node, load, (arrival_s, start_s, rest_s) in zip(
        orders, nodes, loads[1:], run.stops, strict=True
    ):
        drive_s += arrival_s - free_s
        free_s = start_s + order.service_s
        if node == base:
            reloads.append(Reload(len(visits), arrival_s, start_s, free_s, load))
            continue
        closes_s = next((w.closes_s for w in order.windows if start_s <= w.closes_s), start_s)
        slack_s = max(closes_s - rest_s - arrival_s, 0)
        index = route.orders[len(visits)]
        visits.append(Visit(index, arrival_s, start_s, free_s, slack_s, rest_s, load))
    drive_s += run.free_s - free_s
    path = [base, *nodes, base] if crew.returns else [base, *nodes]
    distance_m = int(problem.travel.distance_m[path[:-1], path[1:]].sum())
    faults = Faults(
        late_s=run.late_s,
        overwork_s=run.overwork_s,
        overtime_s=max(run.free_s - crew.ends_s, 0),
        overdrive_s=_over(drive_s, crew.max_drive_s),
        overrange_m=_over(distance_m, crew.range_m),
        overload=_excess(peak, crew.room),
        misfits=sum(not problem.suits(route.crew, order) for order in route.orders),
        extra_trips=max(len(route.trips) - crew.max_trips, 0),
        torn_pairs=torn_pairs(problem, route),
    )
    cost = route_cost(problem, route, distance_m, run.departs_s, run.free_s)
    return TimedRoute(
        route.crew,
        run.departs_s,
        run.free_s,
        tuple(visits),
        distance_m,
        drive_s,
        peak,
        cost,
        faults,
        tuple(reloads),
    )


def _excess(peak: Load, room: Load) -> Load:
    mg, mm3, parcels = (max(load - most, 0) for load, most in zip(peak, room, strict=True))
    return mg, mm3, parcels


def _over(value: int, limit: int | None) -> int:
    return 0 if limit is None else max(value - limit, 0)
