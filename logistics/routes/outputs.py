"""A solved depot → rows of the plan's tables. Knows the output columns; no solver, no storage."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

import polars as pl

from logistics.outputs import KEPT_BACK, ROUTES, STOPS, UNSERVED
from logistics.routes.explain import Reason
from logistics.routes.kpis import late_stops
from logistics.routes.problem import DepotProblem
from logistics.routes.retime import TimedRoute


def plan_rows(
    problem: DepotProblem,
    routes: Sequence[TimedRoute],
    reasons: Sequence[Reason],
    tables: Mapping[str, pl.DataFrame],
    run_date: date,
) -> dict[str, pl.DataFrame]:
    """The depot's rows of `routes`, `stops` and `unserved`; tables: the inputs."""
    return {
        "routes": route_rows(problem, routes, run_date),
        "stops": stop_rows(problem, routes, tables["orders"], run_date),
        "unserved": unserved_rows(problem, reasons, tables["orders"]),
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
            timed.peak[0] / 1e6,
            timed.peak[1] / 1e9,
            timed.cost,
        )
        for timed in routes
    ]
    return pl.DataFrame(rows, schema=ROUTES.columns, orient="row")


def stop_rows(
    problem: DepotProblem, routes: Sequence[TimedRoute], orders: pl.DataFrame, run_date: date
) -> pl.DataFrame:
    """orders: the table, for the addresses."""
    rows = [
        (
            _route_id(problem, timed),
            problem.crews[timed.crew].vehicle_id,
            number,
            problem.orders[visit.order].id,
            "pickup" if problem.orders[visit.order].pickup else "delivery",
            None,
            None,
            _local(run_date, visit.arrival_s),
            float(visit.start_s - visit.arrival_s),
            _local(run_date, visit.start_s),
            _local(run_date, visit.departure_s),
            visit.load[0] / 1e6,
            visit.load[1] / 1e9,
            float(visit.slack_s),
        )
        for timed in routes
        for number, visit in enumerate(timed.visits, start=1)
    ]
    stops = pl.DataFrame(rows, schema=STOPS.columns, orient="row").drop("lat", "lon")
    placed = stops.join(orders.select("order_id", "lat", "lon"), on="order_id", how="left")
    return placed.select(*STOPS.columns).sort("route_id", "stop")


def unserved_rows(
    problem: DepotProblem, reasons: Sequence[Reason], orders: pl.DataFrame
) -> pl.DataFrame:
    """orders: the table, for the addresses."""
    rows = [
        (
            problem.orders[reason.order].id,
            problem.orders[reason.order].priority,
            None,
            None,
            reason.reason,
            reason.constraint,
            reason.relaxation,
        )
        for reason in reasons
    ]
    left = pl.DataFrame(rows, schema=UNSERVED.columns, orient="row").drop("lat", "lon")
    placed = left.join(orders.select("order_id", "lat", "lon"), on="order_id", how="left")
    return placed.select(*UNSERVED.columns).sort("order_id")


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
    problem: DepotProblem,
    routes: Sequence[TimedRoute],
    reasons: Sequence[Reason],
    kept_back: Sequence[str],
    cost: float,
) -> Mapping[str, float]:
    """Additive numbers of one depot for the summary; cost includes dropped orders' penalties."""
    totals: dict[str, float] = {
        "orders": len(problem.orders),
        "served": sum(len(timed.visits) for timed in routes),
        "unserved": len(reasons),
        "routes": len(routes),
        "distance_km": sum(timed.distance_m for timed in routes) / 1000,
        "drive_h": sum(timed.drive_s for timed in routes) / 3600,
        "cost": cost,
        "kept_back": len(kept_back),
        "late_stops": late_stops(problem, routes),
    }
    totals |= {f"kept_back:{vehicle}": 1.0 for vehicle in kept_back}
    for reason in reasons:
        name = f"unserved:{reason.constraint}"
        totals[name] = totals.get(name, 0) + 1
    return totals


def _route_id(problem: DepotProblem, timed: TimedRoute) -> str:
    return f"{problem.depot_id}/{problem.crews[timed.crew].vehicle_id}"


def _local(run_date: date, time_s: int) -> datetime:
    return datetime.combine(run_date, time()) + timedelta(seconds=time_s)
