"""The back-test judges by what was in stock, and its spread makes the totals honest."""

from dataclasses import replace

import numpy as np
import pytest

from logistics.forecast import calibrate
from logistics.forecast.backtest import _total, seasonal_naive
from logistics.outputs_forecast import QUANTILE_LEVELS
from tests.forecast.made import HORIZON_DAYS, panel_of, tables


@pytest.mark.parametrize("width", [0.8, 1.0, 1.6])
def test_margins_hold_four_fifths_whatever_was_promised(width: float) -> None:
    rng = np.random.default_rng(0)
    actual = rng.gamma(4.0, 25.0, 6000).astype(np.float32)
    true = np.quantile(actual, QUANTILE_LEVELS).astype(np.float32)
    forecast = np.tile(true[4] + (true - true[4]) / width, (6000, 1))
    mean, group = np.full(6000, 100, np.float32), rng.integers(0, calibrate.CLASSES, 6000)
    margin = calibrate.margins(actual, mean, forecast, group)[group]
    quantiles = calibrate.widen(forecast, mean, margin)
    inside = (actual >= quantiles[:, 0]) & (actual <= quantiles[:, -1])
    assert inside.mean() == pytest.approx(0.8, abs=0.02)
    assert (actual < quantiles[:, 0]).mean() == pytest.approx(0.1, abs=0.03)


def test_few_or_unseen_values_set_no_margins() -> None:
    few = np.where(np.arange(200) < 20, 5.0, np.nan).astype(np.float32)
    ones, group = np.ones(200, np.float32), np.zeros(200, np.int64)
    margin = calibrate.margins(few, ones, np.ones((200, 9), np.float32), group)
    assert np.array_equal(margin, np.ones(calibrate.CLASSES))


def test_a_total_is_that_of_the_days_in_stock_or_unknown() -> None:
    actual = np.full((3, 20), 2.0, np.float32)
    actual[1, :2], actual[2, :10] = np.nan, np.nan
    assert _total(actual, 20)[:2] == pytest.approx([40, 40])
    assert np.isnan(_total(actual, 20)[2])


def test_seasonal_naive_is_the_last_week_again() -> None:
    series = panel_of(tables(num_skus=3))
    mean, quantiles = seasonal_naive(series)
    assert np.array_equal(mean[:, :7], series.units[:, -7:])
    assert np.array_equal(mean[:, 7:14], mean[:, :7])
    assert quantiles.shape == (3, HORIZON_DAYS, 9)
    constant = replace(series, units=np.full_like(series.units, 4.0))
    assert (seasonal_naive(constant)[1] == 4.0).all()
