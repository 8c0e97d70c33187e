"""How a series answers to its prices and promotions: a ridge regression, shrunk to its kin's.

y is the log of a period's units in levels, x its covariates against their usual values. A series
with few promotions borrows the response of its SKU elsewhere, that of all series.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.groups import Group
from logistics.forecast.panel import Array

PRIOR_OWN = 12.0  # periods of ordinary variation that the kin's response counts for
PRIOR_KIN = 60.0


def responses(y: Array, x: Array, weight: Array, kin: Group) -> Array:
    """Change of y per unit of each covariate (n, k).

    y (n, t); x (n, t, k), 0 where usual; weight (n, t), 0 where unknown.
    """
    n, _, k = x.shape
    if n == 0 or k == 0:
        return np.zeros((n, k), np.float32)
    centre = (y * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-6)
    residual = (y - centre[:, None]) * weight
    mean = np.einsum("ntk,nt->nk", x, weight) / np.maximum(weight.sum(axis=1), 1e-6)[:, None]
    around = (x - mean[:, None]) * (weight[..., None] > 0)
    xx = np.einsum("ntk,ntl->nkl", around * weight[..., None], around, optimize=True)
    xy = np.einsum("ntk,nt->nk", around, residual, optimize=True)
    spread = np.einsum("nkk->k", xx) / np.maximum(weight.sum(), 1.0) + 1e-4
    ridge: Array = np.diag(spread).astype(np.float32)
    total = _solve(np.asarray(xx.sum(axis=0)[None]), np.asarray(xy.sum(axis=0)[None]), ridge, 1.0)
    of_kin = _solve(
        kin.sums(xx) + PRIOR_KIN * ridge, kin.sums(xy) + PRIOR_KIN * total @ ridge, ridge, 0.0
    )
    prior = of_kin[kin.of]
    return _solve(xx + PRIOR_OWN * ridge, xy + PRIOR_OWN * prior @ ridge, ridge, 0.0)


def _solve(
    xx: NDArray[np.floating[Any]], xy: NDArray[np.floating[Any]], ridge: Array, periods: float
) -> Array:
    solved = np.linalg.solve(xx + periods * ridge + 1e-4 * ridge, xy[..., None])[..., 0]
    return np.asarray(np.clip(solved, -20, 20), np.float32)
