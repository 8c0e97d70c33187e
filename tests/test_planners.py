"""What planners change and ask for, on the nights of a made company."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from logistics import explain, plan
from logistics.config import Config
from logistics.outcome import Night
from logistics.tables_forecast import FORECAST_OVERRIDES
from tests import laws, laws_forecast
from tests.settings import planned

OVERRIDES = {name: column.dtype for name, column in FORECAST_OVERRIDES.columns.items()}


def test_an_override_is_published_beside_the_forecast_and_its_worth_is_told_later(
    company: Config, first: Night, tmp_path: Path
) -> None:
    lake, own = str(tmp_path / "lake"), str(tmp_path / "plan")
    config = replace(company, task="forecast", lake=lake, plan=own)
    shutil.copytree(company.lake, config.lake)
    popular = pl.read_parquet(f"{config.lake}/sales/dc_id=DC01/*.parquet").group_by("sku_id")
    sku = popular.agg(pl.col("units").sum()).sort("units")["sku_id"][-1]
    told = {"sku_id": sku, "dc_id": "DC01", "planner": "ann", "reason": "a guess"}
    days = {"start": config.date - timedelta(10), "end": config.date + timedelta(5)}
    rows = [told | days | {"kind": "multiply", "value": 3.0}]
    rows.append(told | days | {"kind": "set", "value": 5.0, "end": days["start"] - timedelta(3)})
    Path(config.lake, "forecast_overrides").mkdir()
    pl.DataFrame(rows, schema=OVERRIDES).write_parquet(
        f"{config.lake}/forecast_overrides/part-0.parquet"
    )
    earlier = replace(config, date=config.date - timedelta(10))
    for night in (earlier, config):
        finished = planned(night)
        assert finished.complete, [o.failures for o in finished.outcomes.values()]
        assert list(laws_forecast.offences(night, laws.read_inputs(night))) == []
    rejects = plan.read_plan(config.plan, "rejects", config.date)
    assert rejects is not None
    assert rejects.filter(table="forecast_overrides").height == 1
    worth = plan.read_plan(config.plan, "forecast_value_added", config.date)
    assert worth is not None
    assert worth["sku_id"].to_list() == [sku]
    assert worth["night"].to_list() == [earlier.date]
    assert 0 < worth["periods"][0] <= 10
    assert worth["value_added"][0] < 0  # three times the forecast was no good idea
    before, changed = (plan.read_plan(c.plan, "forecasts", c.date) for c in (company, config))
    assert before is not None
    assert changed is not None
    others = (pl.col("sku_id") != sku) | (pl.col("dc_id") != "DC01")
    assert before.filter(others).equals(changed.filter(others))


def test_a_pool_is_planned_as_one_and_a_depot_that_cannot_be_read_fails_for_itself(
    company: Config, tmp_path: Path
) -> None:
    config = replace(company, task="routes", lake=f"{tmp_path}/lake", plan=f"{tmp_path}/plan")
    for table in ("orders", "depots", "vehicles", "drivers", "traffic"):
        shutil.copytree(f"{company.lake}/{table}", f"{config.lake}/{table}")
    # Both depots stand where D001 does, which has one driver left.
    place = {name: pl.col(name).first() for name in ("lat", "lon")}
    edit(config, "depots", pl.lit(True), pool=pl.lit("both"), **place)
    edit(
        config, "drivers", pl.col("driver_id").is_in(["D001-R01"]) | (pl.col("depot_id") != "D001")
    )
    finished = planned(config)
    assert finished.complete, [o.failures for o in finished.outcomes.values()]
    assert finished.outcomes["routes"].units == 1
    assert list(laws.routes(config, laws.read_inputs(config))) == []
    stops = plan.read_plan(config.plan, "stops", config.date)
    assert stops is not None
    helped = stops.filter(order_depot_id="D001")
    assert set(helped["depot_id"]) == {"D002"}
    told = explain.tell(replace(config, order=helped["order_id"][0]))
    assert told is not None
    assert "of D001 (" in told[0]
    assert "from D002" in told[0]
    assert planned(config).outcomes["routes"].units_reused == 1
    (broken,) = Path(config.lake, "orders", "depot_id=D002").iterdir()
    kept = broken.read_bytes()
    broken.write_bytes(kept[:100])
    half = planned(config).outcomes["routes"]
    assert "D002: orders: " in half.failures["D001+D002"]
    routes = plan.read_plan(config.plan, "routes", config.date)
    assert routes is not None
    assert set(routes["depot_id"]) == {"D001"}
    broken.write_bytes(kept)
    assert planned(config).complete
    again = plan.read_plan(config.plan, "stops", config.date)
    assert again is not None
    assert again.equals(stops)


def edit(config: Config, table: str, kept: pl.Expr, **columns: pl.Expr) -> None:
    """The table's rows that are kept, with these columns."""
    where = f"{config.lake}/{table}/part-0.parquet"
    pl.read_parquet(where).filter(kept).with_columns(**columns).write_parquet(where)
