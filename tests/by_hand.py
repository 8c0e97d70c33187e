"""Good rows of the tables that no made company has, for the tests."""

from datetime import date, datetime

import polars as pl


def overrides(promotions: pl.DataFrame) -> pl.DataFrame:
    told = promotions.head(4).select("sku_id", "dc_id", "start", "end")
    kinds = [("set", 5.0), ("multiply", 1.2), ("add", -3.0), ("add", 4.0)]
    return told.with_columns(
        kind=pl.Series([kind for kind, _ in kinds]),
        value=pl.Series([value for _, value in kinds]),
        planner=pl.lit("kim"),
        reason=pl.lit("a fair"),
    )


def travel_times(orders: pl.DataFrame) -> pl.DataFrame:
    ids = ["", *orders["order_id"].head(4)]
    pairs = [(start, end) for start in ids for end in ids if start != end]
    return pl.DataFrame(
        {
            "depot_id": [orders["depot_id"][0]] * len(pairs),
            "from_id": [start for start, _ in pairs],
            "to_id": [end for _, end in pairs],
            "distance_m": [1000.0 + i for i in range(len(pairs))],
            "duration_s": [60.0 + i for i in range(len(pairs))],
        }
    )


def trips(orders: pl.DataFrame) -> pl.DataFrame:
    places = orders.head(5)
    return pl.DataFrame(
        {
            "depot_id": places["depot_id"],
            "trip_id": [f"T{i}" for i in range(places.height)],
            "started_local": [datetime(2026, 2, 2, 8 + i) for i in range(places.height)],
            "from_lat": places["lat"],
            "from_lon": places["lon"],
            "to_lat": places["lat"] + 0.05,
            "to_lon": places["lon"],
            "distance_m": [7000.0 + i for i in range(places.height)],
            "duration_s": [600.0 + i for i in range(places.height)],
        }
    )


def bookings(assets: pl.DataFrame) -> pl.DataFrame:
    """Some assets promised two hours, each on a day of its own."""
    promised = assets.filter(pl.col("workshop_id").is_not_null()).head(4)
    days = [date(2026, 3, 3 + n) for n in range(promised.height)]
    return promised.select("workshop_id", "asset_id").with_columns(
        date=pl.Series(days, dtype=pl.Date),
        start_s=pl.lit(9 * 3600, pl.Int64),
        end_s=pl.lit(11 * 3600, pl.Int64),
        bay=pl.lit(1, pl.Int64),
        technician_id=pl.lit("T1"),
    )
