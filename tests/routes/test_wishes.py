"""What a dispatcher wishes for and pays for: customers keep their vehicle, days are even."""

from dataclasses import replace

import numpy as np
import pytest

from logistics.routes.problem import Budget, DepotProblem
from logistics.routes.solve import Engine, Solved, plan_depot
from logistics.routes.travel import Travel
from logistics.routes.verify import verify
from tests.routes.problems import one_order

ENGINES: tuple[Engine, ...] = ("auto", "ortools")


def two_villages(**changes: object) -> DepotProblem:
    """Three orders each in two villages, an hour's service at every one; two crews."""
    one = one_order()
    order = replace(one.orders[0], service_s=3600, penalty=1000.0)
    crew = replace(one.crews[0], cost_fixed=30.0)
    km = np.array([[0.0, 0.0], *[[10.0, k / 10] for k in range(3)], *[[-9.0, k] for k in range(3)]])
    metres = np.rint(1000 * np.hypot(*(km[:, None] - km[None]).transpose(2, 0, 1)))
    return replace(
        one,
        orders=tuple(replace(order, id=f"S{k}") for k in range(6)),
        crews=(crew, replace(crew, vehicle_id="V1", driver_id="W1")),
        travel=Travel(metres.astype(np.int64), metres / 10),
        **changes,
    )


def solve(problem: DepotProblem, engine: Engine) -> Solved:
    solved = plan_depot(problem, engine, Budget(iterations=200), 1)
    assert solved.unserved == ()
    assert verify(problem, solved.routes, ()) == []
    return solved


@pytest.mark.parametrize("engine", ENGINES)
def test_customers_keep_their_vehicle_where_a_change_costs_more_than_the_way(
    engine: Engine,
) -> None:
    problem = two_villages(change_cost=100.0)
    mixed = tuple(
        replace(order, usual_vehicle=f"V{k % 2}") for k, order in enumerate(problem.orders)
    )
    for asked, changes in ((100.0, 0), (0.5, 6)):
        wish = replace(problem, orders=mixed, change_cost=asked)
        solved = solve(wish, engine)
        changed = sum(
            wish.orders[visit.order].usual_vehicle != wish.crews[timed.crew].vehicle_id
            for timed in solved.routes
            for visit in timed.visits
        )
        assert changed <= changes
        assert (len(solved.routes) == 2) == (asked == 100.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_balance_cost_makes_days_even(engine: Engine) -> None:
    alone = solve(two_villages(), engine)
    assert len(alone.routes) == 1, "one vehicle is cheapest"
    even = solve(two_villages(balance_cost=20.0), engine)
    hours = [(timed.returns_s - timed.departs_s) / 3600 for timed in even.routes]
    assert len(hours) == 2
    assert max(hours) - min(hours) < 0.5
