"""Ruin and recreate that is told of the traffic and the breaks, judged by retime and verify."""

from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from logistics.routes.flatten import flatten, may_tell_traffic
from logistics.routes.problem import Budget, DepotProblem
from logistics.routes.retime import retime
from logistics.routes.solve_ruin import solve
from logistics.routes.static import Job
from logistics.routes.verify import verify
from tests.routes.problems import pools, problems


def told(problem: DepotProblem) -> DepotProblem:
    """With rules alone of which the engine can be told."""
    crews = tuple(
        replace(crew, max_trips=1, lunch=None, break_after_drive_s=None) for crew in problem.crews
    )
    orders = tuple(replace(order, pair=None) for order in problem.orders)
    return replace(problem, crews=crews, orders=orders, change_cost=0.0, balance_cost=0.0)


@given(problem=st.one_of(problems(), pools()).map(told), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_tours_keep_every_rule_of_the_day_and_cost_no_more_than_is_said(
    problem: DepotProblem, seed: int
) -> None:
    assume(may_tell_traffic(problem))
    when = np.full(len(problem.orders) + len(problem.depots), 43_200)
    flat = flatten(problem, problem.travel.mean_s(when, when), traffic=True)
    found = solve(Job("ruin", flat.problem, Budget(iterations=3), seed))
    assume(found.tours)
    plan = flat.plan(found)
    timed = [retime(problem, route) for route in plan.routes]
    assert verify(problem, timed, plan.unserved) == []
    cost = sum(route.cost for route in timed) + sum(map(problem.penalty, plan.unserved))
    whole = flat.problem.stops[0].penalty
    assert whole is not None
    # Retime also tries other departures, which may be cheaper.
    assert cost <= found.cost * problem.orders[0].penalty / whole * 1.001 + 0.01
