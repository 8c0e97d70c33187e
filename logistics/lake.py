"""Input tables: hive-partitioned Parquet or Delta under one location. Knows no models and no Ray.

A unit reads its own site's files and the contract's columns only; what breaks the contract is
staged for the plan's `rejects`.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import ceil
from urllib.parse import unquote

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from fsspec import AbstractFileSystem

from logistics import plan
from logistics.codes import encode
from logistics.contracts import Checked, check_pieces
from logistics.reading import read_table, row_groups
from logistics.schema import Contract, TableError
from logistics.storage import LakeError, absolute, at, faults, one_line, stamp
from logistics.tables import CONTRACTS
from logistics.units import Count, Run, StagedFile, Unit

COMPANY = Unit("company")  # the unit that reads the tables no site owns
# Hive's name for a null partition; here also the unit of rows whose site is null, so that they are
# read once, and rejected, instead of belonging to nobody.
UNKNOWN = "__HIVE_DEFAULT_PARTITION__"
PIECE_ROWS = 2**19  # that are checked together: 10 MiB of sales
# Files of a table that nobody can have meant to be passed over: they are named as unreadable.
FOREIGN = (".csv", ".csv.gz", ".tsv", ".xls", ".xlsx", ".jsonl", ".ndjson", ".avro", ".orc")


@dataclass(frozen=True, slots=True)
class Entry:
    """What came through the door: checked tables, their counts, and the staged rejects."""

    tables: dict[str, pl.DataFrame]
    counts: tuple[Count, ...]
    files: tuple[StagedFile, ...]


def tables(lake: str) -> list[str]:
    """Names of the contract tables present. Raises LakeError when the location is unreadable."""
    names = {name.removesuffix(".parquet") for name in entries(lake)}
    return [name for name in CONTRACTS if name in names]


def entries(lake: str) -> list[str]:
    """All that lies in the lake. Raises LakeError when the location is unreadable."""
    fs, root = at(lake)
    try:
        if fs.isfile(root):
            raise NotADirectoryError("it is a file, not a folder of tables")
        return [path.rstrip("/").rpartition("/")[2] for path in fs.ls(root, detail=False)]
    except faults(fs) as fault:
        missing = isinstance(fault, FileNotFoundError)
        reason = "there is no such folder" if missing else one_line(fault)
        raise LakeError(f"lake={lake} cannot be read: {reason}") from None


def units(lake: str, tables: Sequence[str], max_unit_mb: int) -> list[Unit]:
    """The sites of any of these tables, so that no row belongs to nobody.

    A site with more Parquet than max_unit_mb in the first of them comes in buckets.
    """
    first, *others = [CONTRACTS[table] for table in tables]
    sizes = _site_bytes(lake, first)
    found = []
    for site_id, size in sizes.items():
        buckets = max(ceil(size / (max_unit_mb * 2**20)), 1) if first.bucket_by else 1
        found += [Unit(site_id, bucket, buckets) for bucket in range(buckets)]
    more = {site_id for table in others for site_id in _site_bytes(lake, table)} - sizes.keys()
    return sorted([*found, *(Unit(site_id) for site_id in more)])


def states(lake: str, table: str) -> dict[str | None, str]:
    """Site → digest of its files' states, without reading them.

    None stands for files that belong to every site: those of tables not partitioned by site.
    """
    contract = CONTRACTS[table]
    fs, root = at(f"{lake}/{table}")
    parts: dict[str | None, list[str]] = {}
    if _is_delta(fs, root):
        delta = DeltaTable(absolute(f"{lake}/{table}"))
        by_site = contract.site in delta.metadata().partition_columns
        column = f"partition.{contract.site}"
        for action in pl.DataFrame(delta.get_add_actions(flatten=True)).iter_rows(named=True):
            site = None
            if by_site:
                site = UNKNOWN if action[column] is None else str(action[column])
            parts.setdefault(site, []).append(f"{action['path']} {action['size_bytes']}")
    else:
        for path, info in _files(fs, root):
            site = _hive_values(path[len(root) :]).get(contract.site or "")
            parts.setdefault(site, []).append(f"{path[len(root) :]} {stamp(info)}")
    return {
        site: hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()
        for site, files in parts.items()
    }


def columns(lake: str, table: str) -> set[str]:
    """The columns of a table's first file, or of all where it is Delta, with those of its
    partitions; none where that cannot be told, which its reader will report."""
    fs, root = at(f"{lake}/{table}")
    try:
        if _is_delta(fs, root):
            return {field.name for field in DeltaTable(absolute(f"{lake}/{table}")).schema().fields}
        path = f"{root}.parquet" if fs.isfile(f"{root}.parquet") else _first(fs, root)
        if path is None:
            return set()
        with fs.open(path) as file:
            return {*pq.read_schema(file).names, *_hive_values(path[len(root) :])}
    except (OSError, pa.ArrowException, DeltaError):
        return set()


def in_bucket(entity: str, unit: Unit) -> bool:
    """Whether a SKU or asset of the site belongs to this bucket of it."""
    return zlib.crc32(entity.encode()) % unit.buckets == unit.bucket


def enter(
    run: Run,
    unit: Unit,
    names: Sequence[str],
    dims: Mapping[str, pl.DataFrame],
    since: Mapping[str, date] | None = None,
) -> Entry:
    """Read and check a unit's tables; an absent table is empty. Rejects are staged for `rejects`.

    names: first the one without which there is nothing to plan. Raises TableError where no row of
    it is good, or none of many of another's.
    dims are the company's checked tables, for foreign keys; an empty one refers to nothing.
    since: table → a day; parts of its files that only hold earlier times (`at`) are not read.
    """
    counts, rejects = [], []
    checked = _check_tables(run, unit, names, dims, since or {})
    for name, found in checked.items():
        if unit.bucket > 0 and CONTRACTS[name].bucket_by is None:
            continue  # bucket 0 has counted this table, which every bucket of the site reads
        rows_out, rejected = found.good.height, found.rejects.height
        counts.append(Count(name, rows_out + rejected, rows_out, rejected))
        rejects.append(found.rejects)
    good = {name: found.good for name, found in checked.items()}
    return Entry(good, tuple(counts), plan.publish_rejects(run, unit, rejects))


def peek(
    run: Run, unit: Unit, names: Sequence[str], dims: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame] | str:
    """A unit's good rows for training, which counts nothing and rejects nothing.

    Why, when the unit cannot be read: the night will report it, training goes on without it.
    """
    try:
        checked = _check_tables(run, unit, names, dims, {})
    except (LakeError, TableError) as fault:
        return str(fault)
    return {name: found.good for name, found in checked.items()}


def _check_tables(
    run: Run,
    unit: Unit,
    names: Sequence[str],
    dims: Mapping[str, pl.DataFrame],
    since: Mapping[str, date],
) -> dict[str, Checked]:
    """Table → what the contract makes of them, referred-to tables first."""
    refs = {table for name in names for table in CONTRACTS[name].refs.values()}
    known = _keys({table: dims[table] for table in refs & dims.keys()})
    checked = {}
    for name in sorted(names, key=list(CONTRACTS).index):
        pieces = _read(run.config.lake, CONTRACTS[name], unit, since.get(name))
        site_id = None if unit == COMPANY else unit.site_id
        found = check_pieces(pieces, CONTRACTS[name], known, site_id)
        nobodys = found.rejects["column"] == (CONTRACTS[name].bucket_by or "")  # in one bucket
        whole = unit.site_id != UNKNOWN and not (unit.buckets > 1 and nobodys.all())
        needed = unit.buckets == 1 and unit != COMPANY and name == names[0] and name not in since
        if whole and (fault := found.misread(needed)) is not None:
            raise TableError(f"{name}: {fault}")
        checked[name] = found
        if unit == COMPANY:
            known |= _keys({name: found.good} if name in refs else {})
    return checked


def _is_delta(fs: AbstractFileSystem, root: str) -> bool:
    return bool(fs.exists(f"{root}/_delta_log"))


def _site_bytes(lake: str, contract: Contract) -> dict[str, int]:
    """Site → bytes of Parquet (0 where a table is not partitioned by site)."""
    site = contract.site
    assert site is not None
    fs, root = at(f"{lake}/{contract.name}")
    if _is_delta(fs, root):
        return _delta_site_bytes(absolute(f"{lake}/{contract.name}"), site)
    sizes: dict[str, int] = {}
    for path, info in _files(fs, root):
        value = _hive_values(path[len(root) :]).get(site)
        if value is not None:
            sizes[value] = sizes.get(value, 0) + info["size"]
        else:
            with fs.open(path) as file:
                rows = _read_file(file, path, replace(contract, columns={}, extra=None), {})
            if site not in rows.columns:
                raise LakeError(f"{contract.name}: {path} has no column {site} that tells its site")
            sizes |= {name: sizes.get(name, 0) for name in _distinct(rows.lazy(), site)}
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


def _read(
    lake: str, contract: Contract, unit: Unit, since: date | None = None
) -> Iterator[pl.DataFrame]:
    """A unit's rows in the contract's types, with hive partition values as columns.

    In pieces of a few files: what is made of one for a moment stays small, and in the cache.
    """
    fs, root = at(f"{lake}/{contract.name}")
    site = contract.site
    if _is_delta(fs, root):
        lazy = pl.scan_delta(absolute(f"{lake}/{contract.name}"))
        if site is not None:
            lazy = lazy.filter(pl.col(site).cast(pl.String).fill_null(UNKNOWN) == unit.site_id)
        if since is not None:
            lazy = lazy.filter(pl.col("at") >= since)
        try:
            found = _project(lazy, contract).collect()
        except pl.exceptions.PolarsError as fault:
            raise LakeError(f"{contract.name} cannot be read as Delta: {fault}") from None
        rows = _of_bucket(read_table(found.to_arrow(), contract), contract, unit)
        yield _concat([rows], contract, unit)
        return
    parts: list[pl.DataFrame] = []
    for path, _ in _files(fs, root, {} if site is None else {site: unit.site_id}):
        values = _hive_values(path[len(root) :])
        if site is not None and values.get(site, unit.site_id) != unit.site_id:
            continue
        with fs.open(path) as file:
            part = _read_file(file, path, contract, values, since)
        if site is not None and site not in values:
            if site not in part.columns:
                raise LakeError(f"{contract.name}: {path} has no column {site} that tells its site")
            part = part.filter(pl.col(site).fill_null(UNKNOWN) == unit.site_id)
        parts.append(_of_bucket(part, contract, unit))
        if sum(part.height for part in parts) >= PIECE_ROWS:
            yield _concat(parts, contract, unit)
            parts = []
    yield _concat(parts, contract, unit)


def _concat(parts: Sequence[pl.DataFrame], contract: Contract, unit: Unit) -> pl.DataFrame:
    """The parts as one, without a column of the site's name, which is the unit's in every row."""
    if not parts:
        return pl.DataFrame(
            schema={name: column.dtype for name, column in contract.columns.items()}
        )
    named = unit not in (COMPANY, Unit(UNKNOWN, unit.bucket, unit.buckets))
    dropped = [contract.site] if contract.site and named else []
    parts = [part.drop(dropped, strict=False) for part in parts]
    alike = all(part.schema == parts[0].schema for part in parts)
    return pl.concat(parts, how="vertical" if alike else "diagonal_relaxed")


def _read_file(
    file: object,
    path: str,
    contract: Contract,
    values: Mapping[str, str],
    since: date | None = None,
) -> pl.DataFrame:
    """values: of the hive partition, which stand for columns of the file."""
    if path.lower().endswith(FOREIGN):
        raise LakeError(f"{contract.name}: {path} is not read: tables are Parquet or Delta")
    try:
        parquet = _open(file, contract)
        wanted = [name for name in parquet.schema_arrow.names if name not in values]
        if contract.extra is None:
            wanted = [name for name in wanted if name in {*contract.columns, contract.site}]
        found = parquet.read_row_groups(row_groups(parquet.metadata, since), columns=wanted)
    except (pa.ArrowException, OSError) as fault:
        raise LakeError(f"{contract.name}: {path} cannot be read as Parquet: {fault}") from None
    for column, value in values.items():
        if column == contract.site and value != UNKNOWN:
            continue  # the unit's, in every row
        code = pa.scalar(None if value == UNKNOWN else 0, pa.int32())
        codes = pa.repeat(code, found.num_rows)
        found = found.append_column(column, pa.DictionaryArray.from_arrays(codes, [value]))
    return read_table(found, contract)


def _open(file: object, contract: Contract) -> pq.ParquetFile:
    """The file; what a site is bucketed by is read as codes, for its texts stand on many rows."""
    parquet = pq.ParquetFile(file)
    columns = {parquet.schema.column(i).path for i in range(len(parquet.schema))}
    if contract.bucket_by not in columns:
        return parquet
    return pq.ParquetFile(file, metadata=parquet.metadata, read_dictionary=[contract.bucket_by])


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
    names, codes = encode(rows[column])
    # The last one stands for null, whose code is the last.
    mine = np.array([*(in_bucket(name, unit) for name in names), unit.bucket == 0])
    return rows.filter(mine[codes])


def _files(
    fs: AbstractFileSystem, root: str, only: Mapping[str, str] | None = None
) -> list[tuple[str, dict[str, int]]]:
    """Parquet files below a table, or the single file <table>.parquet, in path order; foreign ones
    among them, for their reader to name.

    only: value wanted of a partition column. Folders right below the table with another value are
    not opened, or each of 1,000 sites would list the files of all.
    """
    single = f"{root}.parquet"
    if fs.isfile(single):
        return [(single, fs.info(single))]
    if not fs.exists(root):
        return []
    found: dict[str, dict[str, int]] = {}
    for top in fs.ls(root, detail=False) if only else [root]:
        values = _hive_values(top[len(root) :])
        if all(values.get(column, value) == value for column, value in (only or {}).items()):
            found |= fs.find(top, detail=True)
    # Below the table only: a lake may lie in a folder whose own name begins with "_".
    kinds = (".parquet", *FOREIGN)
    inside = [p for p in sorted(found) if p.lower().endswith(kinds) and "/_" not in p[len(root) :]]
    return [(path, found[path]) for path in inside]


def _first(fs: AbstractFileSystem, folder: str) -> str | None:
    """Some Parquet file below a folder, without listing all of it."""
    for entry in sorted(fs.ls(folder, detail=True), key=lambda entry: str(entry["name"])):
        name = str(entry["name"]).rstrip("/")
        if name.rpartition("/")[2].startswith(("_", ".")):
            continue
        path = _first(fs, name) if entry["type"] == "directory" else name
        if path is not None and path.lower().endswith(".parquet"):
            return path
    return None


def _hive_values(relative: str) -> dict[str, str]:
    pairs = (part.split("=", 1) for part in relative.split("/") if "=" in part)
    return {column: unquote(value) for column, value in pairs}


def _keys(dims: Mapping[str, pl.DataFrame]) -> dict[str, pl.Series]:
    return {
        name: frame[CONTRACTS[name].key[0]] for name, frame in dims.items() if not frame.is_empty()
    }
