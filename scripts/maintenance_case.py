"""A C-MAPSS subset in the tables of a night: a cycle is a day, a unit an asset.

Knows folders and polars; no model. Training units start on one day and fail; test units are all
alive on one night, each with as long a history as it has.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START, NIGHT = date(2020, 1, 1), date(2022, 1, 1)
COMPONENT = "engine"
KIND = "turbofan"


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Telemetry, events and assets; assets by asset_id."""

    telemetry: pl.DataFrame
    events: pl.DataFrame
    assets: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Units that were run to failure by `end`; others as NIGHT began, with what life they had left.

    life_days (n,) follows the order of test.assets.
    """

    name: str
    train: Tables
    end: date
    test: Tables
    life_days: np.ndarray[tuple[int], np.dtype[np.float64]]


def load(folder: Path) -> Case:
    """The subset in folder: train.parquet, test.parquet and rul.parquet."""
    train, test, rul = (pl.read_parquet(folder / f"{n}.parquet") for n in ("train", "test", "rul"))
    first = pl.lit(START)
    lives = train.group_by("unit").agg(days=pl.col("cycle").max()).sort("unit")
    seen = test.group_by("unit").agg(days=pl.col("cycle").max()).sort("unit")
    since = pl.lit(NIGHT) - pl.duration(days=pl.col("days"))
    life = seen.join(rul, on="unit", how="left", maintain_order="left")["rul"]
    failures = lives.select(
        asset_id=_id(),
        at=(first + pl.duration(days="days")).cast(pl.Datetime("us")),
        kind=pl.lit("failure"),
        component=pl.lit(COMPONENT),
    )
    return Case(
        folder.name,
        _tables(train, lives.with_columns(since=first), failures),
        START + timedelta(days=int(lives["days"].to_numpy().max()) + 1),
        _tables(test, seen.with_columns(since=since), failures.clear()),
        life.to_numpy().astype(np.float64),
    )


def _tables(readings: pl.DataFrame, units: pl.DataFrame, events: pl.DataFrame) -> Tables:
    at = pl.col("since") + pl.duration(days=pl.col("cycle") - 1)
    values = [c for c in readings.columns if c not in ("unit", "cycle")]
    telemetry = readings.join(units, on="unit").select(
        _id().alias("asset_id"), at.cast(pl.Datetime("us")).alias("at"), *values
    )
    assets = units.select(asset_id=_id(), kind=pl.lit(KIND), in_service="since")
    return Tables(telemetry, events, assets)


def _id() -> pl.Expr:
    return pl.format("U{}", pl.col("unit").cast(pl.String).str.zfill(6))
