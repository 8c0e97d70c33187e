"""The forecaster learns, keeps its quantiles in order, and never looks ahead."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.config import ForecastConfig
from logistics.forecast.features import features
from logistics.forecast.inputs import Panel
from logistics.forecast.model import (
    Forecaster,
    QuantileForecast,
    Settings,
    dumps,
    loads,
    predict,
)
from logistics.forecast.totals import days, from_table, safety_stock, to_table, totals
from logistics.forecast.train import Fitted, fit, rewind
from tests.forecast.made import HORIZON_DAYS, NUM_DAYS, panel_of, tables
from tests.settings import config


@pytest.fixture(scope="module")
def series() -> Panel:
    return panel_of(tables())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ForecastConfig:
    overrides = ("forecast.train_steps=120", "forecast.hidden=48", "forecast.max_train_windows=800")
    return config(tmp_path_factory.mktemp("f"), *overrides).forecast


@pytest.fixture(scope="module")
def fitted(series: Panel, small: ForecastConfig) -> Fitted:
    return fit([series], small, seed=1)


def equal(a: QuantileForecast, b: QuantileForecast) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def test_the_model_beats_seasonal_naive_on_days_it_never_saw(fitted: Fitted) -> None:
    assert fitted.scores["wql"] < 0.85 * fitted.scores["naive_wql"]
    assert fitted.scores["wape"] < fitted.scores["naive_wape"]
    assert 0.6 < fitted.scores["coverage80"] < 0.95


def test_the_same_seed_gives_the_same_model(
    series: Panel, small: ForecastConfig, fitted: Fitted
) -> None:
    quick = replace(small, train_steps=10)
    assert dumps(fit([series], quick, seed=1).model) == dumps(fit([series], quick, seed=1).model)


def test_a_saved_model_forecasts_the_same(series: Panel, fitted: Fitted) -> None:
    again = predict(loads(dumps(fitted.model)), series)
    assert equal(again, predict(fitted.model, series))
    assert equal(from_table(to_table(again), HORIZON_DAYS), again)


def test_features_ignore_what_comes_after_their_origin(series: Panel) -> None:
    units = series.units.copy()
    units[:, 250:] = 777
    changed = replace(series, units=units)
    for name in ("scale", "past", "future"):
        assert np.array_equal(
            getattr(features(series, 250, ()), name), getattr(features(changed, 250, ()), name)
        )


def test_a_rewound_panel_has_the_features_of_that_day(series: Panel) -> None:
    then, now = features(rewind(series, 50), NUM_DAYS - 50, ()), features(series, NUM_DAYS - 50, ())
    assert np.array_equal(then.past, now.past)
    assert np.array_equal(then.future, now.future)


def test_stock_outs_do_not_pull_the_forecast_down(series: Panel, fitted: Fitted) -> None:
    units, in_stock = series.units.copy(), series.in_stock.copy()
    units[:, -10:], in_stock[:, -10:] = 0, 0
    out = predict(fitted.model, replace(series, units=units, in_stock=in_stock))
    unnoticed = predict(fitted.model, replace(series, units=units))
    usual = predict(fitted.model, series)
    assert out.mean.sum() == pytest.approx(usual.mean.sum(), rel=0.15)
    assert unnoticed.mean.sum() < 0.9 * out.mean.sum()


def test_a_planned_promotion_raises_its_days(series: Panel, fitted: Fitted) -> None:
    plain, promoted = series.discount.copy(), series.discount.copy()
    plain[:, NUM_DAYS:] = 0
    promoted[:, NUM_DAYS:] = 0
    promoted[:, NUM_DAYS + 20 : NUM_DAYS + 27] = 0.3
    without = predict(fitted.model, replace(series, discount=plain)).mean[:, 20:27].sum()
    assert (
        predict(fitted.model, replace(series, discount=promoted)).mean[:, 20:27].sum()
        > 1.5 * without
    )


def test_nothing_is_sold_after_the_end_of_life(series: Panel, fitted: Fitted) -> None:
    ended = predict(fitted.model, replace(series, days_left=np.full(len(series), 30, np.float32)))
    assert ended.mean[:, 30:].max() == ended.quantiles[:, 30:].max() == 0
    assert np.allclose(ended.total_mean[:, 0], ended.total_mean[:, 2])


@given(st.integers(0, 10_000), st.floats(0.1, 30))
@settings(max_examples=20, deadline=None)
def test_quantiles_are_ordered_and_not_negative_whatever_the_weights(
    seed: int, size: float
) -> None:
    series = panel_of(tables(num_skus=3))
    seen = features(series, NUM_DAYS, ())
    torch.manual_seed(seed)
    model = Forecaster(Settings(seen.past.shape[1], seen.future.shape[2], 8, ())).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, size)
    forecast = predict(model, series)
    for quantiles in (forecast.quantiles, forecast.total_quantiles):
        assert (quantiles >= 0).all()
        assert (np.diff(quantiles, axis=-1) >= -1e-3 * (1 + quantiles[..., :-1])).all()


def test_tables_have_a_row_per_series_and_day_or_horizon(series: Panel, fitted: Fitted) -> None:
    forecast = predict(fitted.model, series)
    assert days(series, forecast).height == len(series) * HORIZON_DAYS
    rows = totals(series, forecast, 0.9)
    assert rows["horizon_days"].to_list()[:3] == [30, 60, 90]
    first = days(series, forecast).head(30)["mean"].sum()
    assert rows["mean"][0] == pytest.approx(first, rel=1e-4)
    assert (rows["safety_stock"] >= 0).all()


def test_a_higher_service_level_never_needs_less_stock(series: Panel, fitted: Fitted) -> None:
    forecast = predict(fitted.model, series)
    stocks = [safety_stock(forecast, level) for level in (0.5, 0.75, 0.9, 0.95)]
    assert all((low <= high + 1e-4).all() for low, high in pairwise(stocks))


def test_too_little_history_is_said(series: Panel, small: ForecastConfig) -> None:
    with pytest.raises(ValueError, match="training needs 63"):
        fit([rewind(series, NUM_DAYS - 40)], small, seed=1)
