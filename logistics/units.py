"""The unit of work and what travels with it. Knows Arrow; knows nothing of Ray, storage or models.

A unit is a site, or one bucket of a big site. On its way through Ray Data a unit is exactly one row
(`to_rows`), so neither batch sizes nor block splitting can merge or tear units apart.
Faults in data travel inside the parcel as values; `on_unit` is the one place that catches.
"""

import json
import time
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pyarrow as pa

from logistics.config import Config


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """A site, or bucket `bucket` of `buckets` of a site too big for one task.

    mates: the sites that are planned with it, as one.
    """

    site_id: str
    bucket: int = 0
    buckets: int = 1
    mates: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        suffix = "" if self.buckets == 1 else f"~{self.bucket}of{self.buckets}"
        return "+".join(self.sites) + suffix

    @property
    def sites(self) -> tuple[str, ...]:
        return self.site_id, *self.mates


@dataclass(frozen=True, slots=True)
class Count:
    """Rows of one table at the door: rows_in == rows_out + rows_rejected, always."""

    table: str
    rows_in: int
    rows_out: int
    rows_rejected: int


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A Parquet file already written under its table, invisible until the driver commits it."""

    table: str
    path: str  # relative to the table's root
    partition: dict[str, str]
    size_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """One unit before its step or after it: tables for the step, and the tally for the driver.

    figures are additive numbers (orders served, metres saved, …) that the driver sums over units.
    failure is the reason this unit failed. It may have files nevertheless: of those of its sites
    that did not fail.
    fingerprint tells what the unit is made from (see records.py).
    """

    unit: Unit
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    counts: tuple[Count, ...] = ()
    files: tuple[StagedFile, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    failure: str | None = None
    fingerprint: str = ""

    def tally(self) -> "Parcel":
        """The parcel without its tables: all that ever reaches the driver."""
        return replace(self, tables={})


Step = Callable[[Parcel], Parcel]


def on_unit(step_name: str, step: Step, parcel: Parcel) -> Parcel:
    """Run a unit's one step; whatever it raises becomes that unit's reported failure.

    Bad data must cost its own unit only, and an exception of ours does not survive the way
    through Ray to the driver, so this boundary is the one blanket `except` in the package.
    """
    started = time.perf_counter()
    try:
        done = step(parcel)
    except Exception as fault:
        frame = traceback.extract_tb(fault.__traceback__)[-1]
        where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        reason = f"{step_name}: {type(fault).__name__}: {fault} ({where})"
        return replace(parcel, tables={}, failure=reason)
    return replace(done, seconds={step_name: time.perf_counter() - started})


def to_rows(parcels: Sequence[Parcel]) -> pa.Table:
    """One row per parcel: a JSON header, its tables' names, and Arrow streams of the tables."""
    sink, ends = pa.BufferOutputStream(), [0]
    for parcel in parcels:
        for table in parcel.tables.values():
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
        ends.append(sink.tell())
    buffers = [None, pa.py_buffer(np.array(ends, np.int64)), sink.getvalue()]
    columns = {
        "header": pa.array([to_json(parcel) for parcel in parcels], pa.string()),
        "names": pa.array([list(parcel.tables) for parcel in parcels], pa.list_(pa.string())),
        "tables": pa.Array.from_buffers(pa.large_binary(), len(parcels), buffers),
    }
    return pa.table(columns)


def from_rows(rows: pa.Table) -> list[Parcel]:
    """The inverse of `to_rows`; the tables are views of its memory."""
    return [
        replace(from_json(header.as_py()), tables=_tables(names.as_py(), body.as_buffer()))
        for header, names, body in zip(
            *(rows[column] for column in ("header", "names", "tables")), strict=True
        )
    ]


def _tables(names: Sequence[str], body: pa.Buffer) -> dict[str, pa.Table]:
    streams = pa.BufferReader(body)
    return {name: pa.ipc.open_stream(streams).read_all() for name in names}


def map_rows(step_name: str, step: Step, rows: pa.Table) -> pa.Table:
    """Apply the step to every parcel of a Ray Data batch."""
    return to_rows([on_unit(step_name, step, parcel) for parcel in from_rows(rows)])


def to_json(parcel: Parcel) -> str:
    """The parcel without its tables."""
    return json.dumps(asdict(parcel.tally()))


def from_json(header: str) -> Parcel:
    """The inverse of `to_json`."""
    raw = json.loads(header)
    return Parcel(
        unit=Unit(**{**raw["unit"], "mates": tuple(raw["unit"].get("mates", ()))}),
        counts=tuple(Count(**count) for count in raw["counts"]),
        files=tuple(StagedFile(**file) for file in raw["files"]),
        figures=raw["figures"],
        seconds=raw["seconds"],
        failure=raw["failure"],
        fingerprint=raw["fingerprint"],
    )


def add_figures(parcels: Sequence[Parcel]) -> dict[str, float]:
    """Sum of every figure over the units that finished."""
    total: dict[str, float] = {}
    for parcel in parcels:
        for name, value in parcel.figures.items():
            total[name] = total.get(name, 0.0) + value
    return dict(sorted(total.items()))


def add_counts(counts: Sequence[Count]) -> list[Count]:
    """One count per table, sorted by table name."""
    total: dict[str, Count] = {}
    for count in counts:
        so_far = total.get(count.table, Count(count.table, 0, 0, 0))
        total[count.table] = Count(
            count.table,
            so_far.rows_in + count.rows_in,
            so_far.rows_out + count.rows_out,
            so_far.rows_rejected + count.rows_rejected,
        )
    return [total[table] for table in sorted(total)]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the night: its identity and its whole config."""

    run_id: str
    config: Config

    def seed_of(self, unit_id: str) -> int:
        """A unit's own seed: the same every night, whatever other units there are."""
        return zlib.crc32(f"{self.config.seed} {unit_id}".encode())
