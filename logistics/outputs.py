"""The shape of every table of the plan: columns, partitions, and the workload that writes it.

Every row carries run_date (the day that was planned) and its site first. Times named `_local` are
wall-clock times at the site.
"""

from dataclasses import dataclass

import polars as pl

QUANTILE_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILE_COLUMNS = tuple(f"q{round(level * 100)}" for level in QUANTILE_LEVELS)
TOTAL_HORIZONS_DAYS = (30, 60, 90)

_TEXT, _REAL, _WHOLE = pl.String(), pl.Float64(), pl.Int64()
_SMALL = pl.Float32()
_LOCAL = pl.Datetime("us")
_QUANTILES = dict.fromkeys(QUANTILE_COLUMNS, _SMALL)


@dataclass(frozen=True)
class Output:
    """columns in order, without the partition columns run_date and (where named) the site."""

    name: str
    site: str
    columns: dict[str, pl.DataType]
    key: tuple[str, ...]


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
ROUTES = Output(
    "routes",
    "depot_id",
    {
        "route_id": _TEXT,
        "vehicle_id": _TEXT,
        "driver_id": _TEXT,
        "departs_local": _LOCAL,
        "returns_local": _LOCAL,
        "num_stops": _WHOLE,
        "distance_m": _REAL,
        "drive_s": _REAL,
        "wait_s": _REAL,
        "service_s": _REAL,
        "load_kg": _REAL,  # the most on board at any time
        "load_m3": _REAL,
        "cost": _REAL,
    },
    key=("route_id",),
)
STOPS = Output(
    "stops",
    "depot_id",
    {
        "route_id": _TEXT,
        "vehicle_id": _TEXT,
        "stop": _WHOLE,  # from 1
        "order_id": _TEXT,
        "kind": _TEXT,
        "lat": _REAL,
        "lon": _REAL,
        "arrival_local": _LOCAL,
        "wait_s": _REAL,
        "service_start_local": _LOCAL,
        "departure_local": _LOCAL,
        "load_kg": _REAL,  # on board when leaving the stop
        "load_m3": _REAL,
        "slack_s": _REAL,  # how much later the vehicle could arrive and still be in the window
    },
    key=("route_id", "stop"),
)
UNSERVED = Output(
    "unserved",
    "depot_id",
    {
        "order_id": _TEXT,
        "priority": _WHOLE,
        "reason": _TEXT,  # a sentence for the dispatcher
        "constraint": _TEXT,  # capacity, time_window, shift, skills, vehicles, cost, …
        "relaxation": _TEXT,  # the smallest change seen that would serve it; may be null
    },
    key=("order_id",),
)
KEPT_BACK = Output(
    "kept_back",  # vehicles not on a route because the workshop has them
    "depot_id",
    {"vehicle_id": _TEXT, "asset_id": _TEXT, "workshop_id": _TEXT, "component": _TEXT},
    key=("vehicle_id",),
)
RISKS = Output(
    "risks",
    "site_id",
    {
        "asset_id": _TEXT,
        "kind": _TEXT,
        "workshop_id": _TEXT,
        "p_fail_7d": _REAL,
        "p_fail_30d": _REAL,
        "rul_days_q10": _REAL,  # remaining useful life
        "rul_days_q50": _REAL,
        "rul_days_q90": _REAL,
        "component": _TEXT,  # the likeliest to fail first
        "leading_sensors": pl.List(_TEXT),
        "last_seen": _LOCAL,  # the newest telemetry used, UTC; null: none
    },
    key=("asset_id",),
)
WORK_ORDERS = Output(
    "work_orders",
    "workshop_id",
    {
        "asset_id": _TEXT,
        "component": _TEXT,
        "status": _TEXT,  # booked or deferred
        "bay": _WHOLE,
        "technician_id": _TEXT,
        "start_local": _LOCAL,
        "end_local": _LOCAL,
        "p_fail_7d": _REAL,
        "p_fail_30d": _REAL,
        "saving": _REAL,  # expected cost avoided by this booking
        "reason": _TEXT,
    },
    key=("asset_id",),
)
SLOTS_PLAN = Output(
    "slots_plan",
    "warehouse_id",
    {
        "slot_id": _TEXT,
        "sku_id": _TEXT,  # after tonight's moves; null: empty
        "sku_before": _TEXT,
        "sku_ideal": _TEXT,  # if everything could be moved at once
    },
    key=("slot_id",),
)
MOVES = Output(
    "moves",
    "warehouse_id",
    {
        "move": _WHOLE,  # in the order of execution, from 1
        "sku_id": _TEXT,
        "from_slot": _TEXT,  # null: newly placed
        "to_slot": _TEXT,
        "picks_per_day": _REAL,
        "saving_m_per_day": _REAL,
        "step": _WHOLE,  # moves of one step pay only together: all of them or none
        "saving_per_day": _REAL,  # in money: the walking time saved
        "labour_cost": _REAL,
        "payback_days": _REAL,  # of the whole step; null: it only gives a SKU its first slot
    },
    key=("move",),
)
# Expected picks of each bay in the layouts before tonight's moves, after them, and at best.
SLOTS_HEAT = Output(
    "slots_heat",
    "warehouse_id",
    {
        "aisle": _WHOLE,
        "y_m": _REAL,
        "picks_per_day_before": _REAL,
        "picks_per_day_after": _REAL,
        "picks_per_day_ideal": _REAL,
    },
    key=("aisle", "y_m"),
)
# What the moves mean for tomorrow's picks of SKUs that have a slot already.
SLOTS_EFFECT = Output(
    "slots_effect",
    "warehouse_id",
    {
        "layout": _TEXT,  # before, after, ideal
        "picks_per_day": _REAL,
        "tours_per_day": _REAL,
        "walk_m_per_day": _REAL,
        "saved_share": _REAL,  # of the walking before
        "walk_cost_per_day": _REAL,
    },
    key=("layout",),
)
UNPLACED = Output(
    "unplaced",
    "warehouse_id",
    {"sku_id": _TEXT, "picks_per_day": _REAL, "reason": _TEXT},
    key=("sku_id",),
)
REJECTS = Output(
    "rejects",
    "table",
    {"site_id": _TEXT, "key": _TEXT, "column": _TEXT, "rule": _TEXT, "value": _TEXT},
    key=("site_id", "key", "column"),
)
OUTPUTS: dict[str, Output] = {
    output.name: output
    for output in (
        FORECASTS,
        FORECAST_TOTALS,
        REORDER_POINTS,
        FORECAST_PARTS,
        FORECAST_SUMS,
        FORECAST_LEVELS,
        FORECAST_OVERRIDDEN,
        FORECAST_VALUE_ADDED,
        FORECAST_BACKTESTS,
        ROUTES,
        STOPS,
        UNSERVED,
        KEPT_BACK,
        RISKS,
        WORK_ORDERS,
        SLOTS_PLAN,
        MOVES,
        SLOTS_HEAT,
        SLOTS_EFFECT,
        UNPLACED,
        REJECTS,
    )
}

# One row per workload and run, and one for the night; appended, never replaced.
RUNS = pl.Schema(
    {
        "run_date": pl.Date(),
        "run_id": _TEXT,
        "workload": _TEXT,
        "status": _TEXT,  # done, partly failed, failed, stopped
        "started_at": pl.Datetime("us"),  # UTC
        "seconds": _REAL,
        "units": _WHOLE,
        "units_reused": _WHOLE,  # of these: taken from an earlier run, not computed again
        "units_failed": _WHOLE,
        "failures": pl.List(_TEXT),
        "counts": pl.List(
            pl.Struct(
                {
                    "table": _TEXT,
                    "rows_in": _WHOLE,
                    "rows_out": _WHOLE,
                    "rows_rejected": _WHOLE,
                }
            )
        ),
        "rows_written": pl.List(pl.Struct({"table": _TEXT, "rows": _WHOLE})),
        "step_seconds": pl.List(pl.Struct({"step": _TEXT, "seconds": _REAL})),
        "figures": pl.List(pl.Struct({"name": _TEXT, "value": _REAL})),
        "model": _TEXT,
        # The Delta version of every output table when the run ended. The row of workload `night`
        # with status done pins one consistent night.
        "tables": pl.List(pl.Struct({"table": _TEXT, "version": _WHOLE})),
        "restored": _TEXT,  # by task=rollback: the run whose plan this is again
        "versions": _TEXT,  # JSON: of this package's code and of those it stands on
        "config": _TEXT,  # JSON
    }
)
