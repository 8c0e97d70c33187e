"""The shape of every table of the plan: columns, partitions, and the workload that writes it.

Every row carries run_date (the day that was planned) and its site first. Times named `_local` are
wall-clock times at the site.
"""

import polars as pl

from logistics.outputs_forecast import (
    FORECAST_BACKTESTS,
    FORECAST_LEVELS,
    FORECAST_OVERRIDDEN,
    FORECAST_PARTS,
    FORECAST_SUMS,
    FORECAST_TOTALS,
    FORECAST_VALUE_ADDED,
    FORECASTS,
    REORDER_POINTS,
)
from logistics.schema import Output

_TEXT, _REAL, _WHOLE = pl.String(), pl.Float64(), pl.Int64()
_SMALL = pl.Float32()
_LOCAL = pl.Datetime("us")


ROUTES = Output(
    "routes",
    "depot_id",
    {
        "route_id": _TEXT,
        "vehicle_id": _TEXT,
        "driver_id": _TEXT,
        "departs_local": _LOCAL,
        "returns_local": _LOCAL,  # or is done with the last stop, where it does not return
        "num_stops": _WHOLE,
        "distance_m": _REAL,
        "drive_s": _REAL,
        "wait_s": _REAL,
        "service_s": _REAL,
        "load_kg": _REAL,  # the most on board at any time
        "load_m3": _REAL,
        "cost": _REAL,
        "returns": pl.Boolean(),  # to the depot
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
        "order_id": _TEXT,  # null: none, the vehicle reloads at the depot
        "kind": _TEXT,  # delivery, pickup or reload
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
        "lat": _REAL,
        "lon": _REAL,
        "reason": _TEXT,  # a sentence for the dispatcher
        "constraint": _TEXT,  # capacity, time_window, shift, skills, vehicles, cost, …
        "relaxation": _TEXT,  # the smallest change seen that would serve it; may be null
    },
    key=("order_id",),
)
ROUTE_KPIS = Output(
    "route_kpis",  # one row a depot
    "depot_id",
    {
        "lat": _REAL,  # of the depot
        "lon": _REAL,
        "orders": _WHOLE,
        "served": _WHOLE,
        "unserved": _WHOLE,
        "routes": _WHOLE,
        "distance_km": _REAL,
        "duration_h": _REAL,  # from leaving to coming home
        "drive_h": _REAL,
        "wait_h": _REAL,
        "service_h": _REAL,
        "load_factor": _REAL,  # mean over the routes: the fuller of weight and volume, at most
        "on_time_share": _REAL,  # of the stops; null: none
        "cost": _REAL,  # of the routes
        "penalties": _REAL,  # of the orders left out
        "compared_with": pl.Date(),  # the depot's last plan of the week before; null: none
        "routes_change": _WHOLE,
        "distance_km_change": _REAL,
        "duration_h_change": _REAL,
        "load_factor_change": _REAL,
        "on_time_share_change": _REAL,
        "cost_change": _REAL,
        "same_vehicle_share": _REAL,  # of the stops at addresses that plan has, too
    },
    key=(),
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
        "leading_sensors": pl.List(_TEXT),  # those that raise the risk, and for each of them:
        "leading_directions": pl.List(_TEXT),  # up or down
        "leading_since": pl.List(pl.Date()),  # when it set out that way
        "last_seen": _LOCAL,  # the newest telemetry used, UTC; null: none
    },
    key=("asset_id",),
)
SENSOR_STATES = Output(  # what the next night goes on from, so that it reads only new days
    "sensor_states",
    "site_id",
    {
        "asset_id": _TEXT,
        "recipe": _TEXT,  # of the numbers: another one cannot go on from them
        "sensors": pl.List(_TEXT),
        "numbers": pl.List(_SMALL),
        "last_seen": _LOCAL,  # the newest telemetry used, UTC; null: none
    },
    key=("asset_id",),
)
ALERTS = Output(  # the company's, at most maintenance.max_alerts a night
    "alerts",
    "site_id",
    {
        "rank": _WHOLE,  # 1: costs most to leave alone
        "asset_id": _TEXT,
        "workshop_id": _TEXT,
        "component": _TEXT,
        "p_fail_7d": _REAL,
        "expected_cost": _REAL,  # of failing within 7 days
    },
    key=("rank",),
)
ALERT_OUTCOMES = Output(  # of the alerts of the last month's nights
    "alert_outcomes",
    "site_id",
    {
        "asset_id": _TEXT,
        "night": pl.Date(),  # of the alert
        "component": _TEXT,
        "p_fail_7d": _REAL,
        "outcome": _TEXT,  # failed, serviced, open, quiet
        "ended_component": _TEXT,
        "lead_days": _REAL,  # from the alert to the failure or service
    },
    key=("asset_id", "night"),
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
VEHICLE_PRICES = Output(
    "vehicle_prices",  # of depots that would drop orders tomorrow for want of vehicles in service
    "workshop_id",
    {
        "depot_id": _TEXT,
        "vehicles_away": _WHOLE,  # in the schedule that knew no such price
        "orders_dropped": _WHOLE,  # for want of them
        "price_per_vehicle_day": _REAL,
        "cost_of_dropping": _REAL,  # of all the workshop's visits and its depots' routes together
        "cost_of_moving": _REAL,
        "decision": _TEXT,  # visits moved, or orders dropped
        "moved": pl.List(_TEXT),  # the assets that come on another day, or not at all
    },
    key=("depot_id",),
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
        ROUTE_KPIS,
        KEPT_BACK,
        RISKS,
        SENSOR_STATES,
        ALERTS,
        ALERT_OUTCOMES,
        WORK_ORDERS,
        VEHICLE_PRICES,
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
