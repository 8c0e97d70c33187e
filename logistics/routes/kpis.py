"""What a depot's plan is worth in a few numbers, beside its last plan. Knows tables; no storage."""

from collections.abc import Mapping, Sequence

import polars as pl

from logistics.outputs import ROUTE_KPIS
from logistics.routes.problem import DepotProblem
from logistics.routes.retime import TimedRoute
from logistics.routes.rows import PLACE

_CHANGES = ("routes", "distance_km", "duration_h", "load_factor", "on_time_share", "cost")


def kpi_rows(
    problem: DepotProblem,
    routes: Sequence[TimedRoute],
    unserved: Sequence[int],
    depot: Mapping[str, object],
    stops: pl.DataFrame,
    last: pl.DataFrame,
    last_stops: pl.DataFrame,
    number: int = 0,
) -> pl.DataFrame:
    """A depot's row of `route_kpis`.

    depot: its row, for the place. stops: this plan's; last: the row of the plan to compare with,
    with its run_date, and last_stops: that plan's stops. Both are empty when there is none.
    number: which of the problem's depots.
    """
    own = [timed for timed in routes if problem.crews[timed.crew].depot == number]
    left_out = [order for order in unserved if problem.orders[order].depot == number]
    num_orders = sum(order.depot == number for order in problem.orders)
    figures = _figures(problem, own, left_out, num_orders)
    row = {"lat": depot["lat"], "lon": depot["lon"], **figures}
    if not last.is_empty():
        then = last.row(0, named=True)
        row["compared_with"] = then["run_date"]
        row |= {f"{name}_change": _change(row[name], then[name]) for name in _CHANGES}
        row["same_vehicle_share"] = _same_vehicle_share(stops, last_stops)
    return pl.DataFrame([row], schema=ROUTE_KPIS.columns)


def _figures(
    problem: DepotProblem, routes: Sequence[TimedRoute], unserved: Sequence[int], num_orders: int
) -> dict[str, object]:
    visits = [visit for timed in routes for visit in timed.visits]
    late = late_stops(problem, routes)
    fill = [_fill(problem, timed) for timed in routes]
    return {
        "orders": num_orders,
        "served": num_orders - len(unserved),
        "unserved": len(unserved),
        "routes": len(routes),
        "distance_km": sum(timed.distance_m for timed in routes) / 1000,
        "duration_h": sum(timed.returns_s - timed.departs_s for timed in routes) / 3600,
        "drive_h": sum(timed.drive_s for timed in routes) / 3600,
        "wait_h": sum(visit.start_s - visit.arrival_s for visit in visits) / 3600,
        "service_h": sum(visit.departure_s - visit.start_s for visit in visits) / 3600,
        "load_factor": sum(fill) / len(fill) if fill else None,
        "on_time_share": 1 - late / len(visits) if visits else None,
        "cost": sum(timed.cost for timed in routes),
        "penalties": sum(problem.orders[order].penalty for order in unserved),
    }


def late_stops(problem: DepotProblem, routes: Sequence[TimedRoute]) -> int:
    """Stops whose service begins outside all windows of the order."""
    return sum(
        not any(
            w.opens_s <= visit.start_s <= w.closes_s for w in problem.orders[visit.order].windows
        )
        for timed in routes
        for visit in timed.visits
    )


def _fill(problem: DepotProblem, timed: TimedRoute) -> float:
    crew = problem.crews[timed.crew]
    by_weight = timed.peak[0] / max(crew.capacity_mg, 1)
    return max(by_weight, timed.peak[1] / max(crew.capacity_mm3, 1))


def _change(now: object, then: object) -> object:
    if now is None or then is None:
        return None
    assert isinstance(now, int | float)
    assert isinstance(then, int | float)
    return now - then


def _same_vehicle_share(stops: pl.DataFrame, last_stops: pl.DataFrame) -> float | None:
    """Of the stops at addresses that both plans serve, those that the same vehicle serves."""
    then = last_stops.group_by(PLACE).agg(pl.col("vehicle_id").alias("vehicles"))
    both = stops.drop_nulls("order_id").with_columns(PLACE).join(then, on=["lat", "lon"])
    share = both.select(pl.col("vehicle_id").is_in(pl.col("vehicles")).mean()).item()
    return None if share is None else float(share)


def comparison(kpis: pl.DataFrame) -> dict[str, float]:
    """Additive figures for the summary: this plan and the one before, of depots that have one."""
    both = kpis.drop_nulls("compared_with")
    if both.is_empty():
        return {}
    names = ("distance_km", "cost")
    now = {f"compared:{name}": float(both[name].sum()) for name in names}
    then = {name: (both[name] - both[f"{name}_change"]).sum() for name in names}
    return now | {f"before:{name}": float(before) for name, before in then.items()}
