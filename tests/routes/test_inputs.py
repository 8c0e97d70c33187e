from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from logistics.routes import outputs
from logistics.routes.dispatch import handouts
from logistics.routes.inputs import problem
from logistics.routes.problem import Budget, DepotProblem, TimeWindow
from logistics.routes.solve import plan_depot
from logistics.tables import CONTRACTS
from tests.settings import config

DAY = date(2026, 3, 2)  # a Monday
CONFIG = replace(
    config(Path("nowhere")).routes,
    speed_kmh=36.0,
    circuity=1.5,
    seconds_per_depot=1.0,
    iterations_per_depot=50,
)
HOUR_S = 3600


def table(name: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    columns = CONTRACTS[name].columns
    return pl.DataFrame(rows, schema={column: c.dtype for column, c in columns.items()})


def tables(**rows: list[dict[str, object]]) -> dict[str, pl.DataFrame]:
    order = {
        "order_id": "S1",
        "depot_id": "D1",
        "service_date": DAY,
        "lat": 52.1,
        "lon": 4.0,
        "kind": "delivery",
        "weight_kg": 0.1,
        "volume_m3": 0.02,
        "service_s": 300,
    }
    vehicle = {
        "vehicle_id": "V1",
        "depot_id": "D1",
        "asset_id": "A1",
        "capacity_kg": 100.0,
        "capacity_m3": 2.0,
        "cost_fixed": 10.0,
        "cost_per_km": 1.0,
        "cost_per_h": 20.0,
    }
    driver = {"driver_id": "W1", "depot_id": "D1", "shift_start_s": 0, "shift_end_s": 86_400}
    depot = {"depot_id": "D1", "lat": 52.0, "lon": 4.0, "opens_s": 18_000, "closes_s": 79_200}
    base = {"orders": order, "vehicles": vehicle, "drivers": driver, "depots": depot}
    found = {
        name: table(name, [one | change for change in rows.get(name, [{}])])
        for name, one in base.items()
    }
    rest = {name: table(name, rows.get(name, [])) for name in ("traffic", "travel_times", "trips")}
    return found | rest


def last_stops(**vehicle_at: float) -> pl.DataFrame:
    """Stops of the last plan at these latitudes."""
    rows = [
        {"depot_id": "D1", "vehicle_id": vehicle, "lat": lat, "lon": 4.0}
        for vehicle, lat in vehicle_at.items()
    ]
    return pl.DataFrame(rows, schema={"depot_id": pl.String, **outputs.STOPS.columns})


def build(kept_back: tuple[str, ...] = (), **rows: list[dict[str, object]]) -> DepotProblem:
    return problem(tables(**rows), "D1", kept_back, DAY, CONFIG)


def test_only_orders_of_the_day_are_planned() -> None:
    built = build(orders=[{}, {"order_id": "S2", "service_date": date(2026, 3, 3)}])
    assert [order.id for order in built.orders] == ["S1"]


def test_windows_are_merged_and_default_to_the_depots_hours() -> None:
    window = [{"opens_s": 5, "closes_s": 9}, {"opens_s": 1, "closes_s": 2}]
    window += [{"opens_s": 8, "closes_s": 12}]
    built = build(orders=[{"windows": window}, {"order_id": "S2", "priority": 3}])
    assert built.orders[0].windows == (TimeWindow(1, 2), TimeWindow(5, 12))
    assert built.orders[1].windows == (TimeWindow(18_000, 79_200),)
    assert [order.penalty for order in built.orders] == [200.0, 500.0]


def test_a_shift_lies_within_the_depots_hours() -> None:
    crew = build().crews[0]
    assert (crew.starts_s, crew.ends_s) == (18_000, 79_200)


def test_there_are_as_many_crews_as_vehicles_and_drivers_allow() -> None:
    three = [{"vehicle_id": f"V{k}"} for k in range(3)]
    two = [{"driver_id": f"W{k}"} for k in range(2)]
    assert len(build(vehicles=three, drivers=two).crews) == 2
    assert build(drivers=[]).crews == ()
    assert [c.vehicle_id for c in build(("V0", "V1"), vehicles=three, drivers=two).crews] == ["V2"]


def test_the_driver_with_the_skill_asked_for_goes_first() -> None:
    drivers = [{"driver_id": "W1"}, {"driver_id": "W2", "skills": ["lift"], "shift_end_s": 40_000}]
    assert build(drivers=drivers).crews[0].driver_id == "W1"
    asked = build(drivers=drivers, orders=[{"skills": ["lift"]}])
    assert asked.crews[0].driver_id == "W2"


def test_a_given_arc_replaces_the_great_circle_and_the_rest_is_filled() -> None:
    given = {"depot_id": "D1", "distance_m": 5000.0, "duration_s": 700.0}
    built = build(travel_times=[given | {"from_id": "", "to_id": "S1"}])
    assert (built.travel.distance_m[0, 1], built.travel.base_s[0, 1]) == (5000, 700.0)
    metres = 6_371_000 * 0.1 * 3.141592653589793 / 180 * 1.5
    assert built.travel.distance_m[1, 0] == pytest.approx(metres, abs=1)
    assert built.travel.base_s[1, 0] == pytest.approx(metres / 10)


def test_traffic_is_that_of_the_run_dates_weekday() -> None:
    slow = {"depot_id": "D1", "slot": 16, "speed_factor": 0.5}
    built = build(traffic=[slow | {"weekday": 0}, slow | {"weekday": 1, "slot": 17}])
    assert built.travel.factors[16] == 0.5
    assert built.travel.factors[17] == 1.0


def test_a_depot_that_is_not_in_the_table_is_named() -> None:
    with pytest.raises(ValueError, match="depot D9 is not in the depots table"):
        problem(tables(), "D9", (), DAY, CONFIG)


def test_a_booked_vehicle_is_kept_back_with_its_booking() -> None:
    booking = {"asset_id": "A1", "workshop_id": "X1", "component": "brakes", "status": "booked"}
    booked = pl.DataFrame([booking]).with_columns(
        pl.lit(DAY).cast(pl.Datetime("us")).alias("start_local")
    )
    vehicles = tables()["vehicles"]
    assert outputs.kept_back_rows(vehicles, booked, DAY)["vehicle_id"].to_list() == ["V1"]
    assert outputs.kept_back_rows(vehicles, booked, date(2026, 3, 3)).is_empty()
    assert outputs.kept_back_rows(vehicles, None, DAY).is_empty()


def test_the_plans_tables_tell_the_timetable() -> None:
    orders: list[dict[str, object]] = [{}, {"order_id": "S2", "kind": "pickup", "weight_kg": 7.5}]
    built = build(orders=orders)
    solved = plan_depot(built, "pyvrp", Budget(iterations=20), 1)
    rows = outputs.plan_rows(built, solved.routes, [], tables(orders=orders), DAY)
    found, stops = rows["routes"], rows["stops"]
    assert found["num_stops"].to_list() == [2]
    assert stops["load_kg"].to_list()[-1] == 7.5
    assert stops["lat"].to_list() == [52.1, 52.1]
    assert (stops["departure_local"] > stops["service_start_local"]).all()


def test_overtime_follows_the_shift_while_the_depot_is_open() -> None:
    late = {"shift_end_s": 70_000, "max_overtime_s": 3600, "overtime_cost_per_h": 35.0}
    crew = build(drivers=[late]).crews[0]
    assert (crew.overtime_from_s, crew.ends_s, crew.overtime_cost_per_h) == (70_000, 73_600, 35.0)
    never = build(drivers=[late | {"max_overtime_s": None}]).crews[0]
    assert (never.overtime_from_s, never.ends_s) == (None, 70_000)
    assert build(drivers=[late | {"max_overtime_s": 40_000}]).crews[0].ends_s == 79_200


def test_eu561_tightens_the_limits_a_driver_has() -> None:
    crew = build(drivers=[{"rules": "eu561", "max_drive_s": 20_000, "break_s": 600}]).crews[0]
    assert (crew.max_drive_s, crew.break_after_drive_s, crew.break_after_s) == (
        20_000,
        int(4.5 * HOUR_S),
        6 * HOUR_S,
    )
    assert crew.break_s == 45 * 60
    assert build(drivers=[{"max_drive_s": 20_000}]).crews[0].break_after_drive_s is None


def test_a_fixed_break_begins_between_its_two_times() -> None:
    noon = {"break_from_s": 12 * HOUR_S, "break_until_s": 13 * HOUR_S, "break_s": 1800}
    assert build(drivers=[noon]).crews[0].lunch == TimeWindow(12 * HOUR_S, 13 * HOUR_S)
    assert build(drivers=[{"break_s": 1800}]).crews[0].lunch is None


def test_parcels_count_against_the_vehicles_room() -> None:
    built = build(orders=[{"parcels": 7}], vehicles=[{"capacity_parcels": 5}])
    assert not built.suits(0, 0)


def test_the_usual_vehicle_is_the_orders_own_or_that_of_the_last_plan() -> None:
    orders: list[dict[str, object]] = [
        {"order_id": "S1"},
        {"order_id": "S2", "usual_vehicle": "V2"},
        {"order_id": "S3", "lat": 52.3},
        {"order_id": "S4", "lat": 52.4},
    ]
    crews = {
        "vehicles": [{"vehicle_id": "V1"}, {"vehicle_id": "V2"}],
        "drivers": [{"driver_id": "W1"}, {"driver_id": "W2"}],
    }
    rows = tables(orders=orders, **crews) | {"last_stops": last_stops(V1=52.1, V9=52.3)}
    built = problem(rows, "D1", (), DAY, replace(CONFIG, change_cost=5.0))
    assert [order.usual_vehicle for order in built.orders] == ["V1", "V2", None, None]


def test_a_vehicle_that_comes_back_for_more_says_so_in_the_plan() -> None:
    orders: list[dict[str, object]] = [
        {"weight_kg": 80.0},
        {"order_id": "S2", "weight_kg": 90.0, "lat": 52.05},
    ]
    built = build(orders=orders, vehicles=[{"max_trips": 3, "reload_s": 1200}])
    solved = plan_depot(built, "auto", Budget(iterations=50), 1)
    rows = outputs.plan_rows(built, solved.routes, [], tables(orders=orders), DAY)
    stops = rows["stops"]
    assert stops["kind"].to_list() == ["delivery", "reload", "delivery"]
    reload = stops.row(1, named=True)
    assert (reload["lat"], reload["order_id"], reload["slack_s"]) == (52.0, None, None)
    assert reload["load_kg"] in (80.0, 90.0)
    assert (reload["departure_local"] - reload["service_start_local"]).total_seconds() == 1200
    assert rows["routes"]["num_stops"].to_list() == [2]
    files = handouts(str(DAY), {"lat": 52.0, "lon": 4.0}, *rows.values())
    assert b",reload," in files["manifest-W1.csv"]


def test_a_vehicle_that_does_not_return_ends_its_day_with_the_last_order() -> None:
    out = build(vehicles=[{"returns": False}])
    solved = plan_depot(out, "auto", Budget(iterations=50), 1)
    (timed,) = solved.routes
    assert timed.returns_s == timed.visits[-1].departure_s
    assert timed.distance_m == out.travel.distance_m[0, 1]
    rows = outputs.plan_rows(out, solved.routes, [], tables(), DAY)
    files = handouts(str(DAY), {"lat": 52.0, "lon": 4.0}, *rows.values())
    assert b",return," not in files["manifest-W1.csv"]


def test_two_orders_of_a_pair_are_one_transport_of_the_pickups_goods() -> None:
    pair = {"pair_id": "P1"}
    built = build(
        orders=[
            pair | {"weight_kg": 9.0},
            pair | {"order_id": "S2", "kind": "pickup", "weight_kg": 2.0},
            {"order_id": "S3"},
        ]
    )
    assert built.partners == (1, 0, None)
    assert [order.weight_mg for order in built.orders] == [2_000_000, 2_000_000, 100_000]
