"""What a forecast is, whoever made it. Knows no Torch, so that readers and writers need none."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from logistics.forecast.panel import Array, Panel
from logistics.outputs_forecast import QUANTILE_LEVELS

LEVELS: Array = np.array(QUANTILE_LEVELS, np.float32)


@dataclass(frozen=True, slots=True)
class QuantileForecast:
    """mean (n, h), quantiles (n, h, 9), total_mean (n, k), total_quantiles (n, k, 9), in units.

    Quantiles are in order and no less than 0. A total's mean is the sum of its periods' means.
    """

    mean: Array
    quantiles: Array
    total_mean: Array
    total_quantiles: Array


Predict = Callable[[Panel], QuantileForecast]  # a forecaster, whatever it is
