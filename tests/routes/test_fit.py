"""Trips made over a known depot: the fit finds what they were made of."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from logistics.routes.fit import SLOTS, Pace, fit
from logistics.routes.travel import great_circle_m
from tests.routes.test_inputs import CONFIG, DAY, build

DEFAULT = Pace(1.3, 50.0, (1.0,) * SLOTS)
# A morning rush on workdays.
RUSH = np.where((np.arange(SLOTS) >= 14) & (np.arange(SLOTS) < 18), 0.5, 1.0)


def trips(num: int, seed: int = 1, first: date = date(2026, 1, 5)) -> pl.DataFrame:
    """Circuity about 1.42, 40 km/h in free flow; every tenth trip has a lunch break in it, some
    have lost their signal."""
    rng = np.random.default_rng(seed)
    lat, lon = 52 + rng.uniform(-0.2, 0.2, (2, num)), 4 + rng.uniform(-0.3, 0.3, (2, num))
    straight = great_circle_m(lat[0], lon[0], lat[1], lon[1])
    distance = straight * 1.42 * np.exp(rng.normal(0, 0.08, num)) + 1
    start = [
        datetime(first.year, first.month, first.day) + timedelta(days=int(day), minutes=int(minute))
        for day, minute in zip(rng.integers(0, 56, num), rng.integers(300, 1200, num), strict=True)
    ]
    slot = np.array([at.hour * 2 + at.minute // 30 for at in start])
    workday = np.array([at.weekday() < 5 for at in start])
    mps = 40 / 3.6 * np.where(workday, RUSH[slot], 1.0) * np.exp(rng.normal(0, 0.1, num))
    duration = distance / mps + np.where(rng.random(num) < 0.1, 2700, 0)
    lost = rng.random(num) < 0.03
    return pl.DataFrame(
        {
            "started_local": start,
            "from_lat": lat[0],
            "from_lon": lon[0],
            "to_lat": lat[1],
            "to_lon": lon[1],
            "distance_m": np.where(lost, distance * 20, distance),
            "duration_s": duration,
        }
    )


def test_medians_find_the_circuity_and_the_speed_of_every_half_hour() -> None:
    found = fit(trips(6000), DAY, DEFAULT, None)
    assert found.circuity == pytest.approx(1.42, rel=0.01)
    speeds = np.array(found.factors) * found.speed_kmh
    day = slice(11, 39)  # when anyone drives
    assert np.abs(speeds[day] / (40 * RUSH[day]) - 1).max() < 0.12
    assert np.abs(speeds[day] / (40 * RUSH[day]) - 1).mean() < 0.04


def test_a_weekend_has_its_own_speeds() -> None:
    saturday = date(2026, 3, 7)
    found = fit(trips(8000), saturday, DEFAULT, None)
    assert found.factors[15] * found.speed_kmh == pytest.approx(40, rel=0.1)


def test_with_a_traffic_table_trips_tell_the_free_flow_speed_alone() -> None:
    found = fit(trips(6000), DAY, DEFAULT, RUSH)
    assert found.factors == tuple(RUSH.tolist())
    assert found.speed_kmh == pytest.approx(40, rel=0.03)


def test_few_trips_or_those_of_the_day_itself_change_nothing() -> None:
    assert fit(trips(20), DAY, DEFAULT, None) == DEFAULT
    assert fit(trips(500, first=DAY), DAY, DEFAULT, None) == DEFAULT


def test_a_depots_trips_are_what_its_travel_is_made_of() -> None:
    rows = trips(3000).with_columns(
        depot_id=pl.lit("D1"), trip_id=pl.int_range(pl.len()).cast(pl.String)
    )
    built, default = build(trips=rows.to_dicts()), build()
    ratio = built.travel.distance_m[0, 1] / default.travel.distance_m[0, 1]
    assert ratio == pytest.approx(1.42 / CONFIG.circuity, rel=0.02)
    assert built.travel.factors[15] < 0.7
