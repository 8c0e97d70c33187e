"""Stock for a lead time lies between that of the totals around it, and grows with all it should."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from logistics.forecast.panel import Panel
from logistics.forecast.stock import demand_within, reorder_points, safety_within
from logistics.forecast.totals import growing, safety_stock
from tests.forecast.made import panel_of, tables
from tests.forecast.test_levels import NUM_SKUS, forecast_of


@pytest.fixture(scope="module")
def series() -> Panel:
    return panel_of(tables(num_skus=NUM_SKUS))


def test_at_a_total_horizon_it_is_the_totals_own(series: Panel) -> None:
    forecast = forecast_of(np.full(NUM_SKUS, 50.0), np.full(NUM_SKUS, 20.0))
    for k, days in enumerate((30, 60, 90)):
        lead = np.full(NUM_SKUS, days, np.float32)
        own = safety_stock(forecast, 0.95)[:, k]
        assert np.allclose(safety_within(series, forecast, 0.95, lead), own, rtol=1e-3)
        assert np.allclose(demand_within(forecast, lead), forecast.total_mean[:, k], rtol=1e-4)


def test_of_independent_days_it_grows_as_their_square_root(series: Panel) -> None:
    forecast = forecast_of(np.full(NUM_SKUS, 50.0), np.full(NUM_SKUS, 20.0))
    for days in (0.5, 1, 7, 21, 45, 120):
        found = safety_within(series, forecast, 0.9, np.full(NUM_SKUS, days, np.float32))
        assert np.allclose(found, 1.2816 * 20 * np.sqrt(days), rtol=0.01), days


def test_a_longer_lead_time_or_a_higher_service_level_never_needs_less(series: Panel) -> None:
    rng = np.random.default_rng(0)
    mean = rng.gamma(0.5, 4, NUM_SKUS)
    mean[:5] = 0.02  # whose daily quantiles are all 0
    forecast = forecast_of(mean, np.sqrt(mean))
    leads = [np.full(NUM_SKUS, days, np.float32) for days in (2, 7, 14, 30, 40, 90, 200)]
    points = [reorder_points(series, forecast, 0.9, lead)["reorder_point"] for lead in leads]
    assert all((low <= high + 1e-4).all() for low, high in pairwise(points))
    levels = [safety_within(series, forecast, s, leads[1]) for s in (0.6, 0.8, 0.9, 0.98)]
    assert all((low <= high + 1e-4).all() for low, high in pairwise(levels))


def test_more_days_never_have_less_demand_where_sales_end_within_the_first() -> None:
    said = forecast_of(np.full(NUM_SKUS, 50.0), np.full(NUM_SKUS, 20.0))
    ended = said.total_quantiles[:, :1] * np.array([1, 0.98, 0.97], np.float32)[None, :, None]
    same = np.repeat(said.total_mean[:, :1], 3, axis=1)
    grown = growing(replace(said, total_mean=same, total_quantiles=ended))
    assert (np.diff(grown.total_quantiles, axis=1) >= 0).all()
    assert (np.diff(grown.total_quantiles, axis=2) >= 0).all()
    assert (grown.total_quantiles >= ended).all()
    assert (np.diff(safety_stock(grown, 0.95), axis=1) >= 0).all()
    assert np.array_equal(growing(said).total_quantiles, said.total_quantiles)


def test_the_reorder_point_is_demand_and_safety_stock_of_each_items_lead_time(
    series: Panel,
) -> None:
    forecast = forecast_of(np.full(NUM_SKUS, 50.0), np.full(NUM_SKUS, 20.0))
    lead = np.where(np.arange(NUM_SKUS) % 2, 4, 16).astype(np.float32)
    found = reorder_points(series, forecast, 0.9, lead)
    assert found["lead_time_demand"].to_list() == pytest.approx((50 * lead).tolist())
    both = found["lead_time_demand"] + found["safety_stock"]
    assert found["reorder_point"].to_list() == pytest.approx(both.to_list())
    assert found["safety_stock"][0] == pytest.approx(2 * found["safety_stock"][1], rel=0.01)
