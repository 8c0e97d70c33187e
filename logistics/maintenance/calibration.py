"""Makes the chances of the next month true on assets that a net had not seen. Knows arrays; Torch
for the search.

A stretch (shift, power) makes of each component's cumulative hazard H exp(shift) · H ** power.
hazard (n, edges) is of all components, shares (n, c) are theirs in the failures of the month.
"""

import numpy as np
import torch
from torch import Tensor

from logistics.maintenance.features import Reals, Whole
from logistics.maintenance.survival import by_cause, hazard_on, stretched
from logistics.maintenance.windows import Outcomes

HORIZON_DAYS = 30
Stretch = tuple[float, float]


def calibrate(hazard: Reals, shares: Reals, known: Outcomes) -> Stretch:
    """The stretch that makes the lives of HORIZON_DAYS likeliest."""
    ended = torch.from_numpy((known.failed & (known.days < HORIZON_DAYS)).astype(np.float64))
    days = np.minimum(known.days, HORIZON_DAYS)
    before = torch.from_numpy(np.log(hazard_on(hazard, days) + 1e-9))
    after = torch.from_numpy(np.log(hazard_on(hazard, days + 1) + 1e-9))
    causes = torch.from_numpy(np.log(np.maximum(shares, 1e-12)))
    stretch = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([stretch], max_iter=30, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        shift = stretch[0] + torch.logsumexp(stretch[1] * causes, 1)
        survived = torch.exp(shift + stretch[1] * before)
        step = torch.exp(shift + stretch[1] * after) - survived
        loss: Tensor = (survived - ended * torch.log(-torch.expm1(-step.clamp(min=1e-9)))).mean()
        torch.autograd.backward(loss)
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    shift, power = (float(value) for value in stretch.detach())
    fine = np.isfinite(shift + power) and 0.2 <= power <= 3.0 and abs(shift) <= 3.0
    return (shift, power) if fine else (0.0, 1.0)


def month_loss(
    hazard: Reals, shares: Reals, stretch: Stretch, known: Outcomes, which: Whole
) -> float:
    """Mean negative log likelihood of what the next HORIZON_DAYS brought: when each asset failed,
    if it did, and of which component (n,); −1: not known."""
    ended = np.flatnonzero(known.failed & (known.days < HORIZON_DAYS))
    days = np.minimum(known.days, HORIZON_DAYS)
    calibrated = stretched(hazard, stretch) * by_cause(shares, stretch[1])[:, None]
    survived = hazard_on(calibrated, days)
    last_day = np.maximum(hazard_on(calibrated, days + 1) - survived, 1e-9)[ended]
    chances = shares[ended] ** stretch[1]
    of_cause = np.take_along_axis(chances, np.maximum(which[ended], 0)[:, None], axis=1)[:, 0]
    told = of_cause / np.maximum(chances.sum(axis=1), 1e-30)
    share = np.where(which[ended] >= 0, np.maximum(told, 1e-9), 1.0)
    return float((survived.sum() - np.log(-np.expm1(-last_day) * share).sum()) / len(hazard))
