"""Weeks are their days: nothing is lost, and the first one to come begins on the run date."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from logistics.forecast.model import predict
from logistics.forecast.panel import Panel
from logistics.forecast.published import published
from logistics.forecast.train import fit
from logistics.forecast.weeks import horizon_days, weekly
from logistics.tables_forecast import FORECAST_OVERRIDES
from tests.forecast.made import NUM_DAYS, panel_of, tables
from tests.settings import config


@pytest.fixture(scope="module")
def series() -> Panel:
    daily = panel_of(tables(num_skus=5))
    width = NUM_DAYS + 91
    covariates = np.pad(daily.covariates, ((0, 0), (0, 1), (0, 0)), mode="edge")
    signals = np.zeros((1, width, 1), np.float32)
    signals[0, NUM_DAYS + 3] = 1
    signals[0, NUM_DAYS + 50 :] = np.nan
    told = {"signals": signals, "signal_names": ("holiday",), "lead": (50,)}
    return replace(daily, horizon=91, covariates=covariates, **told)


def test_a_weeks_units_are_those_of_its_days(series: Panel) -> None:
    weeks = weekly(series)
    assert (weeks.period_days, weeks.horizon, weeks.num_periods) == (7, 13, NUM_DAYS // 7)
    assert weeks.units[:, -1] == pytest.approx(series.units[:, -7:].sum(axis=1))
    assert weeks.units.sum() == pytest.approx(series.units[:, NUM_DAYS % 7 :].sum(), rel=1e-6)
    discount = series.covariates[:, NUM_DAYS : NUM_DAYS + 7, 0].mean(axis=1)
    assert weeks.covariates[:, weeks.num_periods, 0] == pytest.approx(discount)
    assert weeks.signals[0, weeks.num_periods, 0] == pytest.approx(1 / 7)
    assert weeks.lead == (7,)


def test_unknown_days_are_no_zeros_and_an_end_is_an_end(series: Panel) -> None:
    units = series.units.copy()
    units[0, -7:-5], units[1, -7:-3] = np.nan, np.nan
    weeks = weekly(replace(series, units=units, left=np.full(5, 15, np.float32)))
    assert weeks.units[0, -1] == pytest.approx(units[0, -5:].mean() * 7)
    assert np.isnan(weeks.units[1, -1])
    assert weeks.left.tolist() == [3] * 5
    assert weeks.rewind(4).num_periods == weeks.num_periods - 4


def test_a_horizon_is_of_whole_weeks(series: Panel) -> None:
    assert [horizon_days(days) for days in (7, 8, 90, 91)] == [7, 14, 91, 91]
    with pytest.raises(ValueError, match="whole weeks"):
        weekly(replace(series, horizon=90))


def test_weeks_are_forecast_and_published_as_weeks(
    series: Panel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = config(tmp_path_factory.mktemp("w"), "forecast.train_steps=20").forecast
    weeks = weekly(series)
    model = fit([weeks], small, seed=1).model
    told = pl.DataFrame({"category": [""] * 5, "lead_time_days": [7.0] * 5})
    empty = pl.DataFrame(schema={n: c.dtype for n, c in FORECAST_OVERRIDES.columns.items()})
    statistical = predict(model, weeks, "cpu", (4, 9, 13))
    final, tables_ = published(weeks, statistical, None, told, empty, None, 0, small)
    assert final.mean.shape == (5, 13)
    days = tables_["forecasts"]["date"].unique().sort().diff().drop_nulls().dt.total_days()
    assert days.unique().to_list() == [7]
    assert tables_["forecast_totals"]["horizon_days"].unique().sort().to_list() == [28, 63, 91]
    assert tables_["forecast_sums"]["days"].unique().sort().to_list() == [7, 28, 63, 91]
    level = np.nanmean(series.units) * 7
    assert final.mean.mean() == pytest.approx(level, rel=0.4)
    demand = tables_["reorder_points"]["lead_time_demand"].to_numpy()
    assert demand == pytest.approx(final.mean[:, 0], rel=1e-5)
