"""How good a forecast was. Arrays in, numbers out; NaN actuals are left out everywhere."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def pinball(actual: Array, quantiles: Array, levels: Array) -> Array:
    """Pinball loss of each value: level × shortfall or (1 − level) × excess, in units.

    actual (…,) in units; quantiles (…, q); levels (q,) in (0, 1).
    """
    error = actual[..., None] - quantiles
    return np.maximum(levels * error, (levels - 1) * error)


def wql(actual: Array, quantiles: Array, levels: Array) -> float:
    """Weighted quantile loss: twice the pinball loss, summed, over summed |actual|, mean of levels.

    Source: Park et al. 2022, as used by GluonTS. Lower is better; NaN when nothing was sold.
    """
    known = ~np.isnan(actual)
    total = float(np.abs(actual[known]).sum())
    loss = pinball(actual[known], quantiles[known], levels)
    return float(2 * loss.sum(dtype=np.float64) / len(levels) / total) if total else float("nan")


def wape(actual: Array, mean: Array) -> float:
    """Summed |error| over summed |actual|; NaN when nothing was sold."""
    known = ~np.isnan(actual)
    total = float(np.abs(actual[known]).sum(dtype=np.float64))
    error = float(np.abs(actual[known] - mean[known]).sum(dtype=np.float64))
    return error / total if total else float("nan")


def bias(actual: Array, mean: Array) -> float:
    """Summed forecast over summed actual, less 1: positive when too much was expected."""
    known = ~np.isnan(actual)
    total = float(actual[known].sum(dtype=np.float64))
    return float(mean[known].sum(dtype=np.float64)) / total - 1 if total else float("nan")


def coverage(actual: Array, low: Array, high: Array) -> float:
    """Share of actuals within [low, high]."""
    known = ~np.isnan(actual)
    inside = (actual[known] >= low[known]) & (actual[known] <= high[known])
    return float(inside.mean()) if inside.size else float("nan")
