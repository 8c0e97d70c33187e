"""The night: the workloads in the order of the tables they read and write, each unit once.

Knows how units are run, recorded, published and accounted for, not how a workload works. Workloads
that do not wait for each other run at once.
"""

import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from graphlib import TopologicalSorter

import polars as pl
import ray
from ray.data.exceptions import ExecutionTimeoutError, SystemException

from logistics import company, lake, plan, records, registry, runs
from logistics.config import Config, Task
from logistics.lock import Lock, hold
from logistics.outcome import Night, Outcome, Progress
from logistics.publish import outcome_of, publish, publish_rejects
from logistics.registry import Card
from logistics.storage import LakeError
from logistics.tables import CONTRACTS
from logistics.tasks import Dims, reason_of
from logistics.units import Parcel, Run, Unit
from logistics.watch import Watch
from logistics.workloads import WORKLOADS, Workload, chosen

# What ends a whole pipeline; Ray Data's own are no Ray errors.
PIPELINE_FAULTS = (ray.exceptions.RayError, ExecutionTimeoutError, SystemException)


@dataclass(frozen=True, slots=True)
class Works:
    """What every workload of one night works with."""

    run: Run
    dims: Dims
    broken: Mapping[str, str]  # of the company's tables: those that cannot be used, and why
    lock: Lock
    stop: threading.Event
    progress: Progress
    watch: Watch


class TrainingError(ValueError):
    """A model that cannot be trained; the message says why."""


def check_lake(config: Config, workloads: Sequence[Workload]) -> None:
    """Raises LakeError naming the location or table that cannot be used, before Ray starts."""
    present = lake.tables(config.lake)
    for workload in workloads:
        missing = [table for table in workload.needs if table not in present]
        if missing:
            raise LakeError(
                f"lake={config.lake} lacks the table {', '.join(missing)} that {workload.name} "
                f"needs; add it{_instead(present)} (the lake has {', '.join(present) or 'none'})"
            )
    plan.prepare("plan", config.plan)
    plan.prepare("models", config.models)


def _instead(present: Collection[str]) -> str:
    """The tasks whose tables are all there."""
    lacking = {w.task for w in WORKLOADS if not {*w.needs} <= {*present}}
    possible = sorted({w.task for w in WORKLOADS} - lacking)
    return "".join(f", or run task={task}" for task in possible)


def as_it_was(config: Config) -> Config:
    """The config of the run that config.run names, to repair it: its failed units have no record,
    so the same night again computes them, and what depends on them.

    Where Ray runs and who hears of it is today's choice. Raises LakeError for no such run.
    """
    then = runs.config_of(config.plan, config.run or "")
    return replace(
        then, cluster=config.cluster, watch=config.watch, verbose=config.verbose, resume=True
    )


def asked_for(config: Config) -> list[tuple[Task, date]]:
    """The nights to plan: one, or for task=backfill every one of its days that is not whole."""
    if config.task != "backfill":
        return [(config.task, config.date)]
    assert config.first is not None
    assert config.last is not None
    days = [config.first + timedelta(n) for n in range((config.last - config.first).days + 1)]
    whole = set(runs.whole_nights(config.plan)["run_date"])
    return [("night", day) for day in days if day not in whole]


def run_night(config: Config, progress: Progress, stop: threading.Event) -> Night:
    """Run the workloads of config.task on a started Ray, publish, and record them in `runs`.

    Once `stop` is set no further unit begins; those in flight are finished and published. Raises
    LakeError when another run of the same night is under way.
    """
    run = Run(f"{config.date}-{uuid.uuid4().hex[:8]}", config)
    name = str(config.date)
    with (
        hold(config.plan, name, run.run_id, against="tidy") as lock,
        Watch(config, run.run_id) as watch,
    ):
        started, clock = datetime.now(UTC), time.perf_counter()
        workloads = chosen(config.task)
        dims, door = _enter_company(run, workloads)
        watch.workload_ended(door)
        broken = {**_all_rejected(door, workloads), **door.failures}
        works = Works(run, dims, broken, lock, stop, progress, watch)
        outcomes = {"company": door}
        for outcome in _in_order(works, workloads):
            outcomes[outcome.workload] = outcome
            watch.workload_ended(outcome)
        lock.check()
        try:
            publish_rejects(run, list(outcomes.values()))
        except LakeError as fault:
            outcomes["company"] = replace(door, failures={**door.failures, "rejects": str(fault)})
        night = Night(run, outcomes, started, time.perf_counter() - clock)
        try:
            if night.complete and config.task == "night":
                records.remember_sites(run, _lasting_sites(run, workloads))
            runs.append(night)
        except LakeError as fault:
            night = replace(night, unrecorded=str(fault))
        watch.night_ended(night)
    return night


def train(config: Config, name: str, progress: Progress) -> Card:
    """Train one workload's model, back-test it, register it, and promote it unless it lost.

    Raises TrainingError with the reason when it cannot be trained.
    """
    workload = next(w for w in WORKLOADS if w.name == name)
    run = Run(f"{config.date}-train", config)
    dims, door = _enter_company(run, [workload])
    if door.failures:
        raise TrainingError(f"training {name}: " + "; ".join(door.failures.values()))
    try:
        return _train(workload, run, dims, progress)
    except ray.exceptions.RayError as fault:
        raise TrainingError(f"training {name}: {reason_of(fault)}") from None


def backtest(config: Config, progress: Progress) -> pl.DataFrame:
    """Back-test the forecasts at the last origins and publish it; the rows, with their sites.

    Raises TrainingError with the reason when that cannot be done.
    """
    workload = next(w for w in WORKLOADS if w.backtest is not None)
    assert workload.backtest is not None
    run = Run(f"{config.date}-backtest", config)
    dims, door = _enter_company(run, [workload])
    if door.failures:
        raise TrainingError("back-testing: " + "; ".join(door.failures.values()))
    progress("back-testing", 0, 1)
    try:
        files, rows = workload.backtest(run, dims)
    except ray.exceptions.RayError as fault:
        raise TrainingError(f"back-testing: {reason_of(fault)}") from None
    for table in sorted({file.table for file in files}):
        plan.commit(run, table, files)
    progress("back-testing", 1, 1)
    return rows


def _train(workload: Workload, run: Run, dims: Dims, progress: Progress) -> Card:
    assert workload.train is not None
    progress(f"training {workload.name}", 0, 1)
    card = workload.train(run, dims)
    if not card.lost_to:
        registry.promote(run.config.models, workload.name, card.version)
    progress(f"training {workload.name}", 1, 1)
    return card


def _enter_company(run: Run, workloads: Sequence[Workload]) -> tuple[Dims, Outcome]:
    """The company's tables that the workloads read; a broken one fails only who reads it."""
    used = {table for workload in workloads for table in workload.company_tables}
    return company.enter(run, [table for table in CONTRACTS if table in used])


def _all_rejected(door: Outcome, workloads: Sequence[Workload]) -> dict[str, str]:
    """Of the company's tables that some workload needs, those without a good row."""
    needed = {table for workload in workloads for table in workload.needs}
    return {
        count.table: f"{count.table}: all {count.rows_in:,} rows are rejected (see `rejects`)"
        for count in door.counts
        if count.table in needed and count.rows_in and not count.rows_out
    }


def _run_workload(works: Works, workload: Workload) -> Outcome:
    """Compute what no record of tonight's inputs covers, and publish it all."""
    started, clock = datetime.now(UTC), time.perf_counter()
    run, dims, stop = works.run, works.dims, works.stop
    gone, present = _units(works, workload)
    units = len(present) + len(gone)
    reused: list[Parcel] = []
    computed = gone
    reason = None
    try:
        if workload.train and not stop.is_set() and _champion(workload, run) is None:
            _train(workload, run, dims, works.progress)
        prints = _fingerprints(workload, run, dims, present)
        if run.config.resume:
            reused = records.done(run, workload.name, prints, workload.writes)
        works.progress(workload.name, len(reused), units)
        works.watch.begun(workload.name, units, len(reused))
        for parcel in reused:
            works.watch.unit_done(workload.name, parcel, reused=True)
        known = {parcel.unit for parcel in reused}
        todo = [Parcel(u, fingerprint=prints[u]) for u in present if u not in known]
        for parcel in _run_units(workload, run, dims, todo, stop):
            computed.append(parcel)
            works.progress(workload.name, len(reused) + len(computed), units)
            works.watch.unit_done(workload.name, parcel)
    except PIPELINE_FAULTS as fault:
        # A crashed actor pool, or a model that cannot be trained, ends its workload, not the night.
        reason = reason_of(fault)
    lost = {*present} - {parcel.unit for parcel in (*reused, *computed)}
    reason = reason or (records.STOPPED if stop.is_set() else records.CRASHED)
    computed += [Parcel(unit, failure=reason) for unit in sorted(lost)]
    parcels = [*reused, *computed]
    written, unpublished = publish(run, workload.writes, parcels, works.lock, stop.is_set())
    return outcome_of(
        workload.name,
        started,
        clock,
        parcels,
        reused=len(reused),
        written=written,
        card=_champion(workload, run),
        failures=unpublished,
    )


def _units(works: Works, workload: Workload) -> tuple[list[Parcel], list[Unit]]:
    """The units that cannot be begun, failed with the reason, and those that can."""
    broken = [works.broken[table] for table in workload.company_tables if table in works.broken]
    if broken:
        return [Parcel(Unit("all sites"), failure="; ".join(broken))], []
    try:
        gone = _gone(workload, works.run)
        present = {*workload.units(works.run, works.dims)} - {parcel.unit for parcel in gone}
    except (LakeError, *PIPELINE_FAULTS) as fault:
        return [Parcel(Unit("all sites"), failure=reason_of(fault))], []
    return gone, sorted(present)


def _run_units(
    workload: Workload, run: Run, dims: Dims, todo: Sequence[Parcel], stop: threading.Event
) -> Iterator[Parcel]:
    """Every unit's parcel, and those that Ray lost on the way once more.

    A node that goes takes blocks with it, and Ray 2.60 does not always make them again: seen was a
    write that waited for its input until the no-progress limit ended the whole pipeline.
    """
    for last in (False, False, True):
        lost = {parcel.unit: parcel for parcel in todo}
        if not lost or stop.is_set():
            return
        try:
            for parcel in workload.run(run, dims, list(lost.values())):
                if lost.pop(parcel.unit, None) is not None:
                    yield parcel
        except PIPELINE_FAULTS:
            if last:
                raise
        todo = list(lost.values())


def _lasting_sites(run: Run, workloads: Sequence[Workload]) -> dict[str, set[str]]:
    mb = run.config.cluster.max_unit_mb
    tables = [workload.lasting for workload in workloads if workload.lasting is not None]
    return {t: {u.site_id for u in lake.units(run.config.lake, [t], mb)} for t in tables}


def _gone(workload: Workload, run: Run) -> list[Parcel]:
    """Sites that the last whole night had and that have no partition any more: failed units."""
    if workload.lasting is None:
        return []
    night, sites = records.last_sites(run)
    now = _lasting_sites(run, [workload])[workload.lasting]
    return [
        Parcel(
            Unit(site_id),
            failure=f"{workload.lasting} has no partition for {site_id}, as on {night}; "
            f"restore it, or say closed=[{site_id}] if the site is no more",
        )
        for site_id in sorted({*sites.get(workload.lasting, [])} - now - {*run.config.closed})
    ]


def _champion(workload: Workload, run: Run) -> Card | None:
    return registry.champion(run.config.models, workload.name) if workload.train else None


def _fingerprints(
    workload: Workload, run: Run, dims: Dims, units: Sequence[Unit]
) -> dict[Unit, str]:
    """Unit → digest of all that its rows are made from: code, config, model and inputs."""
    config = run.config
    card = _champion(workload, run)
    shared = records.fingerprint(
        records.code_version(),
        card.version if card else None,
        asdict(getattr(config, workload.task)),
        [config.lake, config.date, config.seed, config.deterministic],
        [sorted(lake.states(config.lake, t).values()) for t in workload.company_tables],
    )
    tables = [lake.states(config.lake, table) for table in workload.site_tables]
    upstream = workload.upstream(run, dims) if workload.upstream else {}
    return {
        unit: records.fingerprint(
            shared,
            asdict(unit),
            [[states.get(None), *map(states.get, unit.sites)] for states in tables],
            [upstream.get(site_id) for site_id in unit.sites],
        )
        for unit in units
    }


def _in_order(works: Works, workloads: Sequence[Workload]) -> Iterator[Outcome]:
    """Run every workload once those whose tables it reads have ended; independent ones at once."""
    writers = {table: w.name for w in workloads for table in w.writes}
    graph = TopologicalSorter(
        {w.name: {writers[t] for t in w.reads if t in writers} for w in workloads}
    )
    by_name = {w.name: w for w in workloads}
    graph.prepare()
    told = False
    with ThreadPoolExecutor(len(workloads)) as threads:
        running: dict[Future[Outcome], str] = {}
        try:
            while graph.is_active():
                for name in graph.get_ready():
                    running[threads.submit(_run_workload, works, by_name[name])] = name
                for ended in wait(running, timeout=0.5, return_when=FIRST_COMPLETED).done:
                    yield ended.result()
                    graph.done(running.pop(ended))
                if works.stop.is_set() and not told:
                    records.stop(works.run)
                    told = True
        except KeyboardInterrupt:
            ray.shutdown()  # else the threads would wait for their tasks
            raise
