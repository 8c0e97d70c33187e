"""Margins that make intervals hold what they promise, learnt from periods that were held out.

Split conformal prediction, one side at a time, by the size of the series and how far ahead it is.
Source: Romano, Patterson and Candès 2019 (conformalized quantile regression). Arrays in and out.
"""

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.panel import Array
from logistics.outputs import QUANTILE_LEVELS

MIDDLE = len(QUANTILE_LEVELS) // 2
MISS = QUANTILE_LEVELS[0]  # of actuals, to be left outside on each side
MIN_JUDGED = 50  # values; fewer say too little
SHRINK = 200.0  # values that the margins of all groups together count for in each group's
BLOCKS = 4  # parts of the horizon with margins of their own
CLASSES = 3  # of series, by their scale
LOWER = (-0.5, 1.0)  # one hold-out must not move the lower side further than this
UPPER = (0.6, 2.5)


def margins(actual: Array, mean: Array, quantiles: Array, group: NDArray[np.int64]) -> Array:
    """Margins of each of the groups (CLASSES, 2): below, in means, and a factor above.

    actual, mean (m,); quantiles (m, 9), the lowest unclipped; group (m,) in [0, CLASSES).
    The lower side moves by a share of the mean and not by a factor on a distance: of a series that
    often sells nothing the lower quantiles lie at 0, where a factor moves nothing.
    """
    known = np.isfinite(actual)
    actual, mean, quantiles, group = (a[known] for a in (actual, mean, quantiles, group))
    everywhere = _margins(actual, mean, quantiles)
    out = np.empty((CLASSES, 2), np.float32)
    for i in range(CLASSES):
        own = group == i
        trust = own.sum() / (own.sum() + SHRINK)
        found = _margins(actual[own], mean[own], quantiles[own])
        out[i] = trust * found + (1 - trust) * everywhere
    return out


def _margins(actual: Array, mean: Array, quantiles: Array) -> Array:
    if len(actual) < MIN_JUDGED:
        return np.array([0.0, 1.0], np.float32)
    below = (quantiles[:, 0] - actual) / np.maximum(mean, 1e-6)
    above = (actual + 1e-6) / (np.maximum(quantiles[:, -1], 0) + 1e-6)
    return np.array(
        [
            np.clip(np.quantile(below, 1 - MISS), *LOWER),
            np.clip(np.quantile(above, 1 - MISS), *UPPER),
        ],
        np.float32,
    )


def widen(quantiles: Array, mean: Array, margin: Array) -> Array:
    """Quantiles (…, 9) with margins (…, 2) applied, in full to the outermost, not to the median."""
    share = np.abs(np.arange(len(QUANTILE_LEVELS)) - MIDDLE) / MIDDLE
    lower, upper = slice(None, MIDDLE), slice(MIDDLE + 1, None)
    out = quantiles.copy()
    out[..., lower] -= share[lower] * (margin[..., 0] * mean)[..., None]
    out[..., upper] *= 1 + share[upper] * (margin[..., 1, None] - 1)
    return in_order(out)


def in_order(quantiles: Array) -> Array:
    """Not below 0, and none below the one before it."""
    return np.asarray(np.maximum.accumulate(np.maximum(quantiles, 0), axis=-1), np.float32)


def block_of(steps: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """Which part of the horizon each step ahead lies in; beyond the reach it is the last part."""
    return np.minimum(steps * BLOCKS // max(reach, 1), BLOCKS - 1)
