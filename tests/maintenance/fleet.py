"""A tiny fleet whose truth is known: hot motors wear evenly and fail when they reach a limit."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

START = date(2026, 1, 1)
NIGHT = date(2026, 3, 2)
WINDOW_DAYS = 20
DAYS = (NIGHT - START).days


def tables(num_assets: int = 40, seed: int = 3) -> dict[str, pl.DataFrame]:
    """assets, telemetry (twice a day), events. Temperature rises from 50 to 80, where it fails;
    the current rises with it, but tells less."""
    telemetry, events, assets, _ = _lived(num_assets, seed)
    return {"telemetry": telemetry, "events": events, "assets": assets}


def lives(num_assets: int = 40, seed: int = 3) -> np.ndarray:
    """Days (n,) that each asset has left on the night, in the order of asset_id."""
    return _lived(num_assets, seed)[-1]


def _lived(
    num_assets: int, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    telemetry, events, left = [], [], []
    ids = [f"M{i:03d}" for i in range(num_assets)]
    for asset_id in ids:
        wear, pace = rng.uniform(0, 1), rng.uniform(0.01, 0.03)
        for day in range(DAYS):
            at = datetime.combine(START, datetime.min.time()) + timedelta(days=day)
            wear += pace
            if wear >= 1:
                events.append((asset_id, at + timedelta(hours=20), "failure", "motor"))
                wear = 0.0
            for hour in (8, 16):
                heat = 50 + 30 * wear + rng.normal(0, 0.5)
                amperes = 5 + wear + rng.normal(0, 0.2)
                readings = (heat, rng.normal(0, 1), amperes)
                telemetry.append((asset_id, at + timedelta(hours=hour), *readings))
        left.append((1 - wear) / pace)
    made = {
        "assets": pl.DataFrame({"asset_id": ids}).with_columns(
            site_id=pl.lit("S1"),
            kind=pl.lit("pump"),
            in_service=pl.lit(START - timedelta(days=100)),
            workshop_id=pl.lit("W1"),
        ),
        "telemetry": pl.DataFrame(
            telemetry,
            schema={
                "asset_id": pl.String,
                "at": pl.Datetime("us"),
                "heat": pl.Float32,
                "noise": pl.Float32,
                "current": pl.Float32,
            },
            orient="row",
        ),
        "events": pl.DataFrame(
            events,
            schema={
                "asset_id": pl.String,
                "at": pl.Datetime("us"),
                "kind": pl.String,
                "component": pl.String,
            },
            orient="row",
        ),
    }
    return made["telemetry"], made["events"], made["assets"], np.array(left)
