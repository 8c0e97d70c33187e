"""Workshop schedules on Ray, one task each. Knows storage and Ray; how a schedule comes about is in
the files beside it, and what routes cost it is told by a function."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import cast

import polars as pl
import ray

from logistics import handouts, lake, plan, records, tasks
from logistics.maintenance import shop_inputs, work_orders, workshop
from logistics.maintenance.agenda import NAME, agenda
from logistics.maintenance.budget import Budget
from logistics.maintenance.problem import NO_WORKSHOP, Schedule
from logistics.maintenance.tradeoff import Routed, Trade, settle
from logistics.maintenance.verify import verify
from logistics.outputs import RISKS, VEHICLE_PRICES, WORK_ORDERS
from logistics.pools import pools
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, StagedFile, Unit

_ORDER_TABLES = ("orders", "travel_times", "trips")
# Depot and assets that are away → cost of its routes, and the orders they drop; None: it has none.
Cost = Callable[[str, Collection[str]], tuple[float, int] | None]
Weigh = Callable[[Run, Tables], Cost]


def units(run: Run, dims: Dims) -> list[Unit]:
    """One unit per workshop that tonight's risks name, and one for assets without any."""
    shops = plan.values(run.config.plan, RISKS.name, run.config.date, "workshop_id")
    return sorted(Unit(_name(shop)) for shop in shops)


def upstream(run: Run, dims: Dims) -> dict[str, str]:
    """Workshop → digest of tonight's risks at the sites of its assets, and of the orders there."""
    return ray.get(_shop_digests.remote(run, dims))  # type: ignore[no-any-return]


@ray.remote(num_cpus=0.5)
def _shop_digests(run: Run, dims: Tables) -> dict[str, str]:
    config = run.config
    risks = plan.file_digests(config.plan, RISKS.name, config.date)
    states = [lake.states(config.lake, table) for table in _ORDER_TABLES]
    homes: dict[str, set[str]] = {}
    for shop, site in dims["assets"].select("workshop_id", "site_id").unique().iter_rows():
        homes.setdefault(_name(shop), set()).add(site)
    together = pools(dims["depots"])
    found = {}
    for shop, own in homes.items():
        sites = sorted({site for home in own for site in together.get(home, (home,))})
        orders = [[state.get(site) for site in sites] for state in states]
        of_risks = [risks.get(site) for site in sorted(own)]
        found[shop] = records.fingerprint(of_risks, orders, asdict(config.routes))
    return found


def _name(shop: str | None) -> str:
    return NO_WORKSHOP if shop is None else shop


def run(weigh: Weigh, run: Run, dims: Dims, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
    """Each workshop's schedule as it is done; they share nothing.

    weigh: tells what a depot's routes cost without some assets, and how many orders they drop.
    """
    risks = _risks_of_each.remote(run, [parcel.unit.site_id for parcel in parcels])
    given = cast("Iterator[ray.ObjectRef[tasks.Given]]", risks)
    yield from tasks.solve_each("workshop", partial(_plan, weigh), run, dims, parcels, given)


@ray.remote(num_cpus=0.5)
def _risks_of_each(run: Run, shops: Sequence[str]) -> Iterator[tasks.Given]:
    """Each workshop's part of tonight's risks: those lie by site, and are read once for all."""
    config, needs = run.config, shop_inputs.OF_RISKS
    risks = plan.read_plan(config.plan, RISKS.name, config.date, columns=needs)
    assert risks is not None, "workshops are units because tonight's risks name them"
    parts = risks.partition_by("workshop_id", as_dict=True)
    for shop in shops:
        yield {"risks": parts[None if shop == NO_WORKSHOP else shop,].to_arrow()}


def _plan(weigh: Weigh, run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    config, shop = run.config, parcel.unit.site_id
    risks = cast(pl.DataFrame, pl.from_arrow(parcel.tables["risks"]))
    if shop == NO_WORKSHOP:
        wanted = shop_inputs.wanted(dims["assets"], risks, config.date, config.maintenance)
        rows = work_orders.of_nobody(wanted, config.date)
        figures = {"booked": 0.0, "deferred": float(rows.height)}
        return replace(parcel, files=_published(run, parcel.unit, rows, ()), figures=figures)
    task = shop_inputs.problem(dims, risks, shop, config.date, config.maintenance)
    seed, cost_without = run.seed_of(shop), weigh(run, dims)

    def route(site_id: str, assets: frozenset[str]) -> Routed | None:
        found = cost_without(site_id, assets)
        return None if found is None else Routed(*found)

    schedule, trades = settle(
        task,
        partial(workshop.schedule, budget=_budget(run), seed=seed),
        route,
        {depot: pool[0] for depot, pool in pools(dims["depots"]).items()},
    )
    violations = verify(task, schedule.orders)
    if violations:
        raise AssertionError(f"{len(violations)} violations in {shop}; first {violations[0]}")
    rows = work_orders.to_table(task, schedule.orders)
    files = _published(run, parcel.unit, rows, trades)
    return replace(parcel, files=files, figures=_figures(schedule, trades)).tally()


def _published(
    run: Run, unit: Unit, rows: pl.DataFrame, trades: Sequence[Trade]
) -> tuple[StagedFile, ...]:
    tables = {WORK_ORDERS.name: rows, VEHICLE_PRICES.name: work_orders.price_rows(trades)}
    calendar = {NAME: agenda(unit.site_id, run.config.date, rows)}
    handouts.write(run.config.plan, run.config.date, WORK_ORDERS.site, unit.site_id, calendar)
    return plan.publish(run, unit, tables)


def _budget(run: Run) -> Budget:
    options = run.config.maintenance
    if run.config.deterministic:
        return Budget(deterministic_time=options.solve_deterministic_time)
    return Budget(seconds=options.solve_seconds)


def _figures(schedule: Schedule, trades: Sequence[Trade]) -> dict[str, float]:
    visits = [order.visit for order in schedule.orders if order.visit is not None]
    return {
        "booked": float(len(visits)),
        "deferred": float(len(schedule.orders) - len(visits)),
        "booked_tomorrow": float(sum(visit.day == 0 for visit in visits)),
        "saving": float(sum(order.saving for order in schedule.orders)),
        "visits_moved": float(sum(len(trade.moved) for trade in trades)),
    }
