from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.routes.problem import DepotProblem, Route, route_of
from logistics.routes.retime import Faults, TimedRoute, retime
from logistics.routes.verify import ROUTE_RULES
from logistics.routes.zones import ZoneTravel
from tests.routes.problems import pools, problems
from tests.routes.test_travel import step_by_step

RULE_OF = {
    "late_s": "missed_windows",
    "overtime_s": "overlong_shifts",
    "overdrive_s": "overlong_drives",
    "overrange_m": "beyond_range",
    "extra_trips": "extra_trips",
}


@st.composite
def routes(draw: st.DrawFn) -> tuple[DepotProblem, Route]:
    problem = draw(problems(max_orders=6, max_crews=1) | pools(max_orders=6, max_crews=1))
    visits = draw(st.permutations(range(len(problem.orders))))
    orders = tuple(visits[: draw(st.integers(1, len(visits)))])
    cuts = draw(st.sets(st.integers(1, len(orders)))) - {len(orders)}
    return problem, Route(0, orders, tuple(sorted(cuts)))


@given(routes())
@settings(max_examples=150, deadline=None)
def test_faults_are_what_the_independent_rules_find(case: tuple[DepotProblem, Route]) -> None:
    problem, route = case
    timed = retime(problem, route)
    broken = {v.rule for rule in ROUTE_RULES for v in rule(problem, timed)}
    assert "impossible_times" not in broken
    for fault, rule in RULE_OF.items():
        assert (getattr(timed.faults, fault) > 0) == (rule in broken), rule
    unbroken = {"missed_breaks", "missed_driving_breaks", "missed_lunches"} & broken
    assert (timed.faults.overwork_s > 0) == bool(unbroken)
    assert any(timed.faults.overload) == ("overloads" in broken)
    misfit = bool({"missing_skills", "wrong_vehicle", "wrong_depot"} & broken)
    if misfit:
        assert timed.faults.misfits


def walk(problem: DepotProblem, timed: TimedRoute, departs_s: int) -> int:
    """Home again, driven second by second, with the same breaks at the same stops."""
    crew, travel = problem.crews[timed.crew], problem.travel
    home = problem.base(crew.depot)
    clock, here = departs_s, home

    def drive(end: int) -> int:
        zones = isinstance(travel, ZoneTravel)
        factors = travel.factors[travel.zone_of[here]] if zones else travel.factors
        base_s = travel.base_s[here, end] / crew.speed_factor
        return -int(-(step_by_step(base_s, factors, clock) - 1e-6) // 1)

    reloads = {reload.before: reload for reload in timed.reloads}
    for position, visit in enumerate(timed.visits):
        if position in reloads:
            rest_s = reloads[position].start_s - reloads[position].arrival_s
            clock, here = drive(home) + rest_s + crew.reload_s, home
        node, order = visit.order + 1, problem.orders[visit.order]
        ready_s = drive(node) + visit.rest_s
        start_s = min(
            (max(ready_s, w.opens_s) for w in order.windows if ready_s <= w.closes_s),
            default=ready_s,
        )
        clock, here = start_s + order.service_s, node
    return drive(home) if crew.returns else clock


@given(routes())
@settings(max_examples=40, deadline=None)
def test_a_timetable_is_what_driving_second_by_second_gives(
    case: tuple[DepotProblem, Route],
) -> None:
    problem, route = case
    timed = retime(problem, route)
    assert abs(walk(problem, timed, timed.departs_s) - timed.returns_s) <= len(route.orders) + 1


@given(routes())
@settings(max_examples=60, deadline=None)
def test_leaving_late_costs_no_time_at_the_end_of_the_day(
    case: tuple[DepotProblem, Route],
) -> None:
    problem, route = case
    timed = retime(problem, route)
    at_once_s = walk(problem, timed, problem.crews[0].starts_s)
    assert timed.departs_s >= problem.crews[0].starts_s
    if timed.faults.late_s == 0 and not problem.crews[0].has_breaks:
        assert timed.returns_s <= at_once_s + len(route.orders) + 1


@given(routes())
@settings(max_examples=60, deadline=None)
def test_no_later_departure_comes_home_as_early(case: tuple[DepotProblem, Route]) -> None:
    problem, route = case
    timed = retime(problem, route)
    if not timed.faults.none:
        return
    for later_s in range(timed.departs_s + 120, timed.departs_s + 7200, 300):
        crews = [replace(crew, starts_s=max(later_s, crew.starts_s)) for crew in problem.crews]
        other = retime(replace(problem, crews=tuple(crews)), route)
        assert not (other.faults.none and other.returns_s <= timed.returns_s)


def test_a_route_without_faults_says_so() -> None:
    assert Faults().none
    assert not Faults(late_s=1).none


@given(st.lists(st.lists(st.integers(0, 98), min_size=1, max_size=3), max_size=4), st.data())
def test_an_order_put_in_and_taken_out_leaves_the_trips_as_they_were(
    trips: list[list[int]], data: st.DataObject
) -> None:
    route = route_of(0, trips)
    assert route.trips == (tuple(map(tuple, trips)) or ((),))
    calls = len(route.orders) + len(route.reloads)
    longer = route.inserted(data.draw(st.integers(0, calls)), 99)
    assert len(longer.trips) == len(route.trips)
    assert longer.without((99,)) == route
