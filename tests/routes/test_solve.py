import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from logistics.routes.insert import Timetable
from logistics.routes.problem import Budget, DepotProblem, TimeWindow
from logistics.routes.solve import Engine, Solved, plan_depot
from logistics.routes.solve_ruin import prepare
from logistics.routes.verify import verify
from tests.routes.problems import night, one_order, problems, solomon

FEW = Budget(iterations=40)
ENGINES: tuple[Engine, ...] = ("pyvrp", "ortools", "auto")


@pytest.mark.parametrize("engine", ENGINES)
@given(problem=problems())
@settings(max_examples=25, deadline=None)
def test_a_plan_keeps_every_rule(engine: Engine, problem: DepotProblem) -> None:
    solved = plan_depot(problem, engine, FEW, seed=1)
    assert verify(problem, solved.routes, solved.unserved) == []


@given(problem=problems())
@settings(max_examples=25, deadline=None)
def test_no_order_is_left_out_that_fits_for_less_than_its_penalty(problem: DepotProblem) -> None:
    solved = plan_depot(problem, "auto", FEW, seed=1)
    table = Timetable(problem, solved.routes)
    for order in solved.unserved:
        found = table.cheapest(order)
        assert found is None or found.delta > problem.penalty(order)


@pytest.mark.parametrize("engine", ENGINES)
@given(problem=problems(max_orders=8))
@settings(max_examples=8, deadline=None)
def test_the_same_seed_gives_the_same_plan(engine: Engine, problem: DepotProblem) -> None:
    assert plan_depot(problem, engine, FEW, 3) == plan_depot(problem, engine, FEW, 3)


@given(problem=problems(max_orders=6))
@settings(max_examples=20, deadline=None)
def test_a_plan_for_heavier_goods_and_tighter_windows_suits_the_easier_day(
    problem: DepotProblem,
) -> None:
    harder = tuple(
        replace(
            order,
            weight_mg=order.weight_mg + 10**7,
            windows=tuple(
                TimeWindow(w.opens_s, w.opens_s + (w.closes_s - w.opens_s) // 2)
                for w in order.windows
            ),
        )
        for order in problem.orders
    )
    solved = plan_depot(replace(problem, orders=harder), "auto", FEW, 1)
    assert verify(problem, solved.routes, solved.unserved) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_depot_without_crews_or_orders_gets_an_empty_plan(engine: Engine) -> None:
    problem = one_order()
    none = plan_depot(replace(problem, crews=()), engine, FEW, 1)
    assert none == Solved((), (0,), problem.orders[0].penalty)
    assert plan_depot(replace(problem, orders=()), engine, FEW, 1) == Solved((), (), 0.0)


@pytest.mark.parametrize(
    ("name", "best_known", "gap"), [("C101", 827.3, 0.005), ("R101", 1637.7, 0.02)]
)
def test_solomon_is_solved_to_within_a_few_percent(
    data_dir: Path, name: str, best_known: float, gap: float
) -> None:
    problem = solomon(data_dir, name)
    solved = plan_depot(problem, "pyvrp", Budget(iterations=300), 1)
    assert verify(problem, solved.routes, solved.unserved) == []
    assert solved.unserved == ()
    assert sum(route.distance_m for route in solved.routes) / 10 <= best_known * (1 + gap)


def test_a_large_night_of_mixed_crews_is_done_in_time() -> None:
    prepare()
    problem, began = night(400, seed=3), time.process_time()
    solved = plan_depot(problem, "auto", Budget(seconds=0.8), 1)
    assert time.process_time() - began <= 2.0
    assert verify(problem, solved.routes, solved.unserved) == []
    assert len(solved.unserved) <= 60


def test_iterations_are_over_by_asking_and_seconds_by_the_clock() -> None:
    over = Budget(iterations=2).over(0.5)
    assert [over() for _ in range(11)] == [False] * 10 + [True]
    assert Budget(seconds=0.0).over()()
    assert not Budget(seconds=60.0).over(0.5)()
