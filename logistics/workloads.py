"""Which workloads there are: plain data. A fifth one is contracts, a folder and an entry here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from logistics.forecast import batch as forecast
from logistics.forecast import training as forecast_training
from logistics.maintenance import batch as maintenance
from logistics.maintenance import shop_batch as workshops
from logistics.maintenance import training as maintenance_training
from logistics.outputs import OUTPUTS
from logistics.registry import Card
from logistics.routes import batch as routes
from logistics.slotting import batch as slotting
from logistics.tables import CONTRACTS
from logistics.tasks import Dims
from logistics.units import Parcel, Run, StagedFile, Unit

Units = Callable[[Run, Dims], list[Unit]]
Runner = Callable[[Run, Dims, Sequence[Parcel]], Iterator[Parcel]]
Trainer = Callable[[Run, Dims], Card]
Backtester = Callable[[Run, Dims], tuple[list[StagedFile], pl.DataFrame]]
Upstream = Callable[[Run, Dims], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Workload:
    """What a workload needs, may read and writes, and its functions.

    needs and reads name input tables (or output tables of tonight, which give the order);
    a table in needs must be there, one in reads may be absent. lasting names the site table whose
    partitions hold a state or a history, which no site loses overnight. backtest stages what it
    finds for the table of its name. upstream tells, per site, a digest of what it takes from
    tonight's earlier workloads.
    """

    name: str
    task: str
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    units: Units
    run: Runner
    lasting: str | None = None
    train: Trainer | None = None
    backtest: Backtester | None = None
    upstream: Upstream | None = None

    @property
    def site_tables(self) -> list[str]:
        """The input tables that its units read by site."""
        return [table for table in self._inputs if CONTRACTS[table].site is not None]

    @property
    def company_tables(self) -> list[str]:
        """The input tables no site owns, with those that foreign keys refer to."""
        refs = {ref for table in self._inputs for ref in CONTRACTS[table].refs.values()}
        return [t for t, c in CONTRACTS.items() if c.site is None and t in {*self._inputs, *refs}]

    @property
    def _inputs(self) -> list[str]:
        return [table for table in (*self.needs, *self.reads) if table in CONTRACTS]


WORKLOADS = (
    Workload(
        "forecast",
        "forecast",
        needs=("sales",),
        reads=("signals", "items", "promotions", "prices", "forecast_overrides"),
        writes=(
            "forecasts",
            "forecast_totals",
            "forecast_overridden",
            "forecast_value_added",
            "reorder_points",
            "forecast_parts",
            "forecast_sums",
        ),
        units=forecast.units,
        run=forecast.run,
        upstream=forecast.upstream,
        lasting="sales",
        train=forecast_training.train,
        backtest=forecast_training.backtest,
    ),
    Workload(
        "levels",
        "forecast",
        needs=(),
        reads=("forecast_sums",),
        writes=("forecast_levels",),
        units=forecast.level_units,
        run=forecast.run_levels,
        upstream=forecast.levels_upstream,
    ),
    Workload(
        "maintenance",
        "maintenance",
        needs=("telemetry", "assets"),
        reads=("events", "workshops"),
        writes=("risks", "sensor_states", "alert_outcomes"),
        units=maintenance.units,
        run=maintenance.run,
        upstream=maintenance.upstream,
        lasting="telemetry",
        train=maintenance_training.train,
    ),
    Workload(
        "alerts",
        "maintenance",
        needs=("assets",),
        reads=("risks",),
        writes=("alerts",),
        units=maintenance.alert_units,
        run=maintenance.run_alerts,
        upstream=maintenance.alerts_upstream,
    ),
    Workload(
        "workshop",
        "maintenance",
        needs=("assets", "workshops"),
        # What its visits cost the depots, too: it weighs them against tomorrow's routes.
        reads=(
            *("risks", "technicians", "parts", "bookings"),
            *("orders", "travel_times", "trips", "depots", "vehicles", "drivers", "traffic"),
        ),
        writes=("work_orders", "vehicle_prices"),
        units=workshops.units,
        run=partial(workshops.run, routes.weighing),
        upstream=workshops.upstream,
    ),
    Workload(
        "routes",
        "routes",
        needs=("orders", "depots", "vehicles", "drivers"),
        reads=("work_orders", "traffic", "travel_times", "trips"),
        writes=("routes", "stops", "unserved", "route_kpis", "kept_back"),
        units=routes.units,
        run=routes.run,
        upstream=routes.upstream,
    ),
    Workload(
        "slotting",
        "slotting",
        needs=("slots",),
        reads=("forecast_totals", "order_lines", "items"),
        writes=("slots_plan", "moves", "slots_heat", "slots_effect", "unplaced"),
        units=slotting.units,
        run=slotting.run,
        lasting="slots",
        upstream=slotting.upstream,
    ),
)


def chosen(task: str) -> list[Workload]:
    """The workloads of a task, all of them for the night."""
    return [w for w in WORKLOADS if task in ("night", w.task)]


OF_TASKS = {"rejects", "forecast_backtests"}  # tables that no workload writes
assert {table for workload in WORKLOADS for table in workload.writes} | OF_TASKS == set(OUTPUTS)
