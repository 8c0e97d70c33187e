"""Telemetry, events and assets → one row of features per asset and day, and what became of it.

Knows polars tables and NumPy; nothing of models. Telemetry is first brought to one row per asset
and day, so that hourly and daily sources look alike; nothing on or after a window's day is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from logistics.maintenance import regimes
from logistics.maintenance.features import (
    Days,
    SensorState,
    Small,
    Whole,
    days_since,
    days_until,
    number_in,
    sensor_features,
)
from logistics.maintenance.memory import Memory, begin, keep, sensors_of
from logistics.maintenance.regimes import Regimes
from logistics.maintenance.windows import HISTORY_FEATURES, Outcomes, SensorWindows

# Older telemetry tells nothing new, and one bad timestamp must not stretch the day axis.
MEMORY_DAYS = 730
FIRST_LOOK_DAYS = 7  # an asset is watched this long before it is an example
EXAMPLE_STEP_DAYS = 2
MAX_SILENT_DAYS = 7


def windows(
    telemetry: pl.DataFrame,
    events: pl.DataFrame,
    assets: pl.DataFrame,
    as_of: Sequence[date],
    window_days: int,
    conditions: Regimes | None = None,
) -> SensorWindows:
    """Every asset on every day of as_of, asset by asset, in the order of asset_id and date."""
    return _windows(telemetry, events, assets, as_of, window_days, conditions, None)[0]


def tonight(
    telemetry: pl.DataFrame,
    events: pl.DataFrame,
    assets: pl.DataFrame,
    night: date,
    window_days: int,
    conditions: Regimes | None,
    memory: Memory | None,
    recipe: str,
) -> tuple[SensorWindows, pl.DataFrame]:
    """Every asset's window of one night, and what the next night is to remember of its sensors.

    With a memory, telemetry is what came since its night; what it has seen is not counted again.
    """
    found, state = _windows(telemetry, events, assets, [night], window_days, conditions, memory)
    return found, keep(state, found.asset_ids.tolist(), found.sensors, recipe)


def _windows(
    telemetry: pl.DataFrame,
    events: pl.DataFrame,
    assets: pl.DataFrame,
    as_of: Sequence[date],
    window_days: int,
    conditions: Regimes | None,
    memory: Memory | None,
) -> tuple[SensorWindows, SensorState]:
    assets, days = assets.sort("asset_id"), sorted(as_of)
    ids, telemetry = assets["asset_id"].to_list(), regimes.normalise(telemetry, conditions)
    sensors = tuple(sorted({*regimes.sensors_of(telemetry)} | sensors_of(memory)))
    heard = (
        _Calendar.until(days[-1], telemetry)
        if memory is None
        else _Calendar.since(memory, days[-1])
    )
    state = begin(memory, ids, sensors)
    readings = _days(heard.place(telemetry, assets), sensors, (len(ids), heard.num_days))
    signals, silent = sensor_features(state, readings, heard.indices(days), window_days)
    calendar = _Calendar.until(days[-1], events)
    events, at = calendar.place(events, assets), calendar.indices(days)
    components = tuple(sorted(events["component"].drop_nulls().unique()))
    count = len(at) * len(ids)
    found = SensorWindows(
        asset_ids=np.repeat(assets["asset_id"].to_numpy().astype(np.str_), len(at)),
        as_of=np.tile(np.array(days, dtype="datetime64[D]"), len(ids)),
        kinds=np.repeat(assets["kind"].to_numpy().astype(np.str_), len(at)),
        sensors=sensors,
        components=components,
        signals=signals.reshape(count, *signals.shape[2:]),
        history=_history(events, components, len(ids), at).reshape(
            count, len(components), len(HISTORY_FEATURES)
        ),
        context=_context(events, assets, days, at, silent).reshape(count, -1),
        silent_days=silent.reshape(count),
    )
    return found, state


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
    at = calendar.indices(days)
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
    conditions: Regimes | None = None,
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
    found = windows(telemetry, events, assets, days, window_days, conditions)
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

    @classmethod
    def since(cls, memory: Memory, end: date) -> "_Calendar":
        return cls(memory.night, (end - memory.night).days)

    def index(self, day: date) -> int:
        return min(max((day - self.first).days, 0), self.num_days)

    def indices(self, days: Sequence[date]) -> Whole:
        return np.array([self.index(day) for day in days], dtype=np.int64)

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


def _days(readings: pl.DataFrame, sensors: Sequence[str], shape: tuple[int, int]) -> Days:
    """Each sensor's mean, deviation and maximum by day."""
    heard = [sensor for sensor in sensors if sensor in readings.columns]
    finite = [pl.when(pl.col(s).is_finite()).then(pl.col(s)).alias(s) for s in heard]
    daily = (
        readings.sort("a", "at")
        .select("a", "d", *finite)
        .group_by("a", "d", maintain_order=True)
        .agg(
            *(pl.col(s).mean().cast(pl.Float32).name.suffix("|mean") for s in heard),
            *(pl.col(s).std().cast(pl.Float32).name.suffix("|deviation") for s in heard),
            *(pl.col(s).max().cast(pl.Float32).name.suffix("|high") for s in heard),
        )
    )
    a, d = daily["a"].to_numpy(), daily["d"].to_numpy()
    cubes = np.full((3, shape[1], shape[0], len(sensors)), np.nan, np.float32)
    for cube, what in zip(cubes, ("mean", "deviation", "high"), strict=True):
        for sensor in heard:
            cube[d, a, sensors.index(sensor)] = daily[f"{sensor}|{what}"].to_numpy()
    return Days(*cubes)


def _marks(rows: pl.DataFrame, shape: tuple[int, int]) -> Whole:
    """How many of the rows fall on each asset and day, (a, d)."""
    marks = np.zeros(shape, dtype=np.int64)
    np.add.at(marks, (rows["a"].to_numpy(), rows["d"].to_numpy()), 1)
    return marks


def _history(events: pl.DataFrame, components: Sequence[str], count: int, at: Whole) -> Small:
    """(a, g, components, HISTORY_FEATURES) of so many assets."""
    own = events.drop_nulls("component")
    which = own["component"].cast(pl.Enum(components)).to_physical().to_numpy().astype(np.int64)
    of = own["a"].to_numpy() * len(components) + which
    signs = _wear_signs(own, of, count * len(components), at)
    return signs.reshape(count, len(components), *signs.shape[1:]).swapaxes(1, 2)


def _wear_signs(events: pl.DataFrame, of: Whole, count: int, at: Whole) -> Small:
    """(count, g, HISTORY_FEATURES); of: the row of each event."""
    day, error = events["d"].to_numpy(), (events["kind"] == "error").to_numpy()
    replaced = events["kind"].is_in(["failure", "service"]).to_numpy()
    columns = (
        days_since(of[replaced], day[replaced], at, count),
        *(number_in(of[error], day[error], at, count, days) for days in (7, 30)),
    )
    return np.stack([np.log1p(column) for column in columns], axis=-1)


def _context(
    events: pl.DataFrame,
    assets: pl.DataFrame,
    days: Sequence[date],
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
    of, day, failed = (
        column.to_numpy() for column in (events["a"], events["d"], events["kind"] == "failure")
    )
    failures = number_in(of[failed], day[failed], at, assets.height, 90)
    signs = _wear_signs(events, of, assets.height, at)
    columns = (np.log1p(age_days), *np.moveaxis(signs, -1, 0))
    return np.stack([*columns, failures, np.log1p(silent)], axis=-1).astype(np.float32)
