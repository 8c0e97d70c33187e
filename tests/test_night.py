"""A whole night on a small made company: complete, accounted for, repeatable, lawful."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from logistics import explain, lake, night, plan, report
from logistics.config import Config
from logistics.outcome import Night
from logistics.outputs import OUTPUTS
from tests import laws
from tests.settings import planned, quiet


@pytest.mark.usefixtures("first")
def test_no_plan_breaks_a_law(company: Config) -> None:
    assert laws.offences(company) == []


def test_every_unit_is_in_and_every_row_accounted_for(first: Night, company: Config) -> None:
    assert first.complete, [o.failures for o in first.outcomes.values()]
    counts = [count for outcome in first.outcomes.values() for count in outcome.counts]
    assert counts
    assert all(c.rows_in == c.rows_out + c.rows_rejected for c in counts)
    rejects = plan.read_plan(company.plan, "rejects", company.date)
    assert rejects is not None
    assert rejects.height == sum(count.rows_rejected for count in counts)
    in_lake = {
        c.table: sum(
            pl.read_parquet(f).height for f in Path(company.lake, c.table).rglob("*.parquet")
        )
        for c in counts
    }
    assert {c.table: c.rows_in for c in counts} == in_lake


@pytest.mark.usefixtures("first")
def test_every_table_of_the_plan_is_written(company: Config) -> None:
    may_be_empty = {"unserved", "kept_back", "unplaced", "forecast_backtests"}
    may_be_empty |= {"forecast_overridden", "forecast_value_added", "alert_outcomes"}
    may_be_empty |= {"vehicle_prices"}
    empty = {t for t in OUTPUTS if plan.read_plan(company.plan, t, company.date) is None}
    assert empty <= may_be_empty


def test_the_same_night_twice_is_the_same_plan(first: Night, company: Config) -> None:
    before = {table: laws.content(company, table) for table in OUTPUTS}
    again = planned(company)
    for name in ("forecast", "maintenance"):
        assert again.outcomes[name].card == first.outcomes[name].card, "the champion was kept"
    assert again.run.run_id != first.run.run_id
    for table, rows in before.items():
        after = laws.content(company, table)
        assert (rows is None) == (after is None), table
        assert rows is None or rows.equals(after), table
    runs = plan.read_runs(company.plan)
    assert runs is not None
    assert runs["run_id"].n_unique() == 2
    assert json.loads(runs["config"][0])["seed"] == company.seed


def test_the_summary_says_what_was_planned(
    first: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.summary(first) == 0
    said = " ".join(capsys.readouterr().out.split())
    for outcome in first.outcomes.values():
        assert outcome.workload == "company" or outcome.workload in said
    served, orders = (first.outcomes["routes"].figures[name] for name in ("served", "orders"))
    assert f"{served:.0f} of {orders:.0f} orders served" in said
    assert first.run.config.plan in said


@pytest.mark.usefixtures("first")
def test_everything_in_the_plan_has_its_story(company: Config) -> None:
    things = {"order": ("stops", "order_id"), "sku": ("slots_plan", "sku_id")}
    things["asset"] = ("work_orders", "asset_id")
    for thing, (table, column) in things.items():
        rows = plan.read_plan(company.plan, table, company.date)
        assert rows is not None
        name = rows[column].drop_nulls()[0]
        told = explain.tell(replace(company, **{thing: name}))
        assert told is not None
        assert name in told[0]
        assert f"did you mean {name}" in explain.unknown(replace(company, **{thing: f"{name}x"}))
    assert explain.tell(replace(company, order="no-such-order")) is None
    rejects = plan.read_plan(company.plan, "rejects", company.date)
    assert rejects is not None
    orders = rejects.filter(table="orders", column="lat")["key"].str.strip_prefix("order_id=")
    for order in orders:
        told = explain.tell(replace(company, order=order))
        assert told is not None
        assert any("was rejected: lat" in line for line in told)


@pytest.mark.usefixtures("first")
def test_sites_that_nobody_knows_are_rejected_and_cost_nothing_else(
    company: Config, tmp_path: Path
) -> None:
    odd = replace(company, lake=str(tmp_path / "lake"), plan=str(tmp_path / "plan"))
    shutil.copytree(company.lake, odd.lake)
    rows = {}
    for table, site in (("orders", "depot_id"), ("telemetry", "site_id"), ("sales", "dc_id")):
        source = sorted(Path(odd.lake, table).iterdir())[0]
        found = pl.read_parquet(source / "*.parquet").head(40)
        if table == "telemetry":
            found = found.with_columns(asset_id=pl.lit("nobody"))
        unknown = lake.UNKNOWN if table == "sales" else "nowhere"
        Path(odd.lake, table, f"{site}={unknown}").mkdir()
        found.write_parquet(Path(odd.lake, table, f"{site}={unknown}", "part-0.parquet"))
        rows[table] = found.height
    finished = planned(odd)
    assert finished.complete, [o.failures for o in finished.outcomes.values()]
    before, after = (laws.content(c, "rejects") for c in (company, odd))
    assert before is not None
    assert after is not None
    for table, more in rows.items():
        assert after.filter(table=table).height == before.filter(table=table).height + more
    for table in ("forecasts", "risks", "stops"):
        whole, same = (laws.content(c, table) for c in (company, odd))
        assert whole is not None
        assert whole.equals(same), table


def test_a_model_that_cannot_be_trained_fails_its_workload_with_the_reason(
    company: Config, tmp_path: Path
) -> None:
    short = replace(
        company,
        task="forecast",
        lake=str(tmp_path / "lake"),
        plan=str(tmp_path / "plan"),
        models=str(tmp_path / "models"),
    )
    shutil.copytree(company.lake, short.lake)
    for file in Path(short.lake, "sales").rglob("*.parquet"):
        recent = pl.col("date") >= short.date - timedelta(days=20)
        pl.read_parquet(file).filter(recent).write_parquet(file)
    outcome = planned(short).outcomes["forecast"]
    assert outcome.status == "failed"
    assert all("sales cover 20 days" in reason for reason in outcome.failures.values())
    with pytest.raises(night.TrainingError, match="sales cover 20 days"):
        night.train(short, "forecast", quiet)
