"""How a night ended: values that the night fills in and the report shows. Computes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from logistics.registry import Card
from logistics.units import Count, Run, StagedFile


class Progress(Protocol):
    """Whoever shows how far the night is."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one workload ended. failures: unit → reason."""

    workload: str
    started_at: datetime
    seconds: float
    units: int
    failures: Mapping[str, str]
    counts: tuple[Count, ...]
    rows_written: Mapping[str, int]
    step_seconds: Mapping[str, float]
    figures: Mapping[str, float]
    rejects: tuple[StagedFile, ...] = ()
    card: Card | None = None

    @property
    def status(self) -> str:
        if not self.failures:
            return "done"
        return "failed" if len(self.failures) >= max(self.units, 1) else "partly failed"


@dataclass(frozen=True, slots=True)
class Night:
    """A finished run: what every workload did, by name."""

    run: Run
    outcomes: Mapping[str, Outcome]

    @property
    def complete(self) -> bool:
        return not any(outcome.failures for outcome in self.outcomes.values())
