"""What a risk is, whoever found it. Knows no Torch, so that who only publishes it needs none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from logistics.maintenance.features import Reals


@dataclass(frozen=True, slots=True, eq=False)
class Risk:
    """One row per window (n,); times in days. component is "" where the fleet never had one."""

    p_fail_7d: Reals
    p_fail_30d: Reals
    rul_days: Reals  # (n, LEVELS)
    component: NDArray[np.str_]
    leading_sensors: tuple[tuple[str, ...], ...]
