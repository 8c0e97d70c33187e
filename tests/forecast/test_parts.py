"""An explanation's parts are what their causes change, and add up to the forecast."""

from dataclasses import replace

import numpy as np
import pytest

from logistics.forecast.panel import Panel
from logistics.forecast.parts import CAUSES, parts, recent_level, rows
from logistics.forecast.quantiles import QuantileForecast
from tests.forecast.made import HORIZON_DAYS, NUM_DAYS, panel_of, tables


def known(panel: Panel) -> QuantileForecast:
    """10 units a day × (1 + discount) × price^-1 × 1.5 on a holiday, and 20 % of season."""
    t = panel.num_periods
    discount, log_price = (panel.covariates[:, t:, k] for k in (0, 1))
    holiday = panel.signals[0, t:, 0] if panel.signal_names else np.zeros(panel.horizon)
    mean = 12 * (1 + discount) * np.exp(-log_price) * (1 + 0.5 * holiday)
    mean *= panel.left[:, None] > np.arange(panel.horizon)
    total = np.zeros((len(panel), 3), np.float32)
    quantiles = np.repeat(mean[..., None], 9, axis=-1)
    return QuantileForecast(mean, quantiles, total, np.repeat(total[..., None], 9, axis=-1))


@pytest.fixture(scope="module")
def series() -> Panel:
    plain = panel_of(tables(num_skus=3))
    covariates = np.zeros_like(plain.covariates)
    covariates[0, NUM_DAYS + 5 : NUM_DAYS + 15, 0] = 0.5
    covariates[1, NUM_DAYS:, 1] = np.log(2)
    signals = np.zeros((1, NUM_DAYS + HORIZON_DAYS, 1), np.float32)
    signals[0, NUM_DAYS + 20] = 1
    told = {"signals": signals, "signal_names": ("holiday",), "lead": (HORIZON_DAYS,)}
    return replace(plain, covariates=covariates, units=np.full_like(plain.units, 10), **told)


def test_each_cause_has_its_own_and_only_its_own(series: Panel) -> None:
    found = parts(known, series)
    assert found.base == pytest.approx([300, 300, 300])
    assert found.season == pytest.approx([60, 60, 60], rel=1e-4)
    assert found.promotion == pytest.approx([60, 0, 0], rel=1e-4)
    assert found.price == pytest.approx([0, -6 * 30.5, 0], rel=1e-4)
    assert found.signal == pytest.approx([6, 6, 6], rel=1e-3)


def test_what_an_ended_sku_sells_no_more_is_not_season(series: Panel) -> None:
    found = parts(known, replace(series, left=np.array([0, 15, 9999], np.float32)))
    assert found.base == pytest.approx([0, 150, 300], rel=1e-4)
    assert found.season == pytest.approx([0, 30, 60], rel=1e-4)


def test_parts_add_up_to_the_forecast_with_what_planners_add(series: Panel) -> None:
    found = parts(known, series)
    statistical = known(series).mean[:, :30].sum(axis=1)
    assert sum(getattr(found, name) for name in CAUSES) == pytest.approx(statistical, rel=1e-5)
    told = rows(series, found, statistical + np.array([0, 7, 0]))
    assert told["planner"].to_list() == pytest.approx([0, 7, 0], abs=1e-2)
    added = sum(told[name] for name in (*CAUSES, "planner"))
    assert list(added) == pytest.approx(told["mean"].to_list())


def test_the_base_is_the_level_while_in_stock(series: Panel) -> None:
    in_stock, units = series.in_stock.copy(), series.units.copy()
    in_stock[0, -30:], units[0, -30:] = 0, 0
    in_stock[1, -56:], units[1, -56:] = 0, 0
    level = recent_level(replace(series, in_stock=in_stock, units=units))
    assert level[[0, 2]] == pytest.approx([10, 10])
    assert np.isnan(level[1])
