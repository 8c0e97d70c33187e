"""The forecaster learns, keeps its quantiles in order, and never looks ahead."""

from dataclasses import fields, replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.config import ForecastConfig
from logistics.forecast.features import features
from logistics.forecast.model import Forecaster, Settings, dumps, loads, predict
from logistics.forecast.network import Shape
from logistics.forecast.panel import Panel
from logistics.forecast.quantiles import QuantileForecast
from logistics.forecast.scope import Scope, scope_of
from logistics.forecast.totals import days, safety_stock, totals
from logistics.forecast.train import Fitted, fit
from tests.forecast.made import (
    HORIZON_DAYS,
    NUM_DAYS,
    RUN_DATE,
    covariate,
    panel_of,
    tables,
    with_covariate,
)
from tests.settings import config

Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def series() -> Panel:
    return panel_of(tables())


@pytest.fixture(scope="module")
def scope(series: Panel) -> Scope:
    return scope_of([series], HORIZON_DAYS)


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


def test_a_model_of_another_format_is_refused(fitted: Fitted, monkeypatch: Patch) -> None:
    monkeypatch.setattr("logistics.forecast.model.FORMAT", 1)
    blob = dumps(fitted.model)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="train it again"):
        loads(blob)


def test_features_ignore_what_comes_after_their_origin(series: Panel, scope: Scope) -> None:
    units = series.units.copy()
    units[:, 250:] = 777
    changed = replace(series, units=units)
    for name in ("scale", "past", "step", "shared"):
        assert np.array_equal(
            getattr(features(series, 250, scope), name),
            getattr(features(changed, 250, scope), name),
        )


def test_a_rewound_panel_has_the_features_of_that_day(series: Panel, scope: Scope) -> None:
    then = features(series.rewind(50), NUM_DAYS - 50, scope)
    now = features(series, NUM_DAYS - 50, scope)
    assert np.array_equal(then.past, now.past)
    assert np.array_equal(then.step, now.step)


def test_prices_paid_and_signals_seen_later_are_not_known_ahead(series: Panel) -> None:
    signals = np.zeros((1, NUM_DAYS + HORIZON_DAYS, 2), np.float32)
    signals[:, ::3] = 1
    names, lead = ("holiday", "rain"), (HORIZON_DAYS, 0)
    known = replace(series, signals=signals, signal_names=names, lead=lead)
    listed = replace(known, known_ahead=np.ones_like(known.known_ahead))
    scope = scope_of([listed], HORIZON_DAYS)
    price, rain, holiday = 0 * covariate(series, "discount"), signals.copy(), signals.copy()
    known, listed = (with_covariate(panel, "log_price", price) for panel in (known, listed))
    price = price.copy()
    price[:, 250:], rain[:, 250:, 1], holiday[:, 250:, 0] = 1, 1, 0
    usual = features(known, 250, scope)
    dearer = features(with_covariate(known, "log_price", price), 250, scope)
    assert np.array_equal(dearer.step, usual.step)
    assert np.array_equal(features(replace(known, signals=rain), 250, scope).shared, usual.shared)
    ahead = features(replace(known, signals=holiday), 250, scope)
    assert not np.array_equal(ahead.shared, usual.shared)
    dearer = features(with_covariate(listed, "log_price", price), 250, scope)
    assert not np.array_equal(dearer.step, usual.step)


def test_months_out_of_stock_do_not_lower_a_series_level(series: Panel, scope: Scope) -> None:
    usual = features(series, NUM_DAYS, scope)
    for gone in (20, 40, 120):
        units, in_stock = series.units.copy(), series.in_stock.copy()
        units[:, -gone:], in_stock[:, -gone:] = 0, 0
        out = features(replace(series, units=units, in_stock=in_stock), NUM_DAYS, scope)
        assert out.scale.sum() == pytest.approx(usual.scale.sum(), rel=0.15)


def test_beyond_what_training_saw_features_hold_still(series: Panel, scope: Scope) -> None:
    near = features(series, NUM_DAYS, replace(scope, reach=20, yearly=False)).shared
    assert (near[:, 20:, :6] == near[:, 19:20, :6]).all()


def test_a_category_never_seen_says_nothing(series: Panel, fitted: Fitted) -> None:
    strange = replace(series, codes=np.full_like(series.codes, 63))
    few, usual = predict(fitted.model, strange), predict(fitted.model, series)
    assert np.allclose(few.mean, usual.mean, rtol=0.02)


def test_chunks_of_a_panel_forecast_as_the_whole(
    series: Panel, fitted: Fitted, monkeypatch: Patch
) -> None:
    whole = predict(fitted.model, series)
    monkeypatch.setattr("logistics.forecast.model.CHUNK", 7)
    chunked = predict(fitted.model, series)
    assert np.allclose(chunked.mean, whole.mean, rtol=1e-4)
    assert np.allclose(chunked.total_quantiles, whole.total_quantiles, rtol=1e-4)


def test_an_empty_unit_has_an_empty_forecast(series: Panel, fitted: Fitted) -> None:
    nothing = series.take(np.arange(0))
    forecast = predict(fitted.model, nothing)
    assert days(nothing, forecast).is_empty()
    assert totals(nothing, forecast, 0.9).is_empty()


def test_a_short_history_of_sales_alone_is_enough_to_train_and_to_total(
    series: Panel, small: ForecastConfig
) -> None:
    bare = replace(
        series.rewind(NUM_DAYS - 62),
        covariates=series.covariates[:, : 62 + HORIZON_DAYS, :0],
        covariate_names=(),
        known_ahead=series.known_ahead[:, :0],
        signals=series.signals[:, : 62 + HORIZON_DAYS, :0],
        signal_names=(),
        lead=(),
    )
    short = fit([bare], replace(small, train_steps=60), seed=1)
    assert short.scores["held_out_periods"] == short.scores["total_periods"] == 20
    forecast = predict(short.model, bare)
    level = np.nanmean(bare.units)
    assert 0.4 * level < forecast.mean[:, -30:].mean() < 2.5 * level


def test_stock_outs_do_not_pull_the_forecast_down(series: Panel, fitted: Fitted) -> None:
    units, in_stock = series.units.copy(), series.in_stock.copy()
    units[:, -10:], in_stock[:, -10:] = 0, 0
    out = predict(fitted.model, replace(series, units=units, in_stock=in_stock))
    unnoticed = predict(fitted.model, replace(series, units=units))
    usual = predict(fitted.model, series)
    assert out.mean.sum() == pytest.approx(usual.mean.sum(), rel=0.15)
    assert unnoticed.mean.sum() < 0.9 * out.mean.sum()


def test_days_after_the_sales_feed_has_ended_are_not_days_without_sales(
    series: Panel, fitted: Fitted
) -> None:
    made, since = tables(), RUN_DATE - timedelta(11)
    ended = made | {"sales": made["sales"].filter(pl.col("date") < since)}
    stopped, usual = predict(fitted.model, panel_of(ended)), predict(fitted.model, series)
    unnoticed = replace(series, units=np.nan_to_num(panel_of(ended).units))
    assert stopped.mean.sum() == pytest.approx(usual.mean.sum(), rel=0.05)
    assert predict(fitted.model, unnoticed).mean.sum() < 0.8 * stopped.mean.sum()
    # As on the night when the feed ended, but for the days since.
    then = predict(fitted.model, series.rewind(11))
    assert np.allclose(stopped.mean[:, : HORIZON_DAYS - 11], then.mean[:, 11:], rtol=0.01)
    assert stopped.total_mean[:, 0] == pytest.approx(stopped.mean[:, :30].sum(axis=1), rel=1e-4)


def test_a_planned_promotion_raises_its_days(series: Panel, fitted: Fitted) -> None:
    plain = covariate(series, "discount").copy()
    plain[:, NUM_DAYS:] = 0
    promoted = plain.copy()
    promoted[:, NUM_DAYS + 20 : NUM_DAYS + 27] = 0.3
    lifted, without = (
        predict(fitted.model, with_covariate(series, "discount", discount)).mean[:, 20:27].sum()
        for discount in (promoted, plain)
    )
    assert lifted > 1.5 * without


def test_nothing_is_sold_after_the_end_of_life(series: Panel, fitted: Fitted) -> None:
    ended = predict(fitted.model, replace(series, left=np.full(len(series), 30, np.float32)))
    assert ended.mean[:, 30:].max() == ended.quantiles[:, 30:].max() == 0
    assert np.allclose(ended.total_mean[:, 0], ended.total_mean[:, 2])


@given(st.integers(0, 10_000), st.floats(0.1, 30))
@settings(max_examples=20, deadline=None)
def test_quantiles_are_ordered_and_not_negative_whatever_the_weights(
    seed: int, size: float
) -> None:
    series = panel_of(tables(num_skus=3))
    scope = scope_of([series], HORIZON_DAYS)
    seen = features(series, NUM_DAYS, scope)
    torch.manual_seed(seed)
    widths = (seen.past.shape[1], seen.step.shape[2], seen.shared.shape[2], seen.codes.shape[1])
    model = Forecaster(Settings(Shape(*widths, 8, 8, 0.0), scope, 2)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, size)
    forecast = predict(model, series)
    for quantiles in (forecast.quantiles, forecast.total_quantiles):
        assert (quantiles >= 0).all()
        assert (np.diff(quantiles, axis=-1) >= 0).all()


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
    stocks = [safety_stock(forecast, level) for level in (0.05, 0.5, 0.75, 0.9, 0.95, 0.99)]
    assert all((low <= high + 1e-4).all() for low, high in pairwise(stocks))


def test_too_little_history_is_said(series: Panel, small: ForecastConfig) -> None:
    with pytest.raises(ValueError, match="training needs 56"):
        fit([series.rewind(NUM_DAYS - 40)], small, seed=1)
