"""The contract of every input table. Knows nothing of files: a table is its columns and rules.

Ids are text. Times of day are seconds after local midnight (`_s`); `at` and other timestamps are
naive UTC unless named `_local`. `optional` columns may be null, or absent altogether.
"""

from dataclasses import replace

import polars as pl

from logistics.columns import (
    AMOUNT,
    AT,
    COUNT,
    DAY,
    FLAG,
    ID,
    LAT,
    LOAD_KG,
    LOAD_M3,
    LON,
    PLACE_M,
    POSITIVE,
    ROOM_KG,
    ROOM_M3,
    SECONDS,
    SKILLS,
    STORAGE_CLASSES,
    TIME_OF_DAY_S,
    WINDOWS,
    one_of,
    optional,
)
from logistics.schema import Column, Contract
from logistics.tables_forecast import (
    FORECAST_OVERRIDES,
    ITEMS,
    PRICES,
    PROMOTIONS,
    SALES,
    SIGNALS,
)

DEPOTS = Contract(
    "depots",
    key=("depot_id",),
    columns={
        "depot_id": ID,
        "lat": LAT,
        "lon": LON,
        "opens_s": TIME_OF_DAY_S,
        "closes_s": TIME_OF_DAY_S,
        # Depots of one pool share their vehicles, which start, reload and end at their own depot:
        # any of them may serve an order of any. Goods are at every depot of the pool; null: alone.
        "pool": optional(ID),
    },
    rules={"closes before it opens": pl.col("closes_s") > pl.col("opens_s")},
)
ORDERS = Contract(
    "orders",
    key=("order_id",),
    site="depot_id",
    columns={
        "order_id": ID,
        "depot_id": ID,
        "service_date": DAY,
        "lat": LAT,
        "lon": LON,
        "kind": one_of("delivery", "pickup"),
        "weight_kg": LOAD_KG,
        "volume_m3": LOAD_M3,
        "windows": WINDOWS,  # null or empty: any time the depot is open
        "service_s": SECONDS,
        "priority": optional(Column(pl.Int64(), at_least=0, at_most=9)),  # 9 = never drop lightly
        "skills": SKILLS,
        "locked_vehicle": optional(ID),
        "usual_vehicle": optional(ID),  # that the customer knows; null: as in the last plan
        "parcels": optional(COUNT),
        # Of a pickup and the delivery that its goods go to, on one trip; one pair's in the pool.
        "pair_id": optional(ID),
        "own_depot_only": optional(FLAG),  # a pool's other depots do not have, or want, its goods
    },
    rules={
        "window closes before it opens": pl.col("windows")
        .list.eval(pl.element().struct["closes_s"] >= pl.element().struct["opens_s"])
        .list.all(),
        "window outside the day": pl.col("windows")
        .list.eval(
            (pl.element().struct["opens_s"] >= 0) & (pl.element().struct["closes_s"] <= 36 * 3600)
        )
        .list.all(),
    },
    refs={"depot_id": "depots"},
)
VEHICLES = Contract(
    "vehicles",
    key=("vehicle_id",),
    columns={
        "vehicle_id": ID,
        "depot_id": ID,
        "asset_id": optional(ID),
        "capacity_kg": ROOM_KG,
        "capacity_m3": ROOM_M3,
        "capacity_parcels": optional(COUNT),
        "skills": SKILLS,
        "cost_fixed": AMOUNT,
        "cost_per_km": AMOUNT,
        "cost_per_h": AMOUNT,
        "range_km": optional(POSITIVE),
        "speed_factor": optional(Column(pl.Float64(), at_least=0.01, at_most=100)),
        "max_trips": optional(Column(pl.Int64(), at_least=1, at_most=1000)),
        "reload_s": optional(SECONDS),  # at the depot, between two trips
        "returns": optional(FLAG),  # false: its day ends with the last order
    },
    refs={"depot_id": "depots"},
)
DRIVERS = Contract(
    "drivers",
    key=("driver_id",),
    columns={
        "driver_id": ID,
        "depot_id": ID,
        "shift_start_s": TIME_OF_DAY_S,
        "shift_end_s": TIME_OF_DAY_S,
        "max_drive_s": optional(SECONDS),
        "break_after_s": optional(SECONDS),
        "break_s": optional(SECONDS),
        "break_from_s": optional(TIME_OF_DAY_S),  # a break begins at a fixed time: from here
        "break_until_s": optional(TIME_OF_DAY_S),  # to here
        "max_overtime_s": optional(SECONDS),  # after the shift; null: none
        "overtime_cost_per_h": optional(AMOUNT),
        "rules": optional(one_of("eu561")),  # of driving and rest, beside the limits given
        "skills": SKILLS,
    },
    rules={
        "shift ends before it starts": pl.col("shift_end_s") > pl.col("shift_start_s"),
        "break ends before it begins": pl.col("break_until_s") >= pl.col("break_from_s"),
    },
    refs={"depot_id": "depots"},
)
TRAFFIC = Contract(
    "traffic",
    key=("depot_id", "weekday", "slot"),
    columns={
        "depot_id": ID,
        "weekday": Column(pl.Int64(), at_least=0, at_most=6),  # 0 = Monday
        "slot": Column(pl.Int64(), at_least=0, at_most=47),  # of 30 minutes
        "speed_factor": Column(pl.Float64(), at_least=0.01, at_most=3),
    },
    refs={"depot_id": "depots"},
)
TRAVEL_TIMES = Contract(
    "travel_times",  # a given matrix; "" or the depot's id stands for the depot itself, and ids
    # that the depot does not have are those of its pool's other depots and their orders
    key=("depot_id", "from_id", "to_id"),
    site="depot_id",
    columns={
        "depot_id": ID,
        "from_id": Column(pl.String()),
        "to_id": Column(pl.String()),
        "distance_m": replace(AMOUNT, at_most=1e8),
        "duration_s": replace(AMOUNT, at_most=1e7),
    },
    refs={"depot_id": "depots"},
)
TRIPS = Contract(
    "trips",  # past drives, to which a depot's circuity and speeds are fitted
    key=("trip_id",),
    site="depot_id",
    columns={
        "depot_id": ID,
        "trip_id": ID,
        "started_local": AT,
        "from_lat": LAT,
        "from_lon": LON,
        "to_lat": LAT,
        "to_lon": LON,
        "distance_m": replace(POSITIVE, at_most=1e7),
        "duration_s": replace(POSITIVE, at_most=1e6),
    },
    refs={"depot_id": "depots"},
)
ASSETS = Contract(
    "assets",
    key=("asset_id",),
    columns={
        "asset_id": ID,
        "site_id": ID,
        "kind": ID,
        "model": optional(ID),
        "in_service": optional(DAY),
        "workshop_id": optional(ID),
        "cost_of_failure": optional(AMOUNT),
        "cost_of_service": optional(AMOUNT),
        "inspection_due": optional(DAY),  # the last day on which the law lets it drive without
    },
    refs={"workshop_id": "workshops"},
)
TELEMETRY = Contract(
    "telemetry",
    key=("asset_id", "at"),
    bucket_by="asset_id",
    site="site_id",
    columns={"asset_id": ID, "at": AT},
    refs={"asset_id": "assets"},
    extra=pl.Float32(),
)
EVENTS = Contract(
    "events",
    key=("asset_id", "at", "kind", "component"),
    bucket_by="asset_id",
    site="site_id",
    columns={
        "asset_id": ID,
        "at": AT,
        "kind": one_of("error", "failure", "service"),
        "component": optional(ID),
        "cost": optional(AMOUNT),
    },
    refs={"asset_id": "assets"},
)
WORKSHOPS = Contract(
    "workshops",
    key=("workshop_id",),
    columns={
        "workshop_id": ID,
        "bays": Column(pl.Int64(), at_least=1, at_most=200),
        "opens_s": TIME_OF_DAY_S,
        "closes_s": TIME_OF_DAY_S,
        "weekdays": Column(pl.List(pl.Int64()), required=False),  # open days, 0 = Monday; null: all
        # The kinds of asset that a bay (from 1) is for; those not named here take every kind.
        "bay_kinds": Column(
            pl.List(pl.Struct({"bay": pl.Int64(), "kind": pl.String()})), required=False
        ),
    },
    rules={
        "closes before it opens": pl.col("closes_s") > pl.col("opens_s"),
        "not a weekday": pl.col("weekdays").list.eval(pl.element().is_between(0, 6)).list.all(),
    },
)
TECHNICIANS = Contract(
    "technicians",
    key=("technician_id",),
    columns={
        "technician_id": ID,
        "workshop_id": ID,
        "shift_start_s": TIME_OF_DAY_S,
        "shift_end_s": TIME_OF_DAY_S,
        "skills": SKILLS,  # components they can repair; null: all
    },
    rules={"shift ends before it starts": pl.col("shift_end_s") > pl.col("shift_start_s")},
    refs={"workshop_id": "workshops"},
)
PARTS = Contract(
    "parts",
    key=("workshop_id", "component"),
    columns={
        "workshop_id": ID,
        "component": ID,
        "stock": COUNT,
        "lead_time_days": COUNT,
        "service_s": optional(SECONDS),  # how long fitting one takes
    },
    refs={"workshop_id": "workshops"},
)
BOOKINGS = Contract(
    "bookings",  # hours of a workshop that are promised already
    key=("workshop_id", "asset_id", "date"),
    columns={
        "workshop_id": ID,
        "asset_id": ID,
        "date": DAY,
        "start_s": TIME_OF_DAY_S,
        "end_s": TIME_OF_DAY_S,
        "bay": Column(pl.Int64(), at_least=1, at_most=200),
        "technician_id": optional(ID),
    },
    rules={"ends before it starts": pl.col("end_s") > pl.col("start_s")},
    refs={"workshop_id": "workshops"},
)
SLOTS = Contract(
    "slots",
    key=("slot_id",),
    site="warehouse_id",
    columns={
        "warehouse_id": ID,
        "slot_id": ID,
        "aisle": COUNT,
        "bay": COUNT,
        "level": COUNT,
        "x_m": PLACE_M,
        "y_m": PLACE_M,
        "capacity_m3": ROOM_M3,
        "capacity_kg": ROOM_KG,
        "storage_class": one_of(*STORAGE_CLASSES),
        "sku_id": optional(ID),  # where it is now
        "frozen": optional(FLAG),
    },
)
ORDER_LINES = Contract(
    "order_lines",
    key=("order_id", "sku_id", "at"),
    site="warehouse_id",
    columns={
        "warehouse_id": ID,
        "order_id": ID,
        "sku_id": ID,
        "at": AT,
        "qty": POSITIVE,
    },
)

CONTRACTS: dict[str, Contract] = {
    contract.name: contract
    for contract in (
        # Tables that others refer to come first.
        DEPOTS,
        WORKSHOPS,
        ASSETS,
        VEHICLES,
        DRIVERS,
        TRAFFIC,
        TRAVEL_TIMES,
        TRIPS,
        TECHNICIANS,
        PARTS,
        BOOKINGS,
        ITEMS,
        PROMOTIONS,
        PRICES,
        FORECAST_OVERRIDES,
        SALES,
        SIGNALS,
        ORDERS,
        TELEMETRY,
        EVENTS,
        SLOTS,
        ORDER_LINES,
    )
}
