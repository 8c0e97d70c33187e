"""Factors that make intervals hold what they promise, learnt from periods that were held out.

Split conformal prediction, both sides at once, by the size of the series and how far ahead it is.
One side at a time it took a hold-out's level for a law: of juice sales, a window that came a fifth
above the forecast moved the quantiles of the next one up (WQL .366 where it was .331 without).
Source: Romano, Patterson and Candès 2019 (conformalized quantile regression). Arrays in and out.
"""

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.panel import Array
from logistics.outputs_forecast import QUANTILE_LEVELS

MIDDLE = len(QUANTILE_LEVELS) // 2
HELD = QUANTILE_LEVELS[-1] - QUANTILE_LEVELS[0]  # of actuals, within the outermost quantiles
MIN_JUDGED = 50  # values; fewer say too little
SHRINK = 200.0  # values that the margins of all groups together count for in each group's
BLOCKS = 4  # parts of the horizon with margins of their own
CLASSES = 3  # of series, by their scale
FACTORS = (0.7, 2.0)  # one hold-out must not narrow or widen further than this
# Of a period's mean: a quantile below it is 0. Where nothing is sold on most days the lower
# quantiles are 0 but for the network's noise, and noise above 0 excludes every such day.
NOTHING = 0.05


def margins(actual: Array, mean: Array, quantiles: Array, group: NDArray[np.int64]) -> Array:
    """What each group's quantiles must be spread by around their median (CLASSES,).

    actual, mean (m,); quantiles (m, 9), the lowest unclipped; group (m,) in [0, CLASSES).
    """
    known = np.isfinite(actual)
    group = group[known]
    far = _distances(actual[known], mean[known], quantiles[known])
    everywhere = _factor(far)
    trust = [(group == i).sum() / ((group == i).sum() + SHRINK) for i in range(CLASSES)]
    found = [_factor(far[group == i]) for i in range(CLASSES)]
    shrunk = [t * own + (1 - t) * everywhere for t, own in zip(trust, found, strict=True)]
    return np.array(shrunk, np.float32)


def _distances(actual: Array, mean: Array, quantiles: Array) -> Array:
    """How far each actual lies from the median, in the outermost quantile's distance (m,)."""
    quantiles = _honest(quantiles, mean)
    off = actual - quantiles[:, MIDDLE]
    reach = np.where(off < 0, quantiles[:, MIDDLE] - quantiles[:, 0],
                     quantiles[:, -1] - quantiles[:, MIDDLE])  # fmt: skip
    return np.asarray(np.abs(off) / np.maximum(reach, 1e-6 + 1e-3 * mean))


def _factor(far: Array) -> float:
    return float(np.clip(np.quantile(far, HELD), *FACTORS)) if len(far) >= MIN_JUDGED else 1.0


def widen(quantiles: Array, mean: Array, margin: Array) -> Array:
    """Quantiles (…, 9) spread around their median by margin (…)."""
    quantiles = _honest(quantiles, mean)
    middle = quantiles[..., MIDDLE, None]
    return in_order(middle + (quantiles - middle) * margin[..., None])


def _honest(quantiles: Array, mean: Array) -> Array:
    return np.asarray(np.where(quantiles < NOTHING * mean[..., None], 0, quantiles), np.float32)


def in_order(quantiles: Array) -> Array:
    """Not below 0, and none below the one before it."""
    ordered = np.maximum(quantiles, 0, dtype=np.float32)
    for i in range(1, ordered.shape[-1]):  # levels may be planes, which accumulate would transpose
        np.maximum(ordered[..., i], ordered[..., i - 1], out=ordered[..., i])
    return np.asarray(ordered)


def block_of(steps: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """Which part of the horizon each step ahead lies in; beyond the reach it is the last part."""
    return np.minimum(steps * BLOCKS // max(reach, 1), BLOCKS - 1)
