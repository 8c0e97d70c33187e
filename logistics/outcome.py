"""How a night ended: values that the night fills in and the report shows. Computes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from logistics.registry import Card
from logistics.units import Count, Run, StagedFile


class Progress(Protocol):
    """Whoever shows how far the night is."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one workload ended.

    failures: unit (or table that could not be committed) → reason. units_reused were taken from an
    earlier run; stopped were not begun because the night was told to stop. restored: the run whose
    plan a rollback has brought back.
    """

    workload: str
    started_at: datetime
    seconds: float
    units: int
    units_reused: int = 0
    failures: Mapping[str, str] = field(default_factory=dict)
    stopped: int = 0
    counts: tuple[Count, ...] = ()
    rows_written: Mapping[str, int] = field(default_factory=dict)
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    rejects: tuple[StagedFile, ...] = ()
    card: Card | None = None
    restored: str | None = None

    @property
    def status(self) -> str:
        if not self.failures:
            return "done"
        if self.stopped:
            return "stopped"
        return "failed" if len(self.failures) >= max(self.units, 1) else "partly failed"


@dataclass(frozen=True, slots=True)
class Night:
    """A finished run: what every workload did, by name."""

    run: Run
    outcomes: Mapping[str, Outcome]
    started_at: datetime
    seconds: float
    unrecorded: str | None = None  # why `runs` does not have it

    @property
    def complete(self) -> bool:
        failed = any(outcome.failures for outcome in self.outcomes.values())
        return not failed and self.unrecorded is None

    @property
    def units(self) -> tuple[int, int]:
        """Units of all workloads, and how many of them were reused."""
        own = [o for o in self.outcomes.values() if o.workload != "company"]
        return sum(o.units for o in own), sum(o.units_reused for o in own)

    @property
    def stopped(self) -> bool:
        """Whether units were left out because the night was told to stop."""
        return any(outcome.stopped for outcome in self.outcomes.values())
