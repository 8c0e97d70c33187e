"""The back-test judges by what was in stock, and its spread makes the totals honest."""

from dataclasses import replace

import numpy as np
import pytest

from logistics.forecast import metrics
from logistics.forecast.backtest import _spread, _total, seasonal_naive
from logistics.outputs import QUANTILE_LEVELS
from tests.forecast.made import HORIZON_DAYS, panel_of, tables


@pytest.mark.parametrize("width", [0.7, 1.0, 2.0])
def test_the_spread_leaves_a_tenth_of_the_totals_on_either_side(width: float) -> None:
    rng = np.random.default_rng(0)
    actual = rng.gamma(4.0, 25.0, 4000).astype(np.float32)
    true = np.quantile(actual, QUANTILE_LEVELS).astype(np.float32)
    forecast = np.tile(true[4] + (true - true[4]) / width, (4000, 1))
    below, above = _spread(actual, forecast)
    low = true[4] + below * (forecast[:, 0] - true[4])
    high = true[4] + above * (forecast[:, -1] - true[4])
    assert (below, above) == pytest.approx((width, width), rel=0.05)
    assert metrics.coverage(actual, low, high) == pytest.approx(0.8, abs=0.03)


def test_few_or_unseen_totals_set_no_spread() -> None:
    few = np.where(np.arange(200) < 20, 5.0, np.nan).astype(np.float32)
    assert _spread(few, np.ones((200, 9), np.float32)) == (1.0, 1.0)


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
