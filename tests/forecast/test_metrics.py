"""Each metric against its formula, written out naively."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from logistics.forecast import metrics

LEVELS = np.array([0.1, 0.5, 0.9], np.float32)
units = st.floats(0, 100, width=32)


@given(arrays(np.float32, (3, 4), elements=units), arrays(np.float32, (3, 4, 3), elements=units))
@settings(max_examples=30, deadline=None)
def test_wql_is_the_formula(actual: np.ndarray, quantiles: np.ndarray) -> None:
    actual[0, 0] = 1.0
    loss = 0.0
    for i in range(3):
        for j in range(4):
            for k, level in enumerate(LEVELS):
                error = float(actual[i, j]) - float(quantiles[i, j, k])
                loss += error * level if error > 0 else -error * (1 - level)
    expected = 2 * loss / 3 / actual.sum()
    assert metrics.wql(actual, quantiles, LEVELS) == pytest.approx(expected, rel=1e-4)


def test_wape_bias_and_coverage_on_a_small_case() -> None:
    actual = np.array([1.0, 3.0, np.nan], np.float32)
    mean = np.array([2.0, 1.0, 9.0], np.float32)
    assert metrics.wape(actual, mean) == pytest.approx(3 / 4)
    assert metrics.bias(actual, mean) == pytest.approx(-1 / 4)
    assert metrics.coverage(actual, mean - 1, mean + 1) == 0.5


def test_a_perfect_forecast_loses_nothing() -> None:
    actual = np.array([[1.0, 2.0]], np.float32)
    assert metrics.wql(actual, np.repeat(actual[..., None], 3, axis=2), LEVELS) == 0
    assert metrics.wape(actual, actual) == metrics.bias(actual, actual) == 0


def test_nothing_sold_has_no_relative_error() -> None:
    nothing = np.zeros((2, 2), np.float32)
    assert np.isnan(metrics.wape(nothing, nothing))
