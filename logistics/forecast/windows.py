"""Training examples: what was seen of a series at an origin, and what came. Arrays → tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from logistics.forecast.features import Features, demand_ahead, features
from logistics.forecast.network import Inputs, tensor
from logistics.forecast.panel import Array, Panel
from logistics.forecast.scope import Scope

MAX_ORIGINS = 120  # of a panel
MIN_ORIGINS = 12
WEEK_DAYS = 7
MIN_FUTURE_DAYS = 7  # an origin needs so much ahead
WEIGHT_CAP = 0.999  # of series: no single one outweighs all others


@dataclass(frozen=True, slots=True)
class Windows:
    """past, step, codes as in Features; shared (origins and sites, h, s), of which window i has row
    site[i]; target (n, h) in scales, NaN where unknown; weight (n,), 1 on average."""

    past: Tensor
    step: Tensor
    codes: Tensor
    shared: Tensor
    site: Tensor
    target: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return int(self.past.shape[0])

    def batch(self, rows: Tensor, at: Tensor, device: str) -> tuple[Inputs, Tensor, Tensor]:
        """Some windows, of their horizon the steps `at`: inputs, target (b, steps), weight (b,)."""
        shared = self.shared[self.site[rows][:, None], at[None]]
        inputs = Inputs(
            self.past[rows].to(device),
            self.step[rows[:, None], at[None]].float().to(device),
            self.codes[rows].to(device),
            shared.to(device),
            torch.arange(len(rows), device=device),
        )
        target = self.target[rows[:, None], at[None]]
        return inputs, target.to(device), self.weight[rows].to(device)


def windows_of(
    panels: Sequence[Panel], scope: Scope, most: int, min_past: int, rng: np.random.Generator
) -> Windows:
    """Up to `most` examples from origins spread over every panel's history."""
    places = [
        (panel, origin)
        for panel in panels
        for origin in _origins(panel, min_past, most // len(panels))
    ]
    parts, sites = [], 0
    for panel, origin in places:
        parts.append(_examples(panel, origin, scope, most // len(places), sites, rng))
        sites += len(panel.site_ids)
    past, step, codes, shared, site, target, scale = (
        np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    )
    return Windows(
        tensor(past), tensor(step), tensor(codes), tensor(shared), tensor(site), tensor(target),
        tensor(_weight(scale)),
    )  # fmt: skip


def _origins(panel: Panel, min_past: int, most: int) -> list[int]:
    """Origins from the newest back, of days a week or more apart; fewer of a panel of many."""
    week = max(WEEK_DAYS // panel.period_days, 1)
    newest = panel.num_periods - max(MIN_FUTURE_DAYS // panel.period_days, 1)
    num = int(np.clip(3 * most // max(len(panel), 1), MIN_ORIGINS, MAX_ORIGINS))
    stride = max(week, -(-(newest - min_past) // num))
    return list(range(newest, min_past - 1, -stride))


def _examples(
    panel: Panel, origin: int, scope: Scope, most: int, sites: int, rng: np.random.Generator
) -> tuple[NDArray[np.generic], ...]:
    seen, target = features(panel, origin, scope), demand_ahead(panel, origin)
    born = panel.age > panel.num_periods - origin
    rows = np.flatnonzero(born & np.isfinite(target).any(axis=1))
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    scale = seen.scale[rows]
    return (*_of(seen, rows), seen.shared, seen.site[rows] + sites, target[rows] / scale[:, None],
            scale)  # fmt: skip


def _of(seen: Features, rows: NDArray[np.int64]) -> tuple[Array, Array, NDArray[np.int64]]:
    # Half precision: of 60,000 windows the steps alone would otherwise take half a gigabyte.
    return seen.past[rows], seen.step[rows].astype(np.float16), seen.codes[rows]  # type: ignore[return-value]


def _weight(scale: Array) -> Array:
    """Between one series, one vote and one unit, one vote: the square root of the scale.

    The weighted quantile loss counts units, but a few big series are too few to learn from.
    """
    if not len(scale):
        return scale
    weight = np.sqrt(np.minimum(scale, np.quantile(scale, WEIGHT_CAP)))
    return np.asarray(weight / weight.mean(), np.float32)
