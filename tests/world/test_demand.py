"""Demand is hard in known ways: promotions, stock-outs, lives, weather that is only forecast."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from logistics.config import WorldConfig
from logistics.world import catalogue, demand, weather
from logistics.world.catalogue import Catalogue
from logistics.world.weather import Array, Calendar
from tests.world.conftest import SEED, Made


@pytest.fixture(scope="module")
def company(world: WorldConfig) -> Catalogue:
    return catalogue.catalogue(world, SEED)


@pytest.fixture(scope="module")
def expected(world: WorldConfig, company: Catalogue) -> Array:
    return demand.expected(world, SEED, 0, company, demand.chunks(world)[0])


@pytest.fixture(scope="module")
def told(world: WorldConfig, company: Catalogue) -> tuple[pl.DataFrame, pl.DataFrame]:
    return next(demand.sales(world, SEED, 0, company))


def test_sales_never_exceed_demand_and_fall_short_of_it_when_stock_is_out(
    told: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    sales, truth = told
    out = sales.filter(pl.col("in_stock") < 1)
    both = out.join(truth, on=["sku_id", "date"])
    assert both.height == out.height > 0
    assert (both["units"] <= both["demand"]).all()
    assert both["units"].to_numpy().sum() < 0.7 * both["demand"].to_numpy().sum()
    assert (both.filter(pl.col("in_stock") == 0)["units"] == 0).all()
    assert 0.01 < out.height / sales.height < 0.05


def test_demand_is_as_expected_on_average(
    told: tuple[pl.DataFrame, pl.DataFrame], expected: Array, world: WorldConfig
) -> None:
    sales, truth = told
    ahead = truth.filter(pl.col("date") >= world.date)
    assert ahead["demand"].sum() == pytest.approx(ahead["expected"].sum(), rel=0.05)
    in_stock = sales.filter(pl.col("in_stock") == 1)
    past = expected[:, : world.history_days]
    assert in_stock["units"].sum() == pytest.approx(past.sum(), rel=0.1)


def promoted(world: WorldConfig, company: Catalogue, expected: Array) -> Iterator[Array]:
    """Mean expected demand in a lone promotion and in the week after, over the fortnight before."""
    days = Calendar.of(world)
    rows = {sku: row for row, sku in enumerate(company.items["sku_id"])}
    here = company.promotions.filter(pl.col("dc_id").is_null() | (pl.col("dc_id") == "DC01"))
    spans = [
        (rows[sku], (start - days.first).days, (end - days.first).days + 1)
        for sku, start, end in here.select("sku_id", "start", "end").iter_rows()
    ]
    on = np.zeros(expected.shape, dtype=int)
    for row, start, end in spans:
        on[row, start:end] += 1
    for row, start, end in spans:
        if start < 30 or end + 7 > days.num_days:
            continue
        series = expected[row, start - 30 : end + 7]
        if on[row, start - 30 : end + 7].sum() == end - start and series.min() > 0:
            usual = series[16:30].mean()
            yield np.array([series[30:-7].mean(), series[-7:].mean()]) / usual


def test_promotions_lift_demand_and_a_dip_follows(
    world: WorldConfig, company: Catalogue, expected: Array
) -> None:
    lifts, dips = np.array(list(promoted(world, company, expected))).T
    assert len(lifts) > 100
    assert np.median(lifts) > 1.5
    assert np.median(dips) < 0.92


def test_every_day_of_a_life_has_its_row_and_no_other(
    world: WorldConfig, told: tuple[pl.DataFrame, pl.DataFrame], company: Catalogue
) -> None:
    spans = (
        told[0]
        .group_by("sku_id")
        .agg(pl.len(), first=pl.col("date").min(), last=pl.col("date").max())
        .join(company.items, on="sku_id")
    )
    assert (spans["len"] == (spans["last"] - spans["first"]).dt.total_days() + 1).all()
    start = world.date - timedelta(days=world.history_days)
    assert (spans["first"] == spans["launch"].clip(lower_bound=start)).all()
    end = spans["end_of_life"].fill_null(world.date).clip(upper_bound=world.date)
    assert (spans["last"] == end - pl.Series([timedelta(days=1)])).all()


def test_there_are_new_ending_and_intermittent_skus_and_very_popular_ones(
    world: WorldConfig, company: Catalogue, told: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    start = world.date - timedelta(days=world.history_days)
    assert company.items.filter(pl.col("launch") > start).height > 0
    assert company.items["end_of_life"].count() > 0
    zeros = told[0].group_by("sku_id").agg((pl.col("units") == 0).mean())["units"]
    assert (zeros > 0.75).mean() > 0.05  # type: ignore[operator]
    level = catalogue.popularity(replace(world, skus_per_dc=400), SEED)
    assert level.min() < 0.1
    assert level.max() > 80


def test_list_prices_hold_from_their_start_to_the_next_one(
    world: WorldConfig, company: Catalogue, told: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    assert (company.prices["start"] >= world.date).any()
    none = company.promotions["sku_id"].unique().to_list()
    paid = told[0].filter(~pl.col("sku_id").is_in(none))
    listed = company.prices.select("sku_id", "start", list="price").sort("start")
    both = paid.sort("date").join_asof(
        listed, left_on="date", right_on="start", by="sku_id", check_sortedness=False
    )
    assert (both["price"] == both["list"]).all()


def test_a_weather_forecast_fades_and_holidays_are_exact(world: WorldConfig) -> None:
    told = weather.signals(world, SEED, 0)
    errors = []
    for dc in range(40):
        told = weather.signals(world, SEED, dc).filter(pl.col("name") == "temperature")
        errors.append(told["value"].to_numpy() - weather.weather(world, SEED, dc)["temperature"])
    rmse = np.sqrt(np.mean(np.square(errors), axis=0))
    now = world.history_days
    assert rmse[:now].max() < 0.06
    assert 0.5 < rmse[now] < rmse[now + 3 : now + 5].mean() < rmse[now + 15 :].mean()
    holiday = weather.signals(world, SEED, 0).filter(pl.col("name") == "holiday")
    assert set(holiday["value"]) == {0.0, 1.0}
    assert holiday.filter(pl.col("date").dt.ordinal_day() == 1)["value"].min() == 1.0


def test_the_future_is_told_ninety_days_ahead_and_sold_nothing(
    made: Made, world: WorldConfig
) -> None:
    last = world.date + timedelta(days=weather.FUTURE_DAYS - 1)
    assert made.rows["sales"]["date"].max() == world.date - timedelta(days=1)
    assert made.rows["signals"]["date"].max() == last
    assert (made.rows["promotions"]["start"] > world.date).any()
