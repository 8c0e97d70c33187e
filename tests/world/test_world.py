"""The made company: repeatable, clean but for its known dirt, and hard in known ways."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from logistics.config import WorldConfig
from logistics.contracts import check
from logistics.tables import CONTRACTS
from logistics.world import assets, demand, dirt, fleet, warehouse
from tests.settings import config

SEED = 7


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldConfig:
    return config(
        tmp_path_factory.mktemp("w"), "world.skus_per_dc=150", "world.num_assets=120"
    ).world


def company(world: WorldConfig, seed: int) -> dict[str, tuple[str | None, pl.DataFrame]]:
    """Every table of the first site of each kind: table → (site, rows)."""
    site = assets.sites(world)[0]
    history = assets.histories(world, seed, site)
    depot, dc = fleet.depot_id(0), demand.dc_id(0)
    return {
        "items": (None, demand.items(world, seed)),
        "promotions": (None, demand.promotions(world, seed)),
        "prices": (None, demand.prices(world, seed)),
        "depots": (None, fleet.depots(world, seed)),
        "vehicles": (None, fleet.vehicles(world, seed, 0)),
        "drivers": (None, fleet.drivers(world, seed, 0)),
        "traffic": (None, fleet.traffic(world, seed, 0)),
        "assets": (None, assets.assets(world, seed, site)),
        **{name: (None, rows) for name, rows in assets.workshops(world).items()},
        "sales": (dc, next(demand.sales(world, seed, 0))[0]),
        "signals": (dc, demand.signals(world, seed, 0)),
        "orders": (depot, fleet.orders(world, seed, 0)),
        "telemetry": (depot, history["telemetry"]),
        "events": (depot, history["events"]),
        "slots": (dc, warehouse.slots(world, seed, 0)),
        "order_lines": (dc, warehouse.order_lines(world, seed, 0)),
    }


@pytest.fixture(scope="module")
def made(world: WorldConfig) -> dict[str, tuple[str | None, pl.DataFrame]]:
    return company(world, SEED)


def located(table: str, site: str | None, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as the lake gives them, with the hive partition's value."""
    column = CONTRACTS[table].site
    return rows if column is None else rows.with_columns(pl.lit(site).alias(column))


def test_the_same_seed_makes_the_same_company_and_another_seed_another(
    world: WorldConfig, made: dict[str, tuple[str | None, pl.DataFrame]]
) -> None:
    again, other = company(world, SEED), company(world, SEED + 1)
    assert all(again[name][1].equals(rows) for name, (_, rows) in made.items())
    assert not other["sales"][1].equals(made["sales"][1])


def test_clean_tables_keep_their_contracts(
    made: dict[str, tuple[str | None, pl.DataFrame]],
) -> None:
    known = {
        name: set(rows[CONTRACTS[name].key[0]]) for name, (s, rows) in made.items() if s is None
    }
    for name, (site, rows) in made.items():
        checked = check(located(name, site, rows), CONTRACTS[name], known, site)
        assert checked.rejects.is_empty(), checked.rejects.head(3).to_dicts()


def test_the_door_finds_every_dirty_row_and_no_other(
    made: dict[str, tuple[str | None, pl.DataFrame]],
) -> None:
    known = {
        name: set(rows[CONTRACTS[name].key[0]]) for name, (s, rows) in made.items() if s is None
    }
    for name in dirt.FAULTS:
        site, rows = made[name]
        soiled, faults = dirt.soil(name, rows, 0.1, np.random.default_rng(0))
        checked = check(located(name, site, soiled), CONTRACTS[name], known, site)
        assert checked.rejects.height == len(faults) > 0, name
        clean = check(located(name, site, rows), CONTRACTS[name], known, site).good
        assert checked.good.equals(clean), name


def test_stock_outs_censor_sales(world: WorldConfig) -> None:
    sales, truth = next(demand.sales(world, SEED, 0))
    both = sales.join(truth, on=["sku_id", "date"])
    assert both.height == sales.height
    assert (both["units"] <= both["demand"]).all()
    out = both.filter(pl.col("in_stock") < 1)
    assert out["units"].sum() < 0.7 * out["demand"].sum()
    assert both.filter(pl.col("in_stock") == 1)["units"].sum() == (
        both.filter(pl.col("in_stock") == 1)["demand"].sum()
    )


def test_promotions_lift_demand_and_a_dip_follows(world: WorldConfig) -> None:
    _, truth = next(demand.sales(world, SEED, 0))
    promotions = demand.promotions(world, SEED).filter(pl.col("dc_id").is_null())
    lifts, dips = [], []
    level = {key: row["expected"].to_numpy() for (key,), row in truth.group_by("sku_id")}
    first = truth["date"].min()
    for sku, start, end in promotions.select("sku_id", "start", "end").iter_rows():
        a, b = (start - first).days, (end - first).days
        series = level[sku]
        if a >= 28 and b + 7 < len(series) and series[a - 28 : a].mean() > 0:
            usual = np.median(series[a - 28 : a])
            lifts.append(series[a : b + 1].mean() / usual if usual else np.nan)
            dips.append(series[b + 1 : b + 6].mean() / usual if usual else np.nan)
    assert np.nanmedian(lifts) > 1.4
    assert np.nanmedian(dips) < 0.95


def test_there_are_new_ending_and_intermittent_skus(world: WorldConfig) -> None:
    items = demand.items(world, SEED)
    first = world.date - timedelta(days=world.history_days)
    assert items.filter(pl.col("launch") > first).height > 0
    assert items["end_of_life"].drop_nulls().len() > 0
    sales, _ = next(demand.sales(world, SEED, 0))
    zeros = sales.group_by("sku_id").agg((pl.col("units") == 0).mean())["units"]
    assert (zeros > 0.75).any()


def test_a_fair_share_of_assets_fails_and_sensors_show_it(world: WorldConfig) -> None:
    failed, total, worn, fresh = 0, 0, [], []
    for site in assets.sites(world):
        history = assets.histories(world, SEED, site)
        failures = history["events"].filter(pl.col("kind") == "failure")
        failed += failures["asset_id"].n_unique()
        total += len(site.asset_ids)
        brakes = failures.filter(pl.col("component") == "brakes")
        seen = history["telemetry"].join(brakes.select("asset_id", failed="at"), on="asset_id")
        if seen.is_empty():
            continue
        before = pl.col("failed") - pl.col("at")
        worn += seen.filter(before.is_between(timedelta(0), timedelta(days=3)))[
            "brake_pad_mm"
        ].to_list()
        fresh += seen.filter(before < timedelta(days=-2))["brake_pad_mm"].to_list()
    assert 0.2 < failed / total < 0.5
    mean = [float(np.nanmean(np.array(values, dtype=float))) for values in (worn, fresh)]
    assert mean[0] < mean[1] - 3, "brake pads are thin before a failure and thick after the repair"


def test_the_truth_lies_after_the_date_and_the_tables_before_it(world: WorldConfig) -> None:
    history = assets.histories(world, SEED, assets.sites(world)[0])
    assert history["telemetry"]["at"].max().date() < world.date  # type: ignore[union-attr]
    assert history["events"]["at"].max().date() < world.date  # type: ignore[union-attr]
    assert (history["truth"]["fails_at"].dt.date() >= world.date).all()
    sales, truth = next(demand.sales(world, SEED, 0))
    assert sales["date"].max() == world.date - timedelta(days=1)
    assert truth["date"].max() >= world.date + timedelta(days=89)


def test_a_weather_forecast_fades(world: WorldConfig) -> None:
    told = demand.signals(world, SEED, 0).filter(pl.col("name") == "temperature")
    error = np.abs(told["value"].to_numpy() - demand.weather(world, SEED, 0)["temperature"])
    history = world.history_days
    assert error[:history].max() < 0.06
    assert error[history : history + 3].mean() < error[history + 20 : history + 80].mean()


def test_baskets_are_correlated(world: WorldConfig) -> None:
    lines = warehouse.order_lines(world, SEED, 0)
    group, _ = warehouse.groups(world, SEED)
    of = dict(zip(demand.items(world, SEED)["sku_id"], group, strict=True))
    lines = lines.with_columns(pl.col("sku_id").replace_strict(of).alias("group"))
    pairs = lines.join(lines, on="order_id").filter(pl.col("sku_id") < pl.col("sku_id_right"))
    together = float((pairs["group"] == pairs["group_right"]).mean())  # type: ignore[arg-type]
    sizes = lines["group"].value_counts()["count"].to_numpy()
    by_chance = float(((sizes / sizes.sum()) ** 2).sum())
    assert together > 2 * by_chance


def test_paths_of_a_made_lake_are_its_own(tmp_path: Path) -> None:
    from logistics.world import batch

    small = config(tmp_path).world
    assert not batch.exists(small, str(tmp_path / "lake"), SEED)
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "_world.json").write_text('{"seed": 1, "world": {"name": "other"}}')
    with pytest.raises(batch.WorldError, match="another made company"):
        batch.exists(small, str(tmp_path / "lake"), SEED)


def test_demand_does_not_end_where_the_made_future_does(world: WorldConfig) -> None:
    _, truth = next(demand.sales(world, SEED, 0))
    last = truth["date"].max()
    assert isinstance(last, date)
    month = truth.filter(pl.col("date") > last - timedelta(days=30))["expected"].sum()
    before = truth.filter(pl.col("date").is_between(last - timedelta(59), last - timedelta(30)))
    assert month > 0.75 * before["expected"].sum()
