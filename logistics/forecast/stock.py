"""How much stock covers the demand of a lead time, from the totals' own distribution.

Knows forecasts and arrays only. A lead time between two total horizons lies between their spreads,
along a straight line of logarithms: the spread of independent days grows as the square root of
their number, that of days that go together in proportion to it, and real demand in between.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from logistics.forecast.panel import Array, Panel
from logistics.forecast.quantiles import QuantileForecast
from logistics.forecast.totals import safety_stock
from logistics.outputs_forecast import REORDER_POINTS, TOTAL_HORIZONS_DAYS

FIRST = 7  # periods whose mean spread stands for that of one


def reorder_points(
    panel: Panel,
    forecast: QuantileForecast,
    service_level: float,
    lead_days: Array,
) -> pl.DataFrame:
    """The `reorder_points` rows, by SKU; lead_days (n,): from an order to its arrival."""
    mean = demand_within(forecast, np.asarray(lead_days / panel.period_days, np.float32))
    stock = safety_within(panel, forecast, service_level, lead_days)
    columns = {
        "sku_id": pl.Series(panel.sku_ids, dtype=pl.String),
        "lead_time_days": lead_days,
        "service_level": np.full(len(panel), service_level),
        "lead_time_demand": mean,
        "safety_stock": stock,
        "reorder_point": mean + stock,
    }
    return pl.DataFrame(columns, schema=pl.Schema(REORDER_POINTS.columns), strict=False)


def demand_within(forecast: QuantileForecast, periods: Array) -> Array:
    """Mean demand of the next so many periods (n,); beyond the forecast as in it on average."""
    n, h = forecast.mean.shape
    sums = np.concatenate([np.zeros((n, 1)), np.cumsum(forecast.mean, axis=1)], axis=1)
    inside = np.clip(periods, 0, h)
    whole = np.minimum(np.floor(inside).astype(np.int64), h - 1)
    low, high = (np.take_along_axis(sums, (whole + k)[:, None], axis=1)[:, 0] for k in (0, 1))
    beyond = (periods - inside) * forecast.mean.mean(axis=1)
    return np.asarray(low + (inside - whole) * (high - low) + beyond, np.float32)


def safety_within(
    panel: Panel, forecast: QuantileForecast, service_level: float, lead_days: Array
) -> Array:
    """Units above the mean demand of the lead time that cover it with this probability (n,)."""
    n = len(panel)
    day = replace(
        forecast,
        total_mean=forecast.mean[:, :FIRST],
        total_quantiles=forecast.quantiles[:, :FIRST],
    )
    one = safety_stock(day, service_level).mean(axis=1)
    spans = np.log(np.array([panel.period_days, *TOTAL_HORIZONS_DAYS], np.float64))
    totals = safety_stock(forecast, service_level)
    # Of a series that seldom sells a day's quantiles are 0; then days are taken as independent.
    least = totals[:, 0] * np.sqrt(panel.period_days / TOTAL_HORIZONS_DAYS[0])
    known = np.column_stack([np.where(one > 0, one, least), totals]).astype(np.float64)
    logs = np.log(np.maximum(known, 1e-6))
    x = np.log(np.maximum(lead_days, 1e-6)).astype(np.float64)
    right = np.clip(np.searchsorted(spans, x), 1, len(spans) - 1)
    rows = np.arange(n)
    slope = (logs[rows, right] - logs[rows, right - 1]) / (spans[right] - spans[right - 1])
    # Below a period and beyond the last total no steeper than days that go together.
    outside = (x < spans[0]) | (x > spans[-1])
    slope = np.where(outside, np.clip(slope, 0.5, 1.0), slope)
    near = np.where(x > spans[-1], right, right - 1)
    stock = np.exp(logs[rows, near] + slope * (x - spans[near]))
    return np.where((totals.max(axis=1) > 0) | (one > 0), stock, 0).astype(np.float32)
