"""Every option of a run, typed and validated once. Knows nothing of Hydra: it gets a plain dict.

The defaults live in conf/ alone, so a field without a value there is refused by name.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, Field, SecretStr
from pydantic.dataclasses import dataclass

# order=5 is an id; from and to, which Python does not take for names, have aliases.
_STRICT = ConfigDict(
    extra="forbid", coerce_numbers_to_str=True, validate_by_name=True, validate_by_alias=True
)
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Natural = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Day = date  # where a field is called date

Task = Literal[
    "night",
    "forecast",
    "routes",
    "maintenance",
    "slotting",
    "train",
    "repair",
    "backfill",
    "rollback",
    "rollback_model",
    "backtest",
    "tidy",
    "world",
    "explain",
]
Trainable = Literal["forecast", "maintenance"]
Event = Literal["success", "failure", "late"]


class ConfigError(ValueError):
    """An option that is missing, unknown or out of range; one line per fault."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class WorldConfig:
    """The size of a made company; see conf/world/."""

    name: str
    num_dcs: Natural
    skus_per_dc: Natural
    history_days: Natural
    num_depots: Natural
    orders_per_depot: Natural
    vehicles_per_depot: Natural
    num_assets: Natural
    telemetry_days: Natural
    num_warehouses: Natural
    slots_per_warehouse: Natural
    order_lines_per_day: Natural  # of one warehouse
    order_lines_days: Natural
    dirty_share: Share
    date: date  # the first day that can be planned
    deterministic: bool


@dataclass(frozen=True, slots=True, config=_STRICT)
class ClusterConfig:
    """Where Ray runs: address null starts it here, anything else joins that cluster."""

    address: str | None
    num_cpus: Natural | None  # of a local Ray; null: all
    object_store_mb: Natural  # of a local Ray
    dashboard: bool
    max_unit_mb: Natural  # a site with more Parquet than this is split into buckets
    no_progress_s: Natural  # after which a stuck pipeline is begun anew, waiting for nodes included
    kill_after_s: Natural  # a solve that runs longer is killed, and its site fails


@dataclass(frozen=True, slots=True, config=_STRICT)
class ForecastConfig:
    """Demand forecasting; days unless named otherwise."""

    period: Literal["day", "week"]  # that is forecast; weeks begin on the date's weekday
    horizon_days: Natural
    context_days: Natural  # history the model sees
    service_level: Annotated[float, Field(gt=0, lt=1)]  # of the safety stock
    max_train_series: Natural
    max_train_windows: Natural  # (series, origin) pairs
    train_steps: Natural
    batch_series: Natural
    train_workers: Natural  # more than one train together through Ray Train
    learning_rate: Positive
    members: Natural  # networks whose answers are averaged
    hidden: Natural  # width of a series' code
    step_hidden: Natural  # width of a period's layers
    dropout: Annotated[float, Field(ge=0, lt=1)]
    actors: Natural  # where num_gpus is above 0; without GPUs every core predicts
    num_gpus: Annotated[float, Field(ge=0)]  # per actor
    lead_time_days: Natural  # of items that name none, for the reorder point
    explain_series: Whole  # a unit with at most so many explains each of its forecasts
    holidays: str | None  # where DCs are, as DE or DE-BY; null: no holidays but those in `signals`
    holidays_of: tuple[Annotated[str, Field(pattern=r"^.+:[^:]+$")], ...]  # "DC:place"
    backtest_origins: Natural  # of task=backtest
    backtest_stride_days: Natural  # between them


@dataclass(frozen=True, slots=True, config=_STRICT)
class RoutesConfig:
    """Routing: travel times, the solver's budget, and what leaving an order out costs."""

    engine: Literal["auto", "pyvrp", "ortools"]
    speed_kmh: Positive  # free flow, before the traffic table's factor
    circuity: Annotated[float, Field(ge=1)]  # road distance over great-circle distance
    travel_service: Literal["osrm", "valhalla"] | None  # instead of both; null: none
    travel_url: str | None  # of that service
    seconds_per_depot: Positive  # on average; a depot's share of all goes by its vehicles
    iterations_per_depot: Natural  # instead of seconds when deterministic=true; a pool's add up
    drop_penalty: Positive  # of an order of priority 0, in cost units
    drop_penalty_per_priority: Annotated[float, Field(ge=0)]
    change_cost: Annotated[
        float, Field(ge=0)
    ]  # of an order that another than its usual vehicle has
    balance_cost: Annotated[float, Field(ge=0)]  # of a route, per squared hour away

    def __post_init__(self) -> None:
        if (self.travel_service is None) != (self.travel_url is None):
            raise ValueError("travel_service and travel_url go together")


@dataclass(frozen=True, slots=True, config=_STRICT)
class MaintenanceConfig:
    """Risk of failure from telemetry, and the workshop's schedule."""

    window_days: Natural  # a sensor silent for so long is not believed
    memory_days: Natural  # each so many nights all telemetry is read anew, with what came late
    max_train_windows: Natural
    train_steps: Natural
    batch_windows: Natural
    learning_rate: Positive
    hidden: Natural
    at_risk_p7: Share  # from this probability of failing within 7 days an asset is at risk
    max_alerts: Whole  # a night, of the whole company
    schedule_days: Natural
    job_hours: Natural
    solve_seconds: Positive
    solve_deterministic_time: Positive  # instead of seconds when deterministic=true
    max_away_share: Share  # of a site's assets in the workshop on one day
    cost_of_failure: Positive  # where the assets table gives none
    cost_of_service: Positive
    service_life_days: Positive  # of use that a service buys; an early one wastes what is left
    failure_days: Annotated[float, Field(ge=0)]  # that an asset stands after it has failed
    vehicle_day_price: Annotated[float, Field(ge=0)]  # until the routes have told their own
    # of a visit in a workshop whose days planned are full
    waiting_day_price: Annotated[float, Field(ge=0)]
    actors: Natural  # where num_gpus is above 0; without GPUs every core predicts
    num_gpus: Annotated[float, Field(ge=0)]  # per actor


@dataclass(frozen=True, slots=True, config=_STRICT)
class SlottingConfig:
    """Slot assignment and tonight's moves."""

    max_moves: Whole
    max_move_minutes: Positive | None  # of labour a night; null: as long as max_moves take
    minutes_per_move: Positive  # to carry one SKU from slot to slot
    days_to_next_moves: Natural  # until then the empty slots take the SKUs that come anew
    labour_cost_per_h: Positive  # of moving and of picking
    walking_m_per_s: Positive
    heat_map: bool  # draw every warehouse before and after, with Matplotlib
    demand_days: Natural  # forecast days that drive the picks
    history_days: Natural  # order lines read for lines per order
    affinity_days: Natural  # and for what is picked together; as many as history_days at least
    max_payback_days: Positive  # until a move has earned back its labour, else it is not made
    replenish_days: Natural  # a slot must hold this many days of demand
    # By level, the floor first; higher ones are like the last. Of walking that a pick is as bad as:
    reach_m_by_level: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]
    # The heaviest unit that may be put there; null: any.
    lift_kg_by_level: Annotated[tuple[Positive | None, ...], Field(min_length=1)]
    max_aisle_share: Annotated[float, Field(gt=0, le=1)] | None  # of all picks; null: any
    families_together: bool  # items.family: one aisle for each
    # Pairs of items.segregation_group that never lie in one bay or in neighbouring ones.
    keep_apart: tuple[tuple[str, str], ...]
    max_faces: Natural  # slots that a fast SKU is picked from
    minutes_per_replenishment: Positive  # one trip fills all faces of a SKU

    def __post_init__(self) -> None:
        if self.affinity_days < self.history_days:
            raise ValueError("affinity_days must be at least history_days")
        if any(one == other for one, other in self.keep_apart):
            raise ValueError("keep_apart names pairs of two different groups")


@dataclass(frozen=True, slots=True, config=_STRICT)
class RetentionConfig:
    """What task=tidy keeps."""

    nights_days: Natural | None  # of the plan, before config.date; null: every night
    versions_days: Natural  # replaced files, and those that killed nights have staged


@dataclass(frozen=True, slots=True, config=_STRICT)
class WatchConfig:
    """Who hears of a night, and what its machines cost."""

    log: str | None  # file of JSON lines, "-" for stderr
    notify: tuple[SecretStr, ...]  # Apprise URLs; they hold tokens, so `runs` must not show them
    notify_on: tuple[Event, ...]
    deadline_minutes: Positive | None  # after the night's start
    linger_seconds: Annotated[float, Field(ge=0)]  # at the end, for metrics to be scraped
    price_per_core_hour: Annotated[float, Field(ge=0)]
    price_per_gpu_hour: Annotated[float, Field(ge=0)]
    currency: str


@dataclass(frozen=True, slots=True, config=_STRICT)
class Config:
    """One run, whole."""

    task: Task
    workload: Trainable | None  # of task=train, task=rollback_model and task=backtest
    date: date  # the day that is planned; everything before it is history
    lake: str
    made: bool  # the lake is a made company's, generated when it is not there yet
    plan: str
    models: str
    seed: Whole
    deterministic: bool
    verbose: bool
    resume: bool  # units that are done, from the same inputs, are not computed again
    run: str | None  # of task=repair and task=rollback
    closed: tuple[str, ...]  # sites that are no more: their missing partitions are no fault
    first: Annotated[Day | None, Field(alias="from")]  # of task=backfill
    last: Annotated[Day | None, Field(alias="to")]
    order: str | None  # of task=explain
    sku: str | None
    asset: str | None
    world: WorldConfig
    cluster: ClusterConfig
    forecast: ForecastConfig
    routes: RoutesConfig
    maintenance: MaintenanceConfig
    slotting: SlottingConfig
    retention: RetentionConfig
    watch: WatchConfig


def dump(config: Config) -> dict[str, object]:
    """The config as plain values that `parse` takes back."""
    plain = pydantic.TypeAdapter(Config).dump_python(config, mode="json", by_alias=True)
    return dict(plain)


def parse(raw: Mapping[str, object]) -> Config:
    """The validated config. Raises ConfigError naming every faulty key, its value and the rule."""
    try:
        return pydantic.TypeAdapter(Config).validate_python(raw)
    except pydantic.ValidationError as faults:
        raise ConfigError("\n".join(_line(fault) for fault in faults.errors())) from None


def _line(fault: Mapping[str, Any]) -> str:
    """Pydantic's fault in the words of who has written key=value."""
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "value_error":  # of a group: it says itself which keys
        return f"{key}: {fault['ctx']['error']}"
    got = "" if fault["type"] == "missing" else f" (got {fault['input']!r})"
    if fault["type"].startswith("date_"):
        return f"{key}: not a day; write it as 2026-03-02{got}"
    if fault["type"] == "tuple_type":
        return f"{key}: not a list; write it as [{fault['input']}]{got}"
    return f"{key}: {fault['msg'].lower()}{got}"
