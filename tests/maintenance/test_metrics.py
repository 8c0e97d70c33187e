"""Every metric against a naive twin that follows its definition word by word."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.maintenance import metrics

PAIRS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 20).map(lambda n: n / 20)), min_size=1, max_size=40
)
LIVES = st.lists(st.tuples(st.floats(0, 200), st.floats(0, 200)), min_size=1, max_size=30)


def arrays(pairs: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    left, right = zip(*pairs, strict=True)
    return np.array(left), np.array(right, dtype=float)


@given(pairs=PAIRS)
@settings(max_examples=60, deadline=None)
def test_pr_auc_is_precision_summed_over_recall(pairs: list[tuple[bool, float]]) -> None:
    failed, p = arrays(pairs)
    if not failed.any():
        assert math.isnan(metrics.pr_auc(failed, p))
        return
    area, before = 0.0, 0.0
    for threshold in sorted(set(p), reverse=True):
        alarms = [f for f, q in pairs if q >= threshold]
        recall = sum(alarms) / failed.sum()
        area += (recall - before) * sum(alarms) / len(alarms)
        before = recall
    assert metrics.pr_auc(failed, p) == pytest.approx(area)


@given(pairs=PAIRS)
@settings(max_examples=60, deadline=None)
def test_ece_is_the_gap_of_each_tenth(pairs: list[tuple[bool, float]]) -> None:
    failed, p = arrays(pairs)
    gap = 0.0
    for tenth in range(10):
        inside = [(f, q) for f, q in pairs if min(int(q * 10), 9) == tenth]
        gap += abs(sum(f for f, _ in inside) - sum(q for _, q in inside))
    assert metrics.ece(failed, p) == pytest.approx(gap / len(pairs))


@given(pairs=PAIRS)
@settings(max_examples=30, deadline=None)
def test_brier_is_the_mean_squared_miss(pairs: list[tuple[bool, float]]) -> None:
    failed, p = arrays(pairs)
    naive = sum((q - f) ** 2 for f, q in pairs) / len(pairs)
    assert metrics.brier(failed, p) == pytest.approx(naive)


@given(pairs=LIVES)
@settings(max_examples=30, deadline=None)
def test_life_errors_follow_their_formulas(pairs: list[tuple[float, float]]) -> None:
    actual, told = arrays(pairs)
    squared = sum((a - t) ** 2 for a, t in pairs) / len(pairs)
    penalty = sum(
        math.exp((a - t) / 13) - 1 if t < a else math.exp((t - a) / 10) - 1 for a, t in pairs
    )
    assert metrics.rmse(actual, told) == pytest.approx(math.sqrt(squared))
    assert metrics.nasa_score(actual, told) == pytest.approx(penalty)
