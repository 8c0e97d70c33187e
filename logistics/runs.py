"""The `runs` table: what every run did, and which nights are whole. Computes nothing else.

A night is whole when all its units are in. Its row `night` names the version of every table that
belongs to it, so that a reader can pin one consistent night while the next one is published.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import polars as pl

from logistics import plan, records
from logistics.config import Config, dump, parse
from logistics.outcome import Night, Outcome
from logistics.outputs import RUNS
from logistics.storage import LakeError
from logistics.units import Run

NIGHT, ROLLBACK = "night", "rollback"


def append(night: Night) -> None:
    """Record a finished run: a row per workload, and one for the night itself."""
    tables = plan.versions(night.run.config.plan)
    rows = [_row(night.run, outcome, tables) for outcome in night.outcomes.values()]
    if night.run.config.task == "night":
        rows.append(_row(night.run, _whole(night), tables))
    plan.append_run(night.run.config.plan, pl.DataFrame(rows, schema=RUNS))


def append_rollback(config: Config, run_id: str, restored: str, started: datetime) -> None:
    """Record that a night is again what an earlier run had published."""
    seconds = (datetime.now(UTC) - started).total_seconds()
    outcome = Outcome(ROLLBACK, started, seconds, units=0, restored=restored)
    row = _row(Run(run_id, config), outcome, plan.versions(config.plan))
    plan.append_run(config.plan, pl.DataFrame([row], schema=RUNS))


def whole_nights(location: str) -> pl.DataFrame:
    """Every night that was whole when it was published, oldest first: run_date, run_id, tables."""
    found = plan.read_runs(location)
    if found is None or "tables" not in found.columns:
        return pl.DataFrame(schema=RUNS)
    whole = (pl.col("workload") == NIGHT) & (pl.col("status") == "done")
    return found.filter(whole | (pl.col("workload") == ROLLBACK)).sort("started_at")


def config_of(location: str, run_id: str) -> Config:
    """The config a run had. Raises LakeError when there is no such run, or none to repair it by."""
    found = plan.read_runs(location)
    known: list[str] = []
    if found is not None:
        known = found.sort("started_at")["run_id"].unique(maintain_order=True).to_list()
    if found is None or run_id not in known:
        recent = ", ".join(known[-3:]) or "none"
        raise LakeError(f"run={run_id}: plan={location} knows no such run; the latest: {recent}")
    return parse(json.loads(found.filter(run_id=run_id)["config"][0]))


def _whole(night: Night) -> Outcome:
    outcomes: Sequence[Outcome] = list(night.outcomes.values())
    return Outcome(
        workload=NIGHT,
        started_at=night.started_at,
        seconds=night.seconds,
        units=night.units[0],
        units_reused=night.units[1],
        failures={f"{o.workload} {unit}": r for o in outcomes for unit, r in o.failures.items()},
        stopped=sum(o.stopped for o in outcomes),
    )


def _row(run: Run, outcome: Outcome, tables: dict[str, int]) -> dict[str, object]:
    return {
        "run_date": run.config.date,
        "run_id": run.run_id,
        "workload": outcome.workload,
        "status": outcome.status,
        "started_at": outcome.started_at.replace(tzinfo=None),
        "seconds": outcome.seconds,
        "units": outcome.units,
        "units_reused": outcome.units_reused,
        "units_failed": len(outcome.failures),
        "failures": [f"{unit}: {reason}" for unit, reason in outcome.failures.items()],
        "counts": [asdict(count) for count in outcome.counts],
        "rows_written": [{"table": t, "rows": n} for t, n in outcome.rows_written.items()],
        "step_seconds": [{"step": s, "seconds": t} for s, t in outcome.step_seconds.items()],
        "figures": [{"name": n, "value": v} for n, v in outcome.figures.items()],
        "model": outcome.card.version if outcome.card else None,
        "tables": [{"table": table, "version": version} for table, version in tables.items()],
        "restored": outcome.restored,
        "versions": json.dumps({"code": records.code_version(), **records.package_versions()}),
        "config": json.dumps(dump(run.config)),
    }
