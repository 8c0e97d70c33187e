#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); "$d/setup" && exec "$d/../.venv/bin/python" "$0" "$@"'
"""Build a lake from the real benchmark files, so that a whole night can be planned on them.

    scripts/import_real.py --data ../shared/data --lake DIR
    python -m logistics.run lake=DIR date=2011-10-01

The files come from four companies and three decades. This is how they become one:

| table                   | from                          | mapping                               |
|-------------------------|-------------------------------|---------------------------------------|
| sales                   | forecast/online_retail        | the wholesaler is DC and warehouse    |
|                         |                               | "UK"; a day without a row had no sale |
| order_lines             | slotting/online_retail        | as they are                           |
| items                   | forecast/online_retail        | ambient; sizes are unknown            |
| slots                   | made: one block of 20 aisles  | SKUs lie as the lines of the first    |
|                         | × 20 bays × 2 sides × 4 levels| 90 days would place them: stale on    |
|                         |                               | purpose, as warehouses are            |
| depots, orders          | routing/loggibud/*.json, each | size is read as kg; all are due on    |
|                         | file a depot                  | the night's date between 8 and 18 h   |
| vehicles, drivers       | made: vans of the file's      | costs per km and hour are invented    |
|                         | capacity, a third more than   |                                       |
|                         | the load needs                |                                       |
| assets, telemetry,      | maintenance/cmapss/<--cmapss> | a cycle is a day. Training units ran  |
| events                  |                               | to failure some time before the       |
|                         |                               | night; test units still run, last     |
|                         |                               | seen the day before it, and the first |
|                         |                               | of them are the vans' engines: a van  |
|                         |                               | in the workshop is off the routes     |
| workshops, technicians  | made: one workshop, 3 bays    |                                       |

The night's date is the day after the last sale. No row is dropped or mended: one that breaks a
contract is left for the night to reject.
"""

import argparse
import json
import sys
from datetime import date, timedelta
from math import ceil
from pathlib import Path

import polars as pl

SITE = "UK"
AISLES, BAYS, SIDES, LEVELS = 20, 20, 2, 4
BAY_M, AISLE_M = 1.5, 5.0
OPENS_S, CLOSES_S = 8 * 3600, 18 * 3600
SERVICE_S = 120
# Training units fail this many days apart, so that a fleet's lives overlap instead of ending on
# one day.
FAILURE_SPACING_DAYS = 3
WORKSHOP = "workshop"
FLEET = "fleet"  # the site of the units that are no van's engine

Tables = dict[str, pl.DataFrame]


class DataError(ValueError):
    """A file that is missing or not what its folder promises."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of real data")
    parser.add_argument("--lake", type=Path, required=True, help="where the lake is built")
    parser.add_argument("--cmapss", default="FD001", help="the C-MAPSS subset (default FD001)")
    options = parser.parse_args()
    try:
        night = build(options.data, options.cmapss, options.lake)
    except DataError as fault:
        print(f"✗ {fault}", file=sys.stderr)
        return 2
    print(f"\nNext: {sys.executable} -m logistics.run lake={options.lake} date={night}")
    return 0


def build(data: Path, subset: str, lake: Path) -> date:
    """Write every table of the lake; returns the night's date. Raises DataError."""
    retail = read(data / "forecast" / "online_retail" / "sales.parquet")
    lines = read(data / "slotting" / "online_retail" / "order_lines.parquet")
    names = read(data / "forecast" / "online_retail" / "items.parquet")
    night = day_after(retail)
    roads = routing(sorted((data / "routing" / "loggibud").glob("*.json")), night)
    engines = fleet(data / "maintenance" / "cmapss" / subset, night, roads["vehicles"])
    warehouse = {"order_lines": order_lines(lines), "slots": slots(lines), "items": items(names)}
    for name, rows in ({"sales": sales(retail)} | warehouse | roads | engines).items():
        files = write(rows, name, lake)
        print(f"{name:<12} {rows.height:>9,} rows in {files} file{'' if files == 1 else 's'}")
    return night


def read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path} is missing; --data must name the folder of the real data")
    return pl.read_parquet(path)


SITES = {
    "sales": "dc_id",
    "order_lines": "warehouse_id",
    "slots": "warehouse_id",
    "orders": "depot_id",
    "telemetry": "site_id",
    "events": "site_id",
}


def write(rows: pl.DataFrame, name: str, lake: Path) -> int:
    """Hive-partitioned by site where the table has one; returns the number of files."""
    parts = [("", rows)]
    if name in SITES:
        parts = [
            (f"{SITES[name]}={site}", part.drop(SITES[name]))
            for (site,), part in rows.group_by(SITES[name], maintain_order=True)
        ]
    for folder, part in parts:
        target = lake / name / folder
        target.mkdir(parents=True, exist_ok=True)
        part.write_parquet(target / "part-0.parquet", compression="zstd")
    return len(parts)


# --- demand and warehouse ------------------------------------------------------------------------


def day_after(retail: pl.DataFrame) -> date:
    last = retail["date"].cast(pl.Date).max()
    if not isinstance(last, date):
        raise DataError("forecast/online_retail/sales.parquet holds no dated row")
    return last + timedelta(days=1)


def sales(retail: pl.DataFrame) -> pl.DataFrame:
    return retail.select(
        pl.lit(SITE).alias("dc_id"), "sku_id", pl.col("date").cast(pl.Date), "units", "price"
    )


def items(names: pl.DataFrame) -> pl.DataFrame:
    return names.select(pl.col("sku").alias("sku_id"), pl.lit("ambient").alias("storage_class"))


def order_lines(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.select(
        pl.lit(SITE).alias("warehouse_id"),
        pl.col("order_id").cast(pl.String),
        pl.col("sku").alias("sku_id"),
        pl.col("ts").alias("at"),
        "qty",
    )


def slots(lines: pl.DataFrame) -> pl.DataFrame:
    """The standard block, nearest slots first, filled by how often a SKU was picked at first."""
    places = [
        (f"{aisle:02d}-{bay:02d}-{'LR'[side]}-{level}", aisle, bay, level)
        for aisle in range(AISLES)
        for bay in range(BAYS)
        for side in range(SIDES)
        for level in range(LEVELS)
    ]
    columns = {"slot_id": pl.String, "aisle": pl.Int64, "bay": pl.Int64, "level": pl.Int64}
    block = pl.DataFrame(places, schema=columns, orient="row").with_columns(
        pl.lit(SITE).alias("warehouse_id"),
        x_m=pl.col("aisle") * AISLE_M,
        y_m=(pl.col("bay") + 0.5) * BAY_M,
        capacity_m3=pl.lit(1.0),
        capacity_kg=pl.lit(500.0),
        storage_class=pl.lit("ambient"),
    )
    nearest = block.sort(pl.col("x_m") + pl.col("y_m"), "slot_id").with_row_index("rank")
    first_days = lines.filter(pl.col("ts") < pl.col("ts").min() + timedelta(days=90))
    popular = first_days.group_by("sku").len().sort(["len", "sku"], descending=[True, False])
    placed = popular.with_row_index("rank").select("rank", pl.col("sku").alias("sku_id"))
    return nearest.join(placed, on="rank", how="left").drop("rank").sort("slot_id")


# --- routes --------------------------------------------------------------------------------------


def routing(files: list[Path], night: date) -> Tables:
    """Depots, orders, vans and drivers of every loggibud file."""
    if not files:
        raise DataError("routing/loggibud holds no .json file")
    tables = [depot(file, night) for file in files]
    return {name: pl.concat([table[name] for table in tables]) for name in tables[0]}


def depot(file: Path, night: date) -> Tables:
    parcels = json.loads(file.read_text())
    try:
        depot_id, capacity = parcels["name"], float(parcels["vehicle_capacity"])
        origin, deliveries = parcels["origin"], parcels["deliveries"]
    except KeyError as key:
        raise DataError(f"{file} has no {key}; is it a loggibud CVRP instance?") from None
    load = sum(delivery["size"] for delivery in deliveries)
    vans = [f"{depot_id}-van-{i + 1:02d}" for i in range(ceil(load / capacity * 4 / 3))]
    return {
        "depots": pl.DataFrame(
            [{"depot_id": depot_id, "lat": origin["lat"], "lon": origin["lng"]}]
        ).with_columns(opens_s=pl.lit(OPENS_S), closes_s=pl.lit(CLOSES_S)),
        "orders": pl.DataFrame(
            [
                {
                    "order_id": delivery["id"],
                    "depot_id": depot_id,
                    "service_date": night,
                    "lat": delivery["point"]["lat"],
                    "lon": delivery["point"]["lng"],
                    "kind": "delivery",
                    "weight_kg": float(delivery["size"]),
                    "volume_m3": 0.0,
                    "service_s": SERVICE_S,
                }
                for delivery in deliveries
            ]
        ),
        "vehicles": pl.DataFrame({"vehicle_id": vans}).with_columns(
            depot_id=pl.lit(depot_id),
            capacity_kg=pl.lit(capacity),
            capacity_m3=pl.lit(10.0),
            cost_fixed=pl.lit(50.0),
            cost_per_km=pl.lit(0.4),
            cost_per_h=pl.lit(20.0),
        ),
        "drivers": pl.DataFrame(
            {"driver_id": [v.replace("van", "driver") for v in vans]}
        ).with_columns(
            depot_id=pl.lit(depot_id),
            shift_start_s=pl.lit(OPENS_S),
            shift_end_s=pl.lit(CLOSES_S),
        ),
    }


# --- maintenance ---------------------------------------------------------------------------------


def fleet(folder: Path, night: date, vehicles: pl.DataFrame) -> Tables:
    """C-MAPSS units as assets; also gives the vehicles the engines that drive them."""
    train = read(folder / "train.parquet")
    test = read(folder / "test.parquet")
    failed = units(train, "failed").sort("unit").with_row_index("rank")
    failed = failed.with_columns(
        last=pl.lit(night) - pl.duration(days=1 + FAILURE_SPACING_DAYS * (pl.col("rank") + 1))
    ).drop("rank")
    running = units(test, "running").with_columns(last=pl.lit(night) - pl.duration(days=1))
    engines = running["asset_id"].sort().head(vehicles.height)
    vehicles = vehicles.with_columns(
        asset_id=pl.Series([*engines, *[None] * (vehicles.height - engines.len())], dtype=pl.String)
    )
    sites = vehicles.select("asset_id", pl.col("depot_id").alias("site_id")).drop_nulls()
    lives = pl.concat([failed, running]).join(sites, on="asset_id", how="left")
    lives = lives.with_columns(pl.col("site_id").fill_null(FLEET), pl.col("last").cast(pl.Date))
    cycles = pl.concat(
        [train.with_columns(of=pl.lit("failed")), test.with_columns(of=pl.lit("running"))]
    )
    return {"vehicles": vehicles, **histories(lives, cycles), **workshop()}


def units(cycles: pl.DataFrame, of: str) -> pl.DataFrame:
    """unit, of, asset_id, cycles: one row per unit of one file."""
    lengths = cycles.group_by("unit").agg(cycles=pl.col("cycle").max()).sort("unit")
    return lengths.with_columns(
        of=pl.lit(of),
        asset_id=pl.format("{}-{}", pl.lit(of), pl.col("unit").cast(pl.String).str.zfill(3)),
    )


def histories(lives: pl.DataFrame, cycles: pl.DataFrame) -> Tables:
    """assets, telemetry and events: cycle c of a unit is c days after it was put in service."""
    lives = lives.with_columns(
        in_service=(pl.col("last") - pl.duration(days=pl.col("cycles"))).cast(pl.Date)
    )
    telemetry = cycles.join(lives, on=["unit", "of"]).with_columns(
        at=pl.col("in_service").cast(pl.Datetime("us")) + pl.duration(days="cycle", hours=12)
    )
    return {
        "assets": lives.sort("asset_id").select(
            "asset_id",
            "site_id",
            "in_service",
            kind=pl.lit("engine"),
            workshop_id=pl.lit(WORKSHOP),
            cost_of_failure=pl.lit(3000.0),
            cost_of_service=pl.lit(400.0),
        ),
        "telemetry": telemetry.sort("asset_id", "cycle").select(
            "site_id", "asset_id", "at", pl.col("^(setting|sensor)_.*$")
        ),
        "events": lives.filter(pl.col("of") == "failed").sort("asset_id").select(
            "site_id",
            "asset_id",
            at=pl.col("last").cast(pl.Datetime("us")) + pl.duration(days=1),
            kind=pl.lit("failure"),
            component=pl.lit("engine"),
        ),
    }  # fmt: skip


def workshop() -> Tables:
    return {
        "workshops": pl.DataFrame(
            {"workshop_id": [WORKSHOP], "bays": [3], "opens_s": [7 * 3600], "closes_s": [19 * 3600]}
        ),
        "technicians": pl.DataFrame(
            {
                "technician_id": [f"technician-{i}" for i in (1, 2, 3)],
                "workshop_id": WORKSHOP,
                "shift_start_s": 7 * 3600,
                "shift_end_s": 19 * 3600,
            }
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
