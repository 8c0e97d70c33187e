"""Rolling origins: what a model would have said on earlier nights, against what then came.

Knows panels and any forecaster's answers; trains nothing. Errors are kept as sums, so that sites,
categories, steps and origins can be added up in any way before a score is taken of them.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from logistics.forecast import metrics
from logistics.forecast.backtest import seasonal_naive
from logistics.forecast.panel import Array, Panel
from logistics.forecast.quantiles import LEVELS, Predict
from logistics.outputs_forecast import FORECAST_BACKTESTS

STEP_DAYS = 7  # steps are told by the week, or by the period where that is longer
SUMS = ("values", "actual", "forecast", "abs_error", "pinball", "inside", "naive_abs_error",
        "naive_pinball")  # fmt: skip
MIN_PAST = 28  # periods behind an origin


def origins_back(horizon: int, num: int, stride: int, longest: int) -> list[int]:
    """How many periods ago the origins lie, oldest first: the newest one a whole horizon ago.

    Only those with MIN_PAST periods and as much as half of the history behind them.
    """
    back = [horizon + i * stride for i in reversed(range(num))]
    return [b for b in back if longest - b >= max(MIN_PAST, longest // 2)]


def errors(
    predict: Predict, panel: Panel, back: int, categories: Sequence[str | None]
) -> pl.DataFrame:
    """The rows of `forecast_backtests` for one site at one origin, `back` periods ago.

    categories (n,): of the panel's series. Days that were censored by stock-outs are left out, and
    so are series that were not sold before the origin.
    """
    past = panel.rewind(back)
    rows = np.flatnonzero(past.age > 0)
    past, came = past.take(rows), demand_since(panel.take(rows), back)
    forecast, (plain, plain_quantiles) = predict(past), seasonal_naive(past)
    width = came.shape[1]
    sums = _sums(came, forecast.mean[:, :width], forecast.quantiles[:, :width])
    naive = _sums(came, plain[:, :width], plain_quantiles[:, :width])
    sums |= {f"naive_{name}": naive[name] for name in ("abs_error", "pinball")}
    length = max(STEP_DAYS // panel.period_days, 1)
    starts = np.arange(0, width, length)
    steps = {name: np.add.reduceat(grid, starts, axis=1) for name, grid in sums.items()}
    n = len(rows)
    told = pl.DataFrame(
        {
            "category": pl.Series(
                [categories[i] or "" for i in rows.tolist() for _ in starts], dtype=pl.String
            ),
            "step_from": np.tile(starts + 1, n),
            "step_to": np.tile(np.minimum(starts + length, width), n),
            **{name: steps[name].ravel().astype(np.float64) for name in SUMS},
        }
    )
    keys = ("category", "step_from", "step_to")
    return (
        told.group_by(keys)
        .agg(pl.col(SUMS).sum())
        .filter(pl.col("values") > 0)
        .sort(keys)
        .with_columns(origin=pl.lit(panel.run_date - timedelta(days=back * panel.period_days)))
        .select(*FORECAST_BACKTESTS.columns)
        .cast(pl.Schema(FORECAST_BACKTESTS.columns))
    )


def demand_since(panel: Panel, back: int) -> Array:
    """Demand of the periods since an origin, a horizon at most (n, ≤ h); NaN where censored."""
    origin = panel.num_periods - back
    until = min(origin + panel.horizon, panel.num_periods)
    units, in_stock = panel.units[:, origin:until], panel.in_stock[:, origin:until]
    return np.where(in_stock < 1, np.nan, units).astype(np.float32)


def _sums(came: Array, mean: Array, quantiles: Array) -> dict[str, Array]:
    """What scores are made of, per series and step (n, h); nothing where demand is not known."""
    known = ~np.isnan(came)
    actual = np.nan_to_num(came)
    pinball = metrics.pinball(actual, quantiles, LEVELS).mean(axis=-1)
    inside = (actual >= quantiles[..., 0]) & (actual <= quantiles[..., -1])
    grids = {
        "values": np.ones_like(actual),
        "actual": actual,
        "forecast": mean,
        "abs_error": np.abs(actual - mean),
        "pinball": pinball,
        "inside": inside,
    }
    return {name: grid * known for name, grid in grids.items()}


def scores(rows: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """wql, wape, bias, coverage80 and the seasonal naive's wql and wape, of groups or of all."""
    groups = rows.group_by(by) if by else rows.group_by(pl.lit(0))
    actual = pl.col("actual")
    told = groups.agg(pl.col(SUMS).sum()).select(
        *by,
        "values",
        wql=2 * pl.col("pinball") / actual,
        wape=pl.col("abs_error") / actual,
        bias=pl.col("forecast") / actual - 1,
        coverage80=pl.col("inside") / pl.col("values"),
        naive_wql=2 * pl.col("naive_pinball") / actual,
        naive_wape=pl.col("naive_abs_error") / actual,
    )
    return told.sort(by) if by else told


def summaries(rows: pl.DataFrame, period_days: int) -> dict[str, pl.DataFrame]:
    """What a person reads: the scores by origin, by category and by days ahead, and of all."""
    last = pl.col("step_to") * period_days
    ahead = (
        pl.when(last <= 7)
        .then(pl.lit("1-7"))
        .when(last <= 30)
        .then(pl.lit("8-30"))
        .when(last <= 60)
        .then(pl.lit("31-60"))
        .otherwise(pl.lit("61-"))
    )
    told = rows.with_columns(ahead.alias("days ahead")).with_columns(pl.lit("all").alias("all"))
    found = {name: scores(told, [name]) for name in ("origin", "category", "days ahead", "all")}
    order = pl.col("days ahead").str.extract(r"^(\d+)").cast(pl.Int64)
    return found | {"days ahead": found["days ahead"].sort(order)}
