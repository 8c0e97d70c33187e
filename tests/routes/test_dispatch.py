"""What a depot hands out says what its tables say; and the numbers beside its last plan."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import gpxpy
import polars as pl
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from logistics import handouts
from logistics.outputs import ROUTE_KPIS, STOPS
from logistics.routes import outputs
from logistics.routes.dispatch import handouts as made_of
from logistics.routes.explain import Reason
from logistics.routes.kpis import comparison, kpi_rows
from logistics.routes.problem import Budget
from logistics.routes.solve import Solved, plan_depot
from tests.routes.test_inputs import DAY, build, tables

WINDOW = {"opens_s": 8 * 3600, "closes_s": 9 * 3600 + 1800}
ORDERS: list[dict[str, object]] = [
    {"order_id": "S1", "windows": [WINDOW | {"opens_s": 18 * 3600, "closes_s": 20 * 3600}, WINDOW]},
    {"order_id": "S/2", "kind": "pickup", "lat": 52.05, "weight_kg": 7.5},
    {"order_id": "S3", "weight_kg": 900.0},
]
DEPOT = {"lat": 52.0, "lon": 4.0}


@pytest.fixture(scope="module")
def rows() -> dict[str, pl.DataFrame]:
    problem = build(orders=ORDERS)
    solved = plan_depot(problem, "pyvrp", Budget(iterations=20), 1)
    reasons = [Reason(order, "capacity", "too heavy", None) for order in solved.unserved]
    return outputs.plan_rows(problem, solved.routes, reasons, tables(orders=ORDERS), DAY)


@pytest.fixture(scope="module")
def files(rows: dict[str, pl.DataFrame]) -> dict[str, bytes]:
    return made_of(str(DAY), DEPOT, *rows.values())


def test_the_map_has_every_place_longitude_first(files: dict[str, bytes]) -> None:
    found = json.loads(files["routes.geojson"])
    assert found["type"] == "FeatureCollection"
    by_what: dict[str, list[dict]] = {}
    for feature in found["features"]:
        by_what.setdefault(feature["properties"]["what"], []).append(feature)
    assert {what: len(some) for what, some in by_what.items()} == {
        "depot": 1,
        "route": 1,
        "stop": 2,
        "unserved": 1,
    }
    line = by_what["route"][0]["geometry"]["coordinates"]
    assert line[0] == line[-1] == [4.0, 52.0]
    assert line[1:-1] == [stop["geometry"]["coordinates"] for stop in by_what["stop"]]
    assert by_what["unserved"][0]["properties"]["order_id"] == "S3"
    assert by_what["unserved"][0]["geometry"]["coordinates"] == [4.0, 52.1]


def test_a_manifest_tells_the_drivers_day_in_order(
    files: dict[str, bytes], rows: dict[str, pl.DataFrame]
) -> None:
    told = list(csv.DictReader(io.StringIO(files["manifest-W1.csv"].decode())))
    assert [row["what"] for row in told] == ["leave", *rows["stops"]["kind"], "return"]
    assert [row["order_id"] for row in told[1:-1]] == rows["stops"]["order_id"].to_list()
    for row, stop in zip(told[1:-1], rows["stops"].iter_rows(named=True), strict=True):
        assert row["eta"] == str(stop["arrival_local"])
        assert row["slack_min"] == str(int(stop["slack_s"] / 60))
    windows = {row["order_id"]: (row["window_start"], row["window_end"]) for row in told}
    assert windows["S/2"] == ("", "")
    assert windows["S1"] == (f"{DAY} 08:00:00; {DAY} 18:00:00", f"{DAY} 09:30:00; {DAY} 20:00:00")
    assert float(told[0]["load_kg"]) == 0.1  # S1's; the pickup is still to come


def test_a_gpx_route_leads_there_and_back(files: dict[str, bytes]) -> None:
    (route,) = gpxpy.parse(files["V1.gpx"].decode()).routes
    assert len(route.points) == 4
    assert (route.points[0].latitude, route.points[-1].longitude) == (52.0, 4.0)
    assert {point.name.split()[1] for point in route.points} == {"depot", "S1", "S/2"}


@pytest.mark.parametrize("plan", ["local", "memory://handouts-test"])
def test_a_depots_files_are_replaced_and_those_of_old_nights_dropped(
    plan: str, tmp_path: Path
) -> None:
    plan = str(tmp_path) if plan == "local" else plan
    handouts.write(plan, DAY - timedelta(days=1), "depot_id", "D/1", {"old.gpx": b"x"})
    handouts.write(plan, DAY, "depot_id", "D/1", {"a.gpx": b"1", "b.gpx": b"2"})
    handouts.write(plan, DAY, "depot_id", "D/1", {"b.gpx": b"3"})
    assert handouts.drop(plan, DAY) == 1
    folder = handouts.folder(plan, DAY, "depot_id", "D/1")
    if plan.startswith("memory"):
        fs = MemoryFileSystem()
        found = {path.rpartition("/")[2]: fs.cat_file(path) for path in fs.find(plan)}
    else:
        found = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert (Path(folder) / "b.gpx").is_file()
    assert found == {"b.gpx": b"3"}


def kpis(solved: Solved, stops: pl.DataFrame, *last: pl.DataFrame) -> pl.DataFrame:
    problem = build(orders=ORDERS)
    return kpi_rows(problem, solved.routes, solved.unserved, DEPOT, stops, *last)


def test_kpis_are_those_of_the_tables_and_change_from_the_last_plan(
    rows: dict[str, pl.DataFrame],
) -> None:
    solved = plan_depot(build(orders=ORDERS), "pyvrp", Budget(iterations=20), 1)
    none = [pl.DataFrame(schema=o.columns) for o in (ROUTE_KPIS, STOPS)]
    first = kpis(solved, rows["stops"], *none)
    told = first.row(0, named=True)
    assert first.schema == ROUTE_KPIS.columns
    assert (told["orders"], told["served"], told["unserved"], told["routes"]) == (3, 2, 1, 1)
    assert told["distance_km"] == pytest.approx(rows["routes"]["distance_m"].sum() / 1000)
    assert told["load_factor"] == pytest.approx(7.6 / 100)  # S1 is on board when S/2 is fetched
    assert told["on_time_share"] == 1.0
    assert told["cost"] == pytest.approx(rows["routes"]["cost"].sum())
    assert told["penalties"] == 200.0
    assert told["compared_with"] is None
    assert comparison(first) == {}

    yesterday = first.with_columns(run_date=DAY - timedelta(days=1), cost=pl.col("cost") - 5)
    moved = rows["stops"].with_columns(
        vehicle_id=pl.when(stop=1).then(pl.lit("V7")).otherwise("vehicle_id")
    )
    second = kpis(solved, rows["stops"], yesterday, moved)
    told = second.row(0, named=True)
    assert told["compared_with"] == DAY - timedelta(days=1)
    assert (told["routes_change"], told["same_vehicle_share"]) == (0, 0.5)
    assert told["cost_change"] == pytest.approx(5)
    assert comparison(second)["before:cost"] == pytest.approx(told["cost"] - 5)
