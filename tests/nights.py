"""A made night of three depots, as its driver tells it."""

from datetime import UTC, datetime

from logistics.config import Config
from logistics.outcome import Night, Outcome
from logistics.units import Count, Parcel, Run, Unit
from logistics.watch import Watch

AT = datetime(2026, 3, 1, 22, tzinfo=UTC)
ORDERS = Count("orders", 100, 97, 3)
SOLVED = Parcel(Unit("rotterdam"), counts=(ORDERS,), seconds={"solve": 7.5})
FAILED = Parcel(Unit("utrecht"), failure="solve: ValueError: no vehicles (inputs.py:7)")
ROUTES = Outcome(
    "routes",
    AT,
    seconds=9.0,
    units=3,
    units_reused=1,
    failures={"utrecht": "solve: ValueError: no vehicles (inputs.py:7)"},
    counts=(ORDERS,),
    rows_written={"stops": 95},
    step_seconds={"solve": 7200.0},
    figures={"orders": 97, "unserved": 2, "late_stops": 1},
)
FORECAST = Outcome("forecast", AT, 5.0, units=1, step_seconds={"predict": 3600.0})


def night(config: Config, *outcomes: Outcome) -> Night:
    return Night(Run("r-1", config), {o.workload: o for o in outcomes}, AT, 60.0)


def tell(told: Watch, ended: Night) -> None:
    """One depot is reused, one done, one failed."""
    told.begun("routes", units=3, reused=1)
    told.unit_done("routes", Parcel(Unit("delft"), figures={"gap": 0.25}), reused=True)
    told.unit_done("routes", SOLVED, reused=False)
    told.unit_done("routes", FAILED, reused=False)
    for outcome in ended.outcomes.values():
        told.workload_ended(outcome)
    told.night_ended(ended)


def play(config: Config, ended: Night) -> None:
    """The whole night."""
    with Watch(config, "r-1") as told:
        tell(told, ended)
