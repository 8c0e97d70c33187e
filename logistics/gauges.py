"""The metrics of a night, through Ray: exported by every node for Prometheus as ray_logistics_….

Knows Ray's metrics API, nothing of what a night is.
"""

import threading
from collections.abc import Mapping

from ray.util.metrics import Gauge, Histogram

PREFIX = "logistics_"  # Ray puts ray_ before it
# name → (what it tells, its tags beside run_date). They are gone from Ray's endpoint 20 s after the
# night, so what asks for the last one asks for last_over_time.
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "units": ("Units of a workload", ("workload",)),
    "units_waiting": ("Units neither done nor failed yet", ("workload",)),
    "units_done": ("Units computed in this run", ("workload",)),
    "units_failed": ("Units, and tables that could not be committed", ("workload",)),
    "units_reused": ("Units taken from an earlier run", ("workload",)),
    "rows_in": ("Rows read of an input table", ("workload", "table")),
    "rows_out": ("Rows of it that passed the checks", ("workload", "table")),
    "rows_rejected": ("Rows of it that did not", ("workload", "table")),
    "rows_written": ("Rows of an output table", ("workload", "table")),
    "workload_seconds": ("How long a workload took", ("workload",)),
    "solver_gap": ("Share by which a solution exceeds its bound", ("workload", "site")),
    "orders": ("Orders to deliver", ()),
    "orders_unserved": ("Orders no route serves", ()),
    "late_stops": ("Stops outside their windows", ()),
    "core_hours": ("Core-hours of a workload's steps", ("workload",)),
    "gpu_hours": ("GPU-hours of a workload's steps", ("workload",)),
    "cost": ("Price of both", ("workload",)),
    "night_begun_timestamp_seconds": ("When the night began", ()),
    "night_late": ("1 once the night has missed its deadline", ()),
    "night_ok": ("1 when the night ended whole, 0 when it did not", ()),
    "night_seconds": ("How long the night took", ()),
    "last_success_timestamp_seconds": ("When a night of all workloads last ended whole", ()),
}
STEP_SECONDS = "step_seconds"
_REFRESH_S = 5.0
# Ray makes a histogram's _sum up from the middles of its buckets; these are right.
_BOUNDARIES_S = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000]


class Metrics:
    """The gauges of GAUGES and the histogram of steps, all tagged with the night.

    Ray 2.60 forgets a gauge 20 s after it was last reported, and reports it only when it was set,
    so every value is set again until `drop`.
    """

    def __init__(self, run_date: str) -> None:
        self._run_date = run_date
        self._gauges = {
            name: Gauge(PREFIX + name, text, ("run_date", *tags))
            for name, (text, tags) in GAUGES.items()
        }
        self._seconds = Histogram(
            PREFIX + STEP_SECONDS,
            "Seconds of one step of one unit",
            _BOUNDARIES_S,
            ("run_date", "workload", "step"),
        )
        self._values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._refresh, name="metrics", daemon=True)

    def set(self, name: str, value: float, **tags: str) -> None:
        labels = {"run_date": self._run_date, **tags}
        with self._lock:
            self._values[name, frozenset(labels.items())] = value
            self._gauges[name].set(value, labels)

    def observe(self, seconds: float, **tags: str) -> None:
        self._seconds.observe(seconds, {"run_date": self._run_date, **tags})

    def keep(self) -> None:
        """Export from now on."""
        self._thread.start()

    def drop(self) -> None:
        """Export no longer."""
        self._over.set()
        self._thread.join()

    def _refresh(self) -> None:
        while not self._over.wait(_REFRESH_S):
            with self._lock:
                for (name, labels), value in self._values.items():
                    self._gauges[name].set(value, dict(labels))
