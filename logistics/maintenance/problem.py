"""A workshop's problem and its answer as values, and the tables they come from and go to.

Knows polars; nothing of how a schedule is found. Days are counted from the first day planned;
times of day are seconds after midnight there; money is in cost units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from math import exp, log
from typing import Any

import polars as pl

from logistics.config import MaintenanceConfig
from logistics.outputs import WORK_ORDERS

NO_WORKSHOP = "none"  # the work_orders partition of assets that no workshop looks after
DAY_S = 24 * 3600
# A certain failure has no finite hazard; this is as good as certain.
_ALMOST_CERTAIN = 0.9999


@dataclass(frozen=True, slots=True)
class Technician:
    """skills: the components they repair; None: all of them."""

    technician_id: str
    start_s: int
    end_s: int
    skills: frozenset[str] | None = None

    def can(self, component: str | None) -> bool:
        return self.skills is None or component in self.skills


@dataclass(frozen=True, slots=True)
class Part:
    """stock pieces are here tonight; after lead_days more have come than are needed."""

    stock: int
    lead_days: int


@dataclass(frozen=True, slots=True)
class Job:
    """An asset that may be worth a visit, and what leaving it alone may cost."""

    asset_id: str
    site_id: str
    component: str | None
    p_fail_7d: float
    p_fail_30d: float
    cost_of_failure: float
    cost_of_service: float

    def p_fail_before(self, day: int) -> float:
        """Chance to fail before the morning of `day`: the hazard is constant to 7 and to 30."""
        week, month = (-log(1 - min(p, _ALMOST_CERTAIN)) for p in (self.p_fail_7d, self.p_fail_30d))
        if day <= 7:
            return 1 - exp(-week * day / 7)
        return 1 - exp(-week - max(month - week, 0.0) * (day - 7) / 23)

    def saving(self, day: int) -> float:
        """Expected cost of no visit within 30 days, less that of a visit on `day`."""
        left = self.cost_of_failure * self.p_fail_30d
        return left - self.cost_of_failure * self.p_fail_before(day) - self.cost_of_service


@dataclass(frozen=True, slots=True)
class WorkshopProblem:
    """One workshop, its people, parts and jobs.

    weekdays: open days, 0 = Monday. max_away: site → assets that may be away on one day.
    """

    workshop_id: str
    first_day: date
    num_days: int
    job_s: int
    bays: int
    opens_s: int
    closes_s: int
    weekdays: frozenset[int]
    technicians: tuple[Technician, ...]
    jobs: tuple[Job, ...]
    parts: Mapping[str, Part] = field(default_factory=dict)
    max_away: Mapping[str, int] = field(default_factory=dict)

    def date_of(self, day: int) -> date:
        return self.first_day + timedelta(days=day)

    def is_open(self, day: int) -> bool:
        return self.date_of(day).weekday() in self.weekdays

    def hours(self, technician: Technician) -> tuple[int, int]:
        """When this technician can work here: the shift within the opening hours."""
        return max(technician.start_s, self.opens_s), min(technician.end_s, self.closes_s)


@dataclass(frozen=True, slots=True)
class Visit:
    """A booked job: day counted from the first one, start in seconds after its midnight."""

    asset_id: str
    day: int
    start_s: int
    bay: int  # from 1
    technician_id: str


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """What becomes of a job: its visit, or None and the reason."""

    job: Job
    visit: Visit | None
    reason: str

    @property
    def saving(self) -> float:
        return 0.0 if self.visit is None else self.job.saving(self.visit.day)


Tables = Mapping[str, pl.DataFrame]


def problem(
    tables: Tables, risks: pl.DataFrame, workshop_id: str, day: date, options: MaintenanceConfig
) -> WorkshopProblem:
    """The problem of one workshop, from tonight's risks of its assets.

    A lake without technicians has one per bay all day; without parts, every part is there. An
    unknown workshop has no bays.
    """
    found = tables["workshops"].filter(workshop_id=workshop_id).to_dicts()
    closed: dict[str, Any] = {"bays": 0, "opens_s": 0, "closes_s": 0, "weekdays": None}
    shop = found[0] if found else closed
    assets = tables["assets"].filter(workshop_id=workshop_id)
    homes = assets.group_by("site_id").len().sort("site_id").iter_rows()
    return WorkshopProblem(
        workshop_id=workshop_id,
        first_day=day,
        num_days=options.schedule_days,
        job_s=options.job_hours * 3600,
        bays=shop["bays"],
        opens_s=shop["opens_s"],
        closes_s=shop["closes_s"],
        weekdays=frozenset(range(7) if shop["weekdays"] is None else shop["weekdays"]),
        technicians=_technicians(tables["technicians"], workshop_id, shop),
        jobs=jobs(tables["assets"], risks, options),
        parts=_parts(tables["parts"], workshop_id),
        # Assets of the same site that other workshops look after are not counted on either side.
        max_away={site: max(1, int(options.max_away_share * n)) for site, n in homes},
    )


def jobs(assets: pl.DataFrame, risks: pl.DataFrame, options: MaintenanceConfig) -> tuple[Job, ...]:
    """Assets at risk, and those for which a visit on the first day would pay, by asset_id."""
    costs = assets.select("asset_id", "cost_of_failure", "cost_of_service")
    rows = risks.join(costs, on="asset_id", how="left").sort("asset_id")
    rows = rows.with_columns(
        pl.col("cost_of_failure").fill_null(options.cost_of_failure),
        pl.col("cost_of_service").fill_null(options.cost_of_service),
    )
    columns = [*Job.__dataclass_fields__]
    every = (Job(**row) for row in rows.select(columns).iter_rows(named=True))
    return tuple(j for j in every if j.p_fail_7d >= options.at_risk_p7 or j.saving(0) > 0)


def _technicians(
    table: pl.DataFrame, workshop_id: str, shop: Mapping[str, Any]
) -> tuple[Technician, ...]:
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


def to_table(problem: WorkshopProblem, orders: Sequence[WorkOrder]) -> pl.DataFrame:
    """work_orders rows, by asset_id."""
    rows = [_row(problem, order) for order in sorted(orders, key=lambda o: o.job.asset_id)]
    return pl.DataFrame(rows, schema=WORK_ORDERS.columns, orient="row")


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
        "p_fail_7d": job.p_fail_7d,
        "p_fail_30d": job.p_fail_30d,
        "saving": order.saving,
        "reason": order.reason,
    }
    if visit is not None:
        start = datetime.combine(problem.date_of(visit.day), time()) + timedelta(
            seconds=visit.start_s
        )
        end = start + timedelta(seconds=problem.job_s)
        row |= {"bay": visit.bay, "technician_id": visit.technician_id}
        row |= {"start_local": start, "end_local": end}
    return row
