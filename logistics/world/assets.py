"""Assets and what becomes of them: telemetry, events, workshops. Knows nothing of storage or Ray.

Each component of an asset wears with load until it fails; sensors show the wear through noise,
the seasons, drift and gaps. The simulation runs beyond the date, so the truth to come is known.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.config import WorldConfig
from logistics.world import fleet, warehouse

Array = NDArray[np.float64]
FUTURE_DAYS = 60

# kind → component: the sensor that shows its wear, and its mean life in days of full load
COMPONENTS: dict[str, dict[str, tuple[str, float]]] = {
    "van": {
        "brakes": ("brake_pad_mm", 300),
        "battery": ("battery_v", 420),
        "engine": ("oil_temp_c", 520),
        "tyres": ("tyre_bar", 360),
    },
    "truck": {
        "brakes": ("brake_pad_mm", 280),
        "turbo": ("boost_bar", 440),
        "engine": ("oil_temp_c", 480),
        "tyres": ("tyre_bar", 340),
    },
    "forklift": {
        "battery": ("battery_v", 320),
        "hydraulics": ("hydraulic_bar", 340),
        "mast_chain": ("mast_vibration_mm_s", 460),
        "motor": ("motor_temp_c", 500),
    },
    "conveyor": {
        "bearing": ("bearing_vibration_mm_s", 300),
        "belt": ("belt_slip_pct", 360),
        "motor": ("motor_temp_c", 440),
        "gearbox": ("gear_vibration_mm_s", 520),
    },
}
# sensor: value when new, change when worn out, noise, seasonal effect per degree, drift a day
SENSORS = {
    "brake_pad_mm": (11.0, -8.5, 0.25, 0.0, 0.0),
    "battery_v": (12.9, -1.5, 0.12, 0.015, -0.0004),
    "oil_temp_c": (92.0, 16.0, 2.6, 0.25, 0.004),
    "tyre_bar": (3.4, -1.0, 0.07, 0.008, 0.0),
    "boost_bar": (1.9, -0.7, 0.09, 0.0, -0.0005),
    "hydraulic_bar": (190.0, -48.0, 6.0, 0.0, 0.0),
    "mast_vibration_mm_s": (1.8, 4.5, 0.5, 0.0, 0.002),
    "motor_temp_c": (58.0, 24.0, 3.5, 0.3, 0.004),
    "bearing_vibration_mm_s": (1.4, 5.0, 0.45, 0.0, 0.002),
    "belt_slip_pct": (1.2, 6.0, 0.5, 0.0, 0.0),
    "gear_vibration_mm_s": (1.6, 4.0, 0.45, 0.0, 0.002),
}
REPAIR_DAYS = 1


@dataclass(frozen=True, slots=True)
class Site:
    """Where assets live: a depot's vehicles or a warehouse's machines."""

    site_id: str
    index: int
    kinds: tuple[str, ...]
    asset_ids: tuple[str, ...]


def sites(config: WorldConfig) -> list[Site]:
    """Every depot with its vehicles, every warehouse with a share of the other assets."""
    found = []
    for depot in range(config.num_depots):
        truck = fleet.is_truck(config, depot)
        kinds = tuple("truck" if t else "van" for t in truck)
        ids = tuple(f"A-{vehicle}" for vehicle in fleet.vehicle_ids(config, depot))
        found.append(Site(fleet.depot_id(depot), depot, kinds, ids))
    rest = max(config.num_assets - config.num_depots * config.vehicles_per_depot, 0)
    for index in range(config.num_warehouses):
        n = rest // config.num_warehouses + (index < rest % config.num_warehouses)
        kinds = tuple("forklift" if i % 5 < 3 else "conveyor" for i in range(n))
        home = warehouse.warehouse_id(index)
        ids = tuple(f"A-{home}-M{i + 1:03d}" for i in range(n))
        found.append(Site(home, config.num_depots + index, kinds, ids))
    return found


def workshop_id(site: Site) -> str:
    """Three sites share a workshop."""
    return f"W{site.index // 3 + 1:02d}"


def assets(config: WorldConfig, seed: int, site: Site) -> pl.DataFrame:
    rng = np.random.default_rng([seed, 30, site.index])
    n = len(site.asset_ids)
    age = rng.integers(100, 3000, n)
    big = np.array([kind in ("truck", "conveyor") for kind in site.kinds], dtype=bool)
    return pl.DataFrame(
        {
            "asset_id": list(site.asset_ids),
            "site_id": [site.site_id] * n,
            "kind": list(site.kinds),
            "model": [
                f"{kind}-{m}" for kind, m in zip(site.kinds, rng.integers(1, 4, n), strict=True)
            ],
            "in_service": [config.date - timedelta(days=int(days)) for days in age],
            "workshop_id": [workshop_id(site)] * n,
            "cost_of_failure": np.where(big, 3500.0, 1800.0) * rng.choice([0.8, 1.0, 1.3], n),
            "cost_of_service": np.where(big, 450.0, 260.0),
        },
        schema_overrides={"asset_id": pl.String, "kind": pl.String, "model": pl.String},
    )


def workshops(config: WorldConfig) -> dict[str, pl.DataFrame]:
    """workshops, technicians and parts of the whole company."""
    ids = sorted({workshop_id(site) for site in sites(config)})
    components = sorted({component for kind in COMPONENTS.values() for component in kind})
    half = len(components) // 2
    staff = [
        (f"{shop}-T{i + 1}", shop, start * 3600, (start + 9) * 3600, skills)
        for shop in ids
        for i, (start, skills) in enumerate(
            [(7, None), (9, None), (8, components[:half]), (10, components[half:])]
        )
    ]
    columns: dict[str, pl.DataType | type[pl.DataType]] = {
        "technician_id": pl.String,
        "workshop_id": pl.String,
        "shift_start_s": pl.Int64,
        "shift_end_s": pl.Int64,
        "skills": pl.List(pl.String),
    }
    return {
        "workshops": pl.DataFrame({"workshop_id": ids}).with_columns(
            bays=pl.lit(2, dtype=pl.Int64),
            opens_s=pl.lit(7 * 3600, dtype=pl.Int64),
            closes_s=pl.lit(19 * 3600, dtype=pl.Int64),
            weekdays=pl.lit([0, 1, 2, 3, 4, 5], dtype=pl.List(pl.Int64)),
        ),
        "technicians": pl.DataFrame(staff, schema=columns, orient="row"),
        "parts": pl.DataFrame(
            {
                "workshop_id": [shop for shop in ids for _ in components],
                "component": components * len(ids),
                "stock": [
                    (i * 7 + j * 3) % 6 for i in range(len(ids)) for j in range(len(components))
                ],
                "lead_time_days": [
                    2 + (i + j) % 5 for i in range(len(ids)) for j in range(len(components))
                ],
            }
        ),
    }


def histories(config: WorldConfig, seed: int, site: Site) -> dict[str, pl.DataFrame]:
    """telemetry and events of a site before the date, and the truth after it.

    truth: asset_id, component, fails_at of the next failure within FUTURE_DAYS of the date.
    """
    tables: dict[str, list[pl.DataFrame]] = {"telemetry": [], "events": [], "truth": []}
    for position, (asset_id, kind) in enumerate(zip(site.asset_ids, site.kinds, strict=True)):
        rng = np.random.default_rng([seed, 31, site.index, position])
        life = _live(config, rng, kind)
        tables["telemetry"].append(_telemetry(config, rng, kind, life, asset_id))
        events = _events(config, rng, life, asset_id)
        tables["events"].append(events.filter(pl.col("at") < config.date))
        ahead = events.filter((pl.col("at") >= config.date) & (pl.col("kind") == "failure")).head(1)
        tables["truth"].append(ahead.select("asset_id", "component", fails_at="at"))
    return {
        name: pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
        for name, frames in tables.items()
    }


@dataclass(frozen=True, slots=True)
class Life:
    """An asset by day: load (d,), wear per component (c, d) in [0, 1], and its failures."""

    components: tuple[str, ...]
    load: Array
    wear: Array
    failures: tuple[tuple[int, int], ...]  # (day, component)
    services: tuple[tuple[int, int], ...]


def _live(config: WorldConfig, rng: np.random.Generator, kind: str) -> Life:
    components = tuple(COMPONENTS[kind])
    num_days = config.telemetry_days + FUTURE_DAYS
    usual = rng.uniform(0.45, 1.0)
    weekday = (np.arange(num_days) - config.telemetry_days + config.date.weekday()) % 7
    load = (usual * np.where(weekday == 6, 0.15, 1.0) * rng.uniform(0.7, 1.3, num_days)).clip(
        0, 1.3
    )
    life_days = np.array([COMPONENTS[kind][c][1] for c in components])
    pace = np.exp(rng.normal(0, 0.35, len(components)))
    limit = rng.uniform(0.9, 1.1, len(components))
    state = rng.uniform(0, 0.95, len(components))
    wear = np.empty((len(components), num_days))
    failures, services, down = [], [], 0
    for day in range(num_days):
        if down > 0:
            down, load[day] = down - 1, 0.0
        # Wear feeds on itself: the second half of a life goes faster than the first.
        grow = (
            load[day] * pace / life_days * (0.55 + 1.3 * state) * rng.gamma(4.0, 0.25, state.size)
        )
        state = state + grow
        wear[:, day] = np.minimum(state / limit, 1.0)
        broken = np.flatnonzero(state >= limit)
        if broken.size:
            worst = int(broken[np.argmax((state / limit)[broken])])
            failures.append((day, worst))
            state[worst], down = rng.uniform(0, 0.05), REPAIR_DAYS
        elif rng.random() < 0.003:
            worn = int(np.argmax(state / limit))
            services.append((day, worn))
            state[worn], down = rng.uniform(0, 0.05), REPAIR_DAYS
    return Life(components, load, wear, tuple(failures), tuple(services))


def _telemetry(
    config: WorldConfig, rng: np.random.Generator, kind: str, life: Life, asset_id: str
) -> pl.DataFrame:
    hours = config.telemetry_days * 24
    hour = np.arange(hours)
    day, of_day = hour // 24, hour % 24
    working = (of_day >= 6) & (of_day < 20)
    load = life.load[day] * np.where(working, 1.0, 0.05) * rng.uniform(0.8, 1.2, hours)
    ambient = -9 * np.cos(2 * np.pi * (of_day - 3) / 24) / 3 + _season(config, day)
    columns = {"load": load, "ambient_c": 10 + ambient + rng.normal(0, 1, hours)}
    errors = np.zeros(hours)
    for row, component in enumerate(life.components):
        sensor = COMPONENTS[kind][component][0]
        new, change, noise, per_degree, drift = SENSORS[sensor]
        wear = life.wear[row, day]
        shown = new * (1 + rng.normal(0, 0.02)) + change * wear**1.6
        shown += per_degree * ambient + drift * day * rng.normal(1, 1)
        columns[sensor] = shown + noise * rng.standard_normal(hours) * (0.6 + 0.6 * load)
        errors += rng.poisson(0.002 + 0.12 * np.clip(wear - 0.75, 0, None) * (load > 0.1))
    columns["error_count"] = errors
    midnight = datetime.combine(config.date - timedelta(days=config.telemetry_days), time())
    at = np.datetime64(midnight, "us") + hour * np.timedelta64(3600, "s")
    table = {"asset_id": [asset_id] * hours, "at": at}
    for name, values in columns.items():
        missing = rng.random(hours) < 0.01
        if rng.random() < 0.04 and name != "load":  # a sensor that died
            missing |= hour > rng.integers(0, hours)
        table[name] = np.where(missing, np.nan, values.round(2)).astype(np.float32)
    frame = pl.DataFrame(table).with_columns(pl.col(pl.Float32).fill_nan(None))
    return frame.filter(pl.Series(_heard(rng, hours) & ((life.load[day] > 0) | (of_day < 6))))


def _heard(rng: np.random.Generator, hours: int) -> NDArray[np.bool_]:
    """Hours that were transmitted: single ones are lost, and now and then a day or two."""
    heard = rng.random(hours) > 0.02
    for start in rng.integers(0, hours, rng.poisson(hours / 900)):
        heard[start : start + rng.integers(6, 48)] = False
    return np.asarray(heard)


def _season(config: WorldConfig, day: NDArray[np.int64]) -> Array:
    first = (config.date - timedelta(days=config.telemetry_days)).timetuple().tm_yday
    return np.asarray(9 * np.sin(2 * np.pi * (first + day - 110) / 365.25))


def _events(
    config: WorldConfig, rng: np.random.Generator, life: Life, asset_id: str
) -> pl.DataFrame:
    """Failures and services, and the errors that worn components report."""
    rows: list[tuple[str, datetime, str, str, float | None]] = []
    start = datetime.combine(config.date - timedelta(days=config.telemetry_days), time())
    for kind, happenings, cost in (
        ("failure", life.failures, 1500),
        ("service", life.services, 300),
    ):
        for day, component in happenings:
            at = start + timedelta(days=day, minutes=int(rng.integers(360, 1200)))
            name = life.components[component]
            rows.append((asset_id, at, kind, name, round(cost * rng.uniform(0.7, 1.5), 2)))
    worn = rng.random(life.wear.shape) < 0.25 * np.clip(life.wear - 0.7, 0, None) ** 1.2
    for component, day in np.argwhere(worn):
        at = start + timedelta(days=int(day), minutes=int(rng.integers(360, 1200)))
        rows.append((asset_id, at, "error", life.components[component], None))
    columns: dict[str, pl.DataType | type[pl.DataType]] = {
        "asset_id": pl.String,
        "at": pl.Datetime("us"),
        "kind": pl.String,
        "component": pl.String,
        "cost": pl.Float64,
    }
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.unique(["asset_id", "at", "kind", "component"], maintain_order=True).sort(
        "at", "kind"
    )
