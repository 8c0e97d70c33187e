"""From parcels to the plan: what a workload's units add up to, committed and accounted for."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from logistics import plan, records
from logistics.lock import Lock, LockLostError
from logistics.outcome import Outcome
from logistics.registry import Card
from logistics.storage import LakeError
from logistics.units import Parcel, Run, add_counts, add_figures


def publish(
    run: Run, writes: Sequence[str], parcels: Sequence[Parcel], lock: Lock, stopped: bool
) -> tuple[dict[str, int], dict[str, str]]:
    """Commit every output table of a workload; the rows of each, and the tables that failed.

    A night that is stopped leaves the sites it has not finished as they are: it is to go on. So
    does one that has nothing to publish in their place.
    """
    made = any(file.table in writes for parcel in parcels for file in parcel.files)
    if parcels and not made and all(parcel.failure is not None for parcel in parcels):
        return {}, {}
    failed = {site for p in parcels if p.failure is not None for site in p.unit.sites}
    unfinished = failed if stopped else {}
    only = sorted({site for parcel in parcels for site in parcel.unit.sites} - {*unfinished})
    if unfinished and not only:
        return {}, {}
    rows, failures = {}, {}
    for table in writes:
        files = [
            file
            for parcel in parcels
            for file in parcel.files
            if file.table == table and parcel.unit.site_id not in unfinished
        ]
        try:
            lock.check()
            plan.commit(run, table, files, only if unfinished else ())
            rows[table] = sum(file.rows for file in files)
        except LockLostError:
            raise
        except LakeError as fault:
            failures[table] = str(fault)
    return rows, failures


def publish_rejects(run: Run, outcomes: Sequence[Outcome]) -> None:
    """One transaction for the whole night; only the tables this run has checked are replaced."""
    checked = sorted({count.table for outcome in outcomes for count in outcome.counts})
    files = [file for outcome in outcomes for file in outcome.rejects]
    if checked:
        plan.commit(run, "rejects", files, only=checked)


def outcome_of(
    name: str,
    started: datetime,
    clock: float,
    parcels: Sequence[Parcel],
    reused: int = 0,
    written: Mapping[str, int] | None = None,
    card: Card | None = None,
    failures: Mapping[str, str] | None = None,
) -> Outcome:
    """What the parcels of a workload, reused ones among them, add up to."""
    steps: dict[str, float] = {}
    for parcel in parcels:
        for step, seconds in parcel.seconds.items():
            steps[step] = steps.get(step, 0.0) + seconds
    failed = {p.unit.id: p.failure for p in parcels if p.failure is not None}
    return Outcome(
        workload=name,
        started_at=started,
        seconds=time.perf_counter() - clock,
        units=len(parcels),
        units_reused=reused,
        failures={**failed, **(failures or {})},
        stopped=sum(records.STOPPED in reason for reason in failed.values()),
        counts=tuple(add_counts([count for parcel in parcels for count in parcel.counts])),
        rows_written=written or {},
        step_seconds=steps,
        figures=add_figures(parcels),
        rejects=tuple(f for parcel in parcels for f in parcel.files if f.table == "rejects"),
        card=card,
    )
