"""Looking after the plan: a night as it was, compaction, retention. Knows Delta Lake; no Ray."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from logistics import handouts, plan, runs
from logistics.config import Config
from logistics.lock import hold
from logistics.outputs import OUTPUTS, ROUTE_KPIS, ROUTES, STOPS, UNSERVED
from logistics.routes import dispatch
from logistics.schema import Output
from logistics.storage import LakeError, absolute, at, modified


@dataclass(frozen=True, slots=True)
class Tidied:
    """What task=tidy did to one table."""

    table: str
    nights_dropped: int
    files_compacted: int
    files_removed: int


def roll_back(config: Config) -> tuple[str, list[str]]:
    """Make config.date's plan what an earlier whole run published: config.run, or the last one
    before the plan that is in now. Returns that run's id and the tables that have changed.

    Raises LakeError when there is no such run or its files have been removed.
    """
    nights = runs.whole_nights(config.plan).filter(run_date=config.date)
    published = nights.select(run=pl.coalesce("restored", "run_id"), tables="tables")
    known = published["run"].unique(maintain_order=True).to_list()
    if config.run is not None:
        target = config.run
        if target not in known:
            told = ", ".join(known) or "none"
            raise LakeError(f"run={target} is no whole run of {config.date}; there are: {told}")
    else:
        current = published["run"][-1] if known else None
        earlier = [run for run in known if run != current]
        before = known[: known.index(current)] if current else []
        if not earlier or not before:
            raise LakeError(
                f"date={config.date}: nothing to roll back to in plan={config.plan}; whole runs of "
                f"this night: {', '.join(known) or 'none'} (name one with run=)"
            )
        target = before[-1]
    pins = published.filter(run=target)["tables"][0]
    run_id, started = f"{config.date}-{uuid.uuid4().hex[:8]}", datetime.now(UTC)
    with hold(config.plan, str(config.date), run_id, against="tidy") as lock:
        changed = []
        for pin in pins:
            lock.check()
            if plan.restore(config.plan, pin["table"], pin["version"], config.date):
                changed.append(pin["table"])
        lock.check()
        _hand_out(config)
        runs.append_rollback(config, run_id, target, started)
    return target, changed


def _hand_out(config: Config) -> None:
    """Make the depots' files again from the plan's tables."""
    kpis, *rows = (_rows(config, output) for output in (ROUTE_KPIS, ROUTES, STOPS, UNSERVED))
    for depot in kpis.iter_rows(named=True):
        depot_id = depot["depot_id"]
        own = [frame.filter(depot_id=depot_id).drop("depot_id") for frame in rows]
        made = dispatch.handouts(str(config.date), depot, *own)
        handouts.write(config.plan, config.date, ROUTES.site, depot_id, made)


def _rows(config: Config, output: Output) -> pl.DataFrame:
    """A table's rows of the night, with their site; of columns that it did not have yet, nulls."""
    rows = plan.read_plan(config.plan, output.name, config.date)
    none = pl.DataFrame(schema=output.schema)
    return (none if rows is None else pl.concat([none, rows], how="diagonal")).drop("run_date")


def tidy(config: Config) -> Iterator[Tidied]:
    """Compact every table, drop nights past their retention, and remove the files that no kept
    version needs: those replaced, and those that killed nights have staged.

    Yields what was done, table by table. Raises LakeError while a night is being run, and where
    there is no plan.
    """
    keep = config.retention
    fs, root = at(config.plan)
    if not fs.exists(root):
        raise LakeError(f"plan={config.plan} cannot be tidied: there is no such plan")
    with hold(config.plan, "tidy", f"tidy-{uuid.uuid4().hex[:8]}", against="*") as lock:
        for table in (*OUTPUTS, "runs"):
            url = f"{absolute(config.plan)}/{table}"
            if DeltaTable.is_deltatable(url):
                lock.check()
                try:
                    yield _tidy_table(config, table, url)
                except (DeltaError, OSError) as fault:
                    raise LakeError(f"{table} cannot be tidied: {fault}") from None
        if keep.nights_days is not None:
            handouts.drop(config.plan, config.date - timedelta(days=keep.nights_days))
        _drop_records(config.plan, keep.versions_days)


def _tidy_table(config: Config, table: str, url: str) -> Tidied:
    keep = config.retention
    dropped = 0
    if keep.nights_days is not None and table in OUTPUTS:
        before = config.date - timedelta(days=keep.nights_days)
        dropped = plan.drop_nights(config.plan, table, before)
    delta = DeltaTable(url)
    compacted = delta.optimize.compact()
    since = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=keep.versions_days)
    recent = runs.whole_nights(config.plan).filter(pl.col("started_at") >= since)
    pins = {p["version"] for tables in recent["tables"] for p in tables if p["table"] == table}
    removed = delta.vacuum(
        retention_hours=keep.versions_days * 24,
        dry_run=False,
        enforce_retention_duration=False,
        full=True,  # staged files, too, that no version has ever named
        keep_versions=sorted(pins) or None,
    )
    delta.create_checkpoint()
    delta.cleanup_metadata()
    return Tidied(table, dropped, int(compacted["numFilesRemoved"]), len(removed))


def _drop_records(location: str, days: int) -> None:
    """Remove the unit records of nights that nobody has worked on for so many days."""
    fs, root = at(f"{location}/_units")
    if not fs.exists(root):
        return
    for folder in fs.ls(root, detail=False):
        newest = max((modified(info) for info in fs.find(folder, detail=True).values()), default=0)
        if newest < time.time() - days * 86400:
            fs.rm(folder, recursive=True)
