"""Readings under different operating conditions made alike. Knows polars and NumPy; no model.

Columns of telemetry whose names begin with `setting` say under which conditions an asset worked,
not how it is. Nobody tells how many regimes there are: k-means on the settings finds as many as
the sensors know apart, and each sensor is then counted in deviations from its regime's own mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from logistics.maintenance.features import Flags, Reals, Whole

SETTING = "setting"
KEYS = ("asset_id", "at", "site_id")
MAX_REGIMES = 8
SAMPLE = 20_000  # readings that regimes are found on
RESTARTS, ROUNDS = 4, 25
WORTH = 0.1  # more regimes must explain this share of what fewer leave unexplained


@dataclass(frozen=True, slots=True, eq=False)
class Regimes:
    """centre (k, settings) in units of width (settings,); mean, deviation (k, sensors)."""

    settings: tuple[str, ...]
    sensors: tuple[str, ...]
    width: Reals
    centre: Reals
    mean: Reals
    deviation: Reals


def sensors_of(telemetry: pl.DataFrame) -> list[str]:
    """The columns that tell how an asset is."""
    return sorted(c for c in telemetry.columns if c not in KEYS and not c.startswith(SETTING))


def settings_of(telemetry: pl.DataFrame) -> list[str]:
    """The columns that tell under which conditions it worked."""
    return sorted(c for c in telemetry.columns if c.startswith(SETTING))


def sample(telemetry: pl.DataFrame, at_most: int, seed: int) -> pl.DataFrame:
    """Readings to find regimes on; none where there are no settings."""
    if not settings_of(telemetry):
        return telemetry.clear()
    return telemetry.sample(min(at_most, telemetry.height), seed=seed)


def find(readings: pl.DataFrame) -> Regimes | None:
    """The regimes of the readings; None where the sensors know of only one."""
    settings, sensors = settings_of(readings), sensors_of(readings)
    if not settings or readings.height < 10 * MAX_REGIMES:
        return None
    readings = readings.drop_nulls(settings)
    at, values = (_matrix(readings, names) for names in (settings, sensors))
    width = np.maximum(at.std(axis=0), 1e-9)
    candidates = []
    for k in range(1, MAX_REGIMES + 1):
        centre, regime_of = _k_means(at / width, k)
        mean, deviation = _moments(values, regime_of, k)
        candidates.append((centre, mean, deviation, _unexplained(values, regime_of, deviation)))
    least = min(left for *_, left in candidates)
    chosen = next(c for c in candidates if c[-1] <= (1 + WORTH) * least)
    if len(chosen[0]) == 1:
        return None
    return Regimes(tuple(settings), tuple(sensors), width, *chosen[:3])


def normalise(telemetry: pl.DataFrame, regimes: Regimes | None) -> pl.DataFrame:
    """Sensors in deviations from their regime's mean; settings leave the table.

    A reading whose settings are not all known says nothing, where there are regimes.
    """
    plain = telemetry.drop(settings_of(telemetry))
    if regimes is None:
        return plain
    at = _matrix(telemetry, regimes.settings) / regimes.width
    known = np.isfinite(at).all(axis=1)
    regime_of = _nearest(np.nan_to_num(at), regimes.centre)
    columns = {}
    for i, sensor in enumerate(regimes.sensors):
        if sensor in plain.columns:
            mean, deviation = regimes.mean[regime_of, i], regimes.deviation[regime_of, i]
            values = (_matrix(plain, [sensor])[:, 0] - mean) / deviation
            columns[sensor] = np.where(known, values, np.nan)
    return plain.with_columns(**{n: pl.Series(v).fill_nan(None) for n, v in columns.items()})


def to_numbers(regimes: Regimes | None) -> dict[str, list[float]]:
    """Numbers by name, as a model's card keeps them; `from_numbers` is the inverse."""
    if regimes is None:
        return {}
    numbers = {
        f"width {s}": [float(w)] for s, w in zip(regimes.settings, regimes.width, strict=True)
    }
    for i, setting in enumerate(regimes.settings):
        numbers[f"centre {setting}"] = regimes.centre[:, i].tolist()
    for i, sensor in enumerate(regimes.sensors):
        numbers[f"mean {sensor}"] = regimes.mean[:, i].tolist()
        numbers[f"deviation {sensor}"] = regimes.deviation[:, i].tolist()
    return numbers


def from_numbers(numbers: Mapping[str, Sequence[float]]) -> Regimes | None:
    """The regimes a card keeps; None where it keeps none."""
    settings = tuple(n.removeprefix("width ") for n in numbers if n.startswith("width "))
    sensors = tuple(n.removeprefix("mean ") for n in numbers if n.startswith("mean "))
    if not settings:
        return None
    parts = (
        [numbers[f"{what} {name}"] for name in names]
        for what, names in (("centre", settings), ("mean", sensors), ("deviation", sensors))
    )
    width = np.array([numbers[f"width {name}"][0] for name in settings])
    centre, mean, deviation = (np.array(part, dtype=np.float64).T for part in parts)
    return Regimes(settings, sensors, width, centre, mean, deviation)


def _matrix(rows: pl.DataFrame, names: Sequence[str]) -> Reals:
    """(n, names); NaN for null, infinite and absent values."""
    found = np.full((rows.height, len(names)), np.nan)
    for i, name in enumerate(names):
        if name in rows.columns:
            found[:, i] = rows[name].cast(pl.Float64).to_numpy()
    return np.where(np.isfinite(found), found, np.nan)


def _k_means(points: Reals, k: int) -> tuple[Reals, Whole]:
    """Centres and nearest centre of every point, the best of a few starts.

    Source: Lloyd 1982, started as by Arthur & Vassilvitskii 2007 (k-means++).
    """
    rng = np.random.default_rng(k)
    best = (points[:1], np.zeros(len(points), dtype=np.int64), np.inf)
    for _ in range(RESTARTS):
        centre = _start(points, k, rng)
        for _ in range(ROUNDS):
            nearest = _nearest(points, centre)
            size = np.bincount(nearest, minlength=k)[:, None]
            total = np.stack([np.bincount(nearest, p, k) for p in points.T], axis=1)
            moved = np.where(size > 0, total / np.maximum(size, 1), centre)
            settled, centre = np.array_equal(moved, centre), moved
            if settled:
                break
        nearest = _nearest(points, centre)
        spread = float(((points - centre[nearest]) ** 2).sum())
        if spread < best[2]:
            best = (centre, nearest, spread)
    return best[:2]


def _start(points: Reals, k: int, rng: np.random.Generator) -> Reals:
    """Points far from each other: each is drawn by its squared distance to those before."""
    chosen = [int(rng.integers(len(points)))]
    far = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < k:
        share = far / far.sum() if far.sum() > 0 else None
        chosen.append(int(rng.choice(len(points), p=share)))
        far = np.minimum(far, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


def _nearest(points: Reals, centre: Reals) -> Whole:
    distance = np.stack([((points - c) ** 2).sum(axis=1) for c in centre])
    return np.asarray(distance.argmin(axis=0), dtype=np.int64)


def _moments(values: Reals, regime_of: Whole, k: int) -> tuple[Reals, Reals]:
    """Mean and deviation (k, sensors); 1 where a sensor does not vary or was not heard."""
    heard: Flags = np.isfinite(values)
    filled = np.nan_to_num(values)
    mean, deviation = np.zeros((k, values.shape[1])), np.ones((k, values.shape[1]))
    for regime in range(k):
        mine = regime_of == regime
        count = np.maximum(heard[mine].sum(axis=0), 1)
        mean[regime] = filled[mine].sum(axis=0) / count
        around = np.where(heard[mine], values[mine] - mean[regime], 0.0)
        found = np.sqrt((around**2).sum(axis=0) / count)
        deviation[regime] = np.where(found > 1e-6 * np.abs(mean[regime]) + 1e-12, found, 1.0)
    return mean, deviation


def _unexplained(values: Reals, regime_of: Whole, deviation: Reals) -> float:
    """Mean over sensors of the share of variance that regimes leave; of those that vary."""
    total = np.nanvar(values, axis=0)
    varies = np.isfinite(total) & (total > 1e-12 * np.nanmean(values**2, axis=0))
    size = np.bincount(regime_of, minlength=len(deviation))[:, None]
    within = (size * deviation**2).sum(axis=0) / size.sum()
    return float(np.mean(np.minimum(within[varies] / total[varies], 1.0))) if varies.any() else 1.0
