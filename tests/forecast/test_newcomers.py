"""A SKU that is launched now is forecast from its siblings, at its age, and from no other day."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from logistics.forecast.newcomers import is_new, joined, launch_ramp, predict_all
from logistics.forecast.panel import Panel
from logistics.forecast.quantiles import QuantileForecast
from logistics.tables_forecast import ITEMS
from tests.forecast.made import HORIZON_DAYS, NUM_DAYS, RUN_DATE, panel_of, tables

NUM_SKUS = 40


def items() -> pl.DataFrame:
    rows = [
        {"sku_id": f"S{i:03d}", "category": "toys" if i % 2 else "garden", "department": "all"}
        for i in range(NUM_SKUS)
    ]
    for name, category, days in (("N1", "toys", 10), ("N2", "pets", -5), ("N3", "toys", 120)):
        launch = RUN_DATE + timedelta(days)
        rows.append({"sku_id": name, "category": category, "department": "all", "launch": launch})
    return pl.DataFrame(rows, schema={n: c.dtype for n, c in ITEMS.columns.items()})


def level(panel: Panel) -> QuantileForecast:
    """Toys sell 20 a day, all else 10."""
    toys = panel.codes[:, 0] == panel.codes[panel.sku_ids.index("S001"), 0]
    mean = np.repeat(np.where(toys, 20.0, 10.0)[:, None], panel.horizon, axis=1).astype(np.float32)
    factors = np.linspace(0.2, 1.8, 9, dtype=np.float32)
    total = np.stack([mean[:, :days].sum(axis=1) for days in (30, 60, 90)], axis=1)
    return QuantileForecast(mean, mean[..., None] * factors, total, total[..., None] * factors)


@pytest.fixture(scope="module")
def series() -> Panel:
    told = items()
    old = panel_of(tables(NUM_SKUS) | {"items": told})
    return joined(old, told, told["sku_id"].to_list())


def test_they_join_the_panel_and_nobody_else_changes(series: Panel) -> None:
    assert len(series) == NUM_SKUS + 2
    new = [series.sku_ids[i] for i in np.flatnonzero(is_new(series))]
    assert new == ["N1", "N2"]
    old = panel_of(tables(NUM_SKUS) | {"items": items()})
    assert np.array_equal(series.take(np.flatnonzero(~is_new(series))).units, old.units, True)
    assert joined(old, items(), []) is old


def test_they_sell_as_their_siblings_from_their_launch_on(series: Panel) -> None:
    forecast = predict_all(level, series)
    first, second = (series.sku_ids.index(name) for name in ("N1", "N2"))
    assert forecast.mean[first, :10].max() == forecast.quantiles[first, :10].max() == 0
    assert np.allclose(forecast.mean[first, 10:], 20)
    assert np.allclose(forecast.mean[second], 15)  # its department: half toys, half garden
    assert forecast.total_mean[first].tolist() == pytest.approx([400, 1000, 1600])
    for grid in (forecast.quantiles, forecast.total_quantiles):
        assert (np.diff(grid, axis=-1) >= 0).all()
        assert grid[first].max() > 0
    old = np.flatnonzero(~is_new(series))
    alone = level(series.take(old))
    assert np.array_equal(forecast.mean[old], alone.mean)


def test_a_launch_is_learnt_from_the_launches_seen(series: Panel) -> None:
    old = series.take(np.flatnonzero(~is_new(series)))
    units, age = old.units.copy(), old.age.copy()
    grown = 20 * (1 - 0.7 * np.exp(-np.arange(NUM_DAYS) / 20))
    for row in range(8):
        start = 60 + row
        units[row, :start], units[row, start:] = np.nan, grown[: NUM_DAYS - start]
        age[row] = NUM_DAYS - start
    ramp = launch_ramp(replace(old, units=units, age=age))
    expected = [1 - 0.7 * np.exp(-(7 * week + 3) / 20) for week in range(12)]
    assert ramp == pytest.approx(expected, abs=0.03)
    assert launch_ramp(old).tolist() == [1.0] * 12


def test_a_newcomer_that_ends_sells_nothing_after_its_end(series: Panel) -> None:
    first = series.sku_ids.index("N1")
    left = series.left.copy()
    left[first] = 40
    forecast = predict_all(level, replace(series, left=left))
    assert forecast.mean[first, 10:40].min() > 0
    assert forecast.mean[first, 40:].max() == 0
    assert HORIZON_DAYS > 40
