"""The shape of the forecast's tables of the plan, and the quantiles and totals that they have."""

import polars as pl

from logistics.schema import Output

QUANTILE_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILE_COLUMNS = tuple(f"q{round(level * 100)}" for level in QUANTILE_LEVELS)
TOTAL_HORIZONS_DAYS = (30, 60, 90)

_TEXT, _REAL, _WHOLE = pl.String(), pl.Float64(), pl.Int64()
_SMALL = pl.Float32()
_QUANTILES = dict.fromkeys(QUANTILE_COLUMNS, _SMALL)

FORECASTS = Output(
    "forecasts",
    "dc_id",
    {"sku_id": _TEXT, "date": pl.Date(), "mean": _SMALL, **_QUANTILES},
    key=("sku_id", "date"),
)
FORECAST_TOTALS = Output(
    "forecast_totals",
    "dc_id",
    {
        "sku_id": _TEXT,
        "horizon_days": _WHOLE,
        "mean": _SMALL,
        **_QUANTILES,
        "safety_stock": _SMALL,  # units above the mean at the configured service level
    },
    key=("sku_id", "horizon_days"),
)
# What the model had said wherever a planner's override has changed it; `forecasts` has the final
# forecast, and everywhere else it is the model's own.
FORECAST_OVERRIDDEN = Output(
    "forecast_overridden",
    "dc_id",
    {
        "sku_id": _TEXT,
        "date": pl.Date(),
        "statistical_mean": _SMALL,
        **{f"statistical_{name}": _SMALL for name in QUANTILE_COLUMNS},
        "final_mean": _SMALL,
        "planner": _TEXT,
    },
    key=("sku_id", "date"),
)
FORECAST_VALUE_ADDED = Output(
    "forecast_value_added",  # by overrides of earlier nights, on the days sold since
    "dc_id",
    {
        "sku_id": _TEXT,
        "night": pl.Date(),  # whose forecast it was
        "planner": _TEXT,
        "periods": _WHOLE,  # in stock, and known by now
        "actual": _REAL,
        "statistical_abs_error": _REAL,
        "final_abs_error": _REAL,
        "value_added": _REAL,  # units of error that the override has saved; below 0: has cost
    },
    key=("sku_id", "night"),
)
REORDER_POINTS = Output(
    "reorder_points",
    "dc_id",
    {
        "sku_id": _TEXT,
        "lead_time_days": _SMALL,  # from an order to its arrival
        "service_level": _REAL,  # probability of lasting until then
        "lead_time_demand": _SMALL,
        "safety_stock": _SMALL,  # units above it
        "reorder_point": _SMALL,  # order when stock falls to it
    },
    key=("sku_id",),
)
FORECAST_PARTS = Output(
    "forecast_parts",  # why the 30-day total is what it is; they add up to it
    "dc_id",
    {
        "sku_id": _TEXT,
        "days": _WHOLE,
        "base": _REAL,  # the level of the last eight weeks
        "season": _REAL,  # season and trend
        "promotion": _REAL,
        "price": _REAL,
        "signal": _REAL,
        "planner": _REAL,  # by overrides
        "mean": _REAL,
    },
    key=("sku_id",),
)
FORECAST_SUMS = Output(
    "forecast_sums",  # what a unit's series add up to; `forecast_levels` is made of it
    "dc_id",
    {
        "bucket": _WHOLE,  # of a site too big for one task
        "category": _TEXT,  # "" for SKUs without one
        "date": pl.Date(),  # the first day of the span
        "days": _WHOLE,  # its length
        "series": _WHOLE,
        "mean": _REAL,
        "spread": _REAL,  # sum of the series' standard deviations
        "variance": _REAL,  # and of their squares
    },
    key=("bucket", "category", "days", "date"),
)
FORECAST_LEVELS = Output(
    "forecast_levels",
    "dc_id",  # a DC, or `company` for all of them
    {
        "level": _TEXT,  # category, dc, company category or company
        "category": _TEXT,  # null: all
        "date": pl.Date(),
        "days": _WHOLE,
        "series": _WHOLE,
        "mean": _REAL,
        **dict.fromkeys(QUANTILE_COLUMNS, _REAL),
    },
    key=("level", "category", "days", "date"),
)
# Sums over the values of a group, so that any groups add up; scores are ratios of them.
FORECAST_BACKTESTS = Output(
    "forecast_backtests",
    "dc_id",
    {
        "origin": pl.Date(),  # the first day that the model had to forecast
        "category": _TEXT,  # "" for SKUs without one
        "step_from": _WHOLE,  # periods ahead, from 1
        "step_to": _WHOLE,
        "values": _REAL,  # periods in stock of all series
        "actual": _REAL,
        "forecast": _REAL,
        "abs_error": _REAL,
        "pinball": _REAL,  # mean over the levels; twice it over `actual` is the WQL
        "inside": _REAL,  # values within the 80 % interval
        "naive_abs_error": _REAL,  # of the last week again
        "naive_pinball": _REAL,
    },
    key=("origin", "category", "step_from"),
)
