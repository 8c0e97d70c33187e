"""Routes on Ray: one plain task per depot, the largest first. Knows storage; no solver."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import cast

import polars as pl
import ray

from logistics import lake, plan, tasks
from logistics.outputs import WORK_ORDERS
from logistics.routes import inputs, outputs
from logistics.routes.explain import explain
from logistics.routes.problem import Budget
from logistics.routes.solve import plan_depot
from logistics.routes.verify import verify
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, Unit

_TABLES = ("orders", "travel_times")
_WEIGHING_SHARE = 0.3  # of a depot's budget, where only what a vehicle is worth is asked
_DIMS = ("depots", "vehicles", "drivers", "traffic")


def units(run: Run, dims: Dims) -> list[Unit]:
    """The depots that have orders. A depot is solved whole, however large."""
    return lake.units(run.config.lake, _TABLES, run.config.cluster.max_unit_mb)


def upstream(run: Run, dims: Dims) -> dict[str, str]:
    """Depot → digest of what tonight's workshops leave it: the vehicles it must do without."""
    return ray.get(_away_digests.remote(run, dims))  # type: ignore[no-any-return]


def run(run: Run, dims: Dims, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
    """Each depot's parcel as it is done. The night's length is that of its largest depots, which
    therefore start first (by their share of the fleet, which is known without reading orders)."""
    fleet = ray.get(_fleet_sizes.remote(dims))
    largest = sorted(parcels, key=lambda p: (-fleet.get(p.unit.site_id, 0), p.unit.site_id))
    kept_back = _kept_back.remote(run, dims, [parcel.unit.site_id for parcel in largest])
    given = cast("Iterator[ray.ObjectRef[tasks.Given]]", kept_back)
    yield from tasks.solve_each("routes", _plan_unit, run, dims, largest, given)


@ray.remote(num_cpus=0.5)
def _fleet_sizes(dims: Tables) -> dict[str, int]:
    """Depot → vehicles, counted where the tables lie: the driver never holds them."""
    return dict(dims["vehicles"].group_by("depot_id").len().iter_rows())


@ray.remote(num_cpus=0.5)
def _away_digests(run: Run, dims: Tables) -> dict[str, str]:
    booked = plan.read_plan(run.config.plan, WORK_ORDERS.name, run.config.date)
    by_depot = dims["vehicles"].partition_by("depot_id", as_dict=True)
    return {
        depot_id: plan.digest(outputs.kept_back_rows(vehicles, booked, run.config.date))
        for (depot_id,), vehicles in by_depot.items()
    }


@ray.remote(num_cpus=0.5)
def _kept_back(run: Run, dims: Tables, depot_ids: Sequence[str]) -> Iterator[tasks.Given]:
    """For each depot the vehicles it must do without: tonight's bookings are read once for all."""
    booked = plan.read_plan(run.config.plan, WORK_ORDERS.name, run.config.date)
    by_depot = dims["vehicles"].partition_by("depot_id", as_dict=True)
    for depot_id in depot_ids:
        vehicles = by_depot.get((depot_id,), dims["vehicles"].clear())
        rows = outputs.kept_back_rows(vehicles, booked, run.config.date)
        yield {"kept_back": rows.to_arrow()}


def _plan_unit(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    return _plan(run, dims, _read(run, dims, parcel))


def _read(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    entry = lake.enter(run, parcel.unit, _TABLES, dims)
    tables = {name: rows.to_arrow() for name, rows in entry.tables.items()}
    tables |= parcel.tables
    return replace(parcel, tables=tables, counts=entry.counts, files=entry.files)


def _plan(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    config, depot_id = run.config, parcel.unit.site_id
    read = {name: cast(pl.DataFrame, pl.from_arrow(rows)) for name, rows in parcel.tables.items()}
    if read["orders"].is_empty():  # the door has rejected them all, and said so
        return parcel.tally()
    kept_back = read.pop("kept_back")
    tables = {**{name: dims[name] for name in _DIMS}, **read}
    away = kept_back["vehicle_id"].to_list()
    problem = inputs.problem(tables, depot_id, away, config.date, config.routes)
    seed = run.seed_of(depot_id)
    solved = plan_depot(problem, config.routes.engine, _budget(run), seed)
    violations = verify(problem, solved.routes, solved.unserved)
    if violations:
        raise AssertionError(f"{len(violations)} violations in {depot_id}; first {violations[0]}")
    reasons = [explain(problem, solved.routes, order) for order in solved.unserved]
    files = plan.publish(
        run,
        parcel.unit,
        {
            "routes": outputs.route_rows(problem, solved.routes, config.date),
            "stops": outputs.stop_rows(problem, solved.routes, tables["orders"], config.date),
            "unserved": outputs.unserved_rows(problem, reasons),
            "kept_back": kept_back,
        },
    )
    figures = outputs.figures(problem, solved.routes, reasons, away, solved.cost)
    return replace(parcel, files=parcel.files + files, figures=figures).tally()


def _budget(run: Run) -> Budget:
    routes = run.config.routes
    if run.config.deterministic:
        return Budget(iterations=routes.iterations_per_depot)
    return Budget(seconds=routes.seconds_per_depot)


def cost_without(
    run: Run, dims: Tables, depot_id: str, asset_ids: Collection[str]
) -> tuple[float, int] | None:
    """Cost of the depot's routes without these assets, and the orders that they drop.

    For weighing, with a share of the night's budget. None: it has no orders that can be read.
    """
    read = lake.peek(run, Unit(depot_id), _TABLES, dims)
    if read is None or read["orders"].is_empty() or dims["depots"].is_empty():
        return None
    vehicles = dims["vehicles"].filter(pl.col("asset_id").is_in(sorted(asset_ids)))
    tables = {**{name: dims[name] for name in _DIMS}, **read}
    away = vehicles["vehicle_id"].to_list()
    config = run.config
    problem = inputs.problem(tables, depot_id, away, config.date, config.routes)
    budget, seed = _budget(run).part(_WEIGHING_SHARE), run.seed_of(depot_id)
    solved = plan_depot(problem, config.routes.engine, budget, seed)
    return solved.cost, len(solved.unserved)
