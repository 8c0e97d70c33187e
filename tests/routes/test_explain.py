"""Reasons are held against brute force: every position in every route, judged by verify's rules."""

import re
from collections.abc import Iterator
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings

from logistics.routes.explain import Reason, explain
from logistics.routes.problem import Budget, Crew, DepotProblem, Route, TimeWindow, route_of
from logistics.routes.retime import TimedRoute, retime
from logistics.routes.solve import plan_depot
from logistics.routes.verify import ROUTE_RULES
from tests.routes.problems import HOUR_S, changed, one_order, pools, problems

LIFTED = {
    "locked_vehicle": {"wrong_vehicle"},
    "depot": {"wrong_depot"},
    "skills": {"missing_skills"},
    "capacity": {"overloads"},
    "range": {"beyond_range"},
    "driving_time": {"overlong_drives"},
    "break": {"missed_breaks", "missed_driving_breaks", "missed_lunches"},
}


def ways(problem: DepotProblem, routes: tuple[TimedRoute, ...], order: int) -> Iterator[TimedRoute]:
    """Every way of putting the order, and its partner, into the plan, new trips among them."""
    old = {timed.crew: timed.route for timed in routes}
    first, *others = problem.together(order)
    for crew in range(len(problem.crews)):
        route = old.get(crew, Route(crew, ()))
        for longer in inserted(route, first):
            if not others:
                yield retime(problem, longer)
            for longest in (found for other in others for found in inserted(longer, other)):
                yield retime(problem, longest)
        for trip in range(len(route.trips) + 1 if route.orders else 0):
            trips = (*route.trips[:trip], (first, *others), *route.trips[trip:])
            yield retime(problem, route_of(crew, trips))


def inserted(route: Route, order: int) -> Iterator[Route]:
    for call in range(len(route.orders) + len(route.reloads) + 1):
        yield route.inserted(call, order)


def broken(problem: DepotProblem, timed: TimedRoute) -> set[str]:
    return {v.rule for rule in ROUTE_RULES for v in rule(problem, timed)}


def everywhere(problem: DepotProblem, routes: tuple[TimedRoute, ...], order: int) -> list[set[str]]:
    """The rules broken by each way of putting the order into the plan."""
    return [broken(problem, timed) for timed in ways(problem, routes, order)]


def added(problem: DepotProblem, routes: tuple[TimedRoute, ...], order: int) -> list[float]:
    """What each way of putting the order into the plan that breaks no rule adds to the cost."""
    cost = {timed.crew: timed.cost for timed in routes}
    return [
        timed.cost - cost.get(timed.crew, 0.0)
        for timed in ways(problem, routes, order)
        if not broken(problem, timed)
    ]


@given(problem=problems(max_orders=5, max_crews=2) | pools(max_orders=5, max_crews=2))
@settings(max_examples=60, deadline=None)
def test_every_reason_is_true_of_the_plan(problem: DepotProblem) -> None:
    solved = plan_depot(problem, "auto", Budget(iterations=20), 1)
    for order in solved.unserved:
        reason = explain(problem, solved.routes, order)
        tried = everywhere(problem, solved.routes, order)
        assert (reason.constraint == "cost") == (set() in tried)
        assert min(added(problem, solved.routes, order), default=inf) >= problem.penalty(order)
        if reason.constraint in LIFTED and reason.relaxation != "lift the lock to this vehicle":
            assert any(rules <= LIFTED[reason.constraint] for rules in tried)


def alone(**changes: object) -> Reason:
    """The reason for one order and one crew, changed so, when nothing is on the road."""
    return explain(changed(**changes), (), 0)


@pytest.mark.parametrize(
    ("changes", "constraint", "relaxation"),
    [
        ({"weight_mg": 112 * 10**6}, "capacity", "12 kg more room on V0"),
        ({"volume_mm3": 10**9 + 1234567891}, "capacity", "1.234567891 m3 more room on V0"),
        ({"parcels": 5, "capacity_parcels": 3}, "capacity", "2 parcels more room on V0"),
        ({"skills": frozenset({"lift"})}, "skills", "V0 would need lift"),
        ({"range_m": 9_000}, "range", "1.000 km more range of V0"),
        ({"max_drive_s": 900}, "driving_time", "2 min more driving time for W0"),
        ({"locked_vehicle": "V7"}, "locked_vehicle", "lift the lock to this vehicle"),
        (
            {"windows": (TimeWindow(0, 400),), "starts_s": HOUR_S},
            "time_window",
            "its window would have to be open until 01:09 (V0)",
        ),
        ({"ends_s": 900}, "shift", "W0's shift (and the depot) would have to last until 00:18"),
        ({"penalty": 9.5}, "cost", "V0 could serve it at a penalty of 10.00"),
        ({"weight_mg": 112 * 10**6, "max_drive_s": 900}, "several", None),
    ],
)
def test_the_binding_rule_is_named_with_the_change_that_is_enough(
    changes: dict[str, object], constraint: str, relaxation: str | None
) -> None:
    reason = alone(**changes)
    assert (reason.constraint, reason.relaxation) == (constraint, relaxation)


def test_a_place_that_no_shift_reaches_is_told_with_its_distance() -> None:
    problem = changed(weight_mg=112 * 10**6, ends_s=60)
    reason = explain(problem, (), 0)
    km = problem.travel.distance_m.item(0, 1) / 1000
    assert f"{km:,.0f} km from the depot, farther than any shift" in reason.reason
    assert reason.relaxation is None


UNTIL = re.compile(
    r"(?:its window|the window of S(?P<id>\d+)) would have to be open until "
    r"(?P<h>\d\d):(?P<min>\d\d)(?= \(V| and)"
)


@given(problem=problems(max_orders=5, max_crews=1))
@settings(max_examples=60, deadline=None)
def test_a_window_open_as_long_as_told_lets_the_order_in(problem: DepotProblem) -> None:
    solved = plan_depot(problem, "auto", Budget(iterations=20), 1)
    for order in solved.unserved:
        relaxation = explain(problem, solved.routes, order).relaxation or ""
        told = list(UNTIL.finditer(relaxation))
        if told and "open at" not in relaxation:
            orders = list(problem.orders)
            for change in told:
                until_s = int(change["h"]) * HOUR_S + int(change["min"]) * 60
                index = order if change["id"] is None else int(change["id"])
                windows = tuple(
                    TimeWindow(window.opens_s, max(window.closes_s, until_s))
                    for window in orders[index].windows
                    if window.opens_s <= until_s
                )
                orders[index] = replace(orders[index], windows=windows)
            eased = replace(problem, orders=tuple(orders))
            assert set() in everywhere(eased, solved.routes, order)


TOLD = re.compile(
    r"(?:(?P<kg>[\d.e+]+) kg)?(?: and )?(?:(?P<m3>[\d.e+-]+) m3)?(?: and )?"
    r"(?:(?P<parcels>\d+) parcels)? more room on (?P<roomy>\w+)"
    r"|(?P<km>[\d.]+) km more range of (?P<far>\w+)"
    r"|(?P<min>\d+) min more driving time for (?P<long>\w+)"
)


def relaxed(crew: Crew, told: re.Match[str]) -> Crew:
    """The crew with what the relaxation gives it."""
    more = {name: float(value or 0) for name, value in told.groupdict("0").items() if name in MORE}
    name = told["roomy"] or told["far"] or told["long"]
    if name not in (crew.vehicle_id, crew.driver_id):
        return crew
    return replace(
        crew,
        capacity_mg=crew.capacity_mg + round(more["kg"] * 1e6),
        capacity_mm3=crew.capacity_mm3 + round(more["m3"] * 1e9),
        capacity_parcels=crew.capacity_parcels and crew.capacity_parcels + int(more["parcels"]),
        range_m=crew.range_m and crew.range_m + round(more["km"] * 1000),
        max_drive_s=crew.max_drive_s and crew.max_drive_s + int(more["min"]) * 60,
    )


MORE = ("kg", "m3", "parcels", "km", "min")


@given(problem=problems(max_orders=6, max_crews=2))
@settings(max_examples=60, deadline=None)
def test_the_change_that_is_told_is_enough(problem: DepotProblem) -> None:
    solved = plan_depot(problem, "auto", Budget(iterations=20), 1)
    for order in solved.unserved:
        told = TOLD.fullmatch(explain(problem, solved.routes, order).relaxation or "")
        if told is not None:
            eased = replace(problem, crews=tuple(relaxed(crew, told) for crew in problem.crews))
            assert set() in everywhere(eased, solved.routes, order)


def test_without_a_crew_the_reason_is_vehicles() -> None:
    problem = replace(one_order(), crews=())
    assert explain(problem, (), 0).constraint == "vehicles"


def test_an_order_locked_to_a_vehicle_in_the_workshop_says_so() -> None:
    problem = one_order()
    order = replace(problem.orders[0], locked_vehicle="V5")
    problem = replace(problem, orders=(order,), kept_back=frozenset({"V5"}))
    assert explain(problem, (), 0).reason == "locked to V5, which is in the workshop"


def test_an_order_that_would_be_worth_it_was_left_out_for_want_of_time() -> None:
    assert alone().constraint == "deadline"
