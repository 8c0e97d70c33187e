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
from logistics.schema import REAL, SMALL, TEXT, WHOLE, Output

_LOCAL = pl.Datetime("us")


ROUTES = Output(
    "routes",
    "depot_id",
    {
        "route_id": TEXT,
        "vehicle_id": TEXT,
        "driver_id": TEXT,
        "departs_local": _LOCAL,
        "returns_local": _LOCAL,  # or is done with the last stop, where it does not return
        "num_stops": WHOLE,
        "distance_m": REAL,
        "drive_s": REAL,
        "wait_s": REAL,
        "service_s": REAL,
        "load_kg": REAL,  # the most on board at any time
        "load_m3": REAL,
        "cost": REAL,
        "returns": pl.Boolean(),  # to the depot
        "start_load_kg": REAL,  # on board when leaving the depot first
        "start_load_m3": REAL,
    },
    key=("route_id",),
)
STOPS = Output(
    "stops",
    "depot_id",
    {
        "route_id": TEXT,
        "vehicle_id": TEXT,
        "stop": WHOLE,  # from 1
        "order_id": TEXT,  # null: none, the vehicle reloads at the depot
        "kind": TEXT,  # delivery, pickup or reload
        "lat": REAL,
        "lon": REAL,
        "arrival_local": _LOCAL,
        "wait_s": REAL,
        "service_start_local": _LOCAL,
        "departure_local": _LOCAL,
        "load_kg": REAL,  # on board when leaving the stop
        "load_m3": REAL,
        "slack_s": REAL,  # how much later the vehicle could arrive and still be in the window
        "pair_id": TEXT,  # the goods go to, or come from, the stop that has it, too
        # The order's own depot where that is another of the pool; depot_id is the vehicle's.
        "order_depot_id": TEXT,
        # The order's, in time order; null: any time the depot is open.
        "windows_local": pl.List(pl.Struct({"opens": _LOCAL, "closes": _LOCAL})),
    },
    key=("route_id", "stop"),
)
UNSERVED = Output(
    "unserved",
    "depot_id",
    {
        "order_id": TEXT,
        "priority": WHOLE,
        "lat": REAL,
        "lon": REAL,
        "reason": TEXT,  # a sentence for the dispatcher
        "constraint": TEXT,  # capacity, time_window, shift, skills, vehicles, cost, …
        "relaxation": TEXT,  # the smallest change seen that would serve it; may be null
    },
    key=("order_id",),
)
ROUTE_KPIS = Output(
    "route_kpis",  # one row a depot: orders, penalties are its orders', all else its vehicles'
    "depot_id",
    {
        "lat": REAL,  # of the depot
        "lon": REAL,
        "orders": WHOLE,
        "served": WHOLE,  # by vehicles of any depot of its pool
        "unserved": WHOLE,
        "routes": WHOLE,
        "distance_km": REAL,
        "duration_h": REAL,  # from leaving to coming home
        "drive_h": REAL,
        "wait_h": REAL,
        "service_h": REAL,
        "load_factor": REAL,  # mean over the routes: the fuller of weight and volume, at most
        "on_time_share": REAL,  # of the stops; null: none
        "cost": REAL,  # of the routes
        "penalties": REAL,  # of the orders left out
        "compared_with": pl.Date(),  # the depot's last plan of the week before; null: none
        "routes_change": WHOLE,
        "distance_km_change": REAL,
        "duration_h_change": REAL,
        "load_factor_change": REAL,
        "on_time_share_change": REAL,
        "cost_change": REAL,
        "same_vehicle_share": REAL,  # of the stops at addresses that plan has, too
    },
    key=(),
)
KEPT_BACK = Output(
    "kept_back",  # vehicles not on a route because the workshop has them
    "depot_id",
    {"vehicle_id": TEXT, "asset_id": TEXT, "workshop_id": TEXT, "component": TEXT},
    key=("vehicle_id",),
)
RISKS = Output(
    "risks",
    "site_id",
    {
        "asset_id": TEXT,
        "kind": TEXT,
        "workshop_id": TEXT,
        "p_fail_7d": REAL,
        "p_fail_30d": REAL,
        "rul_days_q10": REAL,  # remaining useful life
        "rul_days_q50": REAL,
        "rul_days_q90": REAL,
        "component": TEXT,  # the likeliest to fail first
        "leading_sensors": pl.List(TEXT),  # those that raise the risk, and for each of them:
        "leading_directions": pl.List(TEXT),  # up or down
        "leading_since": pl.List(pl.Date()),  # when it set out that way
        "last_seen": _LOCAL,  # the newest telemetry used, UTC; null: none
    },
    key=("asset_id",),
)
SENSOR_STATES = Output(  # what the next night goes on from, so that it reads only new days
    "sensor_states",
    "site_id",
    {
        "asset_id": TEXT,
        "recipe": TEXT,  # of the numbers: another one cannot go on from them
        "sensors": pl.List(TEXT),
        "numbers": pl.List(SMALL),
        "last_seen": _LOCAL,  # the newest telemetry used, UTC; null: none
    },
    key=("asset_id",),
)
ALERTS = Output(  # the company's, at most maintenance.max_alerts a night
    "alerts",
    "site_id",
    {
        "rank": WHOLE,  # 1: costs most to leave alone
        "asset_id": TEXT,
        "workshop_id": TEXT,
        "component": TEXT,
        "p_fail_7d": REAL,
        "expected_cost": REAL,  # of failing within 7 days
    },
    key=("rank",),
)
ALERT_OUTCOMES = Output(  # of the alerts of the last month's nights
    "alert_outcomes",
    "site_id",
    {
        "asset_id": TEXT,
        "night": pl.Date(),  # of the alert
        "component": TEXT,
        "p_fail_7d": REAL,
        "outcome": TEXT,  # failed, serviced, open, quiet
        "ended_component": TEXT,
        "lead_days": REAL,  # from the alert to the failure or service
    },
    key=("asset_id", "night"),
)
WORK_ORDERS = Output(
    "work_orders",
    "workshop_id",
    {
        "asset_id": TEXT,
        "component": TEXT,
        "status": TEXT,  # booked or deferred
        "bay": WHOLE,
        "technician_id": TEXT,
        "start_local": _LOCAL,
        "end_local": _LOCAL,
        "p_fail_7d": REAL,
        "p_fail_30d": REAL,
        "saving": REAL,  # expected cost avoided by this booking
        "reason": TEXT,
    },
    key=("asset_id",),
)
VEHICLE_PRICES = Output(
    "vehicle_prices",  # of depots that would drop orders tomorrow for want of vehicles in service
    "workshop_id",
    {
        "depot_id": TEXT,  # the first of its pool, which stands for them all
        "vehicles_away": WHOLE,  # in the schedule that knew no such price
        "orders_dropped": WHOLE,  # for want of them
        "price_per_vehicle_day": REAL,
        "cost_of_dropping": REAL,  # of all the workshop's visits and its depots' routes together
        "cost_of_moving": REAL,
        "decision": TEXT,  # visits moved, or orders dropped
        "moved": pl.List(TEXT),  # the assets that come on another day, or not at all
    },
    key=("depot_id",),
)
SLOTS_PLAN = Output(
    "slots_plan",
    "warehouse_id",
    {
        "slot_id": TEXT,
        "sku_id": TEXT,  # after tonight's moves; null: empty
        "sku_before": TEXT,
        "sku_ideal": TEXT,  # if everything could be moved at once
    },
    key=("slot_id",),
)
MOVES = Output(
    "moves",
    "warehouse_id",
    {
        "move": WHOLE,  # in the order of execution, from 1
        "sku_id": TEXT,
        "from_slot": TEXT,  # null: newly placed, or a further face
        "to_slot": TEXT,
        "opens_face": pl.Boolean(),  # a further slot for the SKU, which keeps its own
        "picks_per_day": REAL,
        "saving_m_per_day": REAL,  # of walking; stooping, climbing, replenishing in as many metres
        "step": WHOLE,  # moves of one step pay only together: all of them or none
        "saving_per_day": REAL,  # in money: the time saved
        "labour_cost": REAL,
        # Of the whole step, at most slotting.max_payback_days; null: it has to be made, for a first
        # slot or a SKU that may not stay where it is.
        "payback_days": REAL,
        "why": TEXT,  # walks less, makes way, first slot, may not stay where it is, further face
    },
    key=("move",),
)
# Expected picks of each bay in the layouts before tonight's moves, after them, and at best.
SLOTS_HEAT = Output(
    "slots_heat",
    "warehouse_id",
    {
        "aisle": WHOLE,
        "y_m": REAL,
        "picks_per_day_before": REAL,
        "picks_per_day_after": REAL,
        "picks_per_day_ideal": REAL,
    },
    key=("aisle", "y_m"),
)
# What the moves mean for tomorrow's picks of SKUs that have a slot already.
SLOTS_EFFECT = Output(
    "slots_effect",
    "warehouse_id",
    {
        "layout": TEXT,  # before, after, ideal
        "picks_per_day": REAL,
        "tours_per_day": REAL,
        "walk_m_per_day": REAL,
        "saved_share": REAL,  # of the walking before
        "walk_cost_per_day": REAL,
        "reach_m_per_day": REAL,  # of walking that stooping and climbing are as bad as
        "replenishments_per_day": REAL,
    },
    key=("layout",),
)
UNPLACED = Output(
    "unplaced",
    "warehouse_id",
    {"sku_id": TEXT, "picks_per_day": REAL, "reason": TEXT},
    key=("sku_id",),
)
REJECTS = Output(
    "rejects",
    "table",
    {"site_id": TEXT, "key": TEXT, "column": TEXT, "rule": TEXT, "value": TEXT},
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
        "run_id": TEXT,
        "workload": TEXT,
        "status": TEXT,  # done, partly failed, failed, stopped
        "started_at": pl.Datetime("us"),  # UTC
        "seconds": REAL,
        "units": WHOLE,
        "units_reused": WHOLE,  # of these: taken from an earlier run, not computed again
        "units_failed": WHOLE,
        "failures": pl.List(TEXT),
        "counts": pl.List(
            pl.Struct(
                {
                    "table": TEXT,
                    "rows_in": WHOLE,
                    "rows_out": WHOLE,
                    "rows_rejected": WHOLE,
                }
            )
        ),
        "rows_written": pl.List(pl.Struct({"table": TEXT, "rows": WHOLE})),
        "step_seconds": pl.List(pl.Struct({"step": TEXT, "seconds": REAL})),
        "figures": pl.List(pl.Struct({"name": TEXT, "value": REAL})),
        "model": TEXT,
        # The Delta version of every output table when the run ended. The row of workload `night`
        # with status done pins one consistent night.
        "tables": pl.List(pl.Struct({"table": TEXT, "version": WHOLE})),
        "restored": TEXT,  # by task=rollback: the run whose plan this is again
        "versions": TEXT,  # JSON: of this package's code and of those it stands on
        "config": TEXT,  # JSON
    }
)
