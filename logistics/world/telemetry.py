"""What is seen of an asset's life: hourly readings with noise, drift and gaps, and its events.

Knows arrays and polars; knows nothing of storage or Ray.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.world.wear import COMPONENTS, NONE, REPAIR_DAYS, SENSORS, Lives
from logistics.world.weather import Array, Ints

Flags = NDArray[np.bool_]
DRIFT_PER_DAY = 0.0015  # one sigma, as a share of what full wear adds
LOST = 0.01  # of single readings
DEAD = 0.04  # of sensors die somewhere in the history
WORN = 0.75
ERRORS_PER_HOUR, ERRORS_WHEN_WORN_OUT = 0.0015, 0.06  # of a component; rising from WORN on
REPORTED = 0.4  # of hours with an error become an event with the component's name
COST = {"failure": 1500.0, "service": 300.0}


def observe(
    rng: np.random.Generator,
    kind: str,
    asset_ids: Sequence[str],
    lives: Lives,
    until: date,
    days: int,
) -> dict[str, pl.DataFrame]:
    """telemetry and events of the `days` before `until`, which are the lives' first ones."""
    hour = np.arange(days * 24)
    standing = _standing(lives, days)
    load = _hourly_load(rng, lives, hour) * ~standing
    errors = _errors(rng, lives, hour, load) * ~standing[:, None, :]
    first = np.datetime64(until - timedelta(days=days), "us")
    readings = _readings(rng, kind, lives, hour, load, _ambient(until - timedelta(days=days), hour))
    readings |= {"load": load, "error_count": errors.sum(axis=1).astype(float)}
    rows = (_heard(rng, load.shape) & ~standing).nonzero()
    ids = pl.Series(asset_ids, dtype=pl.String)
    at = first + hour.astype("timedelta64[h]")
    telemetry = pl.DataFrame(
        {"asset_id": ids.gather(rows[0]), "at": at[rows[1]]}
        | {
            name: _with_losses(rng, values, name)[rows].round(2).astype(np.float32)
            for name, values in sorted(readings.items())
        }
    ).with_columns(pl.col(pl.Float32).fill_nan(None))
    return {"telemetry": telemetry, "events": _events(rng, kind, ids, lives, errors, first, days)}


def next_failures(
    kind: str, asset_ids: Sequence[str], lives: Lives, since: date, day: int
) -> pl.DataFrame:
    """asset_id, component, fails_at: the first failure from `day`, which is `since`, or null."""
    ahead = lives.failed[:, day:] != NONE
    when, row = ahead.argmax(axis=1), np.arange(len(ahead))
    minute = when * 1440 + lives.minute[row, day + when]
    names = pl.Series(list(COMPONENTS[kind]))
    found = pl.DataFrame(
        {
            "asset_id": pl.Series(asset_ids, dtype=pl.String),
            "component": names.gather(np.maximum(lives.failed[row, day + when], 0)),
            "fails_at": np.datetime64(since, "us") + minute.astype("timedelta64[m]"),
        }
    )
    fails = pl.Series(ahead.any(axis=1))
    return found.select(
        "asset_id", *(pl.when(fails).then(name).alias(name) for name in ("component", "fails_at"))
    )


def _standing(lives: Lives, days: int) -> Flags:
    """Hours (n, h) in which the asset stands in repair or service, and sends nothing."""
    change = np.zeros((len(lives.load), (days + REPAIR_DAYS + 1) * 24 + 1), dtype=np.int64)
    for stops, whole_days in ((lives.failed, REPAIR_DAYS), (lives.serviced, 0)):
        row, day = (stops[:, :days] != NONE).nonzero()
        np.add.at(change, (row, day * 24 + lives.minute[row, day] // 60), 1)
        np.add.at(change, (row, (day + 1 + whole_days) * 24), -1)
    return np.asarray(change.cumsum(axis=1)[:, : days * 24] > 0)


def _hourly_load(rng: np.random.Generator, lives: Lives, hour: Ints) -> Array:
    of_day = hour % 24
    working = np.where((of_day >= 6) & (of_day < 20), 1.0, 0.05)
    load = lives.load[:, hour // 24] * working
    return np.asarray(load * rng.uniform(0.8, 1.2, load.shape))


def _ambient(first: date, hour: Ints) -> Array:
    """Degrees above the year's mean (h,): the season, and the time of day."""
    day = first.timetuple().tm_yday + hour // 24
    season = 9 * np.sin(2 * np.pi * (day - 110) / 365.25)
    return np.asarray(season - 3 * np.cos(2 * np.pi * (hour % 24 - 3) / 24))


def _readings(
    rng: np.random.Generator, kind: str, lives: Lives, hour: Ints, load: Array, ambient: Array
) -> dict[str, Array]:
    """Sensor → readings (n, h)."""
    n, day = len(load), hour // 24
    readings = {"ambient_c": 10 + ambient + rng.normal(0, 1, load.shape)}
    for row, part in enumerate(COMPONENTS[kind].values()):
        sensor = SENSORS[part.sensor]
        built = sensor.new * (1 + rng.normal(0, 0.02, (n, 1)))
        drift = DRIFT_PER_DAY * sensor.worn * rng.standard_normal((n, 1)) * day
        noise = sensor.noise * rng.standard_normal(load.shape) * (0.6 + 0.6 * load)
        wear = sensor.worn * lives.wear[:, row][:, day] ** 1.6
        readings[part.sensor] = built + wear + drift + sensor.per_degree * ambient + noise
    return readings


def _errors(rng: np.random.Generator, lives: Lives, hour: Ints, load: Array) -> Ints:
    """Errors (n, c, h): rare, but not of a worn component under load."""
    worn = (np.clip(lives.wear[:, :, hour // 24] - WORN, 0, None) / (1 - WORN)) ** 2
    return rng.poisson(ERRORS_PER_HOUR + ERRORS_WHEN_WORN_OUT * worn * (load > 0.1)[:, None, :])


def _heard(rng: np.random.Generator, shape: tuple[int, ...]) -> Flags:
    """Hours (n, h) that were transmitted: single ones are lost, and now and then a day or two."""
    start = np.argwhere(rng.random(shape) < 1 / 900)
    end = np.minimum(start[:, 1] + rng.integers(6, 48, len(start)), shape[1])
    change = np.zeros((shape[0], shape[1] + 1), dtype=np.int64)
    np.add.at(change, (start[:, 0], start[:, 1]), 1)
    np.add.at(change, (start[:, 0], end), -1)
    gap = change.cumsum(axis=1)[:, :-1] > 0
    return np.asarray(~gap & (rng.random(shape) > 0.02))


def _with_losses(rng: np.random.Generator, values: Array, name: str) -> Array:
    """Values (n, h) with NaN where a reading was lost, or after the sensor died."""
    lost = rng.random(values.shape) < LOST
    if name != "load":
        n, hours = values.shape
        last = np.where(rng.random(n) < DEAD, rng.integers(0, hours, n), hours)
        lost |= np.arange(hours) > last[:, None]
    return np.where(lost, np.nan, values)


def _events(
    rng: np.random.Generator,
    kind: str,
    ids: pl.Series,
    lives: Lives,
    errors: Ints,
    first: np.datetime64,
    days: int,
) -> pl.DataFrame:
    """asset_id, at, kind, component, cost of what was recorded."""
    names, found = pl.Series(list(COMPONENTS[kind])), []
    for what, stops in (("failure", lives.failed), ("service", lives.serviced)):
        row, day = (stops[:, :days] != NONE).nonzero()
        minute = day * 1440 + lives.minute[row, day]
        cost = COST[what] * rng.uniform(0.7, 1.5, row.size)
        found.append((what, row, stops[row, day], minute, cost))
    row, part, hour = ((errors > 0) & (rng.random(errors.shape) < REPORTED)).nonzero()
    minute = hour * 60 + rng.integers(0, 60, hour.size)
    found.append(("error", row, part, minute, np.full(row.size, np.nan)))
    return pl.concat(
        pl.DataFrame(
            {
                "asset_id": ids.gather(row),
                "at": first + minute.astype("timedelta64[m]"),
                "kind": [what] * row.size,
                "component": names.gather(part),
                "cost": cost.round(2),
            },
            schema_overrides={"kind": pl.String},
        )
        for what, row, part, minute, cost in found
    ).with_columns(pl.col("cost").fill_nan(None))
