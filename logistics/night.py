"""The night: which workloads there are, their order by the tables they read and write, and Ray.

Knows what each workload reads and writes, not how it works. A workload is plain data; the order of
the night follows from table names alone, and workloads that do not wait for each other run at once.
"""

import contextlib
import importlib.metadata
import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import cast

import polars as pl
import ray

from logistics import lake, registry
from logistics.config import Config
from logistics.forecast import batch as forecast
from logistics.maintenance import batch as maintenance
from logistics.outcome import Night, Outcome, Progress
from logistics.outputs import OUTPUTS, RUNS
from logistics.registry import Card
from logistics.routes import batch as routes
from logistics.slotting import batch as slotting
from logistics.tables import CONTRACTS
from logistics.units import Parcel, Run, Unit, add_counts, add_figures, on_unit


class TrainingError(ValueError):
    """A model that cannot be trained; the message says why."""


Units = Callable[[Run], list[Unit]]
Dims = ray.ObjectRef[dict[str, pl.DataFrame]]  # the company's tables, checked, in the object store
Runner = Callable[[Run, Dims, Sequence[Unit]], Iterator[Parcel]]
Trainer = Callable[[Run, Dims], Card]


@dataclass(frozen=True, slots=True)
class Workload:
    """What a workload needs, may read and writes, and its functions.

    needs and reads name input tables (or output tables of tonight, which give the order);
    a table in needs must be there, one in reads may be absent.
    """

    name: str
    task: str
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    units: Units
    run: Runner
    train: Trainer | None = None


WORKLOADS = (
    Workload(
        "forecast",
        "forecast",
        needs=("sales",),
        reads=("signals", "items", "promotions", "prices"),
        writes=("forecasts", "forecast_totals"),
        units=forecast.units,
        run=forecast.run,
        train=forecast.train,
    ),
    Workload(
        "maintenance",
        "maintenance",
        needs=("telemetry", "assets"),
        reads=("events", "workshops"),
        writes=("risks",),
        units=maintenance.units,
        run=maintenance.run,
        train=maintenance.train,
    ),
    Workload(
        "workshop",
        "maintenance",
        needs=("assets", "workshops"),
        reads=("risks", "technicians", "parts"),
        writes=("work_orders",),
        units=maintenance.workshop_units,
        run=maintenance.run_workshops,
    ),
    Workload(
        "routes",
        "routes",
        needs=("orders", "depots", "vehicles", "drivers"),
        reads=("work_orders", "traffic", "travel_times"),
        writes=("routes", "stops", "unserved", "kept_back"),
        units=routes.units,
        run=routes.run,
    ),
    Workload(
        "slotting",
        "slotting",
        needs=("slots",),
        reads=("forecast_totals", "order_lines", "items"),
        writes=("slots_plan", "moves", "unplaced"),
        units=slotting.units,
        run=slotting.run,
    ),
)


def chosen(task: str) -> list[Workload]:
    """The workloads of a task, all of them for the night."""
    return [w for w in WORKLOADS if task in ("night", w.task)]


def check_lake(config: Config, workloads: Sequence[Workload]) -> None:
    """Raises LakeError naming the location or table that cannot be used, before Ray starts."""
    lake.prepare("plan", config.plan)
    lake.prepare("models", config.models)
    present = lake.tables(config.lake)
    for workload in workloads:
        missing = [table for table in workload.needs if table not in present]
        if missing:
            raise lake.LakeError(
                f"lake={config.lake} lacks the table {', '.join(missing)} that {workload.name} "
                f"needs; add it, or run another task (the lake has {', '.join(present) or 'none'})"
            )


def start_ray(config: Config) -> None:
    """Start Ray here, or join the cluster that cluster.address names."""
    cluster = config.cluster
    # The V2 reader starts 32 footer-reading actors per read; models and solvers are single-threaded
    # so that parallelism is Ray's alone.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {"env_vars": {**threads, "RAY_DATA_USE_DATASOURCE_V2": "0"}}
    quiet = logging.INFO if config.verbose else logging.ERROR
    with contextlib.nullcontext() if config.verbose else _without_native_logs():
        if cluster.address is None:
            ray.init(
                "local",  # one of our own even where another Ray runs
                num_cpus=cluster.num_cpus,
                object_store_memory=cluster.object_store_mb * 2**20,
                include_dashboard=cluster.dashboard,
                dashboard_host="127.0.0.1",
                runtime_env=environment,
                log_to_driver=config.verbose,
                logging_level=quiet,
            )
        else:
            ray.init(
                cluster.address,
                runtime_env=environment,
                log_to_driver=config.verbose,
                logging_level=quiet,
            )
    context = ray.data.DataContext.get_current()
    context.use_datasource_v2 = False
    context.enable_progress_bars = config.verbose
    context.execution_no_progress_timeout_s = 120
    logging.getLogger("ray.data").setLevel(quiet)


@contextlib.contextmanager
def _without_native_logs() -> Iterator[None]:
    """Ray's C++ core announces its own log level on stderr, whatever the level; Python's errors,
    which say why Ray did not start, still come through as exceptions."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    sys.stderr.flush()
    shown = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(shown, 2)
            os.close(shown)


def run_night(config: Config, progress: Progress) -> Night:
    """Run the workloads of config.task on a started Ray, publish, and record them in `runs`."""
    run = Run(f"{config.date}-{uuid.uuid4().hex[:8]}", config)
    workloads = chosen(config.task)
    dims, door = _enter_company(run, workloads)
    outcomes = {"company": door}
    for outcome in _in_order(workloads, lambda w: _run_workload(w, run, dims, progress)):
        outcomes[outcome.workload] = outcome
    _commit_rejects(run, list(outcomes.values()))
    lake.append_run(config.plan, _run_rows(run, list(outcomes.values())))
    return Night(run, outcomes)


def train(config: Config, name: str, progress: Progress) -> Card:
    """Train one workload's model, back-test it, register it and make it the champion.

    Raises TrainingError with the reason when it cannot be trained.
    """
    workload = next(w for w in WORKLOADS if w.name == name)
    run = Run(f"{config.date}-train", config)
    dims, _ = _enter_company(run, [workload])
    try:
        return _train(workload, run, dims, progress)
    except ray.exceptions.RayError as fault:
        raise TrainingError(f"training {name}: {_reason(fault)}") from None


def _train(workload: Workload, run: Run, dims: Dims, progress: Progress) -> Card:
    assert workload.train is not None
    progress(f"training {workload.name}", 0, 1)
    card = workload.train(run, dims)
    registry.promote(run.config.models, workload.name, card.version)
    progress(f"training {workload.name}", 1, 1)
    return card


def _reason(fault: ray.exceptions.RayError) -> str:
    """The last line of what Ray tells: the exception itself, without the way it took."""
    return str(fault).strip().splitlines()[-1]


@ray.remote(num_cpus=0.5, num_returns=2)  # the tables stay in the store, the tally comes here
def _read_company(run: Run, names: Sequence[str]) -> tuple[dict[str, pl.DataFrame], Parcel]:
    tables: dict[str, pl.DataFrame] = {}

    def read(parcel: Parcel) -> Parcel:
        entry = lake.enter(run, parcel.unit, names, {})
        tables.update(entry.tables)
        return Parcel(parcel.unit, counts=entry.counts, files=entry.files)

    return tables, on_unit("read", read, Parcel(lake.COMPANY))


def _enter_company(run: Run, workloads: Sequence[Workload]) -> tuple[Dims, Outcome]:
    """The tables no site owns, checked once by one task; they stay in the object store."""
    started, clock = datetime.now(UTC), time.perf_counter()
    used = {table for w in workloads for table in (*w.needs, *w.reads)}
    # A foreign key is checked against its table even where the workload itself does not read it.
    used |= {ref for name in used & CONTRACTS.keys() for ref in CONTRACTS[name].refs.values()}
    names = [name for name, c in CONTRACTS.items() if c.site is None and name in used]
    task = _read_company.remote(run, names)
    dims, tally = cast("tuple[Dims, ray.ObjectRef[Parcel]]", task)
    parcel = ray.get(tally)
    if parcel.failure is not None:
        raise lake.LakeError(parcel.failure)
    return dims, _outcome("company", started, clock, [parcel], {}, None)


def _run_workload(workload: Workload, run: Run, dims: Dims, progress: Progress) -> Outcome:
    started, clock = datetime.now(UTC), time.perf_counter()
    units = workload.units(run)
    parcels: list[Parcel] = []
    try:
        if workload.train and registry.champion(run.config.models, workload.name) is None:
            _train(workload, run, dims, progress)
        progress(workload.name, 0, len(units))
        for parcel in workload.run(run, dims, units) if units else ():
            parcels.append(parcel)
            progress(workload.name, len(parcels), max(len(units), len(parcels)))
    except ray.exceptions.RayError as fault:
        # A crashed worker or actor pool, or a model that cannot be trained, ends its workload,
        # not the night.
        lost = sorted(set(units) - {parcel.unit for parcel in parcels})
        parcels += [Parcel(unit, failure=_reason(fault)) for unit in lost]
    written = _publish(run, workload.writes, parcels)
    card = registry.champion(run.config.models, workload.name) if workload.train else None
    return _outcome(workload.name, started, clock, parcels, written, card)


def _publish(run: Run, writes: Sequence[str], parcels: Sequence[Parcel]) -> dict[str, int]:
    """Commit every output table of a workload; returns the rows of each."""
    rows = {}
    for table in writes:
        files = [file for parcel in parcels for file in parcel.files if file.table == table]
        lake.commit(run, table, files)
        rows[table] = sum(file.rows for file in files)
    return rows


def _commit_rejects(run: Run, outcomes: Sequence[Outcome]) -> None:
    """One transaction for the whole night; only the tables this run has checked are replaced."""
    checked = sorted({count.table for outcome in outcomes for count in outcome.counts})
    files = [file for outcome in outcomes for file in outcome.rejects]
    if checked:
        lake.commit(run, "rejects", files, only=checked)


def _outcome(
    name: str,
    started: datetime,
    clock: float,
    parcels: Sequence[Parcel],
    written: Mapping[str, int],
    card: Card | None,
) -> Outcome:
    steps: dict[str, float] = {}
    for parcel in parcels:
        for step, seconds in parcel.seconds.items():
            steps[step] = steps.get(step, 0.0) + seconds
    return Outcome(
        workload=name,
        started_at=started,
        seconds=time.perf_counter() - clock,
        units=len(parcels),
        failures={p.unit.id: p.failure for p in parcels if p.failure is not None},
        counts=tuple(add_counts([count for parcel in parcels for count in parcel.counts])),
        rows_written=written,
        step_seconds=steps,
        figures=add_figures(parcels),
        rejects=tuple(f for parcel in parcels for f in parcel.files if f.table == "rejects"),
        card=card,
    )


def _in_order(
    workloads: Sequence[Workload], start: Callable[[Workload], Outcome]
) -> Iterator[Outcome]:
    """Run every workload once those whose tables it reads have ended; independent ones at once."""
    writers = {table: w.name for w in workloads for table in w.writes}
    graph = TopologicalSorter(
        {w.name: {writers[t] for t in w.reads if t in writers} for w in workloads}
    )
    by_name = {w.name: w for w in workloads}
    graph.prepare()
    with ThreadPoolExecutor(len(workloads)) as threads:
        running: dict[Future[Outcome], str] = {}
        while graph.is_active():
            for name in graph.get_ready():
                running[threads.submit(start, by_name[name])] = name
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                yield ended.result()
                graph.done(running.pop(ended))


def _run_rows(run: Run, outcomes: Sequence[Outcome]) -> pl.DataFrame:
    packages = ("logistics", "ray", "torch", "ortools", "pyvrp", "polars", "deltalake")
    versions = {
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "tables": lake.versions(run.config.plan),
    }
    rows = [
        {
            "run_date": run.config.date,
            "run_id": run.run_id,
            "workload": outcome.workload,
            "status": outcome.status,
            "started_at": outcome.started_at.replace(tzinfo=None),
            "seconds": outcome.seconds,
            "units": outcome.units,
            "units_failed": len(outcome.failures),
            "failures": [f"{unit}: {reason}" for unit, reason in outcome.failures.items()],
            "counts": [asdict(count) for count in outcome.counts],
            "rows_written": [{"table": t, "rows": n} for t, n in outcome.rows_written.items()],
            "step_seconds": [{"step": s, "seconds": t} for s, t in outcome.step_seconds.items()],
            "figures": [{"name": n, "value": v} for n, v in outcome.figures.items()],
            "model": outcome.card.version if outcome.card else None,
            "versions": json.dumps(versions),
            "config": json.dumps(asdict(run.config), default=str),
        }
        for outcome in outcomes
    ]
    return pl.DataFrame(rows, schema=RUNS)


assert {table for workload in WORKLOADS for table in workload.writes} | {"rejects"} == set(OUTPUTS)
