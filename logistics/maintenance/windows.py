"""One row of features per asset and day, and what became of it: the values that steps pass on.

Knows NumPy and Arrow; not where the rows come from.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from logistics.maintenance.features import LONG_AGO_DAYS, SENSOR_FEATURES, Flags, Small, Whole

HISTORY_FEATURES = ("log_days_since_replaced", "log_errors_7", "log_errors_30")
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
