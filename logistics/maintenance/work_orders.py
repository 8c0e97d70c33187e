"""A schedule → rows of `work_orders`. Knows the output columns; no solver, no storage."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

import polars as pl

from logistics.maintenance.problem import HORIZON_DAYS, WorkOrder, WorkshopProblem
from logistics.maintenance.tradeoff import Trade
from logistics.outputs import VEHICLE_PRICES, WORK_ORDERS


def to_table(problem: WorkshopProblem, orders: Sequence[WorkOrder]) -> pl.DataFrame:
    """work_orders rows, by asset_id."""
    rows = [_row(problem, order) for order in sorted(orders, key=lambda o: o.job.asset_id)]
    return pl.DataFrame(rows, schema=WORK_ORDERS.columns, orient="row")


def price_rows(trades: Sequence[Trade]) -> pl.DataFrame:
    """vehicle_prices rows."""
    rows = [
        (
            trade.site_id,
            trade.vehicles_away,
            trade.orders_dropped,
            trade.price,
            trade.cost_of_dropping,
            trade.cost_of_moving,
            trade.decision,
            list(trade.moved),
        )
        for trade in trades
    ]
    return pl.DataFrame(rows, schema=VEHICLE_PRICES.columns, orient="row")


def _row(problem: WorkshopProblem, order: WorkOrder) -> dict[str, object]:
    job, visit = order.job, order.visit
    row: dict[str, object] = {
        "asset_id": job.asset_id,
        "component": job.component,
        "status": "deferred" if visit is None else "booked",
        "bay": None,
        "technician_id": None,
        "start_local": None,
        "end_local": None,
        "p_fail_7d": job.p_fail[7],
        "p_fail_30d": job.p_fail[HORIZON_DAYS],
        "saving": order.saving,
        "reason": order.reason,
    }
    if visit is not None:
        start = datetime.combine(problem.date_of(visit.day), time()) + timedelta(
            seconds=visit.start_s
        )
        end = start + timedelta(seconds=job.duration_s)
        row |= {"bay": visit.bay, "technician_id": visit.technician_id}
        row |= {"start_local": start, "end_local": end}
    return row
