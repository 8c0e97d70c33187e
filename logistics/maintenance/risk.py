"""What a risk is, whoever found it. Knows no Torch, so that who only publishes it needs none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from logistics.maintenance.features import Reals
from logistics.maintenance.survival import LIFE_CAP_DAYS, bands, expected_life, shortest


@dataclass(frozen=True, slots=True, eq=False)
class Leads:
    """The sensors that raise each risk (n, at most so many), the strongest first, "" for no more:
    whether its short average is above the long one, and for how many days it has been on that side.
    """

    sensor: NDArray[np.str_]
    rising: NDArray[np.bool_]
    days: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Risk:
    """One row per window (n,); times in days. component is "" where the fleet never had one."""

    p_fail_7d: Reals
    p_fail_30d: Reals
    rul_days: Reals  # (n, LEVELS)
    curve: Reals  # (n, edges) the cumulative hazard that lives are told by
    masses: tuple[float, ...]  # by band of expected life: see RiskModel
    components: tuple[str, ...]
    by_component_7d: Reals  # (n, components), chance that it is the first to fail
    by_component_30d: Reals
    component: NDArray[np.str_]  # the likeliest within 30 days
    leads: Leads

    @property
    def life_days(self) -> Reals:
        """(n,) expected, of lives that are counted up to LIFE_CAP_DAYS."""
        return expected_life(self.curve, LIFE_CAP_DAYS)

    @property
    def likely_days(self) -> Reals:
        """(n, 2) the shortest interval with 80 % of those."""
        mass = np.array(self.masses)[bands(self.curve, LIFE_CAP_DAYS)]
        return np.stack(shortest(self.curve, mass, LIFE_CAP_DAYS), axis=1)
