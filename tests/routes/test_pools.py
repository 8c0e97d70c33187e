"""Depots that share their vehicles: laws of their plans, and what sharing is worth."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from logistics.pools import pools as pools_of
from logistics.routes import outputs
from logistics.routes.explain import explain
from logistics.routes.inputs import places_of, problem
from logistics.routes.insert import Timetable
from logistics.routes.kpis import kpi_rows
from logistics.routes.problem import Budget, DepotProblem
from logistics.routes.solve import Engine, Solved, plan_depot
from logistics.routes.travel import Roads, Travel
from logistics.routes.verify import verify
from logistics.routes.zones import ZoneTravel
from tests.routes.problems import pools
from tests.routes.test_inputs import CONFIG, DAY, tables

FEW = Budget(iterations=40)
Rows = list[dict[str, object]]
# Ten kilometres apart; D2 has a van to spare, D1 one that is too small for S2.
DEPOTS: Rows = [{"pool": "north"}, {"depot_id": "D2", "pool": "north", "lat": 52.09}]
VEHICLES: Rows = [{"capacity_kg": 1.0}, {"vehicle_id": "V2", "depot_id": "D2"}]
DRIVERS: Rows = [{}, {"driver_id": "W2", "depot_id": "D2"}]
ORDERS: Rows = [{"weight_kg": 1.0, "own_depot_only": True}, {"order_id": "S2", "weight_kg": 50.0}]


def shared(**rows: Rows) -> DepotProblem:
    both = {"depots": DEPOTS, "vehicles": VEHICLES, "drivers": DRIVERS, "orders": ORDERS} | rows
    return problem(tables(**both), "D1", (), DAY, CONFIG, mates=("D2",))


def lawful(problem: DepotProblem, engine: Engine = "auto") -> Solved:
    solved = plan_depot(problem, engine, FEW, seed=1)
    assert verify(problem, solved.routes, solved.unserved) == []
    return solved


@pytest.mark.parametrize("engine", ["pyvrp", "ortools", "auto"])
@given(problem=pools())
@settings(max_examples=12, deadline=None)
def test_a_pools_plan_keeps_every_rule_and_leaves_nothing_out_that_fits(
    engine: Engine, problem: DepotProblem
) -> None:
    solved = lawful(problem, engine)
    table = Timetable(problem, solved.routes)
    for order in solved.unserved:
        found = table.cheapest(order)
        assert found is None or found.delta > problem.penalty(order)
    assert plan_depot(problem, engine, FEW, seed=1) == solved


def test_a_vehicle_comes_home_to_its_own_depot() -> None:
    pool = shared()
    solved = lawful(pool)
    assert {pool.crews[timed.crew].depot for timed in solved.routes} == {0, 1}
    elsewhere = replace(pool, crews=tuple(replace(c, depot=1 - c.depot) for c in pool.crews))
    broken = {violation.rule for violation in verify(elsewhere, solved.routes, solved.unserved)}
    assert {"impossible_times", "beyond_range"} <= broken


def test_a_pool_serves_what_its_depots_cannot_alone_and_more_cheaply() -> None:
    rows = tables(depots=DEPOTS, vehicles=VEHICLES, drivers=DRIVERS, orders=ORDERS)
    alone = [lawful(problem(rows, depot, (), DAY, CONFIG)) for depot in ("D1", "D2")]
    together = lawful(shared())
    assert [len(solved.unserved) for solved in alone] == [1, 0]
    assert together.unserved == ()
    assert together.cost < sum(solved.cost for solved in alone)


def test_an_order_whose_goods_are_at_its_own_depot_stays_there_and_says_so() -> None:
    tied = shared(orders=[ORDERS[0], ORDERS[1] | {"own_depot_only": True}])
    solved = lawful(tied)
    assert [tied.orders[order].id for order in solved.unserved] == ["S2"]
    reason = explain(tied, solved.routes, solved.unserved[0])
    assert reason.constraint == "depot"
    assert reason.relaxation == "V2 of D2 could serve it if its goods were not at D1 only"


def test_each_depots_tables_tell_of_its_vehicles_and_of_its_orders() -> None:
    orders: Rows = [
        *ORDERS,
        {"depot_id": "D2", "lat": 52.2},
        ORDERS[1] | {"order_id": "S3", "weight_kg": 999.0},
    ]
    pool, rows = shared(orders=orders), tables(depots=DEPOTS, orders=orders)
    solved = lawful(pool)
    reasons = [explain(pool, solved.routes, order) for order in solved.unserved]
    stops, kpis = {}, {}
    for number, depot in enumerate(DEPOTS):
        found = outputs.plan_rows(pool, solved.routes, reasons, rows, DAY, number)
        name = pool.depots[number].id
        stops[name] = found["stops"].select("order_id", "lat", "order_depot_id").rows()
        assert found["unserved"]["order_id"].to_list() == (["S3"] if number == 0 else [])
        none = [pl.DataFrame(), pl.DataFrame()]
        place = {"lat": 52.0, "lon": 4.0, **depot}
        row = kpi_rows(pool, solved.routes, solved.unserved, place, found["stops"], *none, number)
        kpis[name] = row.select("orders", "served", "unserved", "routes").row(0)
    # S1 is the name of an order of each.
    assert stops["D1"] == [("S1", 52.1, None)]
    assert sorted(stops["D2"]) == [("S1", 52.2, None), ("S2", 52.1, "D1")]
    assert kpis == {"D1": (3, 2, 1, 1), "D2": (1, 1, 0, 1)}


def test_traffic_is_that_of_the_depot_whose_order_a_leg_begins_at() -> None:
    slow: Rows = [{"depot_id": "D2", "weekday": 0, "slot": 16, "speed_factor": 0.5}]
    travel = shared(traffic=slow).travel
    assert isinstance(travel, ZoneTravel)
    assert isinstance(shared().travel, Travel)
    assert travel.zone_of == (0, 0, 0, 1)
    eight_s = 8 * 3600
    assert travel.arrive(3, 1, eight_s) > travel.arrive(1, 3, eight_s)
    assert travel.mean_s(*2 * [np.full(4, eight_s)])[3, 1] > travel.base_s[3, 1]


def test_given_arcs_join_the_depots_of_a_pool() -> None:
    orders: Rows = [{}, {"depot_id": "D2", "lat": 52.2}]
    given = {"duration_s": 700.0}
    arcs: Rows = [
        given | {"depot_id": "D1", "from_id": "", "to_id": "S1", "distance_m": 1.0},
        given | {"depot_id": "D2", "from_id": "", "to_id": "S1", "distance_m": 2.0},
        given | {"depot_id": "D2", "from_id": "D1", "to_id": "S1", "distance_m": 3.0},
        given | {"depot_id": "D1", "from_id": "D2", "to_id": "D1", "distance_m": 4.0},
    ]
    metres = shared(orders=orders, travel_times=arcs).travel.distance_m
    assert [metres[0, 1], metres[3, 2], metres[0, 2], metres[3, 0]] == [1, 2, 3, 4]


def test_a_routing_service_is_asked_for_the_places_of_the_whole_pool() -> None:
    orders: Rows = [{}, {"depot_id": "D2", "lat": 52.2}]
    rows = tables(depots=DEPOTS, vehicles=VEHICLES, drivers=DRIVERS, orders=orders)
    places = places_of(rows, "D1", DAY, ["D2"])
    assert [lat for lat, _ in places] == [52.0, 52.1, 52.2, 52.09]
    metres = np.arange(16.0).reshape(4, 4)
    told = problem(rows, "D1", (), DAY, CONFIG, Roads(metres, metres), mates=["D2"])
    assert [told.travel.distance_m[told.base(1), order + 1] for order in (0, 1)] == [13, 14]


def test_a_pool_is_all_depots_that_name_it() -> None:
    depots = pl.DataFrame({"depot_id": ["b", "a", "c", "d"], "pool": ["x", "x", None, "y"]})
    assert pools_of(depots) == {"a": ("a", "b"), "b": ("a", "b"), "c": ("c",), "d": ("d",)}
