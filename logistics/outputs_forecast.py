"""The shape of the forecast's tables of the plan, and the quantiles and totals that they have."""

import polars as pl

from logistics.schema import REAL, SMALL, TEXT, WHOLE, Output

QUANTILE_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILE_COLUMNS = tuple(f"q{round(level * 100)}" for level in QUANTILE_LEVELS)
TOTAL_HORIZONS_DAYS = (30, 60, 90)

_QUANTILES = dict.fromkeys(QUANTILE_COLUMNS, SMALL)

FORECASTS = Output(
    "forecasts",
    "dc_id",
    {"sku_id": TEXT, "date": pl.Date(), "mean": SMALL, **_QUANTILES},
    key=("sku_id", "date"),
)
FORECAST_TOTALS = Output(
    "forecast_totals",
    "dc_id",
    {
        "sku_id": TEXT,
        "horizon_days": WHOLE,
        "mean": SMALL,
        **_QUANTILES,
        "safety_stock": SMALL,  # units above the mean at the configured service level
    },
    key=("sku_id", "horizon_days"),
)
# What the model had said wherever a planner's override has changed it; `forecasts` has the final
# forecast, and everywhere else it is the model's own.
FORECAST_OVERRIDDEN = Output(
    "forecast_overridden",
    "dc_id",
    {
        "sku_id": TEXT,
        "date": pl.Date(),
        "statistical_mean": SMALL,
        **{f"statistical_{name}": SMALL for name in QUANTILE_COLUMNS},
        "final_mean": SMALL,
        "planner": TEXT,
    },
    key=("sku_id", "date"),
)
FORECAST_VALUE_ADDED = Output(
    "forecast_value_added",  # by overrides of earlier nights, on the days sold since
    "dc_id",
    {
        "sku_id": TEXT,
        "night": pl.Date(),  # whose forecast it was
        "planner": TEXT,
        "periods": WHOLE,  # in stock, and known by now
        "actual": REAL,
        "statistical_abs_error": REAL,
        "final_abs_error": REAL,
        "value_added": REAL,  # units of error that the override has saved; below 0: has cost
    },
    key=("sku_id", "night"),
)
REORDER_POINTS = Output(
    "reorder_points",
    "dc_id",
    {
        "sku_id": TEXT,
        "lead_time_days": SMALL,  # from an order to its arrival
        "service_level": REAL,  # probability of lasting until then
        "lead_time_demand": SMALL,
        "safety_stock": SMALL,  # units above it
        "reorder_point": SMALL,  # order when stock falls to it
    },
    key=("sku_id",),
)
FORECAST_PARTS = Output(
    "forecast_parts",  # why the 30-day total is what it is; they add up to it
    "dc_id",
    {
        "sku_id": TEXT,
        "days": WHOLE,
        "base": REAL,  # the level of the last eight weeks, while on sale
        "season": REAL,  # season and trend
        "promotion": REAL,
        "price": REAL,
        "signal": REAL,
        "planner": REAL,  # by overrides
        "mean": REAL,
    },
    key=("sku_id",),
)
FORECAST_SUMS = Output(
    "forecast_sums",  # what a unit's series add up to; `forecast_levels` is made of it
    "dc_id",
    {
        "bucket": WHOLE,  # of a site too big for one task
        "category": TEXT,  # "" for SKUs without one
        "date": pl.Date(),  # the first day of the span
        "days": WHOLE,  # its length
        "series": WHOLE,
        "mean": REAL,
        "spread": REAL,  # sum of the series' standard deviations
        "variance": REAL,  # and of their squares
    },
    key=("bucket", "category", "days", "date"),
)
FORECAST_LEVELS = Output(
    "forecast_levels",
    "dc_id",  # a DC, or `company` for all of them
    {
        "level": TEXT,  # category, dc, company category or company
        "category": TEXT,  # null: all
        "date": pl.Date(),
        "days": WHOLE,
        "series": WHOLE,
        "mean": REAL,
        **dict.fromkeys(QUANTILE_COLUMNS, REAL),
    },
    key=("level", "category", "days", "date"),
)
# Sums over the values of a group, so that any groups add up; scores are ratios of them.
FORECAST_BACKTESTS = Output(
    "forecast_backtests",
    "dc_id",
    {
        "origin": pl.Date(),  # the first day that the model had to forecast
        "category": TEXT,  # "" for SKUs without one
        "step_from": WHOLE,  # periods ahead, from 1
        "step_to": WHOLE,
        "values": REAL,  # periods in stock of all series
        "actual": REAL,
        "forecast": REAL,
        "abs_error": REAL,
        "pinball": REAL,  # mean over the levels; twice it over `actual` is the WQL
        "inside": REAL,  # values within the 80 % interval
        "naive_abs_error": REAL,  # of the last week again
        "naive_pinball": REAL,
    },
    key=("origin", "category", "step_from"),
)
