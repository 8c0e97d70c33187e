"""What planners know better: their overrides on top of the statistical forecast, and their worth.

Knows panels, forecasts and the overrides' rows; knows nothing of models. The final forecast is the
statistical one with the overrides applied; both are kept, and once sales are in, both are judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.forecast.panel import Array, Panel
from logistics.forecast.quantiles import QuantileForecast
from logistics.outputs_forecast import (
    FORECAST_OVERRIDDEN,
    FORECAST_VALUE_ADDED,
    QUANTILE_COLUMNS,
    TOTAL_HORIZONS_DAYS,
)

Grid = NDArray[np.float64]
LEAST = 1e-3  # units a period: a forecast below it has no spread that could be stretched


@dataclass(frozen=True, slots=True)
class Overrides:
    """Of m series over h periods: series (m,) their rows in the panel; final (m, h) their means;
    spread (m, h): the factor on the quantiles' distances from the mean; touched (m, h): whether any
    override applies; planners (m,): whose.
    """

    series: NDArray[np.int64]
    final: Array
    spread: Array
    touched: NDArray[np.bool_]
    planners: tuple[str, ...]


def overrides(panel: Panel, mean: Array, rows: pl.DataFrame) -> Overrides:
    """What the table says of this panel's series; mean (n, h): the statistical forecast.

    Of every day the `set` of the narrowest scope holds (a DC's own before a general one, then the
    one that began last), then all `multiply`, then all `add`; never below 0. A multiplied forecast
    keeps its relative spread; where the mean is set or added to, the spread grows as its square
    root, as that of counts does.
    """
    told = _told(panel, rows)
    skus = told["sku_id"].unique().sort().to_list()
    code = {sku: i for i, sku in enumerate(panel.sku_ids)}
    series = np.array([code[sku] for sku in skus], np.int64)
    days = panel.period_days
    placed, factors, added, touched = _grids(told, skus, panel.horizon * days)
    usual = np.repeat(mean[series] / days, days, axis=1).astype(np.float64)
    base = np.where(np.isnan(placed), usual, placed)
    final = np.maximum(base * factors + added, 0.0)
    grown = np.sqrt(base / np.maximum(usual, LEAST)) * factors
    spread = grown * np.sqrt(final / np.maximum(base * factors, LEAST))
    weeks = (len(skus), panel.horizon, days)
    planners = told.group_by("sku_id").agg(pl.col("planner").unique().sort()).sort("sku_id")
    return Overrides(
        series,
        final.reshape(weeks).sum(axis=2).astype(np.float32),
        np.where(touched, spread, 1.0).reshape(weeks).mean(axis=2).astype(np.float32),
        np.asarray(touched.reshape(weeks).any(axis=2)),
        tuple(", ".join(names) for names in planners["planner"]),
    )


def _grids(
    told: pl.DataFrame, skus: Sequence[str], days: int
) -> tuple[Grid, Grid, Grid, NDArray[np.bool_]]:
    """Per SKU and day: what is set (NaN: nothing), the factor, what is added, whether any is."""
    shape = (len(skus), days)
    placed, factors, added = np.full(shape, np.nan), np.ones(shape), np.zeros(shape)
    touched = np.zeros(shape, bool)
    position = {sku: i for i, sku in enumerate(skus)}
    columns = ("sku_id", "first", "last", "kind", "value")
    for sku, first, last, kind, value in told.select(columns).iter_rows():
        span = (position[sku], slice(first, last + 1))
        touched[span] = True
        if kind == "set":
            placed[span] = value
        elif kind == "multiply":
            factors[span] *= value
        else:
            added[span] += value
    return placed, factors, added, touched


def _told(panel: Panel, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows on this panel, with their first and last day, weakest first."""
    end = panel.run_date + timedelta(days=panel.horizon * panel.period_days - 1)
    here = pl.col("dc_id").is_null() | pl.col("dc_id").is_in(list(panel.site_ids))
    mine = rows.filter(
        here,
        pl.col("sku_id").is_in(list(panel.sku_ids)),
        pl.col("end") >= panel.run_date,
        pl.col("start") <= end,
    )
    since = (pl.col("start").clip(lower_bound=panel.run_date) - pl.lit(panel.run_date)).dt
    until = (pl.col("end").clip(upper_bound=end) - pl.lit(panel.run_date)).dt
    return mine.sort(
        pl.col("dc_id").is_not_null(), "start", "end", "value", "planner", maintain_order=True
    ).with_columns(first=since.total_days(), last=until.total_days())


def finished(forecast: QuantileForecast, changes: Overrides, period_days: int) -> QuantileForecast:
    """The final forecast. A total's mean is the sum of its periods; its spread grows as theirs."""
    if not changes.series.size:
        return forecast
    rows = changes.series
    mean, quantiles, total_mean, total_quantiles = (
        getattr(forecast, name).copy() for name in QuantileForecast.__slots__
    )
    off = quantiles[rows] - mean[rows][..., None]
    moved = np.maximum(changes.final[..., None] + off * changes.spread[..., None], 0)
    width, wider = (q[..., -1] - q[..., 0] for q in (quantiles[rows], moved))
    keep = ~changes.touched
    mean[rows] = np.where(keep, mean[rows], changes.final)
    quantiles[rows] = np.where(keep[..., None], quantiles[rows], moved)
    for k, days in enumerate(TOTAL_HORIZONS_DAYS):
        span = slice(0, round(days / period_days))
        any_here = np.asarray(changes.touched[:, span].any(axis=1))
        grown = wider[:, span].sum(axis=1) / np.maximum(width[:, span].sum(axis=1), LEAST)
        off = (total_quantiles[rows, k] - total_mean[rows, k, None]) * grown[:, None]
        sums = mean[rows][:, span].sum(axis=1)
        moved = np.maximum(sums[:, None] + off, 0)
        total_quantiles[rows, k] = np.where(any_here[:, None], moved, total_quantiles[rows, k])
        total_mean[rows, k] = np.where(any_here, sums, total_mean[rows, k])
    return QuantileForecast(mean, quantiles, total_mean, total_quantiles)


def overridden(panel: Panel, statistical: QuantileForecast, changes: Overrides) -> pl.DataFrame:
    """The `forecast_overridden` rows: what the model had said of every period that was changed."""
    row, period = changes.touched.nonzero()
    series = changes.series[row]
    dates = np.datetime64(panel.run_date, "D") + period * np.timedelta64(panel.period_days, "D")
    quantiles = statistical.quantiles[series, period]
    columns = {
        "sku_id": pl.Series(panel.sku_ids, dtype=pl.String).gather(series),
        "date": dates,
        "statistical_mean": statistical.mean[series, period],
        **{f"statistical_{name}": quantiles[:, i] for i, name in enumerate(QUANTILE_COLUMNS)},
        "final_mean": changes.final[row, period],
        "planner": pl.Series(changes.planners, dtype=pl.String).gather(row),
    }
    return pl.DataFrame(columns, schema=pl.Schema(FORECAST_OVERRIDDEN.columns))


def value_added(panel: Panel, earlier: pl.DataFrame) -> pl.DataFrame:
    """The `forecast_value_added` rows: of every night and SKU, both forecasts' errors so far.

    earlier: `forecast_overridden` rows of earlier nights, with run_date. Only periods in stock are
    judged: what was sold of others is not their demand.
    """
    first = panel.run_date - timedelta(days=panel.num_periods * panel.period_days)
    known = earlier.filter(
        pl.col("date").is_between(first, panel.run_date, closed="left"),
        pl.col("sku_id").is_in(list(panel.sku_ids)),
    )
    code = {sku: i for i, sku in enumerate(panel.sku_ids)}
    actual = _actual(panel, [code[sku] for sku in known["sku_id"]], known["date"].to_list(), first)
    error = [(pl.col(f"{name}_mean") - pl.col("actual")).abs() for name in ("statistical", "final")]
    told = (
        known.with_columns(actual=pl.Series(actual, dtype=pl.Float64))
        .filter(pl.col("actual").is_not_nan())
        .with_columns(statistical=error[0], final=error[1])
        .group_by("sku_id", pl.col("run_date").alias("night"))
        .agg(
            pl.col("planner").first(),
            periods=pl.len().cast(pl.Int64),
            actual=pl.col("actual").sum(),
            statistical_abs_error=pl.col("statistical").sum().cast(pl.Float64),
            final_abs_error=pl.col("final").sum().cast(pl.Float64),
        )
        .with_columns(value_added=pl.col("statistical_abs_error") - pl.col("final_abs_error"))
    )
    return told.sort("sku_id", "night").select(*FORECAST_VALUE_ADDED.columns)


def _actual(panel: Panel, rows: Sequence[int], days: Sequence[date], first: date) -> Array:
    at = np.array([(day - first).days // panel.period_days for day in days], np.int64)
    series = np.array(rows, np.int64)
    in_stock = panel.in_stock[series, at] >= 1
    return np.where(in_stock, panel.units[series, at], np.nan).astype(np.float32)
