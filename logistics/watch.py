"""A night as others see it: metrics for Prometheus, JSON lines for a log collector, notices.

Knows the outcomes of a night, not how a night works. Whatever goes wrong here is
a warning, never the night's failure.
"""

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pythonjsonlogger.json import JsonFormatter

from logistics import notice
from logistics.config import Config, ConfigError, Event, WatchConfig
from logistics.cost import cost
from logistics.gauges import Metrics
from logistics.outcome import Night, Outcome
from logistics.storage import LakeError
from logistics.units import Parcel


class Watch:
    """Reports one night while it runs; its methods may be called by several threads at once.

    As a context manager: leaving it by an exception reports the night as failed. Raises ConfigError
    when the log or a notification URL cannot be used.
    """

    def __init__(self, config: Config, run_id: str) -> None:
        notice.check(config.watch.notify)
        self._config, self._run_id = config, run_id
        self._metrics = Metrics(str(config.date))
        self._handler = _handler(config.watch)
        self._lock = threading.Lock()
        self._waiting: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        minutes = config.watch.deadline_minutes
        self._timer = threading.Timer(60 * minutes, self._late) if minutes else None

    def __enter__(self) -> Self:
        _LOGGER.addHandler(self._handler)
        self._metrics.keep()
        self._metrics.set("night_begun_timestamp_seconds", time.time())
        self._metrics.set("night_late", 0)
        self._log("night begun", task=self._config.task)
        if self._timer:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer.join()  # a notice under way
        if fault is not None:
            reason = f"{type(fault).__name__}: {fault}".rstrip(": ")
            self._log("night failed", logging.ERROR, failure=reason)
            self._metrics.set("night_ok", 0)
            if not isinstance(fault, LakeError):  # which is told by `refused`
                self._tell(*notice.broken(self._config, reason))
        if not isinstance(fault, KeyboardInterrupt):
            time.sleep(self._config.watch.linger_seconds)
        self._metrics.drop()
        _LOGGER.removeHandler(self._handler)
        self._handler.close()

    def begun(self, workload: str, units: int, reused: int) -> None:
        """A workload knows its units, and how many of them an earlier run has done."""
        with self._lock:
            self._waiting[workload] = units - reused
            self._metrics.set("units", units, workload=workload)
            self._metrics.set("units_reused", reused, workload=workload)
            self._count(workload)
        self._log("workload begun", workload=workload, units=units, units_reused=reused)

    def unit_done(self, workload: str, parcel: Parcel, reused: bool = False) -> None:
        """A unit has ended, or has been taken from an earlier run (which `begun` has counted)."""
        excess = gap(parcel.figures)
        if excess is not None:
            site = parcel.unit.site_id
            self._metrics.set("solver_gap", excess, workload=workload, site=site)
        if not reused:
            with self._lock:
                self._waiting[workload] -= 1
                (self._done if parcel.failure is None else self._failed)[workload] += 1
                self._count(workload)
            for step, seconds in parcel.seconds.items():
                self._metrics.observe(seconds, workload=workload, step=step)
        failed = parcel.failure is not None
        self._log(
            "unit failed" if failed else "unit reused" if reused else "unit done",
            logging.ERROR if failed else logging.INFO,
            workload=workload,
            site=parcel.unit.site_id,
            unit=parcel.unit.id,
            seconds=round(sum(parcel.seconds.values()), 3),
            rows=sum(count.rows_in for count in parcel.counts),
            rows_rejected=sum(count.rows_rejected for count in parcel.counts),
            failure=parcel.failure,
        )

    def workload_ended(self, outcome: Outcome) -> None:
        """A workload has published its tables; units that nobody has heard of since have failed."""
        name, metrics = outcome.workload, self._metrics
        with self._lock:
            self._waiting[name] = 0
            self._failed[name] = len(outcome.failures)
            self._count(name)
        metrics.set("workload_seconds", outcome.seconds, workload=name)
        for count in outcome.counts:
            metrics.set("rows_in", count.rows_in, workload=name, table=count.table)
            metrics.set("rows_out", count.rows_out, workload=name, table=count.table)
            metrics.set("rows_rejected", count.rows_rejected, workload=name, table=count.table)
        for table, rows in outcome.rows_written.items():
            metrics.set("rows_written", rows, workload=name, table=table)
        if "unserved" in outcome.figures:
            metrics.set("orders", outcome.figures.get("orders", 0))
            metrics.set("orders_unserved", outcome.figures["unserved"])
            metrics.set("late_stops", outcome.figures.get("late_stops", 0))
        self._log(
            f"workload {outcome.status}",
            logging.ERROR if outcome.failures else logging.INFO,
            workload=name,
            seconds=round(outcome.seconds, 3),
            units=outcome.units,
            units_reused=outcome.units_reused,
            rows=sum(count.rows_in for count in outcome.counts),
            rows_rejected=sum(count.rows_rejected for count in outcome.counts),
            rows_written=sum(outcome.rows_written.values()),
            failures=dict(outcome.failures),
        )

    def night_ended(self, night: Night) -> None:
        """The night is published and recorded."""
        if self._timer:
            self._timer.cancel()
        metrics, spent = self._metrics, cost(self._config, night.outcomes)
        for workload, hours in spent.hours.items():
            metrics.set("core_hours", hours.core, workload=workload)
            metrics.set("gpu_hours", hours.gpu, workload=workload)
            metrics.set("cost", spent.price(hours), workload=workload)
        metrics.set("night_seconds", night.seconds)
        metrics.set("night_ok", int(night.complete))
        if night.complete and self._config.task == "night":
            metrics.set("last_success_timestamp_seconds", time.time())
        self._log(
            "night ended" if night.complete else "night failed",
            logging.INFO if night.complete else logging.ERROR,
            seconds=round(night.seconds, 3),
            core_hours=round(spent.total.core, 6),
            gpu_hours=round(spent.total.gpu, 6),
            cost=round(spent.price(spent.total), 6),
            currency=spent.currency,
            failure=night.unrecorded,
        )
        self._tell(*notice.ended(night, spent))

    def _count(self, workload: str) -> None:
        self._metrics.set("units_waiting", self._waiting[workload], workload=workload)
        self._metrics.set("units_done", self._done[workload], workload=workload)
        self._metrics.set("units_failed", self._failed[workload], workload=workload)

    def _late(self) -> None:
        with self._lock:
            waiting = [f"{name} {left}" for name, left in sorted(self._waiting.items()) if left]
        left = f"units waiting: {', '.join(waiting) or 'none'}"
        self._metrics.set("night_late", 1)
        self._log("night late", logging.WARNING, failure=left)
        self._tell(*notice.late(self._config, self._run_id, left))

    def _tell(self, event: Event, title: str, body: str) -> None:
        fault = notice.send(self._config.watch, event, title, body)
        if fault is not None:
            self._log("notice not sent", logging.WARNING, notice=event, failure=fault)

    def _log(self, event: str, level: int = logging.INFO, **fields: object) -> None:
        about = {"run_id": self._run_id, "run_date": str(self._config.date), **fields}
        _LOGGER.log(level, event, extra=about)


def refused(config: Config, reason: str) -> None:
    """Report a task that could not be carried out, whether or not it has begun; needs no Ray."""
    about, handler = {"run_date": str(config.date)}, _handler(config.watch)
    _LOGGER.addHandler(handler)
    _LOGGER.error(f"{config.task} refused", extra={**about, "failure": reason})
    fault = notice.send(config.watch, *notice.broken(config, reason))
    if fault is not None:
        _LOGGER.warning("notice not sent", extra={**about, "failure": fault})
    _LOGGER.removeHandler(handler)
    handler.close()


_LOGGER = logging.getLogger("logistics")
_LOGGER.setLevel(logging.INFO)
_LOGGER.propagate = False


def _handler(config: WatchConfig) -> logging.Handler:
    """Where lines go: as JSON to watch.log; else warnings alone, as text, to stderr, since a
    person reads of failures in the summary."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if config.log is None:
        handler.addFilter(lambda record: record.levelno == logging.WARNING)
        handler.setFormatter(logging.Formatter("%(message)s: %(failure)s"))
        return handler
    if config.log != "-":
        try:
            Path(config.log).parent.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(config.log, encoding="utf-8")
        except OSError as fault:
            raise ConfigError(f"watch.log: cannot write there: {fault}") from None
    names = {"levelname": "level", "message": "event"}
    handler.setFormatter(
        JsonFormatter("%(levelname)s %(message)s", rename_fields=names, timestamp="ts")
    )
    return handler


def gap(figures: Mapping[str, float]) -> float | None:
    """How far a solution is from its bound: as its solver tells, or the walk over the best one."""
    if "gap" in figures:
        return figures["gap"]
    with suppress(KeyError, ZeroDivisionError):
        return figures["walk_after_m"] / figures["walk_ideal_m"] - 1
    return None
