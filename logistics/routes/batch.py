"""Routes on Ray: one plain task per depot or pool, the largest first, and one per part of a large
one.

Knows storage and the night's deadline; no solver.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache, partial
from typing import cast

import polars as pl
import ray

from logistics import kept, lake, plan, records, tasks
from logistics.handouts import write
from logistics.outputs import ROUTE_KPIS, ROUTES, STOPS, WORK_ORDERS
from logistics.pools import pools
from logistics.routes import inputs, outputs
from logistics.routes.decompose import ALONE, Team, run_job
from logistics.routes.dispatch import handouts
from logistics.routes.explain import Reason, explain
from logistics.routes.kpis import comparison, kpi_rows, late_stops
from logistics.routes.problem import Budget, DepotProblem
from logistics.routes.schedule import Share, seconds, shares
from logistics.routes.service import ServiceError, roads
from logistics.routes.solve import Solved, plan_depot
from logistics.routes.solve_ruin import prepare
from logistics.routes.static import NOTHING, Found, Job
from logistics.routes.travel import Roads
from logistics.routes.verify import verify
from logistics.schema import Output, TableError
from logistics.storage import LakeError
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, StagedFile, Unit

_TABLES = ("orders", "travel_times", "trips")
_LARGE = 1000  # orders
_KILLED = 0.8  # of the limit after which a task is killed
_LAST_DAYS = 7  # within these a depot's last plan is looked for
_WEIGHING_SHARE = 0.3  # of a depot's budget, where only what a vehicle is worth is asked
_DIMS = ("depots", "vehicles", "drivers", "traffic")
# How Ray says that a worker died; what a task itself has raised is a fault of ours, and is raised.
_DIED = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.ObjectLostError,
)


def units(run: Run, dims: Dims) -> list[Unit]:
    """The depots that have orders, each with all of its pool."""
    found = lake.units(run.config.lake, _TABLES, run.config.cluster.max_unit_mb)
    together = ray.get(_pools.remote(dims))
    sites = {together.get(unit.site_id, (unit.site_id,)) for unit in found}
    return [Unit(first, mates=tuple(mates)) for first, *mates in sorted(sites)]


@ray.remote(num_cpus=0.5)
def _pools(dims: Tables) -> dict[str, tuple[str, ...]]:
    return pools(dims["depots"])


def upstream(run: Run, dims: Dims) -> dict[str, str]:
    """Depot → digest of the vehicles that tonight's workshops leave it, and of its last plans."""
    return ray.get(_digests.remote(run, dims))  # type: ignore[no-any-return]


def run(run: Run, dims: Dims, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
    """Each depot's parcel as it is done. The night's length is that of its largest depots, which
    therefore start first (by their share of the fleet, which is known without reading orders)."""
    fleet = ray.get(_fleet_sizes.remote(dims))
    size = {p.unit: sum(fleet.get(site, 0) for site in p.unit.sites) for p in parcels}
    largest = sorted(parcels, key=lambda p: (-size[p.unit], p.unit))
    depots_each = sum(len(unit.sites) for unit in size) / max(len(size), 1)
    seconds_each = depots_each * run.config.routes.seconds_per_depot
    night = shares([size[p.unit] for p in largest], seconds_each, _num_workers())
    plans = {p.unit.id: share for p, share in zip(largest, night, strict=True)}
    given = _given.remote(run, dims, [parcel.unit for parcel in largest])
    read = cast("Iterator[ray.ObjectRef[tasks.Given]]", given)
    # In the object store: every task gets the night's schedule, none a copy of its own.
    solve = cast(tasks.Solve, ray.put(partial(_plan_unit, plans, time.time())))
    yield from tasks.solve_each("routes", solve, run, dims, largest, read)


def _num_workers() -> int:
    return max(int(ray.cluster_resources().get("CPU", 1)), 1)


@ray.remote(num_cpus=0.5)
def _fleet_sizes(dims: Tables) -> dict[str, int]:
    """Depot → vehicles, counted where the tables lie: the driver never holds them."""
    return dict(dims["vehicles"].group_by("depot_id").len().iter_rows())


@ray.remote(num_cpus=0.5)
def _digests(run: Run, dims: Tables) -> dict[str, str]:
    config, (since, before) = run.config, _days_before(run)
    booked = plan.read_plan(config.plan, WORK_ORDERS.name, config.date)
    last = [
        plan.digests_between(config.plan, table, since, before)
        for table in (ROUTE_KPIS.name, STOPS.name)
    ]
    by_depot = dims["vehicles"].partition_by("depot_id", as_dict=True)
    return {
        depot_id: " ".join(
            [
                plan.digest(outputs.kept_back_rows(vehicles, booked, config.date)),
                *(digests.get(depot_id, "") for digests in last),
            ]
        )
        for (depot_id,), vehicles in by_depot.items()
    }


@ray.remote(num_cpus=0.5)
def _given(run: Run, dims: Tables, units: Sequence[Unit]) -> Iterator[tasks.Given]:
    """For each unit the vehicles it must do without and its last plan: tonight's bookings and the
    week's plans are read once for all."""
    booked = plan.read_plan(run.config.plan, WORK_ORDERS.name, run.config.date)
    by_depot = dims["vehicles"].partition_by("depot_id", as_dict=True)
    kpis, stops = (_last_plans(run, output) for output in (ROUTE_KPIS, STOPS))
    for unit in units:
        none = dims["vehicles"].clear()
        vehicles = pl.concat([by_depot.get((site,), none) for site in unit.sites])
        rows = outputs.kept_back_rows(vehicles, booked, run.config.date)
        last = kpis.filter(pl.col("depot_id").is_in(unit.sites))
        yield {
            "kept_back": rows.to_arrow(),
            "last": last.to_arrow(),
            "last_stops": stops.join(
                last.select("depot_id", "run_date"), on=["depot_id", "run_date"], how="semi"
            ).to_arrow(),
        }


def _days_before(run: Run) -> tuple[date, date]:
    """The nights, the last one left out, among which a depot's last plan is looked for."""
    return run.config.date - timedelta(days=_LAST_DAYS), run.config.date


def _last_plans(run: Run, output: Output) -> pl.DataFrame:
    """Every depot's rows of its last night before this one."""
    rows = plan.read_nights(run.config.plan, output.name, *_days_before(run))
    if rows is None:
        return pl.DataFrame(schema=output.schema)
    return rows.filter(pl.col("run_date") == pl.col("run_date").max().over(output.site))


def _plan_unit(
    night: Mapping[str, Share], began: float, run: Run, dims: Tables, parcel: Parcel
) -> Parcel:
    read, depot_ids = _read(run, dims, parcel)
    prepare()  # not within the depot's seconds
    seconds_ = seconds(night[parcel.unit.id], time.time() - began)
    return _plan(run, dims, read, depot_ids, _budget(run, seconds_, len(depot_ids)))


@ray.remote(num_cpus=1, max_retries=0)
def search_part(job: Job) -> Found:
    return run_job(job)


def answer(part: "ray.ObjectRef[Found]") -> Found:
    """What a part's task has found; nothing where its worker died, and the part stays as it was."""
    try:
        return ray.get(part)
    except _DIED:
        return NOTHING


def _team(num_orders: int) -> Team:
    """The parts of a large depot are tasks of their own.

    One whose worker dies is tried again only if all nights must be the same: it would come too late
    for the others. The depot's own task gives its CPU back while it waits for them.
    """
    if num_orders < _LARGE:
        return ALONE

    def run(jobs: Sequence[Job]) -> list[Found]:
        parts = [
            search_part.options(
                max_retries=0 if job.budget.iterations is None else records.MAX_TRIES - 1
            ).remote(job)
            for job in jobs
        ]
        return [answer(part) for part in parts]

    return Team(_num_workers(), run)


def _read(run: Run, dims: Tables, parcel: Parcel) -> tuple[Parcel, list[str]]:
    """The unit's tables, and the depots that they are of.

    A depot of a pool that cannot be read fails for itself; the others are planned without it, its
    vehicles left to its own orders.
    """
    entries: dict[str, lake.Entry] = {}
    faults: dict[str, Exception] = {}
    for site in parcel.unit.sites:
        try:
            entries[site] = lake.enter(run, Unit(site), _TABLES, dims)
        except (LakeError, TableError) as fault:
            faults[site] = fault
    if not entries:
        raise next(iter(faults.values()))
    tables = _together(entry.tables for entry in entries.values())
    told = [f"{site}: {fault}" for site, fault in faults.items()]
    told += ["the others of its pool are planned without it"] if faults else []
    read = replace(
        parcel,
        tables={name: rows.to_arrow() for name, rows in tables.items()} | {**parcel.tables},
        counts=tuple(count for entry in entries.values() for count in entry.counts),
        files=tuple(file for entry in entries.values() for file in entry.files),
        failure="; ".join(told) or None,
    )
    return read, list(entries)


def _together(parts: Iterable[Mapping[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """The tables of several depots as one."""
    each = list(parts)
    return {name: pl.concat([part[name] for part in each]) for name in _TABLES}


def _plan(
    run: Run, dims: Tables, parcel: Parcel, depot_ids: Sequence[str], budget: Budget
) -> Parcel:
    config, (first, *mates) = run.config, depot_ids
    read = {name: cast(pl.DataFrame, pl.from_arrow(rows)) for name, rows in parcel.tables.items()}
    if read["orders"].is_empty():  # the door has rejected them all, and said so
        return replace(parcel, figures={"idle_depots": float(len(depot_ids))}).tally()
    last = read.pop("last")
    homes = dims["vehicles"].filter(pl.col("depot_id").is_in(depot_ids))
    kept_back = read.pop("kept_back").join(
        homes.select("vehicle_id", "depot_id"), on="vehicle_id", maintain_order="left"
    )
    tables = {**{name: dims[name] for name in _DIMS}, **read}
    away = kept_back["vehicle_id"].to_list()
    roads_, warning = _roads(run, tables, first, mates)
    problem = inputs.problem(tables, first, away, config.date, config.routes, roads_, mates)
    team = _team(len(problem.orders))
    solved = plan_depot(problem, config.routes.engine, budget, run.seed_of(first), team)
    violations = verify(problem, solved.routes, solved.unserved)
    if violations:
        where = " and ".join(depot_ids)
        raise AssertionError(f"{len(violations)} violations in {where}; first {violations[0]}")
    reasons = [explain(problem, solved.routes, order) for order in solved.unserved]
    done = [
        _publish(run, problem, number, solved, reasons, {**tables, "kept_back": kept_back}, last)
        for number in range(len(depot_ids))
    ]
    kpis = pl.concat([kpis for kpis, _ in done])
    late = late_stops(problem, solved.routes)
    figures = outputs.figures(kpis, reasons, away, solved.cost, late)
    if parcel.unit.mates:
        figures = {**figures, "pool_mates": len(parcel.unit.mates)}
    files = parcel.files + tuple(file for _, files in done for file in files)
    figures = {**figures, **comparison(kpis), **warning}
    return replace(parcel, files=files, figures=figures).tally()


def _publish(
    run: Run,
    problem: DepotProblem,
    number: int,
    solved: Solved,
    reasons: Sequence[Reason],
    tables: Mapping[str, pl.DataFrame],
    last: pl.DataFrame,
) -> tuple[pl.DataFrame, tuple[StagedFile, ...]]:
    """Stage the rows of one of the problem's depots and write what it hands out; its KPIs, and the
    files staged. last: the KPIs of last plans; tables: the inputs, last_stops and kept_back."""
    config, depot_id = run.config, problem.depots[number].id
    rows = outputs.plan_rows(problem, solved.routes, reasons, tables, config.date, number)
    depot = tables["depots"].row(by_predicate=pl.col("depot_id") == depot_id, named=True)
    before = last.filter(depot_id=depot_id), tables["last_stops"]
    kpis = kpi_rows(problem, solved.routes, solved.unserved, depot, rows["stops"], *before, number)
    kept_back = tables["kept_back"].filter(depot_id=depot_id).drop("depot_id")
    published = {**rows, "route_kpis": kpis, "kept_back": kept_back}
    files = plan.publish(run, Unit(depot_id), published)
    handed = handouts(str(config.date), depot, rows["routes"], rows["stops"], rows["unserved"])
    write(config.plan, config.date, ROUTES.site, depot_id, handed)
    return kpis, files


def _roads(
    run: Run, tables: Mapping[str, pl.DataFrame], depot_id: str, mates: Sequence[str] = ()
) -> tuple[Roads | None, dict[str, float]]:
    """What the routing service says, asked once a night; without an answer None and a warning."""
    routes = run.config.routes
    if routes.travel_service is None or routes.travel_url is None:
        return None, {}
    places = inputs.places_of(tables, depot_id, run.config.date, mates)
    names = (routes.travel_service, routes.travel_url, depot_id, places)
    found = kept.load(run, *names)
    if found is None:
        try:
            fresh = roads(routes.travel_service, routes.travel_url, places)
        except ServiceError as fault:
            return None, {f"no_travel_service:{routes.travel_service}: {fault}": 1.0}
        found = [fresh.distance_m, fresh.duration_s]
        kept.save(run, found, *names)
    return Roads(*found), {}


def weighing(run: Run, dims: Tables) -> Callable[[str, Collection[str]], tuple[float, int] | None]:
    """What a depot's routes cost without some assets, and how many orders they drop, as a function;
    of a depot in a pool, what the whole pool's do.

    For weighing, with a share of the night's budget. None: it has no orders that can be read.
    """
    config, together = run.config, pools(dims["depots"])

    @cache
    def read(sites: Sequence[str]) -> tuple[list[str], Tables, Roads | None] | None:
        peeks = {site: lake.peek(run, Unit(site), _TABLES, dims) for site in sites}
        found = {site: rows for site, rows in peeks.items() if not isinstance(rows, str)}
        orders = sum(rows["orders"].height for rows in found.values())
        if not orders or dims["depots"].is_empty():
            return None
        tables = {name: dims[name] for name in _DIMS} | _together(found.values())
        tables["last_stops"] = pl.DataFrame(schema=STOPS.schema)
        first, *mates = found
        return [first, *mates], tables, _roads(run, tables, first, mates)[0]

    def cost_without(depot_id: str, asset_ids: Collection[str]) -> tuple[float, int] | None:
        known = read(together.get(depot_id, (depot_id,)))
        if known is None:
            return None
        (first, *mates), tables, roads_ = known
        vehicles = dims["vehicles"].filter(pl.col("asset_id").is_in(sorted(asset_ids)))
        away = vehicles["vehicle_id"].to_list()
        problem = inputs.problem(tables, first, away, config.date, config.routes, roads_, mates)
        num = 1 + len(mates)
        budget = _budget(run, num * config.routes.seconds_per_depot, num).part(_WEIGHING_SHARE)
        solved = plan_depot(problem, config.routes.engine, budget, run.seed_of(first))
        return solved.cost, len(solved.unserved)

    return cost_without


def _budget(run: Run, seconds_: float, num_depots: int) -> Budget:
    if run.config.deterministic:
        return Budget(iterations=num_depots * run.config.routes.iterations_per_depot)
    return Budget(seconds=min(seconds_, _KILLED * run.config.cluster.kill_after_s))
