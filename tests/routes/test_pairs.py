"""A pickup and its delivery: collected here, brought there, on one trip and in that order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from logistics.routes.explain import explain
from logistics.routes.insert import Timetable
from logistics.routes.problem import Budget, DepotProblem, Route
from logistics.routes.retime import retime
from logistics.routes.solve import Engine, plan_depot
from logistics.routes.travel import Travel
from logistics.routes.verify import verify
from tests.routes.problems import night, one_order, paired, problems

ENGINES: tuple[Engine, ...] = ("pyvrp", "ortools")


def transports(num: int, **changes: object) -> DepotProblem:
    """So many pairs along a road, each 1 km long and a vehicle's load; one crew."""
    one = one_order()
    order = replace(one.orders[0], weight_mg=10**8, penalty=50.0, **changes)
    km = np.arange(2 * num + 1)
    metres = 1000 * np.abs(km[:, None] - km[None])
    orders = paired([replace(order, id=f"S{k}") for k in range(2 * num)], [True] * num)
    return replace(one, orders=tuple(orders), travel=Travel(metres, metres / 10))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_vehicle_carries_one_load_after_another_without_the_depot(engine: Engine) -> None:
    problem = transports(4)
    solved = plan_depot(problem, engine, Budget(iterations=50), 1)
    assert verify(problem, solved.routes, solved.unserved) == []
    assert [timed.route.orders for timed in solved.routes] == [tuple(range(8))]
    loads = [visit.load[0] for visit in solved.routes[0].visits]
    assert loads == [10**8, 0] * 4


@pytest.mark.parametrize(
    ("route", "rules"),
    [
        (Route(0, (1, 0)), {"torn_pairs"}),
        (Route(0, (0,)), {"torn_pairs"}),
        (Route(0, (0, 1), (1,)), {"torn_pairs"}),
        (Route(0, (0, 2, 1, 3)), {"overloads"}),
        (Route(0, (0, 1, 2, 3)), set()),
    ],
)
def test_a_torn_pair_is_found_and_goods_are_on_board_in_between(
    route: Route, rules: set[str]
) -> None:
    problem = transports(2)
    problem = replace(problem, crews=(replace(problem.crews[0], max_trips=2),))
    timed = retime(problem, route)
    left = [order for order in range(4) if order not in route.orders]
    assert {violation.rule for violation in verify(problem, [timed], left)} == rules
    assert timed.faults.none == (rules == set())


@given(problem=problems(max_orders=6, max_crews=2))
@settings(max_examples=15, deadline=None)
def test_both_of_a_pair_are_served_or_both_have_the_same_reason(problem: DepotProblem) -> None:
    solved = plan_depot(problem, "auto", Budget(iterations=20), 1)
    for order in solved.unserved:
        reasons = [explain(problem, solved.routes, o) for o in problem.together(order)]
        assert {reason.order for reason in reasons} <= set(solved.unserved)
        assert len({reason.constraint for reason in reasons}) == 1


def test_half_a_pair_or_three_of_a_name_are_not_served_and_say_so() -> None:
    problem = transports(2)
    for pair, served in (("P9", {0, 1}), ("P0", set())):
        orders = (*problem.orders[:3], replace(problem.orders[3], pair=pair))
        broken = replace(problem, orders=orders)
        solved = plan_depot(broken, "auto", Budget(iterations=20), 1)
        assert {order for timed in solved.routes for order in timed.route.orders} == served
        assert verify(broken, solved.routes, solved.unserved) == []
        assert {explain(broken, solved.routes, o).constraint for o in solved.unserved} == {"pair"}


def test_a_depot_of_many_pairs_is_planned_within_its_time() -> None:
    problem = night(300, seed=5)
    orders = tuple(paired(problem.orders, [True] * 100))
    problem = replace(problem, orders=orders)
    solved = plan_depot(problem, "auto", Budget(seconds=1.0), 1)
    assert verify(problem, solved.routes, solved.unserved) == []
    assert len(solved.unserved) <= 120


def test_a_pair_that_fits_nowhere_else_is_put_around_stops_on_the_way() -> None:
    problem = transports(2, service_s=0)
    light = tuple(replace(order, weight_mg=10**6) for order in problem.orders)
    problem = replace(problem, orders=light)
    table = Timetable(problem, [retime(problem, Route(0, (2, 3)))])
    found = table.cheapest(1)
    assert found is not None
    assert found.timed.route.orders == (0, 1, 2, 3)
    assert found.delta == 0.0
