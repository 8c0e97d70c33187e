"""Input tables in, plan tables out. Knows fsspec, Parquet and Delta Lake; nothing of models or Ray.

Inputs are hive-partitioned Parquet or Delta tables under one location; a unit reads its own site's
files and the contract's columns only. Outputs are Delta tables: tasks stage Parquet files that no
reader sees until the driver commits a whole night's files of a table in one transaction.
"""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from urllib.parse import unquote

import fsspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from deltalake.transaction import AddAction
from fsspec import AbstractFileSystem

from logistics.contracts import Checked, Contract, TableError, check
from logistics.outputs import OUTPUTS, REJECTS, Output
from logistics.tables import CONTRACTS
from logistics.units import Count, Run, StagedFile, Unit

COMPANY = Unit("company")  # the unit that reads the tables no site owns
# Hive's name for a null partition; here also the unit of rows whose site is null, so that they are
# read once, and rejected, instead of belonging to nobody.
UNKNOWN = "__HIVE_DEFAULT_PARTITION__"


class LakeError(ValueError):
    """A location or table that cannot be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What came through the door: checked tables, their counts, and the staged rejects."""

    tables: dict[str, pl.DataFrame]
    counts: tuple[Count, ...]
    files: tuple[StagedFile, ...]


def tables(lake: str) -> list[str]:
    """Names of the contract tables present. Raises LakeError when the location is unreadable."""
    fs, root = fsspec.core.url_to_fs(lake)
    try:
        found = {path.rstrip("/").rpartition("/")[2] for path in fs.ls(root, detail=False)}
    except (OSError, ValueError) as fault:
        reason = "there is no such folder" if isinstance(fault, FileNotFoundError) else str(fault)
        raise LakeError(f"lake={lake} cannot be read: {reason}") from None
    names = {name.removesuffix(".parquet") for name in found}
    return [name for name in CONTRACTS if name in names]


def prepare(key: str, location: str) -> None:
    """Make an output location. Raises LakeError naming the key when that cannot be done."""
    fs, root = fsspec.core.url_to_fs(location)
    try:
        fs.makedirs(root, exist_ok=True)
        fs.pipe_file(f"{root}/.writable", b"")
        fs.rm_file(f"{root}/.writable")
    except (OSError, ValueError) as fault:
        raise LakeError(f"{key}={location} cannot be written: {fault}") from None


def units(lake: str, table: str, max_unit_mb: int) -> list[Unit]:
    """The sites of a fact table; a site with more Parquet than max_unit_mb comes in buckets."""
    contract = CONTRACTS[table]
    sizes = _site_bytes(lake, contract)
    found = []
    for site_id, size in sorted(sizes.items()):
        buckets = ceil(size / (max_unit_mb * 2**20)) if contract.bucket_by else 1
        found += [Unit(site_id, bucket, max(buckets, 1)) for bucket in range(max(buckets, 1))]
    return found


def in_bucket(entity: str, unit: Unit) -> bool:
    """Whether a SKU or asset of the site belongs to this bucket of it."""
    return zlib.crc32(entity.encode()) % unit.buckets == unit.bucket


def enter(run: Run, unit: Unit, names: Sequence[str], dims: Mapping[str, pl.DataFrame]) -> Entry:
    """Read and check a unit's tables; an absent table is empty. Rejects are staged for `rejects`.

    dims are the company's checked tables, for foreign keys; an empty one refers to nothing.
    """
    counts, rejects = [], []
    checked = _check_tables(run, unit, names, dims)
    for name, (rows_in, found) in checked.items():
        if unit.bucket > 0 and CONTRACTS[name].bucket_by is None:
            continue  # bucket 0 has counted this table, which every bucket of the site reads
        counts.append(Count(name, rows_in, found.good.height, found.rejects.height))
        rejects.append(found.rejects)
    good = {name: found.good for name, (_, found) in checked.items()}
    return Entry(good, tuple(counts), _stage_rejects(run, unit, rejects))


def peek(
    run: Run, unit: Unit, names: Sequence[str], dims: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame] | None:
    """A unit's good rows for training, which counts nothing and rejects nothing.

    None when the unit cannot be read: the night will report it, training goes on without it.
    """
    try:
        checked = _check_tables(run, unit, names, dims)
    except (LakeError, TableError):
        return None
    return {name: found.good for name, (_, found) in checked.items()}


def publish(run: Run, unit: Unit, outputs: Mapping[str, pl.DataFrame]) -> tuple[StagedFile, ...]:
    """Stage one unit's rows of each output table; empty tables leave no file."""
    return tuple(
        _stage(run, OUTPUTS[name], unit.site_id, unit.id, frame)
        for name, frame in outputs.items()
        if not frame.is_empty()
    )


def commit(run: Run, table: str, files: Sequence[StagedFile], only: Sequence[str] = ()) -> None:
    """Replace the run date's rows of one output table in a single transaction.

    only: the site partitions to replace (all of the run date's when empty).
    """
    output = OUTPUTS[table]
    delta = _open_or_create(run.config.plan, output)
    filters: list[tuple[str, str, str | list[str]]] = [("run_date", "=", str(run.config.date))]
    if only:
        filters.append((output.site, "in", list(only)))
    delta.create_write_transaction(
        [_add_action(file) for file in sorted(files, key=lambda file: file.path)],
        mode="overwrite",
        schema=delta.schema(),
        partition_by=list(_partition_columns(output)),
        partition_filters=filters,
    )


def read_plan(
    plan: str,
    table: str,
    run_date: date,
    site_id: str | None = None,
    where: pl.Expr | None = None,
) -> pl.DataFrame | None:
    """Committed rows of one night, sorted by site and key; None when there are none."""
    output, night = OUTPUTS[table], _scan_night(plan, table, run_date)
    if night is None:
        return None
    if site_id is not None:
        night = night.filter(pl.col(output.site) == site_id)
    if where is not None:
        night = night.filter(where)
    rows = night.select(*_partition_columns(output), *output.columns).collect()
    return None if rows.is_empty() else rows.sort(output.site, *output.key)


def plan_values(plan: str, table: str, run_date: date, column: str) -> list[str | None]:
    """The distinct values of one column of a committed night, sorted; nothing else is read."""
    night = _scan_night(plan, table, run_date)
    if night is None:
        return []
    return night.select(pl.col(column).unique().sort()).collect()[column].to_list()


def versions(plan: str) -> dict[str, int]:
    """The Delta version of every table of the plan."""
    urls = {table: f"{_url(plan)}/{table}" for table in OUTPUTS}
    return {
        t: DeltaTable(url).version() for t, url in urls.items() if DeltaTable.is_deltatable(url)
    }


def append_run(plan: str, rows: pl.DataFrame) -> None:
    """Add rows to the `runs` table; runs are never replaced."""
    write_deltalake(f"{_url(plan)}/runs", rows.to_arrow(), mode="append")


def read_runs(plan: str) -> pl.DataFrame | None:
    """Every recorded run, or None before the first."""
    url = f"{_url(plan)}/runs"
    return pl.scan_delta(url).collect() if DeltaTable.is_deltatable(url) else None


def _check_tables(
    run: Run, unit: Unit, names: Sequence[str], dims: Mapping[str, pl.DataFrame]
) -> dict[str, tuple[int, Checked]]:
    """Table → rows found and what the contract makes of them, referred-to tables first."""
    known = _keys(dims)
    checked = {}
    for name in sorted(names, key=list(CONTRACTS).index):
        raw = _read(run.config.lake, CONTRACTS[name], unit)
        site_id = None if unit == COMPANY else unit.site_id
        found = check(raw, CONTRACTS[name], known, site_id)
        checked[name] = (raw.height, found)
        if unit == COMPANY:
            known |= _keys({name: found.good})
    return checked


def _is_delta(fs: AbstractFileSystem, root: str) -> bool:
    return bool(fs.exists(f"{root}/_delta_log"))


def _site_bytes(lake: str, contract: Contract) -> dict[str, int]:
    """Site → bytes of Parquet (0 where a table is not partitioned by site)."""
    site = contract.site
    assert site is not None
    fs, root = fsspec.core.url_to_fs(f"{lake}/{contract.name}")
    if _is_delta(fs, root):
        return _delta_site_bytes(_url(f"{lake}/{contract.name}"), site)
    sizes: dict[str, int] = {}
    for path, info in _files(fs, root):
        value = _hive_values(path[len(root) :]).get(site)
        if value is not None:
            sizes[value] = sizes.get(value, 0) + info["size"]
        else:
            with fs.open(path) as file:
                rows = pl.read_parquet(file, columns=[site]).lazy()
            sizes |= {name: sizes.get(name, 0) for name in _distinct(rows, site)}
    return sizes


def _delta_site_bytes(url: str, site: str) -> dict[str, int]:
    delta = DeltaTable(url)
    if site not in delta.metadata().partition_columns:
        return dict.fromkeys(_distinct(pl.scan_delta(url), site), 0)
    actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    by_site = actions.group_by(pl.col(f"partition.{site}").cast(pl.String)).agg(
        pl.col("size_bytes").sum()
    )
    return {UNKNOWN if site is None else site: size for site, size in by_site.iter_rows()}


def _distinct(rows: pl.LazyFrame, column: str) -> list[str]:
    """The values of a site column; UNKNOWN stands for the rows that name no site."""
    found = rows.select(pl.col(column).cast(pl.String).fill_null(UNKNOWN).unique()).collect()
    return found[column].to_list()


def _read(lake: str, contract: Contract, unit: Unit) -> pl.DataFrame:
    """A unit's raw rows, as found, with hive partition values as columns."""
    fs, root = fsspec.core.url_to_fs(f"{lake}/{contract.name}")
    site = contract.site
    if _is_delta(fs, root):
        lazy = pl.scan_delta(_url(f"{lake}/{contract.name}"))
        if site is not None:
            lazy = lazy.filter(pl.col(site).cast(pl.String).fill_null(UNKNOWN) == unit.site_id)
        return _of_bucket(_project(lazy, contract).collect(), contract, unit)
    parts = []
    for path, _ in _files(fs, root):
        values = _hive_values(path[len(root) :])
        if site is not None and values.get(site, unit.site_id) != unit.site_id:
            continue
        with fs.open(path) as file:
            part = _read_file(file, path, contract).with_columns(
                pl.lit(None if value == UNKNOWN else value, dtype=pl.String).alias(column)
                for column, value in values.items()
                if column in contract.columns
            )
        if site is not None and site not in values and site in part.columns:
            part = part.filter(pl.col(site).cast(pl.String).fill_null(UNKNOWN) == unit.site_id)
        parts.append(_of_bucket(part, contract, unit))
    empty = pl.DataFrame(schema={name: column.dtype for name, column in contract.columns.items()})
    return pl.concat(parts, how="diagonal_relaxed") if parts else empty


def _read_file(file: object, path: str, contract: Contract) -> pl.DataFrame:
    try:
        parquet = pq.ParquetFile(file)
        wanted = parquet.schema_arrow.names
        if contract.extra is None:
            wanted = [name for name in wanted if name in contract.columns]
        rows = pl.from_arrow(parquet.read(columns=wanted))
    except (pa.ArrowException, OSError) as fault:
        raise LakeError(f"{contract.name}: {path} cannot be read as Parquet: {fault}") from None
    assert isinstance(rows, pl.DataFrame)
    return rows


def _project(rows: pl.LazyFrame, contract: Contract) -> pl.LazyFrame:
    if contract.extra is not None:
        return rows
    present = rows.collect_schema().names()
    return rows.select(name for name in present if name in contract.columns)


def _of_bucket(rows: pl.DataFrame, contract: Contract, unit: Unit) -> pl.DataFrame:
    """The rows whose entity hashes into the unit's bucket; a null entity belongs to bucket 0."""
    column = contract.bucket_by
    if unit.buckets == 1 or column is None or column not in rows.columns:
        return rows
    entities = rows[column].cast(pl.String).unique()
    known = entities.drop_nulls()
    mine = [entity for entity in known if in_bucket(entity, unit)]
    wanted = pl.col(column).cast(pl.String).is_in(mine)
    return rows.filter(wanted | pl.col(column).is_null() if unit.bucket == 0 else wanted)


def _files(fs: AbstractFileSystem, root: str) -> list[tuple[str, dict[str, int]]]:
    """Parquet files below a table, or the single file <table>.parquet, in path order."""
    single = f"{root}.parquet"
    if fs.isfile(single):
        return [(single, fs.info(single))]
    if not fs.exists(root):
        return []
    found = fs.find(root, detail=True)
    return [(p, found[p]) for p in sorted(found) if p.endswith(".parquet") and "/_" not in p]


def _hive_values(relative: str) -> dict[str, str]:
    pairs = (part.split("=", 1) for part in relative.split("/") if "=" in part)
    return {column: unquote(value) for column, value in pairs}


def _keys(dims: Mapping[str, pl.DataFrame]) -> dict[str, set[str]]:
    return {
        name: set(frame[CONTRACTS[name].key[0]])
        for name, frame in dims.items()
        if not frame.is_empty()
    }


def _scan_night(plan: str, table: str, run_date: date) -> pl.LazyFrame | None:
    url = f"{_url(plan)}/{table}"
    if not DeltaTable.is_deltatable(url):
        return None
    return pl.scan_delta(url).filter(pl.col("run_date") == run_date)


def _partition_columns(output: Output) -> tuple[str, str]:
    return ("run_date", output.site)


def _stage_rejects(run: Run, unit: Unit, rejects: Sequence[pl.DataFrame]) -> tuple[StagedFile, ...]:
    staged = []
    for frame in rejects:
        if not frame.is_empty():
            table = frame["table"][0]
            rows = frame.select(list(REJECTS.columns))
            staged.append(_stage(run, REJECTS, table, f"{unit.id}-{table}", rows))
    return tuple(staged)


def _stage(run: Run, output: Output, site: str, stem: str, frame: pl.DataFrame) -> StagedFile:
    expected = pl.Schema(output.columns)
    if frame.schema != expected:
        raise TypeError(f"{output.name}: columns are {frame.schema}, not {expected}")
    partition = {"run_date": str(run.config.date), output.site: site}
    folder = f"run_date={run.config.date}/{output.site}={_path_safe(site)}"
    path = f"{folder}/{_path_safe(stem)}-{run.run_id}.parquet"
    fs, root = fsspec.core.url_to_fs(f"{run.config.plan}/{output.name}")
    fs.makedirs(f"{root}/{folder}", exist_ok=True)
    with fs.open(f"{root}/{path}", "wb") as file:
        frame.write_parquet(file, compression="zstd")
        size = file.tell()
    return StagedFile(output.name, path, partition, size, frame.height)


def _path_safe(name: str) -> str:
    """A file name for any id. Delta reads the partition value from its log, not from the path."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return safe if safe == name else f"{safe}-{zlib.crc32(name.encode()):08x}"


def _add_action(file: StagedFile) -> AddAction:
    return AddAction(
        path=file.path,
        size=file.size_bytes,
        partition_values=file.partition,
        modification_time=0,
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )


def _open_or_create(plan: str, output: Output) -> DeltaTable:
    schema = pl.Schema({"run_date": pl.Date(), output.site: pl.String(), **output.columns})
    url = f"{_url(plan)}/{output.name}"
    fs, root = fsspec.core.url_to_fs(f"{plan}/{output.name}")
    fs.makedirs(root, exist_ok=True)
    return DeltaTable.create(
        url,
        schema=pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema,
        partition_by=list(_partition_columns(output)),
        mode="ignore",
    )


def _url(location: str) -> str:
    """delta-rs wants an absolute path or a URL."""
    fs, path = fsspec.core.url_to_fs(location)
    return path if "file" in fs.protocol else location
