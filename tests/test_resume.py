"""Nothing is done twice and nothing stale is kept: records, repair, backfill, rollback, tidy."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from logistics import night, plan, runs, upkeep
from logistics.config import Config
from logistics.lock import hold
from logistics.outcome import Night
from logistics.outputs import OUTPUTS
from logistics.storage import LakeError
from tests import laws
from tests.settings import planned

pytestmark = pytest.mark.usefixtures("first")


@pytest.fixture
def own(company: Config, first: Night, tmp_path: Path) -> Iterator[Config]:
    """The company after its first night; its plan, and what `partition` gave out, are put back."""
    shutil.copytree(company.plan, tmp_path / "plan")
    yield company
    shutil.rmtree(company.plan)
    shutil.move(tmp_path / "plan", company.plan)
    kept = _kept(company)
    for place in {file.parent.relative_to(kept) for file in kept.rglob("*.parquet")}:
        shutil.rmtree(Path(company.lake, place), ignore_errors=True)
        (kept / place).rename(Path(company.lake, place))


def partition(config: Config, table: str, site: str = "") -> Path:
    """A partition's folder (a table's without a site) to change. It holds copies: a night knows
    its files by inode and times, so they are kept beside the lake and come back as they were."""
    folder = next(Path(config.lake, table).glob(f"*={site}")) if site else Path(config.lake, table)
    kept = _kept(config) / folder.relative_to(config.lake)
    kept.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(kept)
    shutil.copytree(kept, folder)
    return folder


def _kept(config: Config) -> Path:
    return Path(f"{config.lake}_kept")


def unplanned(own: Config, folder: Path) -> Config:
    """The same company before its first night, with everybody's models."""
    return replace(own, plan=str(folder / "unplanned"))


def edit(
    config: Config, table: str, site: str, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    (file,) = partition(config, table, site).glob("*.parquet")
    change(pl.read_parquet(file)).write_parquet(file)


def computed(finished: Night) -> dict[str, int]:
    """Workload → units that were not reused."""
    return {n: o.units - o.units_reused for n, o in finished.outcomes.items() if n != "company"}


def contents(config: Config) -> dict[str, pl.DataFrame | None]:
    return {table: laws.content(config, table) for table in OUTPUTS}


def same(one: dict[str, pl.DataFrame | None], other: dict[str, pl.DataFrame | None]) -> list[str]:
    """The tables that differ."""
    return [
        table
        for table, rows in one.items()
        if (rows is None) != (other[table] is None)
        or (rows is not None and not rows.equals(other[table]))
    ]


def test_a_night_on_an_unchanged_lake_computes_nothing_and_commits_nothing(
    own: Config, first: Night
) -> None:
    before, versions = contents(own), plan.versions(own.plan)
    again = planned(own)
    assert set(computed(again).values()) == {0}
    assert plan.versions(own.plan) == versions
    assert same(before, contents(own)) == []
    assert computed(first)["routes"] == first.outcomes["routes"].units
    counts = {c.table: c for o in first.outcomes.values() for c in o.counts}
    assert counts == {c.table: c for o in again.outcomes.values() for c in o.counts}


def test_a_changed_partition_costs_its_own_units_and_those_that_read_them(
    own: Config, tmp_path: Path
) -> None:
    edit(own, "orders", "D001", lambda rows: rows.with_columns(pl.col("weight_kg") * 1.01))
    edit(own, "sales", "DC01", lambda rows: rows.with_columns(pl.col("units") * 2))
    redone = planned(own)
    assert computed(redone) == dict.fromkeys(computed(redone), 0) | {
        # Its workshop weighs visits against the depot's orders.
        "routes": 1, "workshop": 1, "forecast": 1, "slotting": 1, "levels": 1,
    }  # fmt: skip
    fresh = unplanned(own, tmp_path)
    planned(fresh)
    assert same(contents(fresh), contents(own)) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda c: replace(c, seed=c.seed + 1),
        lambda c: replace(c, resume=False),
        lambda c: replace(c, slotting=replace(c.slotting, max_moves=3)),
    ],
)
def test_another_seed_config_or_resume_false_reuses_nothing(
    own: Config, change: Callable[[Config], Config]
) -> None:
    short = replace(own, task="slotting")
    assert computed(planned(short)) == {"slotting": 0}
    assert computed(planned(change(short))) == {"slotting": 2}


def test_a_record_whose_file_is_gone_is_as_good_as_none(own: Config) -> None:
    short = replace(own, task="slotting")
    before = contents(short)
    next(Path(own.plan, "moves").rglob("*.parquet")).unlink()
    assert computed(planned(short)) == {"slotting": 1}
    assert same(before, contents(short)) == []


def test_a_corrupt_partition_fails_alone_and_repair_computes_it_alone(own: Config) -> None:
    whole = laws.content(own, "forecasts")
    assert whole is not None
    (file,) = partition(own, "sales", "DC01").glob("*.parquet")
    good = file.read_bytes()
    file.write_bytes(good[:-100])
    broken = planned(own)
    assert list(broken.outcomes["forecast"].failures) == ["DC01"]
    assert "cannot be read as Parquet" in broken.outcomes["forecast"].failures["DC01"]
    part = laws.content(own, "forecasts")
    assert part is not None
    assert part.equals(whole.filter(pl.col("dc_id") != "DC01"))
    file.write_bytes(good)
    asked = replace(own, task="repair", run=broken.run.run_id, seed=99)
    repaired = planned(night.as_it_was(asked))
    assert repaired.complete
    assert computed(repaired) == {
        "forecast": 1, "levels": 1, "slotting": 1, "maintenance": 0, "alerts": 0,
        "workshop": 0, "routes": 0,
    }  # fmt: skip
    with pytest.raises(LakeError, match="no such run"):
        night.as_it_was(replace(asked, run="nobody"))


def test_a_night_that_is_told_to_stop_keeps_what_is_done(company: Config, tmp_path: Path) -> None:
    own, stop = unplanned(company, tmp_path), threading.Event()

    def before_the_workshops(what: str, done: int, total: int) -> None:
        if what == "maintenance" and done == total:
            stop.set()

    stopped = night.run_night(own, before_the_workshops, stop)
    assert stopped.stopped
    assert not stopped.complete
    recorded = plan.read_runs(own.plan)
    assert recorded is not None
    assert "stopped" in recorded["status"].to_list()
    went_on = planned(own)
    assert went_on.complete
    assert sum(o.units_reused for o in went_on.outcomes.values()) > 0
    assert same(contents(company), contents(own)) == []


def test_a_second_run_of_the_same_night_is_refused(own: Config) -> None:
    with hold(own.plan, str(own.date), "another"), pytest.raises(LakeError, match="run another"):
        planned(own)
    with hold(own.plan, "2026-03-09", "another"):
        assert planned(replace(own, task="slotting")).complete


def test_a_night_can_be_pinned_rolled_back_and_tidied(own: Config) -> None:
    before, night = contents(own), runs.whole_nights(own.plan).filter(run_date=own.date)
    pinned = {pin["table"]: pin["version"] for pin in night["tables"][-1]}
    assert set(pinned) == set(plan.versions(own.plan))
    edit(own, "orders", "D002", lambda rows: rows.head(10))
    changed = planned(own)
    after = contents(own)
    assert "stops" in same(before, after)
    then = {t: plan.read_plan(own.plan, t, own.date, version=v) for t, v in pinned.items()}
    assert same(before, {**dict.fromkeys(OUTPUTS), **then}) == []

    run_id, tables = upkeep.roll_back(own)
    assert "stops" in tables
    assert run_id != changed.run.run_id
    assert same(before, contents(own)) == []
    upkeep.roll_back(replace(own, run=changed.run.run_id))
    assert same(after, contents(own)) == []

    old = time.time() - 20 * 86400
    stale = Path(own.plan, "moves", "run_date=2026-01-01", "stale.parquet")
    stale.parent.mkdir()
    stale.write_bytes(b"staged by a night that was killed")
    os.utime(stale, (old, old))
    done = {tidied.table: tidied for tidied in upkeep.tidy(own)}
    assert not stale.exists()
    assert done["moves"].files_removed == 1
    assert same(after, contents(own)) == []
    upkeep.roll_back(own)
    assert same(before, contents(own)) == [], "a version within the retention is kept"
    soon = replace(
        own, date=own.date + timedelta(30), retention=replace(own.retention, nights_days=9)
    )
    assert {t.nights_dropped for t in upkeep.tidy(soon) if t.table == "stops"} == {1}
    assert laws.content(own, "stops") is None
    with hold(own.plan, "2026-03-02", "a night"), pytest.raises(LakeError, match="a night"):
        list(upkeep.tidy(own))


def test_backfill_asks_for_the_nights_that_are_not_whole(company: Config, tmp_path: Path) -> None:
    one = timedelta(1)
    span = replace(company, task="backfill", first=company.date - one, last=company.date + one)
    days = [day for _, day in night.asked_for(span)]
    assert days == [company.date - one, company.date + one]
    before = [day for _, day in night.asked_for(unplanned(span, tmp_path))]
    assert before == [company.date - one, company.date, company.date + one]


def test_a_lasting_partition_that_is_gone_fails_its_site(own: Config) -> None:
    shutil.rmtree(partition(own, "telemetry", "D001"))
    lost = planned(own)
    assert list(lost.outcomes["maintenance"].failures) == ["D001"]
    assert "telemetry has no partition" in lost.outcomes["maintenance"].failures["D001"]
    assert planned(replace(own, closed=("D001",))).complete


def test_runs_name_the_versions_of_a_whole_night(company: Config, first: Night) -> None:
    nights = runs.whole_nights(company.plan).filter(run_id=first.run.run_id)
    assert nights.height == 1
    row = nights.row(0, named=True)
    for pin in row["tables"]:
        assert DeltaTable(f"{company.plan}/{pin['table']}", version=pin["version"]).version() >= 0
    assert "polars" in json.loads(row["versions"])


def test_a_company_table_that_cannot_be_read_fails_only_those_who_read_it(
    own: Config, first: Night
) -> None:
    (file,) = partition(own, "promotions").glob("*.parquet")
    file.write_bytes(b"PAR1 torn")
    torn = planned(own)
    assert {n for n, o in torn.outcomes.items() if o.failures} == {"company", "forecast"}
    assert "promotions" in torn.outcomes["forecast"].failures["all sites"]
    assert torn.outcomes["routes"].figures == first.outcomes["routes"].figures


def test_a_company_table_without_a_good_row_fails_those_who_need_it(own: Config) -> None:
    (file,) = partition(own, "vehicles").glob("*.parquet")
    vehicles = pl.read_parquet(file)
    vehicles.with_columns(depot_id=pl.col("depot_id") + " ").write_parquet(file)
    routes = planned(replace(own, task="routes")).outcomes["routes"]
    said = f"vehicles: all {vehicles.height} rows are rejected (see `rejects`)"
    assert routes.failures == {"all sites": said}
