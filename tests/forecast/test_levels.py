"""Sums up the hierarchy: means add up, spreads as their errors go together, intervals that hold."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from logistics.forecast.levels import (
    SPANS,
    Correlations,
    Seen,
    correlations,
    levels,
    quantiles,
    seen,
    sums,
)
from logistics.forecast.panel import Panel
from logistics.forecast.quantiles import QuantileForecast
from tests.forecast.made import HORIZON_DAYS, panel_of, tables

NUM_SKUS = 40


def forecast_of(mean: np.ndarray, sigma: np.ndarray) -> QuantileForecast:
    """A forecast of normal quantiles around a level a day (n,)."""
    z = np.array([-1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816])
    days = np.array([30, 60, 90])
    grid = np.repeat(mean[:, None], HORIZON_DAYS, axis=1)
    total, wide = mean[:, None] * days, sigma[:, None] * np.sqrt(days)
    arrays = (
        grid,
        grid[..., None] + sigma[:, None, None] * z,
        total,
        total[..., None] + wide[..., None] * z,
    )
    return QuantileForecast(*(np.maximum(array, 0).astype(np.float32) for array in arrays))


@pytest.fixture(scope="module")
def series() -> Panel:
    return panel_of(tables(num_skus=NUM_SKUS))


def test_means_add_up_whatever_the_buckets(series: Panel) -> None:
    rng = np.random.default_rng(0)
    mean = rng.gamma(4, 5, NUM_SKUS)
    forecast = forecast_of(mean, np.sqrt(mean) * 2)
    names = ["toys" if i % 3 else "" for i in range(NUM_SKUS)]
    site = pl.lit("DC").alias("dc_id")
    whole = sums(series, forecast, names, 0).with_columns(site)
    halves = []
    for bucket in (0, 1):
        rows = np.arange(bucket, NUM_SKUS, 2)
        part = QuantileForecast(*(getattr(forecast, n)[rows] for n in QuantileForecast.__slots__))
        some = [names[i] for i in rows]
        halves.append(sums(series.take(rows), part, some, bucket).with_columns(site))
    found, apart = levels(whole, Correlations()), levels(pl.concat(halves), Correlations())
    keys = ["dc_id", "level", "category", "days", "date"]
    assert found.select(keys).equals(apart.select(keys))
    assert np.allclose(found["mean"], apart["mean"])
    assert np.allclose(found["q90"], apart["q90"])
    company = found.filter(level="company")
    assert company.filter(days=30)["mean"][0] == pytest.approx(forecast.total_mean[:, 0].sum())
    assert company.filter(days=1).height == HORIZON_DAYS
    assert found.filter(level="dc")["series"].unique().to_list() == [NUM_SKUS]


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.5])
def test_intervals_of_sums_hold_for_errors_that_go_together(series: Panel, rho: float) -> None:
    """ρ is found from some origins, and the company's 80 % interval covers 80 % of others."""
    rng = np.random.default_rng(1)
    mean = rng.gamma(4, 50, NUM_SKUS)
    sigma = np.sqrt(mean) * 2
    names = [f"c{i % 4}" for i in range(NUM_SKUS)]
    forecast = forecast_of(mean, sigma)

    def came() -> tuple[np.ndarray, np.ndarray]:
        """30-day totals and their errors; one shock is shared by all SKUs."""
        shock = np.sqrt(rho) * rng.normal() + np.sqrt(1 - rho) * rng.normal(size=NUM_SKUS)
        return shock * sigma * np.sqrt(30), shock

    origins = [date(2026, 1, 1 + k) for k in range(28)]
    wide = np.repeat((sigma * np.sqrt(30))[:, None], 3, axis=1)
    found = [
        Seen("DC", day, tuple(names), np.repeat(came()[0][:, None], 3, axis=1), wide,
             np.full((NUM_SKUS, 1), np.nan), np.ones((NUM_SKUS, 1)))
        for day in origins * 20
    ]  # fmt: skip
    for number, one in enumerate(found):
        found[number] = Seen(
            f"DC{number}", one.origin, *(getattr(one, n) for n in one.__slots__[2:])
        )
    fitted = correlations(found)
    assert fitted.sku[1] == pytest.approx(rho, abs=0.06)
    rows = sums(series, forecast, names, 0).with_columns(pl.lit("DC").alias("dc_id"))
    month = levels(rows, fitted).filter(level="dc", days=30)
    totals = [mean.sum() * 30 + came()[0].sum() for _ in range(1000)]
    inside = np.mean([month["q10"][0] <= total <= month["q90"][0] for total in totals])
    assert inside == pytest.approx(0.8, abs=0.06)


def test_what_was_out_of_stock_does_not_count_as_an_error(series: Panel) -> None:
    mean = np.full(NUM_SKUS, 10.0)
    came = np.full((NUM_SKUS, HORIZON_DAYS), 12, np.float32)
    came[:, 3] = np.nan
    came[0, :20] = np.nan
    found = seen(series, came, forecast_of(mean, mean), [""] * NUM_SKUS)
    assert np.allclose(found.error[1:], 2 * np.array(SPANS[1:]), rtol=1e-3)
    assert np.isnan(found.error[0, 0])


def test_quantiles_of_sums_are_in_order_and_nearly_normal_where_sums_are_big() -> None:
    found = quantiles(np.array([0.0, 0.01, 5, 1e6]), np.array([0.0, 1, 5, 1e3]))
    assert (np.diff(found, axis=1) >= 0).all()
    assert (found >= 0).all()
    assert found[0].max() == 0
    assert found[3, 8] == pytest.approx(1e6 + 1281.6, rel=1e-5)
    assert quantiles(np.array([5.0]), np.array([0.0]))[0].tolist() == pytest.approx([5.0] * 9)
