"""Checked tables and tonight's risks → a `WorkshopProblem`. Knows polars and tables; no solver."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from logistics.config import MaintenanceConfig
from logistics.maintenance.later import with_later
from logistics.maintenance.problem import (
    INSPECTION,
    Bay,
    Booking,
    Job,
    Part,
    Technician,
    WorkshopProblem,
    failing_by,
)

# Columns of risks that jobs are made of.
OF_RISKS = ("site_id", "asset_id", "kind", "workshop_id", "component", "p_fail_7d", "p_fail_30d")
Tables = Mapping[str, pl.DataFrame]
Row = Mapping[str, Any]


def problem(
    tables: Tables,
    risks: pl.DataFrame,
    workshop_id: str,
    day: date,
    options: MaintenanceConfig,
) -> WorkshopProblem:
    """The problem of one workshop, from tonight's risks of its assets.

    A lake without technicians has one per bay all day; without parts, every part is there. An
    unknown workshop has no bays.
    """
    found = tables["workshops"].filter(workshop_id=workshop_id).to_dicts()
    closed = {"bays": 0, "opens_s": 0, "closes_s": 0, "weekdays": None, "bay_kinds": None}
    shop: Row = found[0] if found else closed
    assets = tables["assets"].filter(workshop_id=workshop_id)
    homes = assets.group_by("site_id").len().sort("site_id").iter_rows()
    bookings = _bookings(tables, workshop_id, day, options.schedule_days)
    promised = {booking.asset_id for booking in bookings}
    task = WorkshopProblem(
        workshop_id=workshop_id,
        first_day=day,
        num_days=options.schedule_days,
        bays=_bays(shop),
        opens_s=shop["opens_s"],
        closes_s=shop["closes_s"],
        weekdays=frozenset(range(7) if shop["weekdays"] is None else shop["weekdays"]),
        technicians=_technicians(tables["technicians"], workshop_id, shop),
        jobs=tuple(
            job
            for job in jobs(tables, risks, workshop_id, day, options)
            if job.asset_id not in promised
        ),
        parts=_parts(tables["parts"], workshop_id),
        # Assets of the same site that other workshops look after are not counted on either side.
        max_away={
            site: (max(1, int(options.max_away_share * n)),) * options.schedule_days
            for site, n in homes
        },
        bookings=bookings,
    )
    return with_later(task, options.waiting_day_price)


def jobs(
    tables: Tables,
    risks: pl.DataFrame,
    workshop_id: str,
    day: date,
    options: MaintenanceConfig,
) -> tuple[Job, ...]:
    """By asset_id, a job for each row that is `wanted`."""
    parts = tables["parts"].filter(workshop_id=workshop_id)
    lengths = dict(parts.select("component", "service_s").drop_nulls().iter_rows())
    rows = wanted(tables["assets"], risks, day, options)
    return tuple(_job(row, lengths, options) for row in rows.iter_rows(named=True))


def wanted(
    assets: pl.DataFrame, risks: pl.DataFrame, day: date, options: MaintenanceConfig
) -> pl.DataFrame:
    """By asset_id: assets at risk, those that cost more to leave alone for 30 days than to service,
    and those whose inspection is due; with their costs and due_day, null where none is due."""
    columns = ("asset_id", "cost_of_failure", "cost_of_service", "inspection_due")
    stands = options.failure_days * options.vehicle_day_price
    rows = risks.join(assets.select(columns), on="asset_id", how="left").with_columns(
        pl.col("cost_of_failure").fill_null(options.cost_of_failure) + stands,
        pl.col("cost_of_service").fill_null(options.cost_of_service),
        due_day=_due_day(day, options.schedule_days),
    )
    left = pl.max_horizontal("p_fail_7d", "p_fail_30d") * pl.col("cost_of_failure")
    at_risk = (pl.col("p_fail_7d") >= options.at_risk_p7) | (left > pl.col("cost_of_service"))
    is_due = pl.col("due_day").is_not_null()
    inspected = pl.when(is_due).then(pl.lit(INSPECTION))
    found = rows.filter(at_risk | is_due).sort("asset_id")
    return found.with_columns(pl.col("component").fill_null(inspected))


def _due_day(day: date, num_days: int) -> pl.Expr:
    """Days until the inspection is due, 0 where it is overdue; null: not on the days planned."""
    due = (pl.col("inspection_due") - pl.lit(day)).dt.total_days()
    return pl.when(due < num_days).then(due.clip(lower_bound=0))


def _job(row: Row, lengths: Mapping[str, int], options: MaintenanceConfig) -> Job:
    usual, service, due_day = options.vehicle_day_price, row["cost_of_service"], row["due_day"]
    return Job(
        asset_id=row["asset_id"],
        site_id=row["site_id"],
        kind=row["kind"],
        component=row["component"],
        duration_s=lengths.get(row["component"] or "", options.job_hours * 3600),
        p_fail=failing_by(row["p_fail_7d"], row["p_fail_30d"]),
        cost_of_failure=row["cost_of_failure"],
        cost_of_service=service,
        life_day_price=service / options.service_life_days,
        day_prices=(usual,) * options.schedule_days,
        due_day=due_day,
        overdue_price=0.0 if due_day is None else usual,
    )


def _bays(shop: Row) -> tuple[Bay, ...]:
    kinds: dict[int, set[str]] = {}
    for pair in shop["bay_kinds"] or ():
        kinds.setdefault(pair["bay"], set()).add(pair["kind"])
    numbers = range(1, shop["bays"] + 1)
    return tuple(Bay(n, frozenset(kinds[n]) if n in kinds else None) for n in numbers)


def _bookings(tables: Tables, workshop_id: str, day: date, days: int) -> tuple[Booking, ...]:
    sites = dict(tables["assets"].select("asset_id", "site_id").iter_rows())
    rows = tables["bookings"].filter(workshop_id=workshop_id).sort("date", "start_s", "bay")
    return tuple(
        Booking(
            asset_id=row["asset_id"],
            site_id=sites.get(row["asset_id"]),
            day=(row["date"] - day).days,
            start_s=row["start_s"],
            end_s=row["end_s"],
            bay=row["bay"],
            technician_id=row["technician_id"],
        )
        for row in rows.iter_rows(named=True)
        if 0 <= (row["date"] - day).days < days
    )


def _technicians(table: pl.DataFrame, workshop_id: str, shop: Row) -> tuple[Technician, ...]:
    if table.is_empty():
        return tuple(
            Technician(f"{workshop_id}-bay-{bay + 1}", shop["opens_s"], shop["closes_s"])
            for bay in range(shop["bays"])
        )
    return tuple(
        Technician(
            row["technician_id"],
            row["shift_start_s"],
            row["shift_end_s"],
            frozenset(row["skills"]) if row["skills"] else None,
        )
        for row in table.filter(workshop_id=workshop_id).sort("technician_id").to_dicts()
    )


def _parts(table: pl.DataFrame, workshop_id: str) -> dict[str, Part]:
    rows = table.filter(workshop_id=workshop_id).sort("component").to_dicts()
    return {row["component"]: Part(row["stock"], row["lead_time_days"]) for row in rows}
