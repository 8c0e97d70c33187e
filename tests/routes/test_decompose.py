"""Parts of large problems: nothing is lost between them, and the whole keeps its rules."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.routes import decompose
from logistics.routes.construct import construct
from logistics.routes.decompose import Team, run_job, search
from logistics.routes.flatten import flatten
from logistics.routes.parts import by_stops, by_tours, neighbourhoods, places
from logistics.routes.problem import Budget, DepotProblem, TimeWindow
from logistics.routes.savings import savings
from logistics.routes.solve_pyvrp_model import Model
from logistics.routes.static import NOTHING, Fleet, Found, Job, StaticProblem, Stop
from logistics.routes.travel import Travel
from logistics.routes.zones import ZoneTravel
from tests.routes.problems import pools, problems

FEW = {
    "pyvrp": Budget(iterations=200),
    "ruin": Budget(iterations=20),
    "ortools": Budget(iterations=50),
}


def scattered(num: int, seed: int, timed: bool, capacity: int = 30) -> StaticProblem:
    """Stops on a plane around a depot, all to be served by as many vehicles as there are stops."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 1000, (num + 1, 2)).astype(float)
    metres = np.rint(np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)))
    opens = rng.integers(0, 6000, num) if timed else np.zeros(num, dtype=int)
    stops = tuple(
        Stop(k + 1, (TimeWindow(int(opens[k]), 9000),), (int(rng.integers(1, 10)),), (0,), 10)
        for k in range(num)
    )
    fleet = Fleet(num, (capacity,), 0, 12_000)
    matrix = metres.astype(np.int64)
    return StaticProblem(1, stops, (fleet,), (matrix,), (matrix,))


def cost_if_sound(problem: StaticProblem, found: Found) -> int:
    """What the tours cost, each driven stop by stop; fails where one breaks a rule."""
    assert sorted(s for t in found.tours for s in t.stops) == list(range(len(problem.stops)))
    cost = 0
    for kind, fleet in enumerate(problem.fleets):
        assert sum(tour.fleet == kind for tour in found.tours) <= fleet.num
    for tour in found.tours:
        fleet, node, clock, metres = problem.fleets[tour.fleet], 0, 0, 0
        stops = [problem.stops[stop] for stop in tour.stops]
        assert sum(stop.delivery[0] for stop in stops) <= fleet.capacity[0]
        for stop in stops:
            metres += int(problem.distance_m[0][node, stop.node])
            clock = max(
                clock + int(problem.duration_s[0][node, stop.node]), stop.windows[0].opens_s
            )
            assert clock <= stop.windows[0].closes_s
            clock, node = clock + stop.service_s, stop.node
        metres += int(problem.distance_m[0][node, 0])
        assert clock + problem.duration_s[0][node, 0] <= fleet.closes_s
        cost += fleet.cost_fixed + metres * fleet.cost_per_m
    return cost


@given(st.integers(1, 60), st.integers(1, 9), st.floats(0, 3.1), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_neighbourhoods_share_all_places_evenly(
    num: int, parts: int, turn: float, seed: int
) -> None:
    where = np.random.default_rng(seed).normal(size=(num, 2))
    group = neighbourhoods(where, np.ones(num, dtype=np.int64), parts, turn)
    sizes = np.bincount(group, minlength=parts)
    assert len(group) == num
    assert len(sizes) == parts
    if num >= 4 * parts:
        assert sizes.min() > 0
        assert sizes.max() <= 2 * num / parts + 2


def test_places_keep_the_distances_of_a_plane() -> None:
    problem = scattered(80, seed=3, timed=False)
    where = places(problem)
    found = np.hypot(*(where[:, None] - where[None]).transpose(2, 0, 1))
    assert np.abs(found - problem.distance_m[0][1:, 1:]).max() < 5


@given(st.integers(0, 50), st.booleans())
@settings(max_examples=10, deadline=None)
def test_the_quick_plan_keeps_every_rule(seed: int, timed: bool) -> None:
    problem = scattered(40, seed, timed)
    found = savings(problem)
    assert found is not None
    assert found.cost == cost_if_sound(problem, found)


@given(st.integers(0, 50), st.integers(0, 12))
@settings(max_examples=10, deadline=None)
def test_the_quick_plan_of_a_mixed_fleet_takes_no_vehicle_twice(seed: int, vans: int) -> None:
    problem = scattered(40, seed, timed=True)
    kinds = (
        Fleet(vans, (20,), 0, 12_000, cost_fixed=500),
        Fleet(40, (45,), 0, 12_000, 0, 0, 900, 2),
    )
    problem = replace(problem, fleets=kinds)
    found = savings(problem)
    assert found is not None
    assert found.cost == cost_if_sound(problem, found)


def test_parts_hold_every_stop_and_vehicle_once() -> None:
    problem = scattered(60, seed=1, timed=False)
    quick = savings(problem)
    assert quick is not None
    for parts in (
        by_tours(problem, places(problem), quick.tours, 4, 0.5),
        by_stops(problem, places(problem), 4, 0.5),
    ):
        assert sorted(stop for part in parts for stop in part.stops) == list(range(60))
        assert sum(part.problem.fleets[0].num for part in parts) == 60


@pytest.mark.parametrize("engine", ["pyvrp", "ruin", "ortools"])
@pytest.mark.parametrize("timed", [False, True])
def test_a_plan_in_parts_keeps_every_rule_whoever_solves_them(
    engine: str, timed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decompose, "_PART", dict.fromkeys(FEW, (25, 25)))
    problem = scattered(60, seed=5, timed=timed)
    found = search(problem, engine, FEW[engine], seed=1)
    assert found.cost == cost_if_sound(problem, found)
    quick = savings(problem)
    assert quick is not None
    assert found.cost < quick.cost
    backwards = Team(3, lambda jobs: [run_job(job) for job in reversed(jobs)][::-1])
    assert search(problem, engine, FEW[engine], seed=1, team=backwards) == found


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_worker_that_dies_loses_nothing_but_its_own_seconds(
    lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every `lost` jobs one has no answer; of one job, none ever has."""
    monkeypatch.setattr(decompose, "_PART", {"pyvrp": (25, 25)})
    problem, job_numbers = scattered(60, seed=7, timed=True), count(1)

    def some_die(jobs: Sequence[Job]) -> list[Found]:
        return [NOTHING if next(job_numbers) % lost == 0 else run_job(job) for job in jobs]

    found, quick = (
        search(problem, "pyvrp", FEW["pyvrp"], 1, team=Team(2, some_die)),
        savings(problem),
    )
    assert quick is not None
    assert cost_if_sound(problem, found) <= quick.cost


def in_the_same_traffic(pool: DepotProblem) -> DepotProblem:
    """PyVRP is told of driving limits as lengths, by one speed for all places."""
    assert isinstance(pool.travel, ZoneTravel)
    return replace(pool, travel=Travel(pool.travel.distance_m, pool.travel.base_s))


@given(problems(max_orders=20) | pools(max_orders=20).map(in_the_same_traffic), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_first_plan_for_mixed_crews_is_one_for_the_engine_too(
    problem: DepotProblem, short: bool
) -> None:
    """Orders with one window: of several, PyVRP is told the first one where a plan is given."""
    orders = tuple(replace(order, windows=order.windows[:1]) for order in problem.orders)
    problem = replace(problem, orders=orders)
    num_nodes = len(problem.orders) + len(problem.depots)
    duration_s = problem.travel.mean_s(*np.zeros((2, num_nodes), dtype=np.int64))
    flat = flatten(problem, duration_s, 2 * 3600 if short else None).problem
    assert construct(flat, lambda: True) is None
    first = construct(flat, lambda: False)
    if first is not None:
        served = [stop for tour in first.tours for stop in tour.stops]
        assert len(set(served)) == len(served)
        assert Model(flat).solution(first.tours).is_feasible()
