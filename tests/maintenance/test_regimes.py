"""Laws of operating regimes and of sensors that others tell."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from logistics.maintenance import impute, regimes

SENSORS = 3


def readings(num_regimes: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    """Readings whose sensors are the hidden health (n, SENSORS), shifted and scaled by regime."""
    rng = np.random.default_rng(seed)
    n = 800
    health, of = rng.normal(0, 1, (n, SENSORS)), rng.integers(0, num_regimes, n)
    shift, scale = rng.uniform(-50, 50, (6, SENSORS)), rng.uniform(0.5, 5, (6, SENSORS))
    values = shift[of] + scale[of] * health
    table = pl.DataFrame(
        {
            "asset_id": ["A"] * n,
            "at": [datetime(2026, 1, 1) + timedelta(hours=i) for i in range(n)],
            "setting_1": 10.0 * of + rng.normal(0, 0.01, n),
            "setting_2": np.where(of % 2 == 0, 100.0, 60.0),
            **{f"s{i}": values[:, i] for i in range(SENSORS)},
        }
    )
    return table, health


@pytest.mark.parametrize("num_regimes", [2, 3, 6])
def test_regimes_are_found_without_being_told_and_then_do_not_show(num_regimes: int) -> None:
    table, health = readings(num_regimes, seed=num_regimes)
    found = regimes.find(table)
    assert found is not None
    assert len(found.centre) == num_regimes
    alike = regimes.normalise(table, found)
    assert alike.columns == ["asset_id", "at", "s0", "s1", "s2"]
    for i in range(SENSORS):
        assert np.corrcoef(alike[f"s{i}"].to_numpy(), health[:, i])[0, 1] > 0.98


def test_one_regime_is_none() -> None:
    table, _ = readings(1, seed=1)
    assert regimes.find(table) is None
    assert regimes.find(table.drop("setting_1", "setting_2")) is None
    assert regimes.normalise(table, None).equals(table.drop("setting_1", "setting_2"))


def test_a_reading_of_unknown_settings_says_nothing() -> None:
    table, _ = readings(3, seed=2)
    found = regimes.find(table)
    lost = table.with_columns(setting_1=pl.lit(None, dtype=pl.Float64))
    assert regimes.normalise(lost, found)["s0"].null_count() == table.height
    absent = regimes.normalise(table.drop("setting_2", "s1"), found)
    assert absent["s0"].null_count() == table.height
    assert "s1" not in absent.columns


def test_a_card_brings_back_the_regimes() -> None:
    table, _ = readings(3, seed=3)
    again = regimes.from_numbers(regimes.to_numbers(regimes.find(table)))
    assert regimes.normalise(table, again).equals(regimes.normalise(table, regimes.find(table)))
    assert regimes.from_numbers(regimes.to_numbers(None)) is None


@given(
    scaled=hnp.arrays(np.float32, (6, 4, 2), elements=st.floats(-5, 5, width=32)),
    silent=hnp.arrays(np.bool_, (6, 4)),
)
@settings(max_examples=30, deadline=None)
def test_what_is_heard_stays_as_it_was(scaled: np.ndarray, silent: np.ndarray) -> None:
    holed = np.where(silent[:, :, None], np.nan, scaled).astype(np.float32)
    whole = impute.complete(impute.moments(scaled), holed)
    assert np.isfinite(whole).all()
    assert np.allclose(whole[~silent], scaled[~silent], atol=1e-5)
    assert (whole[silent.all(axis=1)] == 0).all()


def test_a_dead_sensor_is_told_by_those_that_wear_with_it() -> None:
    rng = np.random.default_rng(4)
    wear = rng.normal(0, 1, (500, 1, 1))
    scaled = (wear + 0.3 * rng.normal(0, 1, (500, 4, 1))).astype(np.float32)
    holed = scaled.copy()
    holed[:, 1] = np.nan
    told = impute.complete(impute.moments(scaled), holed)[:, 1, 0]
    assert np.corrcoef(told, scaled[:, 1, 0])[0, 1] > 0.9
