"""Telemetry, events and assets → one row of features per asset and day, and what became of it.

Knows polars tables and NumPy; nothing of models. Telemetry is first brought to one row per asset
and day, so that hourly and daily sources look alike; nothing on or after a window's day is seen.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from logistics.maintenance.features import (
    LONG_AGO_DAYS,
    SENSOR_FEATURES,
    Daily,
    Flags,
    Small,
    Whole,
    days_since,
    days_until,
    number_in,
    sensor_features,
)

# Older telemetry tells nothing new, and one bad timestamp must not stretch the day axis.
MEMORY_DAYS = 730
HISTORY_FEATURES = ("log_days_since_replaced", "log_errors_7", "log_errors_30")
FIRST_LOOK_DAYS = 7  # an asset is watched this long before it is an example
EXAMPLE_STEP_DAYS = 2
MAX_SILENT_DAYS = 7
CONTEXT_FEATURES = (
    "log_age_days",  # NaN: unknown
    "log_days_since_replaced",  # any component
    "log_errors_7",
    "log_errors_30",
    "failures_90",
    "log_silent_days",
)
_UNHEARD = np.full(len(SENSOR_FEATURES), np.nan, dtype=np.float32)
_UNEVENTFUL = np.log1p(np.array([LONG_AGO_DAYS, 0, 0], dtype=np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class SensorWindows:
    """One row per asset and day: what was known of the asset when that day began.

    signals (n, sensors, SENSOR_FEATURES), NaN where a sensor was not heard in the window;
    history (n, components, HISTORY_FEATURES); context (n, CONTEXT_FEATURES);
    silent_days (n,) days without any reading, window_days or more for a silent asset.
    """

    asset_ids: NDArray[np.str_]
    as_of: NDArray[np.datetime64]
    kinds: NDArray[np.str_]
    sensors: tuple[str, ...]
    components: tuple[str, ...]
    signals: Small
    history: Small
    context: Small
    silent_days: Small

    def __len__(self) -> int:
        return len(self.asset_ids)

    def take(self, rows: Whole) -> "SensorWindows":
        return replace(self, **{name: getattr(self, name)[rows] for name in _BY_ROW})


_OF_OUTCOMES = ("days", "failed", "component", "followed")
_BY_ROW = ("asset_ids", "as_of", "kinds", "signals", "history", "context", "silent_days")


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What became of each window (n,): whole days lived, and whether a failure ended them.

    Without a failure the life is censored: by a service, by silence, or by the end of the data.
    component: of the failure, "" where there is none or it is not known.
    followed: days from the window to the end of the data, whatever became of the asset.
    """

    days: Whole
    failed: Flags
    component: NDArray[np.str_]
    followed: Whole

    def take(self, rows: Whole) -> "Outcomes":
        return Outcomes(*(getattr(self, name)[rows] for name in _OF_OUTCOMES))


def windows(
    telemetry: pl.DataFrame,
    events: pl.DataFrame,
    assets: pl.DataFrame,
    as_of: Sequence[date],
    window_days: int,
) -> SensorWindows:
    """Every asset on every day of as_of, asset by asset, in the order of asset_id and date."""
    assets, days = assets.sort("asset_id"), sorted(as_of)
    calendar = _Calendar.until(days[-1], telemetry, events)
    at = np.array([calendar.index(day) for day in days])
    events = calendar.place(events, assets)
    sensors = tuple(sorted(c for c in telemetry.columns if c not in ("asset_id", "at", "site_id")))
    components = tuple(sorted(events["component"].drop_nulls().unique()))
    daily = _daily(calendar.place(telemetry, assets), sensors)
    shape = (assets.height, calendar.num_days)
    heard = _marks(daily, shape) > 0
    signals = np.full((*shape[:1], len(at), len(sensors), len(SENSOR_FEATURES)), np.nan, np.float32)
    for i, sensor in enumerate(sensors):
        signals[:, :, i] = sensor_features(_cube(daily, sensor, shape), at, window_days)
    silent = days_since(heard, at)
    count = len(at) * assets.height
    return SensorWindows(
        asset_ids=np.repeat(assets["asset_id"].to_numpy().astype(np.str_), len(at)),
        as_of=np.tile(np.array(days, dtype="datetime64[D]"), assets.height),
        kinds=np.repeat(assets["kind"].to_numpy().astype(np.str_), len(at)),
        sensors=sensors,
        components=components,
        signals=signals.reshape(count, len(sensors), len(SENSOR_FEATURES)),
        history=_history(events, components, shape, at).reshape(
            count, len(components), len(HISTORY_FEATURES)
        ),
        context=_context(events, assets, days, shape, at, silent).reshape(count, -1),
        silent_days=silent.reshape(count),
    )


def outcomes(
    telemetry: pl.DataFrame,
    events: pl.DataFrame,
    assets: pl.DataFrame,
    as_of: Sequence[date],
    end: date,
) -> Outcomes:
    """What became of the rows of `windows` with the same arguments, as known when `end` began.

    An asset counts as alive until the day after its last reading: a machine taken out of service
    falls silent, and its silence must not be read as years without a failure.
    """
    assets, days = assets.sort("asset_id"), sorted(as_of)
    calendar = _Calendar.until(end, telemetry, events)
    at = np.array([calendar.index(day) for day in days])
    shape = (assets.height, calendar.num_days)
    events = calendar.place(events, assets)
    readings = calendar.place(telemetry.select("asset_id", "at"), assets).unique(["a", "d"])
    heard = _marks(readings, shape) > 0
    failures = events.filter(kind="failure").sort("a", "d", "component", nulls_last=True)
    to_failure = days_until(_marks(failures, shape) > 0, at)
    to_service = days_until(_marks(events.filter(kind="service"), shape) > 0, at)
    last_heard = np.where(heard.any(axis=1), shape[1] - 1 - heard[:, ::-1].argmax(axis=1), -1)
    to_silence = np.maximum(last_heard[:, None] + 1 - at, 0)
    censored = np.minimum(to_service, to_silence)
    # A failure right after the last reading is why the asset fell silent.
    failed = (to_failure < shape[1]) & (to_failure <= to_service)
    first = failures.unique(["a", "d"], keep="first", maintain_order=True)
    names = np.full(shape, "", dtype=object)
    names[first["a"].to_numpy(), first["d"].to_numpy()] = first["component"].fill_null("")
    which = np.take_along_axis(names, np.minimum(at + to_failure, shape[1] - 1), axis=1)
    return Outcomes(
        days=np.where(failed, to_failure, censored).reshape(-1),
        failed=failed.reshape(-1),
        component=np.where(failed, which, "").astype(np.str_).reshape(-1),
        followed=np.tile(shape[1] - at, shape[0]),
    )


def examples(
    telemetry: pl.DataFrame,
    events: pl.DataFrame,
    assets: pl.DataFrame,
    end: date,
    window_days: int,
    at_most: int,
    seed: int,
) -> tuple[SensorWindows, Outcomes]:
    """Windows every few days through history with what became of them, at most so many.

    Silent assets teach nothing, and neither does a day whose next one is not known yet.
    """
    start = telemetry["at"].min()
    first = start.date() if isinstance(start, datetime) else end
    first = max(first, end - timedelta(days=MEMORY_DAYS)) + timedelta(days=FIRST_LOOK_DAYS)
    step = EXAMPLE_STEP_DAYS
    days = [first + timedelta(days=n) for n in range(0, max((end - first).days, 1), step)]
    days = [day for day in days if day < end] or [end - timedelta(days=1)]
    found = windows(telemetry, events, assets, days, window_days)
    known = outcomes(telemetry, events, assets, days, end)
    useful = (found.silent_days <= MAX_SILENT_DAYS) & ((known.days > 0) | known.failed)
    rows = np.flatnonzero(useful)
    if len(rows) > at_most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, at_most, replace=False))
    return found.take(rows), known.take(rows)


@dataclass(frozen=True, slots=True)
class _Calendar:
    """Days as indices from the first day remembered; rows outside are left out."""

    first: date
    num_days: int

    @classmethod
    def until(cls, end: date, *tables: pl.DataFrame) -> "_Calendar":
        oldest = end - timedelta(days=MEMORY_DAYS)
        starts = [table["at"].dt.date().min() for table in tables if not table.is_empty()]
        known = [start for start in starts if isinstance(start, date)]
        first = min(max(min(known, default=oldest), oldest), end - timedelta(days=1))
        return cls(first, (end - first).days)

    def index(self, day: date) -> int:
        return min(max((day - self.first).days, 0), self.num_days)

    def place(self, rows: pl.DataFrame, assets: pl.DataFrame) -> pl.DataFrame:
        """Rows with their asset's and day's indices, a and d; assets must be sorted."""
        numbered = assets.select("asset_id", pl.int_range(pl.len(), dtype=pl.Int64).alias("a"))
        day = (pl.col("at").dt.date() - pl.lit(self.first)).dt.total_days()
        if "kind" in rows.columns and "component" not in rows.columns:
            rows = rows.with_columns(component=pl.lit(None, dtype=pl.String))
        return (
            rows.with_columns(day.alias("d"))
            .filter(pl.col("d").is_between(0, self.num_days - 1))
            .join(numbered, on="asset_id", how="inner", maintain_order="left")
        )


def _daily(readings: pl.DataFrame, sensors: Sequence[str]) -> pl.DataFrame:
    """One row per asset and day with each sensor's mean, deviation and maximum."""
    finite = [
        pl.when(pl.col(s).is_finite()).then(pl.col(s).cast(pl.Float64)).alias(s) for s in sensors
    ]
    return (
        readings.sort("a", "at")
        .select("a", "d", *finite)
        .group_by("a", "d", maintain_order=True)
        .agg(
            *(pl.col(s).mean().name.suffix("|mean") for s in sensors),
            *(pl.col(s).std().name.suffix("|deviation") for s in sensors),
            *(pl.col(s).max().name.suffix("|high") for s in sensors),
        )
    )


def _cube(daily: pl.DataFrame, sensor: str, shape: tuple[int, int]) -> Daily:
    a, d = daily["a"].to_numpy(), daily["d"].to_numpy()
    cubes = []
    for column in ("mean", "deviation", "high"):
        cube = np.full(shape, np.nan)
        cube[a, d] = daily[f"{sensor}|{column}"].to_numpy()
        cubes.append(cube)
    return Daily(*cubes)


def _marks(rows: pl.DataFrame, shape: tuple[int, int]) -> Whole:
    """How many of the rows fall on each asset and day, (a, d)."""
    marks = np.zeros(shape, dtype=np.int64)
    np.add.at(marks, (rows["a"].to_numpy(), rows["d"].to_numpy()), 1)
    return marks


def _history(
    events: pl.DataFrame, components: Sequence[str], shape: tuple[int, int], at: Whole
) -> Small:
    """(a, g, components, HISTORY_FEATURES)."""
    columns = np.zeros((shape[0], len(at), len(components), len(HISTORY_FEATURES)), np.float32)
    for i, component in enumerate(components):
        own = events.filter(component=component)
        columns[:, :, i] = _wear_signs(own, shape, at)
    return columns


def _wear_signs(events: pl.DataFrame, shape: tuple[int, int], at: Whole) -> Small:
    replaced = _marks(events.filter(pl.col("kind").is_in(["failure", "service"])), shape) > 0
    errors = _marks(events.filter(kind="error"), shape)
    columns = (days_since(replaced, at), number_in(errors, at, 7), number_in(errors, at, 30))
    return np.stack([np.log1p(column) for column in columns], axis=-1)


def _context(
    events: pl.DataFrame,
    assets: pl.DataFrame,
    days: Sequence[date],
    shape: tuple[int, int],
    at: Whole,
    silent: Small,
) -> Small:
    """(a, g, CONTEXT_FEATURES)."""
    if "in_service" in assets.columns:
        in_service = assets["in_service"].cast(pl.Date).to_numpy().astype("datetime64[D]")
    else:
        in_service = np.full(assets.height, "NaT", dtype="datetime64[D]")
    age = np.array(days, dtype="datetime64[D]")[None, :] - in_service[:, None]
    age_days = np.where(np.isnat(age), np.nan, np.maximum(age.astype(np.float64), 0))
    failures = number_in(_marks(events.filter(kind="failure"), shape), at, 90)
    columns = (np.log1p(age_days), *np.moveaxis(_wear_signs(events, shape, at), -1, 0))
    return np.stack([*columns, failures, np.log1p(silent)], axis=-1).astype(np.float32)


# --- between steps -------------------------------------------------------------------------------


def select(
    found: SensorWindows, sensors: Sequence[str], components: Sequence[str]
) -> SensorWindows:
    """The same rows in another vocabulary: unknown sensors are ignored, missing ones are NaN."""
    return replace(
        found,
        sensors=tuple(sensors),
        components=tuple(components),
        signals=_reindex(found.signals, found.sensors, sensors, _UNHEARD),
        history=_reindex(found.history, found.components, components, _UNEVENTFUL),
    )


def _reindex(values: Small, have: Sequence[str], want: Sequence[str], absent: Small) -> Small:
    result = np.tile(absent, (values.shape[0], len(want), 1))
    shared = [(to, have.index(name)) for to, name in enumerate(want) if name in have]
    for to, come in shared:
        result[:, to] = values[:, come]
    return result


def concat(parts: Sequence[SensorWindows]) -> SensorWindows:
    """All rows, over the union of the parts' sensors and components."""
    sensors = sorted({sensor for part in parts for sensor in part.sensors})
    components = sorted({component for part in parts for component in part.components})
    same = [select(part, sensors, components) for part in parts]
    joined = {name: np.concatenate([getattr(part, name) for part in same]) for name in _BY_ROW}
    return SensorWindows(sensors=tuple(sensors), components=tuple(components), **joined)


def concat_outcomes(parts: Sequence[Outcomes]) -> Outcomes:
    """All rows of all parts."""
    columns = ([getattr(part, name) for part in parts] for name in _OF_OUTCOMES)
    return Outcomes(*(np.concatenate(column) for column in columns))


def to_table(found: SensorWindows) -> pa.Table:
    """One row per window; the vocabulary travels in the schema's metadata."""
    vocabulary = {"sensors": found.sensors, "components": found.components}
    columns = {
        "asset_id": pa.array(found.asset_ids.tolist(), pa.string()),
        "as_of": pa.array(found.as_of),
        "kind": pa.array(found.kinds.tolist(), pa.string()),
        "signals": _lists(found.signals),
        "history": _lists(found.history),
        "context": _lists(found.context),
        "silent_days": pa.array(found.silent_days),
    }
    return pa.table(columns).replace_schema_metadata({"vocabulary": json.dumps(vocabulary)})


def from_table(table: pa.Table) -> SensorWindows:
    """The inverse of `to_table`."""
    vocabulary = json.loads(table.schema.metadata[b"vocabulary"])
    sensors, components = tuple(vocabulary["sensors"]), tuple(vocabulary["components"])
    n = table.num_rows
    return SensorWindows(
        asset_ids=np.array(table["asset_id"].to_pylist(), dtype=np.str_),
        as_of=table["as_of"].to_numpy().astype("datetime64[D]"),
        kinds=np.array(table["kind"].to_pylist(), dtype=np.str_),
        sensors=sensors,
        components=components,
        signals=_dense(table, "signals").reshape(n, len(sensors), len(SENSOR_FEATURES)),
        history=_dense(table, "history").reshape(n, len(components), len(HISTORY_FEATURES)),
        context=_dense(table, "context").reshape(n, len(CONTEXT_FEATURES)),
        silent_days=table["silent_days"].to_numpy(),
    )


def _lists(values: Small) -> pa.Array:
    # Not fixed-size lists: Arrow has none of length 0, which a site without sensors needs.
    width = int(np.prod(values.shape[1:]))
    offsets = pa.array(np.arange(len(values) + 1) * width, pa.int64())
    return pa.LargeListArray.from_arrays(offsets, pa.array(values.reshape(-1)))


def _dense(table: pa.Table, column: str) -> Small:
    chunks = [chunk.flatten().to_numpy() for chunk in table[column].chunks]
    return np.concatenate(chunks) if chunks else np.empty(0, np.float32)
