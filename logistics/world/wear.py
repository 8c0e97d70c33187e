"""How machines wear out: components, their sensors, and the lives of many assets day by day.

Knows arrays; knows nothing of tables, storage or Ray. The hidden wear of a component grows with
load until the component fails or is serviced; only sensors and failures ever show it.
"""

from dataclasses import dataclass

import numpy as np

from logistics.world.weather import Array, Ints

REPAIR_DAYS = 1  # whole days without the asset after the day of its failure
SERVICES_PER_DAY = 0.003
NONE = -1
AT_FIRST, MORE_WHEN_WORN = 0.48, 1.2  # of the usual pace of wear


@dataclass(frozen=True, slots=True)
class Component:
    """The sensor that shows its wear, and its mean life in days of full load."""

    sensor: str
    life_days: float


@dataclass(frozen=True, slots=True)
class Sensor:
    """new: value when all is new; worn: what full wear adds; noise: of one reading;
    per_degree: what a degree above the usual temperature adds."""

    new: float
    worn: float
    noise: float
    per_degree: float = 0.0


COMPONENTS: dict[str, dict[str, Component]] = {
    "van": {
        "brakes": Component("brake_pad_mm", 300),
        "battery": Component("battery_v", 420),
        "engine": Component("oil_temp_c", 520),
        "tyres": Component("tyre_bar", 360),
    },
    "truck": {
        "brakes": Component("brake_pad_mm", 280),
        "turbo": Component("boost_bar", 440),
        "engine": Component("oil_temp_c", 480),
        "tyres": Component("tyre_bar", 340),
    },
    "forklift": {
        "battery": Component("battery_v", 320),
        "hydraulics": Component("hydraulic_bar", 340),
        "mast_chain": Component("mast_vibration_mm_s", 460),
        "motor": Component("motor_temp_c", 500),
    },
    "conveyor": {
        "bearing": Component("bearing_vibration_mm_s", 300),
        "belt": Component("belt_slip_pct", 360),
        "motor": Component("motor_temp_c", 440),
        "gearbox": Component("gear_vibration_mm_s", 520),
    },
}
SENSORS = {
    "brake_pad_mm": Sensor(11.0, -8.5, 0.25),
    "battery_v": Sensor(12.9, -1.5, 0.12, 0.015),
    "oil_temp_c": Sensor(92.0, 16.0, 2.6, 0.25),
    "tyre_bar": Sensor(3.4, -1.0, 0.07, 0.008),
    "boost_bar": Sensor(1.9, -0.7, 0.09),
    "hydraulic_bar": Sensor(190.0, -48.0, 6.0),
    "mast_vibration_mm_s": Sensor(1.8, 4.5, 0.5),
    "motor_temp_c": Sensor(58.0, 24.0, 3.5, 0.3),
    "bearing_vibration_mm_s": Sensor(1.4, 5.0, 0.45),
    "belt_slip_pct": Sensor(1.2, 6.0, 0.5),
    "gear_vibration_mm_s": Sensor(1.6, 4.0, 0.45),
}


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """n assets of one kind over d days, c components in the order of COMPONENTS.

    load (n, d): share of full load, 0 in repair. wear (n, c, d): 0 new to 1 worn out.
    failed, serviced (n, d): the component, or NONE; minute (n, d): when on that day.
    """

    load: Array
    wear: Array
    failed: Ints
    serviced: Ints
    minute: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """n assets of one kind as they are on the first of d days, and what they will carry.

    load (n, d) as in Lives, without repairs. pace (n, c): wear of a new component per day of full
    load; limit (n, c): the wear at which it fails; state (n, c): its wear.
    """

    load: Array
    pace: Array
    limit: Array
    state: Array


def fleet(rng: np.random.Generator, kind: str, n: int, weekdays: Ints) -> Fleet:
    """Assets on the days whose weekdays are given; Sundays are quiet."""
    parts, d = COMPONENTS[kind], weekdays.size
    usual = rng.uniform(0.45, 1.0, (n, 1)) * np.where(weekdays == 6, 0.15, 1.0)
    load = (usual * rng.uniform(0.7, 1.3, (n, d))).clip(0, 1.3)
    life_days = np.array([part.life_days for part in parts.values()])
    pace = np.exp(rng.normal(0, 0.35, (n, len(parts)))) / life_days
    limit = rng.uniform(0.9, 1.1, (n, len(parts)))
    return Fleet(load, pace, limit, rng.uniform(0, 0.92, (n, len(parts))))


def shocks(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """How much faster or slower than usual each component wears on a day."""
    return np.asarray(rng.gamma(4.0, 0.25, shape))


def renewed_state(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Array:
    return np.asarray(rng.uniform(0, 0.05, shape))


def pace_at(state: Array) -> Array:
    """Wear feeds on itself: the second half of a life goes faster than the first."""
    return AT_FIRST + MORE_WHEN_WORN * state


def live(rng: np.random.Generator, kind: str, n: int, weekdays: Ints) -> Lives:
    """Lives of n assets over the days whose weekdays are given, repaired when they fail."""
    made, d = fleet(rng, kind, n, weekdays), weekdays.size
    load, limit, state = made.load, made.limit, made.state
    wear = np.empty((*state.shape, d))
    failed, serviced = np.full((2, n, d), NONE)
    away = np.zeros(n, dtype=np.int64)
    for day in range(d):
        load[away > 0, day] = 0.0
        grown = load[:, [day]] * made.pace * pace_at(state) * shocks(rng, state.shape)
        state = state + grown
        wear[:, :, day] = np.minimum(state / limit, 1.0)
        worst = np.argmax(state / limit, axis=1)
        broken = (state >= limit).any(axis=1)
        visits = ~broken & (away == 0) & (rng.random(n) < SERVICES_PER_DAY)
        failed[broken, day], serviced[visits, day] = worst[broken], worst[visits]
        away = np.where(broken, REPAIR_DAYS, np.maximum(away - 1, 0))
        renewed = np.flatnonzero(broken | visits)
        state[renewed, worst[renewed]] = renewed_state(rng, renewed.size)
    return Lives(load, wear, failed, serviced, rng.integers(360, 1200, (n, d)))
