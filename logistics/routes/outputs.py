"""A solved depot → rows of the plan's tables. Knows the output columns; no solver, no storage."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

import polars as pl

from logistics.outputs import KEPT_BACK, ROUTES, STOPS, UNSERVED
from logistics.routes.explain import Reason
from logistics.routes.loads import on_board
from logistics.routes.problem import DepotProblem, Load, TimeWindow
from logistics.routes.retime import Reload, TimedRoute, Visit

_ADDITIVE = ("orders", "served", "unserved", "routes", "distance_km", "drive_h")
# Depot and its order's id, or "": the depot itself → lat, lon.
Places = Mapping[tuple[str, str], tuple[float, float]]


def plan_rows(
    problem: DepotProblem,
    routes: Sequence[TimedRoute],
    reasons: Sequence[Reason],
    tables: Mapping[str, pl.DataFrame],
    run_date: date,
    number: int = 0,
) -> dict[str, pl.DataFrame]:
    """A depot's rows of `routes`, `stops` and `unserved`; tables: the inputs.

    number: which of the problem's depots. Its vehicles' routes are its own, and of the unserved
    its orders.
    """
    places = places_of(tables)
    own = [timed for timed in routes if problem.crews[timed.crew].depot == number]
    left_out = [reason for reason in reasons if problem.orders[reason.order].depot == number]
    return {
        "routes": route_rows(problem, own, run_date),
        "stops": stop_rows(problem, own, places, run_date),
        "unserved": unserved_rows(problem, left_out, places),
    }


def route_rows(problem: DepotProblem, routes: Sequence[TimedRoute], run_date: date) -> pl.DataFrame:
    rows = [
        (
            _route_id(problem, timed),
            problem.crews[timed.crew].vehicle_id,
            problem.crews[timed.crew].driver_id,
            _local(run_date, timed.departs_s),
            _local(run_date, timed.returns_s),
            len(timed.visits),
            float(timed.distance_m),
            float(timed.drive_s),
            float(sum(visit.start_s - visit.arrival_s for visit in timed.visits)),
            float(sum(visit.departure_s - visit.start_s for visit in timed.visits)),
            *_amounts(timed.peak),
            timed.cost,
            problem.crews[timed.crew].returns,
            *_amounts(on_board(problem, timed.route.trips[0])[0]),
        )
        for timed in routes
    ]
    return pl.DataFrame(rows, schema=ROUTES.columns, orient="row")


def stop_rows(
    problem: DepotProblem, routes: Sequence[TimedRoute], places: Places, run_date: date
) -> pl.DataFrame:
    """A row per visit, and per reload at the depot in between."""
    rows = [
        (
            _route_id(problem, timed),
            problem.crews[timed.crew].vehicle_id,
            number,
            *_what(problem, timed, call, places),
            _local(run_date, call.arrival_s),
            float(call.start_s - call.arrival_s),
            _local(run_date, call.start_s),
            _local(run_date, call.departure_s),
            *_amounts(call.load),
            float(call.slack_s) if isinstance(call, Visit) else None,
            problem.orders[call.order].pair if isinstance(call, Visit) else None,
            _other_depot(problem, timed, call),
            _windows(problem, call, run_date),
        )
        for timed in routes
        for number, call in enumerate(timed.calls, start=1)
    ]
    return pl.DataFrame(rows, schema=STOPS.columns, orient="row").sort("route_id", "stop")


def _what(
    problem: DepotProblem, timed: TimedRoute, call: Visit | Reload, places: Places
) -> tuple[str | None, str, float, float]:
    """Order, kind, latitude and longitude."""
    if isinstance(call, Reload):
        return None, "reload", *places[_depot_id(problem, timed), ""]
    order = problem.orders[call.order]
    return order.id, "pickup" if order.pickup else "delivery", *_place(problem, call.order, places)


def _place(problem: DepotProblem, order: int, places: Places) -> tuple[float, float]:
    its = problem.orders[order]
    return places[problem.depots[its.depot].id, its.id]


def _other_depot(problem: DepotProblem, timed: TimedRoute, call: Visit | Reload) -> str | None:
    """The order's own depot, where that is not the vehicle's."""
    if isinstance(call, Reload):
        return None
    own = problem.orders[call.order].depot
    return None if own == problem.crews[timed.crew].depot else problem.depots[own].id


def _windows(
    problem: DepotProblem, call: Visit | Reload, run_date: date
) -> list[dict[str, datetime]] | None:
    """When the order may be served; none where that is all day."""
    if isinstance(call, Reload):
        return None
    order = problem.orders[call.order]
    depot = problem.depots[order.depot]
    if order.windows == (TimeWindow(depot.opens_s, depot.closes_s),):
        return None
    return [
        {"opens": _local(run_date, w.opens_s), "closes": _local(run_date, w.closes_s)}
        for w in order.windows
    ]


def unserved_rows(problem: DepotProblem, reasons: Sequence[Reason], places: Places) -> pl.DataFrame:
    rows = [
        (
            problem.orders[reason.order].id,
            problem.orders[reason.order].priority,
            *_place(problem, reason.order, places),
            reason.reason,
            reason.constraint,
            reason.relaxation,
        )
        for reason in reasons
    ]
    return pl.DataFrame(rows, schema=UNSERVED.columns, orient="row")


def places_of(tables: Mapping[str, pl.DataFrame]) -> Places:
    depots = tables["depots"].select("depot_id", pl.lit(""), "lat", "lon")
    orders = tables["orders"].select("depot_id", "order_id", "lat", "lon")
    return {
        (site, name): (lat, lon)
        for rows in (orders, depots)
        for site, name, lat, lon in rows.rows()
    }


def kept_back_rows(
    vehicles: pl.DataFrame, work_orders: pl.DataFrame | None, run_date: date
) -> pl.DataFrame:
    """The vehicles whose asset the workshop has on the run date, with that booking."""
    if work_orders is None:
        return pl.DataFrame(schema=KEPT_BACK.columns)
    booked = work_orders.filter(
        (pl.col("status") == "booked") & (pl.col("start_local").dt.date() == run_date)
    ).unique("asset_id", keep="first", maintain_order=True)
    away = vehicles.join(booked, on="asset_id", how="inner").sort("vehicle_id")
    return away.select(*KEPT_BACK.columns)


def figures(
    kpis: pl.DataFrame, reasons: Sequence[Reason], kept_back: Sequence[str], cost: float, late: int
) -> Mapping[str, float]:
    """Additive numbers of a depot, or pool, for the summary; kpis (a row for each) has most.

    cost includes dropped orders' penalties; late: stops.
    """
    totals: dict[str, float] = {name: float(kpis[name].sum()) for name in _ADDITIVE}
    totals |= {"cost": cost, "kept_back": len(kept_back), "late_stops": late}
    totals["idle_depots"] = float((kpis["orders"] == 0).sum())
    totals |= {f"kept_back:{vehicle}": 1.0 for vehicle in kept_back}
    for reason in reasons:
        name = f"unserved:{reason.constraint}"
        totals[name] = totals.get(name, 0) + 1
    return totals


def _amounts(load: Load) -> tuple[float, float]:
    """kg and m3."""
    return load[0] / 1e6, load[1] / 1e9


def _route_id(problem: DepotProblem, timed: TimedRoute) -> str:
    return f"{_depot_id(problem, timed)}/{problem.crews[timed.crew].vehicle_id}"


def _depot_id(problem: DepotProblem, timed: TimedRoute) -> str:
    return problem.depots[problem.crews[timed.crew].depot].id


def _local(run_date: date, time_s: int) -> datetime:
    return datetime.combine(run_date, time()) + timedelta(seconds=time_s)
