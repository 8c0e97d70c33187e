"""The plan: Delta tables that readers see whole. Knows Delta Lake; nothing of Ray or models.

Tasks stage Parquet files that no reader sees until the driver commits a table's files of a night in
one transaction. A staged file is named after its content, so the same rows are the same file, and a
commit changes only what differs.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from io import BytesIO
from urllib.parse import quote, unquote

import polars as pl
from deltalake import DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from logistics.outputs import OUTPUTS, REJECTS
from logistics.schema import Output
from logistics.storage import LakeError, absolute, at, faults, one_line, put
from logistics.units import Run, StagedFile, Unit

_LONGEST = 150  # of a name in a path: two of them and a digest must stay below 255 bytes
_TRIES = 5  # of a commit that another writer of the same table keeps overtaking


def prepare(key: str, location: str) -> None:
    """Make an output location. Raises LakeError naming the key when that cannot be done."""
    fs, root = at(location)
    try:
        fs.makedirs(root, exist_ok=True)
        fs.pipe_file(f"{root}/.writable", b"")
        fs.rm_file(f"{root}/.writable")
    except faults(fs) as fault:
        raise LakeError(f"{key}={location} cannot be written: {one_line(fault)}") from None


def publish(run: Run, unit: Unit, outputs: Mapping[str, pl.DataFrame]) -> tuple[StagedFile, ...]:
    """Stage one unit's rows of each output table; empty tables leave no file."""
    return tuple(
        _stage(run, OUTPUTS[name], unit.site_id, unit.id, frame, name)
        for name, frame in outputs.items()
        if not frame.is_empty()
    )


def publish_rejects(
    run: Run, unit: Unit, rejects: Sequence[pl.DataFrame]
) -> tuple[StagedFile, ...]:
    """Stage one unit's rejected rows, a file per input table."""
    columns = list(REJECTS.columns)
    return tuple(
        _stage(run, REJECTS, table, f"{unit.id}-{table}", rows[columns], table)
        for rows in rejects
        if not rows.is_empty()
        for table in (rows["table"][0],)
    )


def staged(run: Run, table: str) -> dict[str, int]:
    """Path (relative to the table) → bytes of every file staged for the run's night."""
    fs, root = at(f"{run.config.plan}/{table}")
    night = f"{root}/run_date={run.config.date}"
    found = fs.find(night, detail=True) if fs.exists(night) else {}
    return {path[len(root) + 1 :]: info["size"] for path, info in found.items()}


def commit(run: Run, table: str, files: Sequence[StagedFile], only: Sequence[str] = ()) -> None:
    """Make these files the run date's rows of one output table, in a single transaction.

    only: the site partitions that are replaced (all of the run date's when empty). Files that are
    in already stay as they are; where nothing differs there is no new version of the table.
    """
    wanted = {file.path: file for file in files}
    for attempt in range(_TRIES):
        try:
            delta = _open_or_create(run.config.plan, OUTPUTS[table])
        except (DeltaError, OSError) as fault:
            raise LakeError(f"{table} cannot be committed: {one_line(fault)}") from None
        current = _night_files(delta, OUTPUTS[table], run.config.date)
        if only:
            current = {path: file for path, file in current.items() if _site(file) in only}
        adds = [_add(wanted[path]) for path in sorted(wanted.keys() - current)]
        removes = [_remove(current[path]) for path in sorted(current.keys() - wanted)]
        if not adds and not removes:
            return
        try:
            _transact(delta, OUTPUTS[table], [*adds, *removes])
        except CommitFailedError as fault:
            if attempt == _TRIES - 1:
                raise LakeError(f"{table} cannot be committed: {one_line(fault)}") from None
        else:
            return


def restore(plan: str, table: str, version: int, run_date: date) -> bool:
    """Make a night's rows of one table what they were at a version; False: they are already.

    Raises LakeError when files of that version have been vacuumed away.
    """
    output = OUTPUTS[table]
    delta = DeltaTable(f"{absolute(plan)}/{table}")
    wanted = _night_files(DeltaTable(delta.table_uri, version=version), output, run_date)
    current = _night_files(delta, output, run_date)
    fs, root = at(f"{plan}/{table}")
    gone = [path for path in sorted(wanted.keys() - current) if not fs.exists(f"{root}/{path}")]
    if gone:
        raise LakeError(
            f"{table}: {len(gone)} files of version {version} are no longer there (first "
            f"{gone[0]}); task=tidy has removed them, plan the night again with resume=false"
        )
    adds = [_add(wanted[path]) for path in sorted(wanted.keys() - current)]
    removes = [_remove(current[path]) for path in sorted(current.keys() - wanted)]
    if adds or removes:
        _transact(delta, output, [*adds, *removes])
    return bool(adds or removes)


def drop_nights(plan: str, table: str, before: date) -> int:
    """Take every night before a date out of one table; returns how many there were."""
    delta, output = DeltaTable(f"{absolute(plan)}/{table}"), OUTPUTS[table]
    old = _files(delta, output, before=before)
    if old:
        _transact(delta, output, [_remove(file) for file in old])
    return len({file.partition["run_date"] for file in old})


def read_plan(
    plan: str,
    table: str,
    run_date: date,
    site_id: str | None = None,
    where: pl.Expr | None = None,
    version: int | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame | None:
    """Committed rows of one night, sorted by site and key; None when there are none.

    version: of the Delta table, as `runs` names it for a whole night; None: the newest. columns:
    all that is read, site and key among them; None: every one.
    """
    output, night = OUTPUTS[table], _scan_night(plan, table, run_date, version)
    if night is None:
        return None
    if site_id is not None:
        night = night.filter(pl.col(output.site) == site_id)
    if where is not None:
        night = night.filter(where)
    rows = (night if columns is None else night.select(columns)).collect()
    return None if rows.is_empty() else rows.sort(output.site, *output.key)


def read_nights(
    plan: str, table: str, since: date, before: date, site_id: str | None = None
) -> pl.DataFrame | None:
    """Committed rows of the nights in [since, before), of a site or all; None: there are none."""
    output, rows = OUTPUTS[table], _scan(plan, table)
    if rows is None:
        return None
    nights = rows.filter(pl.col("run_date").is_between(since, before, closed="left"))
    if site_id is not None:
        nights = nights.filter(pl.col(output.site) == site_id)
    found = nights.collect()
    return None if found.is_empty() else found.sort("run_date", output.site, *output.key)


def files_between(plan: str, table: str, since: date, before: date) -> dict[str, pl.DataFrame]:
    """Site → its committed files (run_date, path) of the nights in [since, before).

    `read_files` reads them. One look at the log for all sites; sites without files are left out.
    """
    url = f"{absolute(plan)}/{table}"
    if since >= before or not DeltaTable.is_deltatable(url):
        return {}
    found: dict[str, list[tuple[date, str]]] = {}
    for file in _files(DeltaTable(url), OUTPUTS[table], since, before):
        night = date.fromisoformat(file.partition["run_date"])
        found.setdefault(_site(file), []).append((night, file.path))
    schema = {"run_date": pl.Date, "path": pl.String}
    return {site: pl.DataFrame(sorted(f), schema, orient="row") for site, f in found.items()}


def read_files(plan: str, table: str, files: pl.DataFrame) -> pl.DataFrame:
    """The rows of some of `files_between`'s files with their run_date, in no order."""
    fs, root = at(f"{plan}/{table}")
    schema, parts = OUTPUTS[table].schema, []
    del schema[OUTPUTS[table].site]  # in the paths only
    for night, path in files.iter_rows():
        rows = pl.read_parquet(BytesIO(fs.cat_file(f"{root}/{path}"))).lazy()
        parts.append(_of_schema(rows.with_columns(run_date=pl.lit(night)), schema))
    return pl.concat(parts).collect()


def values(plan: str, table: str, run_date: date, column: str) -> list[str | None]:
    """The distinct values of one column of a committed night, sorted; nothing else is read."""
    night = _scan_night(plan, table, run_date)
    if night is None:
        return []
    return night.select(pl.col(column).unique().sort()).collect()[column].to_list()


def file_digests(plan: str, table: str, run_date: date) -> dict[str, str]:
    """Site → digest of a committed night's rows, from the names of their files alone."""
    return digests_between(plan, table, run_date, run_date + timedelta(days=1))


def digests_between(plan: str, table: str, since: date, before: date) -> dict[str, str]:
    """`file_digests` of all nights in [since, before) together."""
    by_site = files_between(plan, table, since, before)
    return {site: _digest("".join(files["path"]).encode()) for site, files in by_site.items()}


def digest(rows: pl.DataFrame) -> str:
    """A digest of a frame's content."""
    buffer = BytesIO()
    rows.rechunk().write_ipc(buffer)
    return _digest(buffer.getvalue())


def versions(plan: str) -> dict[str, int]:
    """The Delta version of every table of the plan."""
    urls = {table: f"{absolute(plan)}/{table}" for table in OUTPUTS}
    return {
        t: DeltaTable(url).version() for t, url in urls.items() if DeltaTable.is_deltatable(url)
    }


def append_run(plan: str, rows: pl.DataFrame) -> None:
    """Add rows to the `runs` table; runs are never replaced. Raises LakeError when it cannot."""
    # The schema grows with the program; older rows have null in newer columns.
    try:
        write_deltalake(
            f"{absolute(plan)}/runs", rows.to_arrow(), mode="append", schema_mode="merge"
        )
    except (DeltaError, OSError) as fault:
        raise LakeError(f"runs cannot be written: {one_line(fault)}") from None


def read_runs(plan: str) -> pl.DataFrame | None:
    """Every recorded run, or None before the first."""
    url = f"{absolute(plan)}/runs"
    return pl.scan_delta(url).collect() if DeltaTable.is_deltatable(url) else None


def _scan_night(
    plan: str, table: str, run_date: date, version: int | None = None
) -> pl.LazyFrame | None:
    rows = _scan(plan, table, version)
    return None if rows is None else rows.filter(pl.col("run_date") == run_date)


def _scan(plan: str, table: str, version: int | None = None) -> pl.LazyFrame | None:
    """All committed rows."""
    url = f"{absolute(plan)}/{table}"
    if not DeltaTable.is_deltatable(url):
        return None
    return _of_schema(pl.scan_delta(url, version=version), OUTPUTS[table].schema)


def _of_schema(rows: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    """The columns of the schema; those that rows of an older program lack are null."""
    known = rows.collect_schema()
    newer = {c: pl.lit(None, dtype) for c, dtype in schema.items() if c not in known}
    return rows.with_columns(**newer).select(schema.names())


def _stage(
    run: Run, output: Output, site: str, stem: str, frame: pl.DataFrame, table: str
) -> StagedFile:
    """table: that is named when the site cannot be a file's name."""
    expected = pl.Schema(output.columns)
    if frame.schema != expected:
        raise TypeError(f"{output.name}: columns are {frame.schema}, not {expected}")
    buffer = BytesIO()
    # Quantiles hardly compress: zstd makes them a tenth smaller and takes twice as long to write.
    frame.write_parquet(buffer, compression="snappy")
    content = buffer.getvalue()
    partition = {"run_date": str(run.config.date), output.site: site}
    folder = f"run_date={run.config.date}/{output.site}={_path_safe(site, table)}"
    path = f"{folder}/{_path_safe(stem, table)}-{_digest(content)}.parquet"
    fs, root = at(f"{run.config.plan}/{output.name}")
    put(fs, f"{root}/{path}", content)
    return StagedFile(output.name, path, partition, len(content), frame.height)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _path_safe(name: str, table: str) -> str:
    """A file or folder name for any id; readers of hive paths decode it to the id again."""
    quoted = quote(name, safe="") if name not in (".", "..") else name.replace(".", "%2E")
    if len(quoted) > _LONGEST:
        raise LakeError(
            f"{table}: {name[:40]}…, a site's name of {len(name)} characters, fits no file name"
        )
    return quoted


def _night_files(delta: DeltaTable, output: Output, run_date: date) -> dict[str, StagedFile]:
    """Path → file of a night as committed."""
    night = _files(delta, output, run_date, run_date + timedelta(days=1))
    return {file.path: file for file in night}


def _files(
    delta: DeltaTable, output: Output, since: date = date.min, before: date = date.max
) -> list[StagedFile]:
    """Those of the nights in [since, before)."""
    actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    if actions.is_empty():
        return []
    site, rows = f"partition.{output.site}", actions.with_columns(pl.col("^partition.*$").cast(str))
    night = pl.col("partition.run_date")
    rows = rows.filter(night.is_between(pl.lit(str(since)), pl.lit(str(before)), closed="left"))
    return [
        StagedFile(
            table=output.name,
            path=unquote(row["path"]),  # the log holds paths as URIs
            partition={"run_date": row["partition.run_date"], output.site: row[site]},
            size_bytes=row["size_bytes"],
            rows=row["num_records"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _site(file: StagedFile) -> str:
    return file.partition[OUTPUTS[file.table].site]


def _add(file: StagedFile) -> AddAction:
    return AddAction(
        path=file.path,
        size=file.size_bytes,
        partition_values=file.partition,
        modification_time=0,
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )


def _remove(file: StagedFile) -> RemoveAction:
    return RemoveAction(
        path=file.path,
        data_change=True,
        deletion_timestamp=round(time.time() * 1000),
        size=file.size_bytes,
        partition_values=dict(file.partition),
    )


def _transact(
    delta: DeltaTable, output: Output, actions: Sequence[AddAction | RemoveAction]
) -> None:
    try:
        delta.create_write_transaction(
            list(actions),
            mode="append",
            schema=delta.schema(),
            partition_by=list(output.partitions),
        )
    except CommitFailedError:
        raise
    except (DeltaError, OSError) as fault:
        raise LakeError(f"{output.name} cannot be committed: {one_line(fault)}") from None


def _open_or_create(plan: str, output: Output) -> DeltaTable:
    """The table, with the columns that it lacks because an older program has made it."""
    fs, root = at(f"{plan}/{output.name}")
    fs.makedirs(root, exist_ok=True)
    schema = (
        pl.DataFrame(schema=output.schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    )
    delta = DeltaTable.create(
        f"{absolute(plan)}/{output.name}",
        schema=schema,
        partition_by=list(output.partitions),
        mode="ignore",
    )
    known = {field.name for field in delta.schema().fields}
    newer = [field for field in Schema.from_arrow(schema).fields if field.name not in known]
    if newer:
        delta.alter.add_columns(newer)
    return delta
