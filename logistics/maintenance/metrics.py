"""Scores of risks and of remaining life. Pure functions of arrays; know no model and no table."""

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
BINS = 10  # of equal width, for calibration


def pr_auc(failed: Flags, p: Reals) -> float:
    """Area under precision over recall (average precision), equal scores taken together.

    failed (n,), p (n,). NaN without a failure. A random order scores the share of failures.
    """
    if not failed.any():
        return float("nan")
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(failed[order])
    # Only the last of equal scores is a threshold that one could choose.
    thresholds = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    precision = hits[thresholds] / (thresholds + 1)
    recall = hits[thresholds] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def brier(failed: Flags, p: Reals) -> float:
    """Mean squared distance between probability and outcome; lower is better."""
    return float(np.mean((p - failed) ** 2))


def ece(failed: Flags, p: Reals) -> float:
    """Expected calibration error: |failures − sum of p| over BINS of p, as a share of n.

    Source: Naeini et al. 2015. Lower is better.
    """
    bin_of = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bin_of, weights=failed - p, minlength=BINS)
    return float(np.abs(gap).sum() / len(p))


def rmse(actual: Reals, predicted: Reals) -> float:
    """Root mean squared error, in the unit of its arguments."""
    return float(np.sqrt(np.mean((actual - predicted) ** 2)))


def nasa_score(actual: Reals, predicted: Reals) -> float:
    """Sum of exponential penalties on remaining life in cycles; late is worse than early.

    Source: Saxena et al. 2008 (the C-MAPSS challenge). Lower is better.
    """
    late = predicted - actual
    return float(np.sum(np.where(late < 0, np.exp(-late / 13), np.exp(late / 10)) - 1))
