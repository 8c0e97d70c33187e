"""A schedule → rows of `work_orders`. Knows the output columns; no solver, no storage."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import polars as pl

from logistics.maintenance.problem import HORIZON_DAYS, Booking, WorkOrder, WorkshopProblem
from logistics.maintenance.reasons import DUE, NOBODY
from logistics.maintenance.tradeoff import Trade
from logistics.outputs import VEHICLE_PRICES, WORK_ORDERS


def to_table(problem: WorkshopProblem, orders: Sequence[WorkOrder]) -> pl.DataFrame:
    """work_orders rows, by asset_id; a promised visit is one, too: its asset's next."""
    rows = {booking.asset_id: _promised(problem, booking) for booking in problem.bookings[::-1]}
    rows |= {order.job.asset_id: _row(problem, order) for order in orders}
    in_order = [rows[asset_id] for asset_id in sorted(rows)]
    return pl.DataFrame(in_order, schema=WORK_ORDERS.columns, orient="row")


def of_nobody(wanted: pl.DataFrame, day: date) -> pl.DataFrame:
    """work_orders rows of assets that no workshop looks after; wanted: as shop_inputs has them."""
    due = pl.lit(day) + pl.duration(days="due_day")
    reason = pl.lit(NOBODY)
    known = wanted.select(
        "asset_id",
        "component",
        "p_fail_7d",
        "p_fail_30d",
        status=pl.lit("deferred"),
        saving=pl.lit(0.0),
        reason=pl.coalesce(pl.format(DUE, due, reason), reason),
    )
    absent = {c: t for c, t in WORK_ORDERS.columns.items() if c not in known.columns}
    nothing = (pl.lit(None, kind).alias(column) for column, kind in absent.items())
    return known.with_columns(*nothing).select(list(WORK_ORDERS.columns))


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
        "status": "deferred",
        "p_fail_7d": job.p_fail[7],
        "p_fail_30d": job.p_fail[HORIZON_DAYS],
        "saving": order.saving,
        "reason": order.reason,
    }
    if visit is not None:
        end_s = visit.start_s + job.duration_s
        row |= _when(problem, visit.day, visit.start_s, end_s)
        row |= {"status": "booked", "bay": visit.bay, "technician_id": visit.technician_id}
    return dict.fromkeys(WORK_ORDERS.columns) | row


def _promised(problem: WorkshopProblem, booking: Booking) -> dict[str, object]:
    row = {
        "asset_id": booking.asset_id,
        "status": "booked",
        "bay": booking.bay,
        "technician_id": booking.technician_id,
        "saving": 0.0,
        "reason": "promised already",
    }
    when = _when(problem, booking.day, booking.start_s, booking.end_s)
    return dict.fromkeys(WORK_ORDERS.columns) | row | when


def _when(problem: WorkshopProblem, day: int, start_s: int, end_s: int) -> dict[str, object]:
    midnight = datetime.combine(problem.date_of(day), time())
    ends = {"start_local": start_s, "end_local": end_s}
    return {name: midnight + timedelta(seconds=seconds) for name, seconds in ends.items()}
