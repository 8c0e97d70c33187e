"""Laws of the features and of what became of the windows."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.maintenance import inputs, windows
from logistics.maintenance.features import (
    BASELINE_DAYS,
    HALF_LIVES_DAYS,
    MIN_SPREAD_DAYS2,
    SENSOR_FEATURES,
    Days,
    SensorState,
    sensor_features,
)
from logistics.maintenance.memory import Memory
from logistics.maintenance.windows import Outcomes, SensorWindows
from tests.maintenance import fleet

Tables = dict[str, pl.DataFrame]
ARRAYS = ("signals", "history", "context", "silent_days")


def windows_of(tables: Tables, *days: date) -> SensorWindows:
    telemetry, events, assets = (tables[name] for name in ("telemetry", "events", "assets"))
    return inputs.windows(telemetry, events, assets, list(days), fleet.WINDOW_DAYS)


def same(one: SensorWindows, other: SensorWindows) -> bool:
    return (
        one.asset_ids.tolist() == other.asset_ids.tolist()
        and one.sensors == other.sensors
        and all(
            np.allclose(getattr(one, n), getattr(other, n), atol=1e-3, equal_nan=True)
            for n in ARRAYS
        )
    )


def test_what_comes_later_changes_nothing(tables: Tables) -> None:
    day = fleet.NIGHT - timedelta(days=20)
    past = {
        name: rows.filter(pl.col("at") < pl.lit(day)) if "at" in rows.columns else rows
        for name, rows in tables.items()
    }
    assert same(windows_of(tables, day), windows_of(past, day))


def test_many_days_at_once_are_each_day_alone(tables: Tables) -> None:
    days = [fleet.NIGHT - timedelta(days=n) for n in (15, 4, 0)]
    together = windows_of(tables, *days)
    for i, day in enumerate(days):
        assert same(together.take(np.arange(i, len(together), 3)), windows_of(tables, day))


def test_row_order_and_hourly_or_daily_rows_give_the_same(tables: Tables) -> None:
    shuffled = {
        name: rows.sample(fraction=1, shuffle=True, seed=1) for name, rows in tables.items()
    }
    assert same(windows_of(tables, fleet.NIGHT), windows_of(shuffled, fleet.NIGHT))
    hourly = tables["telemetry"].with_columns(noise=pl.lit(1.0, dtype=pl.Float32))
    daily = hourly.group_by("asset_id", pl.col("at").dt.truncate("1d")).agg(
        pl.col("heat", "noise", "current").mean()
    )
    one, other = (
        windows_of(tables | {"telemetry": rows}, fleet.NIGHT).signals[:, 0, :-5]
        for rows in (hourly, daily)
    )
    assert np.allclose(one, other, atol=1e-3)


@given(
    days=st.lists(st.none() | st.floats(-50, 50), min_size=12, max_size=25),
    window=st.integers(4, 12),
)
@settings(max_examples=40, deadline=None)
def test_remembered_features_are_those_of_the_history(
    days: list[float | None], window: int
) -> None:
    series = np.array([[[np.nan if x is None else x]] for x in days], dtype=np.float32)
    history = Days(series, series * np.nan, series)
    row = sensor_features(SensorState(1, 1), history, np.array([len(days)]), window)[0].ravel()
    found = dict(zip(SENSOR_FEATURES, row.tolist(), strict=True))
    heard = [(len(days) - 1 - i, x) for i, x in enumerate(days) if x is not None]
    if not heard or heard[-1][0] + 1 > window:
        assert np.isnan(row).all()
        return
    age, values = (np.array(column, dtype=float) for column in zip(*heard, strict=True))
    means = {half: np.average(values, weights=0.5 ** (age / half)) for half in HALF_LIVES_DAYS}
    for half, mean in means.items():
        assert found[f"average_{half:g}"] == pytest.approx(mean, abs=1e-3)
    first = values[:BASELINE_DAYS].mean()
    assert found["from_baseline"] == pytest.approx(means[15.0] - first, abs=1e-3)
    weight = 0.5 ** (age / 15)
    apart = age - np.average(age, weights=weight)
    spread = np.average(apart**2, weights=weight) + MIN_SPREAD_DAYS2
    slope = -np.average(apart * (values - means[15.0]), weights=weight) / spread
    assert found["trend"] == pytest.approx(15 * slope, abs=1e-2)
    assert found["age"] == pytest.approx(np.log1p(age[-1]), abs=1e-5)


def test_a_night_that_remembers_reads_the_new_days_alone(tables: Tables) -> None:
    def rows(since: date, until: date) -> pl.DataFrame:
        at = pl.col("at").dt.date()
        return tables["telemetry"].filter(at.is_between(since, until, closed="left"))

    def told(
        telemetry: pl.DataFrame, night: date, memory: Memory | None
    ) -> tuple[SensorWindows, Memory]:
        given = (telemetry, tables["events"], tables["assets"], night, fleet.WINDOW_DAYS)
        found, kept = inputs.tonight(*given, None, memory, "recipe")
        return found, Memory(night, kept)

    memory, before = None, fleet.START
    for night in (date(2026, 2, 1), date(2026, 2, 4), fleet.NIGHT):
        telemetry = (
            rows(before, night).drop("noise") if night == fleet.NIGHT else rows(before, night)
        )
        found, memory = told(telemetry, night, memory)
        before = night
    whole = rows(fleet.START, fleet.NIGHT).with_columns(
        noise=pl.when(pl.col("at").dt.date() < date(2026, 2, 4)).then("noise")
    )
    assert same(found, told(whole, fleet.NIGHT, None)[0])
    assert np.isnan(found.signals[:, found.sensors.index("noise")]).all()


def test_an_asset_without_telemetry_has_a_row_without_signals(tables: Tables) -> None:
    mute = tables | {"telemetry": tables["telemetry"].filter(pl.col("asset_id") != "M007")}
    found = windows_of(mute, fleet.NIGHT)
    assert len(found) == tables["assets"].height
    assert np.isnan(found.signals[found.asset_ids == "M007"]).all()
    nothing = {name: rows.clear() if name != "assets" else rows for name, rows in tables.items()}
    assert len(windows_of(nothing, fleet.NIGHT)) == tables["assets"].height


def test_outcomes_tell_failure_service_silence_and_the_end() -> None:
    day = date(2026, 2, 1)
    ends = {"fails": 5, "served": 30, "silent": 3, "lives": 28}
    readings = [
        (name, datetime(2026, 1, 1, 12) + timedelta(days=n))
        for name, more in ends.items()
        for n in range(31 + min(more, 28))
    ]
    telemetry = pl.DataFrame(readings, schema=["asset_id", "at"], orient="row")
    events = pl.DataFrame(
        {
            "asset_id": ["fails", "served", "served"],
            "at": [datetime(2026, 2, 6, 9), datetime(2026, 2, 9, 9), datetime(2026, 2, 20)],
            "kind": ["failure", "service", "failure"],
            "component": ["brakes", "motor", "motor"],
        }
    )
    assets = pl.DataFrame({"asset_id": sorted(ends), "kind": "van"})
    known = inputs.outcomes(telemetry, events, assets, [day], date(2026, 3, 1))
    found = dict(
        zip(sorted(ends), zip(known.days.tolist(), known.failed, strict=True), strict=True)
    )
    assert found == {
        "fails": (5, True),
        "served": (8, False),
        "silent": (3, False),
        "lives": (28, False),
    }
    assert known.component.tolist() == ["brakes", "", "", ""]


def test_examples_are_heard_and_have_a_future(
    learnt: tuple[SensorWindows, Outcomes],
) -> None:
    found, known = learnt
    assert len(found) == len(known.days) > 500
    assert known.failed.any()
    assert ((known.days > 0) | known.failed).all()
    assert (found.as_of < np.datetime64(fleet.NIGHT)).all()


def test_windows_survive_the_way_through_arrow(tonight: SensorWindows) -> None:
    again = windows.from_table(windows.to_table(tonight))
    assert same(tonight, again)
    assert again.components == tonight.components
    none = tonight.take(np.array([], dtype=np.int64))
    assert len(windows.from_table(windows.to_table(none))) == 0


def test_parts_with_other_sensors_join_over_all_of_them(tonight: SensorWindows) -> None:
    hot = windows.select(tonight, ["heat"], [])
    odd = windows.select(tonight, ["noise"], ["motor"])
    joined = windows.concat([hot, odd])
    assert joined.sensors == ("heat", "noise")
    assert len(joined) == 2 * len(tonight)
    assert np.isnan(joined.signals[: len(tonight), 1]).all()
