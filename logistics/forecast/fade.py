"""How sales fade before a SKU's end of life, by the weeks left. Arrays in, arrays out.

Few series end, so a network hardly learns it: of a made company it forecast their last ten days
five times too high. What is left of its forecasts is measured on SKUs that ended while held out.
"""

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.panel import Array

WEEK_DAYS = 7
WEEKS = 8  # before the end; earlier ones are like any other
PRIOR = 5.0  # series' weeks of no fading that those seen must outweigh
FACTORS = (0.02, 2.0)


def weeks_left(left: Array, horizon: int, period_days: int) -> NDArray[np.int64]:
    """Whole weeks from each period to the end of life (n, h): WEEKS at most, -1 from the end on.

    left (n,): periods from the first one to the end.
    """
    days = (left[:, None] - np.arange(horizon)) * period_days
    return np.where(days > 0, np.minimum(days // WEEK_DAYS, WEEKS), -1).astype(np.int64)


def ends(actual: Array, mean: Array, scale: Array, week: NDArray[np.int64]) -> Array:
    """Of each week before an end (3, WEEKS): what came, what was forecast, and periods seen.

    actual (n, h), NaN where unknown; mean (n, h); scale (n,): a series counts by its square root.
    """
    series, period = (~np.isnan(actual) & (week >= 0) & (week < WEEKS)).nonzero()
    vote = 1 / np.sqrt(scale[series])
    of = week[series, period]
    values = (actual[series, period] * vote, mean[series, period] * vote, None)
    return np.stack([np.bincount(of, value, WEEKS) for value in values]).astype(np.float32)


def fade(seen: Array, period_days: int) -> Array:
    """What to multiply forecasts with (WEEKS + 1,) by the weeks left; seen: sums of `ends`."""
    came, told, num = seen
    weeks = num * period_days / WEEK_DAYS
    share = (weeks * came / np.maximum(told, 1e-6) + PRIOR) / (weeks + PRIOR)
    return np.append(np.clip(share, *FACTORS), 1).astype(np.float32)


def on_sale(week: NDArray[np.int64], factors: Array) -> Array:
    """The factor of each period (n, h): 0 from the end on."""
    return np.where(week < 0, 0, factors[week]).astype(np.float32)
