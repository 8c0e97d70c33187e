"""Categories correct their SKUs as far as they have proved to know better, and sums stay sums."""

from dataclasses import replace

import numpy as np
import pytest

from logistics.forecast.panel import Panel
from logistics.forecast.quantiles import QuantileForecast
from logistics.forecast.reconcile import Told, corrected, summed, weight_of
from tests.forecast.made import HORIZON_DAYS, panel_of, tables

NUM_SKUS = 30
NAMES = tuple("toys" if i % 2 else "garden" for i in range(NUM_SKUS))
GROUPS = [np.arange(k, NUM_SKUS, 2) for k in range(2)]  # garden comes first


def flat(level: np.ndarray) -> QuantileForecast:
    mean = np.repeat(level[:, None], HORIZON_DAYS, axis=1).astype(np.float32)
    factors = np.linspace(0.5, 1.5, 9, dtype=np.float32)
    total = np.stack([mean[:, :days].sum(axis=1) for days in (30, 60, 90)], axis=1)
    return QuantileForecast(mean, mean[..., None] * factors, total, total[..., None] * factors)


def knows(panel: Panel) -> QuantileForecast:
    """Of a category: 180 units a day, whatever its SKUs say."""
    return flat(np.full(len(panel), 180.0))


@pytest.fixture(scope="module")
def series() -> Panel:
    made = panel_of(tables(num_skus=NUM_SKUS))
    return replace(made, left=np.full(NUM_SKUS, 9999, np.float32))


def test_skus_are_scaled_towards_their_category_and_totals_stay_sums(series: Panel) -> None:
    forecast = flat(np.full(NUM_SKUS, 10.0))  # 150 a category
    half = corrected(knows, series, forecast, NAMES, 0.5)
    assert np.allclose(half.mean, 11)
    assert np.allclose(half.quantiles, forecast.quantiles * 1.1)
    assert half.total_mean[:, 0] == pytest.approx(half.mean[:, :30].sum(axis=1))
    assert np.allclose(half.total_quantiles, forecast.total_quantiles * 1.1)
    assert corrected(knows, series, forecast, NAMES, 0.0) is forecast


def test_a_category_is_the_sum_of_its_skus_in_stock(series: Panel) -> None:
    in_stock, units = series.in_stock.copy(), series.units.copy()
    out = summed(series, GROUPS)
    assert np.allclose(out.units.sum(axis=0), units.sum(axis=0))
    in_stock[:, -5:], units[:, -5:] = 0, 0
    held = summed(replace(series, in_stock=in_stock, units=units), GROUPS)
    usual = units[:, :-5].mean(axis=1)
    assert held.units[0, -1] == pytest.approx(usual[GROUPS[0]].sum(), rel=1e-3)


@pytest.mark.parametrize(("truth", "helps"), [(12.0, True), (10.0, False)])
def test_the_weight_must_prove_itself(series: Panel, truth: float, helps: bool) -> None:
    came = np.full((NUM_SKUS, 60), truth, np.float32)
    came += np.random.default_rng(0).normal(0, 1, came.shape).astype(np.float32)
    told = Told(series, NAMES, flat(np.full(NUM_SKUS, 10.0)), came)
    weight = weight_of(knows, [told], [told])
    assert (weight > 0.8) if helps else (weight < 0.1)
