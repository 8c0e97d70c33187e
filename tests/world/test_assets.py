"""Assets fail at a fair rate, their sensors show it, and the truth lies beyond the date."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from logistics.config import WorldConfig
from logistics.world import assets, fleet
from tests.world.conftest import SEED

Site = assets.Site
Histories = list[tuple[Site, dict[str, pl.DataFrame]]]


@pytest.fixture(scope="module")
def histories(world: WorldConfig) -> Histories:
    return [(site, assets.histories(world, SEED, site)) for site in assets.sites(world)]


def together(histories: Histories, table: str) -> pl.DataFrame:
    return pl.concat([history[table] for _, history in histories], how="diagonal")


def test_every_vehicle_is_the_asset_of_its_depot(world: WorldConfig) -> None:
    rows = pl.concat([assets.assets(world, SEED, site) for site in assets.sites(world)])
    assert rows.height == world.num_assets
    vehicles = pl.concat([fleet.vehicles(world, SEED, i) for i in range(world.num_depots)])
    both = vehicles.join(rows, on="asset_id")
    assert both.height == vehicles.height
    assert (both["site_id"] == both["depot_id"]).all()
    assert set(both["kind"]) == {"van", "truck"}


def test_a_quarter_to_two_fifths_of_the_assets_have_failed(histories: Histories) -> None:
    failures = together(histories, "events").filter(pl.col("kind") == "failure")
    total = sum(len(site.asset_ids) for site, _ in histories)
    assert 0.22 < failures["asset_id"].n_unique() / total < 0.42


def test_sensors_show_wear_and_are_reset_by_the_repair(histories: Histories) -> None:
    events, telemetry = together(histories, "events"), together(histories, "telemetry")
    failed = events.filter(kind="failure", component="brakes").select("asset_id", failed="at")
    seen = telemetry.join(failed, on="asset_id")
    before = pl.col("failed") - pl.col("at")
    worn = seen.filter(before.is_between(timedelta(0), timedelta(days=3)))["brake_pad_mm"]
    fresh = seen.filter(before < timedelta(days=-2))["brake_pad_mm"]
    assert worn.mean() < fresh.mean() - 3  # type: ignore[operator]


def test_errors_rise_before_a_failure(histories: Histories) -> None:
    events = together(histories, "events")
    failed = events.filter(kind="failure").select("asset_id", failed="at")
    seen = together(histories, "telemetry").join(failed, on="asset_id")
    before = pl.col("failed") - pl.col("at")
    last = seen.filter(before.is_between(timedelta(0), timedelta(days=5)))["error_count"].mean()
    early = seen.filter(before > timedelta(days=20))["error_count"].mean()
    assert last > 1.5 * early  # type: ignore[operator]


def test_an_asset_in_repair_sends_nothing(histories: Histories) -> None:
    failed = together(histories, "events").filter(kind="failure").select("asset_id", failed="at")
    seen = together(histories, "telemetry").join(failed, on="asset_id")
    after = pl.col("at") - pl.col("failed")
    assert seen.filter(after.is_between(timedelta(0), timedelta(days=1))).is_empty()


def test_the_truth_lies_after_the_date_and_the_tables_before_it(
    histories: Histories, world: WorldConfig
) -> None:
    midnight = datetime.combine(world.date, datetime.min.time())
    for site, history in histories:
        assert history["telemetry"]["at"].max() < midnight  # type: ignore[operator]
        assert history["events"]["at"].max() < midnight  # type: ignore[operator]
        assert sorted(history["truth"]["asset_id"]) == sorted(site.asset_ids)
    truth = together(histories, "truth")
    fails = truth["fails_at"].drop_nulls()
    assert fails.min() >= midnight  # type: ignore[operator]
    assert fails.max() < midnight + timedelta(days=assets.FUTURE_DAYS)  # type: ignore[operator]
    assert (truth["fails_at"].is_null() == truth["component"].is_null()).all()
    assert 0.2 < len(fails) / truth.height < 0.55


def test_errors_foretell_the_next_failure_but_not_all_of_it(
    histories: Histories, world: WorldConfig
) -> None:
    """The last week's errors rank the assets that fail within 30 days well above chance."""
    midnight = datetime.combine(world.date, datetime.min.time())
    last = together(histories, "telemetry").filter(pl.col("at") >= midnight - timedelta(days=7))
    errors = last.group_by("asset_id").agg(pl.col("error_count").sum())
    soon = pl.col("fails_at") < midnight + timedelta(days=30)
    both = together(histories, "truth").join(errors, on="asset_id").with_columns(soon=soon)
    ranks = both["error_count"].rank("average").to_numpy()
    fails = both["soon"].fill_null(value=False).to_numpy()
    pairs = fails.sum() * (~fails).sum()
    auc = (ranks[fails].sum() - fails.sum() * (fails.sum() + 1) / 2) / pairs
    assert 0.65 < auc < 0.97


def test_telemetry_has_gaps_and_lost_readings(histories: Histories, world: WorldConfig) -> None:
    telemetry = together(histories, "telemetry")
    hours = world.num_assets * world.telemetry_days * 24
    assert 0.9 < telemetry.height / hours < 0.98
    assert 0.005 < telemetry["error_count"].is_null().mean() < 0.08  # type: ignore[operator]
    assert np.isfinite(telemetry["load"].drop_nulls().to_numpy()).all()
