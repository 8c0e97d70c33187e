"""What prices and promotions do to demand: a regression on logs, pooled over a SKU's sites.

Each series is regressed on its own covariates, their products and those of its site's other
series. SKUs have few promotions each and share them over sites, so a SKU's sites are taken
together and drawn to what all SKUs show, and a series to its SKU. Only periods before the origin
are read: what a network is trained on is as good as what it will be given.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.groups import Group
from logistics.forecast.panel import Array
from logistics.forecast.sites import others

# In levels: what is added before the logarithm. Where 1 was added, a doubled price changed less
# where little is sold, and juice sales of 13 weeks were a tenth further off.
SMALL = 0.1
# Periods of ordinary variation that a prior counts for.
PRIOR_ALL, PRIOR_KIN, PRIOR_OWN = 60.0, 60.0, 60.0
FADES_DAYS = 420.0  # how customers answer changes over the years
RECENT = {1: 28, 7: 8}  # periods over which a level fades
PRIOR_LEVEL = {1: 7.0, 7: 3.0}  # periods of an unchanged level that a recent one must outweigh
FURTHEST = 4.0  # of a logarithm


@dataclass(frozen=True, slots=True)
class Response:
    """own (n, k): change of the log of demand per unit of each own covariate; past (n, t): what all
    explain of it; level (n,): the log of recent demand in levels without that; expected (n, h): the
    log of demand to come, in levels."""

    own: Array
    past: Array
    level: Array
    expected: Array


def response(
    units: Array,
    weight: Array,
    scale: Array,
    x: Array,
    site: Group,
    kin: Group,
    period_days: int,
) -> Response:
    """units and weight (n, t), weight 0 where unknown; scale (n,); x (n, t + h, k), 0
    where usual."""
    t, k = units.shape[1], x.shape[2]
    z = _design(x, site, scale)
    y = np.log(units / scale[:, None] + SMALL)
    age = np.arange(t)[::-1]
    faded = weight * np.exp(-age * period_days / FADES_DAYS).astype(np.float32)
    total = np.maximum(faded.sum(axis=1), 1e-6)
    centre = (y * faded).sum(axis=1) / total
    usual = np.einsum("ntp,nt->np", z[:, :t], faded) / total[:, None]
    z -= usual[:, None]
    beta = _pooled(z[:, :t], (y - centre[:, None]) * faded, faded, kin)
    explained = np.clip((z @ beta[..., None])[..., 0], -FURTHEST, FURTHEST)
    residual = y - centre[:, None] - explained[:, :t]
    recent = weight * np.exp(-age / RECENT[period_days]).astype(np.float32)
    drift = (residual * recent).sum(axis=1) / (recent.sum(axis=1) + PRIOR_LEVEL[period_days])
    noise = kin.sums(faded * residual**2).sum(axis=1) / np.maximum(
        kin.sums(faded).sum(axis=1), 1e-6
    )
    level = centre + drift
    quiet = ((units == 0) * faded).sum(axis=1) / total
    logs = np.exp(level[:, None] + explained[:, t:] + noise[kin.of, None] / 4) - SMALL
    # A series that is quiet on most days has a mean, but its logs say nothing of it.
    mixed = (1 - quiet)[:, None] * logs + quiet[:, None] * np.exp(explained[:, t:])
    expected = np.log(np.clip(mixed, np.exp(-FURTHEST), np.exp(FURTHEST)))
    return Response(beta[:, :k], explained[:, :t], level, expected.astype(np.float32))


def _design(x: Array, site: Group, scale: Array) -> Array:
    """Own covariates, their products, those of the site's others (n, t + h, p)."""
    first, second = np.triu_indices(x.shape[2])
    products = x[:, :, first] * x[:, :, second]
    return np.concatenate([x, products, others(x, site, scale)], axis=2)


def _pooled(z: Array, y: Array, weight: Array, kin: Group) -> Array:
    """Ridge regression of each series (n, p). y is already weighted."""
    zz = np.matmul((z * weight[..., None]).transpose(0, 2, 1), z)
    zy = np.matmul(y[:, None], z)[:, 0]
    everyone = zz.sum(axis=0, dtype=np.float64)
    ridge = np.diag(np.diag(everyone) / max(float(weight.sum()), 1.0) + 1e-4)
    of_all = _solve(everyone + PRIOR_ALL * ridge, zy.sum(axis=0, dtype=np.float64))
    of_kin = _solve(kin.sums(zz) + PRIOR_KIN * ridge, kin.sums(zy) + PRIOR_KIN * of_all @ ridge)
    prior = of_kin[kin.of]
    own = _solve(zz + PRIOR_OWN * ridge, zy + PRIOR_OWN * prior @ ridge)
    return np.asarray(own, np.float32)


def _solve(zz: NDArray[np.floating[Any]], zy: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.clip(np.linalg.solve(zz, zy[..., None])[..., 0], -20, 20)
