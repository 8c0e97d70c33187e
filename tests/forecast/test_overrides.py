"""A planner's override changes its days, keeps what was said before, and is judged later."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from logistics.forecast.overrides import finished, overridden, overrides, value_added
from logistics.forecast.panel import Panel
from logistics.forecast.quantiles import QuantileForecast
from logistics.tables_forecast import FORECAST_OVERRIDES
from tests.forecast.made import HORIZON_DAYS, NUM_DAYS, RUN_DATE, panel_of, tables

SCHEMA = {name: column.dtype for name, column in FORECAST_OVERRIDES.columns.items()}
FACTORS = np.linspace(0.2, 1.8, 9, dtype=np.float32)


@pytest.fixture(scope="module")
def series() -> Panel:
    return panel_of(tables(num_skus=4))


@pytest.fixture(scope="module")
def forecast() -> QuantileForecast:
    mean = np.full((4, HORIZON_DAYS), 10, np.float32)
    total = np.array([[300, 600, 900]] * 4, np.float32)
    return QuantileForecast(mean, mean[..., None] * FACTORS, total, total[..., None] * FACTORS)


def row(kind: str, value: float, start: int, end: int, dc_id: str | None = None) -> dict:
    days = {"start": RUN_DATE + timedelta(start), "end": RUN_DATE + timedelta(end)}
    told = {"sku_id": "S001", "dc_id": dc_id, "kind": kind, "value": value, "planner": "ann"}
    return told | days


def apply(series: Panel, forecast: QuantileForecast, *rows: dict) -> QuantileForecast:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    return finished(forecast, overrides(series, forecast.mean, frame), 1)


def test_set_multiply_and_add_apply_in_this_order_and_touch_nothing_else(
    series: Panel, forecast: QuantileForecast
) -> None:
    rows = [row("add", -5, 4, 9), row("multiply", 2, 2, 6), row("set", 20, 0, 2, "DC")]
    final = apply(series, forecast, *rows, row("set", 99, 0, 1), row("set", 99, 0, 1, "elsewhere"))
    assert final.mean[1, :11].tolist() == [20, 20, 40, 20, 15, 15, 15, 5, 5, 5, 10]
    for name in QuantileForecast.__slots__:
        others = np.array([0, 2, 3])
        assert np.array_equal(getattr(final, name)[others], getattr(forecast, name)[others])
    assert np.array_equal(final.quantiles[1, 10:], forecast.quantiles[1, 10:])
    assert final.total_mean[1] == pytest.approx(final.mean[1, :30].sum() + np.array([0, 300, 600]))
    assert (np.diff(final.quantiles, axis=-1) >= 0).all()
    assert (np.diff(final.total_quantiles, axis=-1) >= 0).all()


def test_a_multiplied_forecast_keeps_its_relative_spread_and_a_set_one_narrows(
    series: Panel, forecast: QuantileForecast
) -> None:
    doubled = apply(series, forecast, row("multiply", 2, 0, 400))
    assert np.allclose(doubled.quantiles[1], 2 * forecast.quantiles[1])
    assert np.allclose(doubled.total_quantiles[1], 2 * forecast.total_quantiles[1], rtol=1e-4)
    placed = apply(series, forecast, row("set", 40, 0, 400))
    assert placed.quantiles[1, 0, -1] == pytest.approx(40 + 2 * 8)
    nothing = apply(series, forecast, row("multiply", 0, 0, 400))
    assert nothing.mean[1].max() == nothing.quantiles[1].max() == nothing.total_mean[1].max() == 0


def test_days_of_other_spans_and_skus_change_nothing(
    series: Panel, forecast: QuantileForecast
) -> None:
    for start, end in ((-20, -1), (HORIZON_DAYS, HORIZON_DAYS + 5)):
        final = apply(series, forecast, row("set", 1, start, end))
        assert final is forecast or np.array_equal(final.mean, forecast.mean)
    assert apply(series, forecast, row("set", 1, 0, 9) | {"sku_id": "nobody"}) is forecast


def test_what_the_model_had_said_is_kept_and_judged_once_sales_are_in(series: Panel) -> None:
    past = series.rewind(20)
    actual = series.units[:, NUM_DAYS - 20 : NUM_DAYS]
    mean = np.full((4, HORIZON_DAYS), 10, np.float32)
    total = np.ones((4, 3), np.float32)
    said = QuantileForecast(mean, mean[..., None] * FACTORS, total, total[..., None] * FACTORS)
    day = {"start": past.run_date, "end": past.run_date + timedelta(30)}
    frame = pl.DataFrame([row("set", 12, 0, 0) | day], schema=SCHEMA)
    kept = overridden(past, said, overrides(past, said.mean, frame))
    assert kept.height == 31
    assert kept["statistical_mean"].to_list() == [10] * 31
    assert kept["statistical_q90"].to_list() == pytest.approx([18] * 31)
    night = pl.lit(past.run_date).alias("run_date")
    found = value_added(series, kept.with_columns(night)).to_dicts()
    assert [(f["sku_id"], f["night"], f["periods"]) for f in found] == [
        ("S001", date(2026, 2, 10), 20)
    ]
    errors = [np.abs(actual[1] - level).sum() for level in (10, 12)]
    assert found[0]["statistical_abs_error"] == pytest.approx(errors[0])
    assert found[0]["final_abs_error"] == pytest.approx(errors[1])
    assert found[0]["value_added"] == pytest.approx(errors[0] - errors[1])
