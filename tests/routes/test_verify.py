from dataclasses import replace

import numpy as np
import pytest

from logistics.routes.problem import Budget, DepotProblem, Route, TimeWindow
from logistics.routes.retime import TimedRoute, retime
from logistics.routes.solve import Engine, plan_depot
from logistics.routes.travel import Travel
from logistics.routes.verify import verify
from tests.routes.problems import changed, one_order


def broken(problem: DepotProblem, *routes: TimedRoute, unserved: tuple[int, ...] = ()) -> set[str]:
    return {violation.rule for violation in verify(problem, routes, unserved)}


def test_a_good_plan_breaks_no_rule() -> None:
    problem = one_order()
    assert verify(problem, [retime(problem, Route(0, (0,)))], ()) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"weight_mg": 10**9}, "overloads"),
        ({"volume_mm3": 10**10}, "overloads"),
        ({"parcels": 5, "capacity_parcels": 3}, "overloads"),
        ({"skills": frozenset({"lift"})}, "missing_skills"),
        ({"locked_vehicle": "V7"}, "wrong_vehicle"),
        ({"ends_s": 900}, "overlong_shifts"),
        ({"range_m": 9_000}, "beyond_range"),
        ({"max_drive_s": 900}, "overlong_drives"),
        ({"break_after_s": 300, "break_s": 60}, "missed_breaks"),
        ({"break_after_drive_s": 300, "break_s": 60}, "missed_driving_breaks"),
    ],
)
def test_each_rule_finds_its_violation(changes: dict[str, object], rule: str) -> None:
    problem = changed(**changes)
    assert broken(problem, retime(problem, Route(0, (0,)))) == {rule}


def test_a_timetable_faster_than_the_road_is_found() -> None:
    problem = one_order()
    timed = retime(problem, Route(0, (0,)))
    visit = replace(timed.visits[0], arrival_s=timed.visits[0].arrival_s - 2)
    assert broken(problem, replace(timed, visits=(visit,))) == {"impossible_times"}
    assert broken(problem, replace(timed, returns_s=timed.returns_s - 2)) == {"impossible_times"}


def two_trips(**changes: object) -> DepotProblem:
    """Two orders that fill the vehicle each."""
    one = changed(**{"weight_mg": 10**8, "max_trips": 2, "reload_s": 600} | changes)
    orders = tuple(replace(one.orders[0], id=name) for name in ("S0", "S1"))
    metres = np.array([[0, 5000, 5000], [5000, 0, 0], [5000, 0, 0]])
    return replace(one, orders=orders, travel=Travel(metres, metres / 10))


def test_a_vehicle_that_reloads_is_empty_in_between_and_stays_at_the_depot() -> None:
    problem = two_trips()
    timed = retime(problem, Route(0, (0, 1), (1,)))
    assert broken(problem, timed) == set()
    assert (timed.distance_m, timed.returns_s - timed.departs_s) == (20_000, 4 * 500 + 720)
    assert broken(problem, retime(problem, Route(0, (0, 1)))) == {"overloads"}
    once = two_trips(max_trips=1)
    assert broken(once, retime(once, Route(0, (0, 1), (1,)))) == {"extra_trips"}
    hasty = replace(timed.reloads[0], departure_s=timed.reloads[0].departure_s - 60)
    assert "impossible_times" in broken(problem, replace(timed, reloads=(hasty,)))


@pytest.mark.parametrize("engine", ["auto", "pyvrp", "ortools"])
def test_every_engine_brings_two_loads_with_one_vehicle(engine: Engine) -> None:
    problem = two_trips()
    solved = plan_depot(problem, engine, Budget(iterations=50), 1)
    assert solved.unserved == ()
    assert verify(problem, solved.routes, ()) == []


def test_a_route_without_a_way_home_ends_with_its_last_order() -> None:
    problem = changed(returns=False)
    timed = retime(problem, Route(0, (0,)))
    assert (timed.distance_m, timed.returns_s - timed.departs_s) == (5000, 560)
    assert broken(problem, timed) == set()
    assert "impossible_times" in broken(problem, replace(timed, returns_s=timed.returns_s - 2))
    assert "beyond_range" in broken(problem, replace(timed, distance_m=10_000))


def test_a_day_across_lunch_has_its_break_in_it() -> None:
    noon = TimeWindow(40_000, 41_000)
    windows = (TimeWindow(39_900, 39_990), TimeWindow(50_000, 80_000))
    problem = changed(lunch=noon, break_s=1800, windows=windows[:1], service_s=1000)
    assert broken(problem, retime(problem, Route(0, (0,)))) == {"missed_lunches"}
    second = replace(problem.orders[0], windows=windows[1:])
    problem = replace(problem, orders=(second,), crews=(replace(problem.crews[0], ends_s=80_000),))
    timed = retime(problem, Route(0, (0,)))
    assert timed.departs_s > noon.opens_s
    waits = replace(timed, departs_s=39_000, visits=(replace(timed.visits[0], arrival_s=39_500),))
    assert "missed_lunches" not in broken(problem, waits)


def test_a_cost_that_is_not_the_sum_of_its_parts_is_found() -> None:
    problem = changed(cost_per_h=36.0, overtime_from_s=70_000, overtime_cost_per_h=18.0)
    order = replace(problem.orders[0], usual_vehicle="V9", windows=(TimeWindow(76_000, 80_000),))
    problem = replace(problem, orders=(order,), change_cost=7.0, balance_cost=9.0)
    timed = retime(problem, Route(0, (0,)))
    hours = (500 + 60 + 500) / 3600
    overtime_h = (76_560 - 70_000) / 3600
    assert timed.cost == pytest.approx(10 + 36 * hours + 18 * overtime_h + 7 + 9 * hours**2)
    assert broken(problem, timed) == set()
    assert broken(problem, replace(timed, cost=timed.cost - 7)) == {"wrong_costs"}


def test_service_outside_the_windows_is_found() -> None:
    problem = one_order()
    timed = retime(problem, Route(0, (0,)))
    late = {"start_s": 80_001, "departure_s": 80_061}
    visit = replace(timed.visits[0], **late)
    assert "missed_windows" in broken(problem, replace(timed, visits=(visit,)))


def test_an_order_twice_or_nowhere_is_found() -> None:
    problem = one_order()
    timed = retime(problem, Route(0, (0,)))
    assert broken(problem, timed, unserved=(0,)) == {"orders_once"}
    assert broken(problem) == {"orders_once"}


def test_a_vehicle_twice_or_from_the_workshop_is_found() -> None:
    problem = one_order()
    timed = retime(problem, Route(0, (0,)))
    assert "double_crews" in broken(problem, timed, timed)
    away = replace(problem, kept_back=frozenset({"V0"}))
    assert broken(away, timed) == {"kept_back_vehicles"}
