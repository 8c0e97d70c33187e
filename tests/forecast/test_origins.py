"""Rolling origins and the challenge: sums that add up, and nobody is judged on what he has seen."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from logistics.forecast.challenge import last_origins, trial, unseen_periods
from logistics.forecast.origins import (
    demand_since,
    errors,
    origins_back,
    scores,
    summaries,
)
from logistics.forecast.panel import Panel
from logistics.forecast.quantiles import Predict, QuantileForecast
from tests.forecast.made import HORIZON_DAYS, NUM_DAYS, RUN_DATE, panel_of, tables


@pytest.fixture(scope="module")
def series() -> Panel:
    return panel_of(tables(num_skus=8))


def oracle(whole: Panel, factor: float) -> Predict:
    """Forecasts what came, times a factor."""

    def predict(past: Panel) -> QuantileForecast:
        mean = np.zeros((len(past), past.horizon), np.float32)
        came = whole.units[:, past.num_periods :][:, : past.horizon] * factor
        mean[:, : came.shape[1]] = came
        quantiles = np.repeat(mean[..., None], 9, axis=-1)
        total = np.stack([mean.sum(axis=1)] * 3, axis=1)
        return QuantileForecast(mean, quantiles, total, np.repeat(total[..., None], 9, axis=-1))

    return predict


def test_a_perfect_forecast_has_no_error_and_a_factor_is_its_bias(series: Panel) -> None:
    names = ["toys" if i % 2 else None for i in range(len(series))]
    perfect = errors(oracle(series, 1.0), series, HORIZON_DAYS, names)
    assert scores(perfect)["wql"][0] == scores(perfect)["wape"][0] == 0
    assert scores(perfect)["coverage80"][0] == 1
    high = scores(errors(oracle(series, 1.2), series, HORIZON_DAYS, names), ["category"])
    assert high["category"].to_list() == ["", "toys"]
    assert high["bias"].to_list() == pytest.approx([0.2, 0.2], abs=1e-5)


def test_groups_add_up_to_the_whole(series: Panel) -> None:
    names = ["toys" if i % 2 else "garden" for i in range(len(series))]
    rows = pl.concat([errors(oracle(series, 0.9), series, b, names) for b in (90, 120, 150)])
    came = [demand_since(series, b) for b in (90, 120, 150)]
    assert rows["values"].sum() == sum(c.size for c in came) == 3 * 8 * HORIZON_DAYS
    assert rows["actual"].sum() == pytest.approx(sum(c.sum() for c in came))
    found = summaries(rows, 1)
    assert found["origin"]["origin"].to_list() == [RUN_DATE - timedelta(b) for b in (150, 120, 90)]
    assert found["days ahead"]["days ahead"].to_list() == ["1-7", "8-30", "31-60", "61-"]
    assert all(told["values"].sum() == rows["values"].sum() for told in found.values())


def test_days_out_of_stock_are_not_judged(series: Panel) -> None:
    in_stock = series.in_stock.copy()
    in_stock[:, -40:] = 0.5
    out = replace(series, in_stock=in_stock)
    rows = errors(oracle(out, 1.0), out, HORIZON_DAYS, [None] * len(out))
    assert rows["values"].sum() == len(out) * (HORIZON_DAYS - 40)


def test_the_challenger_must_win_not_draw(series: Panel) -> None:
    good, bad = oracle(series, 1.05), oracle(series, 1.4)
    assert trial(bad, good, [series], [60, 30]).won
    assert not trial(good, bad, [series], [60, 30]).won
    assert not trial(good, good, [series], [60, 30]).won


def test_twins_are_judged_on_days_that_neither_has_seen(series: Panel) -> None:
    def unseen(trained_days_ago: int, twin_held_out: int) -> int:
        trained_to = series.run_date - timedelta(trained_days_ago)
        return unseen_periods(series, 90, trained_to, twin_held_out)

    assert unseen(0, 90) == unseen(30, 90) == 90
    assert unseen(0, 40) == 40  # its twin had seen more than tonight's
    assert unseen(200, 0) == 90  # it has no twin, but is old enough to be judged itself
    assert last_origins(unseen(-400, 90)) == []  # it was trained on what is yet to come
    assert last_origins(90) == [90, 60, 30]


def test_origins_leave_half_of_the_history_to_train_on() -> None:
    assert origins_back(90, 3, 30, 730) == [150, 120, 90]
    assert origins_back(90, 3, 30, NUM_DAYS) == [150, 120, 90]
    assert origins_back(90, 3, 30, 250) == [120, 90]
    assert origins_back(90, 3, 30, 100) == []
