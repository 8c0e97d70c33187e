"""What it costs to plan a congested depot as if its roads were free."""

from dataclasses import replace

import numpy as np

from logistics.routes.problem import Budget, Crew, DepotProblem, Order, TimeWindow
from logistics.routes.retime import retime
from logistics.routes.solve import plan_depot
from logistics.routes.travel import Travel
from logistics.routes.verify import verify
from tests.routes.problems import RUSH

HOUR_S = 3600


def congested(num_orders: int) -> DepotProblem:
    """A town 30 km wide, windows of two hours, rush hours from 7 to 9.30 and 16 to 18.30."""
    rng = np.random.default_rng(7)
    places = rng.uniform(-15_000, 15_000, (num_orders + 1, 2))
    places[0] = 0
    metres = 1.3 * np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    opens_h = rng.integers(7, 17, num_orders)
    orders = tuple(
        Order(f"S{k}", 10**7, 0, (TimeWindow(int(h) * HOUR_S, int(h + 2) * HOUR_S),), 300, 500.0)
        for k, h in enumerate(opens_h)
    )
    crews = tuple(
        Crew(f"V{k}", f"W{k}", 10**9, 0, 6 * HOUR_S, 20 * HOUR_S, 50.0, 0.5, 25.0)
        for k in range(num_orders // 4)
    )
    travel = Travel(metres.astype(np.int64), metres / (50 / 3.6), RUSH)
    return DepotProblem("D1", 6 * HOUR_S, 20 * HOUR_S, orders, crews, travel)


def test_a_plan_that_ignores_traffic_is_late_and_ours_is_not() -> None:
    problem, few = congested(40), Budget(iterations=400)
    free = replace(problem.travel, factors=(1.0,))
    blind = plan_depot(replace(problem, travel=free), "pyvrp", few, seed=1)
    assert verify(replace(problem, travel=free), blind.routes, blind.unserved) == []
    driven = [retime(problem, timed.route) for timed in blind.routes]
    late = [
        visit
        for timed in driven
        for visit in timed.visits
        if visit.start_s > problem.orders[visit.order].windows[-1].closes_s
    ]
    assert len(late) >= 4
    ours = plan_depot(problem, "pyvrp", few, seed=1)
    assert verify(problem, ours.routes, ours.unserved) == []
    assert ours.unserved == ()
