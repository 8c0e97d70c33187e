"""What prices and promotions do to demand: a regression on logs, pooled over a SKU's sites.

Each series is regressed on its own covariates, their products and those of its site's other
series. SKUs have few promotions each and share them over sites, so a SKU's sites are taken
together and drawn to what all SKUs show, and a series to its SKU. Only periods before the origin
are read: what a network is trained on is as good as what it will be given.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.groups import Group
from logistics.forecast.panel import Array, few_at_a_time
from logistics.forecast.sites import Rivals

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
    (n, t), k = units.shape, x.shape[2]
    age = np.arange(t)[::-1]
    fades = np.exp(-age * period_days / FADES_DAYS).astype(np.float32)
    recently = np.exp(-age / RECENT[period_days]).astype(np.float32)
    rivals = Rivals.at(site, x, scale)
    chunks = few_at_a_time(n)  # twice: what is made of all of them at once leaves the cache
    moments = [
        _moments(units[c], weight[c] * fades, scale[c], _design(x, scale, rivals, c))
        for c in chunks
    ]
    zz, zy, usual, centre, total = (np.concatenate(arrays) for arrays in zip(*moments, strict=True))
    beta = _pooled(zz, zy, float(total.sum(dtype=np.float64)), kin)
    explained = np.empty((n, x.shape[1]), np.float32)
    drift, noise, quiet = (np.empty(n, np.float32) for _ in range(3))
    for c in chunks:
        z = _design(x, scale, rivals, c) - usual[c, :, None]
        np.clip(np.matmul(beta[c, None], z)[:, 0], -FURTHEST, FURTHEST, out=explained[c])
        residual = _logs(units[c], scale[c]) - centre[c, None] - explained[c, :t]
        faded, recent = weight[c] * fades, weight[c] * recently
        drift[c] = (residual * recent).sum(axis=1) / (recent.sum(axis=1) + PRIOR_LEVEL[period_days])
        noise[c] = (faded * residual**2).sum(axis=1)
        quiet[c] = ((units[c] == 0) * faded).sum(axis=1) / np.maximum(total[c], 1e-6)
    of_kin = kin.sums(noise) / np.maximum(kin.sums(total), 1e-6)
    level = centre + drift
    ahead = explained[:, t:]
    logs = np.exp(level[:, None] + ahead + of_kin[kin.of, None] / 4) - SMALL
    # A series that is quiet on most days has a mean, but its logs say nothing of it.
    mixed = (1 - quiet)[:, None] * logs + quiet[:, None] * np.exp(ahead)
    expected = np.log(np.clip(mixed, np.exp(-FURTHEST), np.exp(FURTHEST)))
    return Response(beta[:, :k], explained[:, :t], level, expected.astype(np.float32))


def _logs(units: Array, scale: Array) -> Array:
    return np.asarray(np.log(units / scale[:, None] + SMALL))


def _design(x: Array, scale: Array, rivals: Rivals, rows: slice) -> Array:
    """Own covariates, their products, those of the site's others (b, p, t + h), of some series."""
    own = x[rows].transpose(0, 2, 1)
    k = own.shape[1]
    pairs = list(combinations_with_replacement(range(k), 2))
    z = np.empty((len(own), 2 * k + len(pairs), own.shape[2]), np.float32)
    z[:, :k] = own
    for i, (first, second) in enumerate(pairs, k):
        np.multiply(z[:, first], z[:, second], out=z[:, i])
    z[:, k + len(pairs) :] = rivals.others(rows, z[:, :k], scale[rows])
    return z


def _moments(units: Array, faded: Array, scale: Array, z: Array) -> tuple[Array, ...]:
    """Of some series, weighted sums of the products of z and of it and the logs, both against their
    means (b, p, p), (b, p); these means (b, p), (b,); and the sums of the weights (b,)."""
    total = faded.sum(axis=1)
    some, y = np.maximum(total, 1e-6), _logs(units, scale)
    past = z[..., : units.shape[1]]
    centre = (y * faded).sum(axis=1) / some
    usual = np.matmul(past, faded[..., None])[..., 0] / some[:, None]
    past -= usual[..., None]
    zz = np.matmul(past * faded[:, None], past.transpose(0, 2, 1))
    zy = np.matmul(past, ((y - centre[:, None]) * faded)[..., None])[..., 0]
    return zz, zy, usual, centre, total


def _pooled(zz: Array, zy: Array, weight: float, kin: Group) -> Array:
    """Ridge regression of each series (n, p), of the sums of `_moments` and of all weights."""
    everyone = zz.sum(axis=0, dtype=np.float64)
    ridge = np.diag(np.diag(everyone) / max(weight, 1.0) + 1e-4)
    of_all = _solve(everyone + PRIOR_ALL * ridge, zy.sum(axis=0, dtype=np.float64))
    of_kin = _solve(kin.sums(zz) + PRIOR_KIN * ridge, kin.sums(zy) + PRIOR_KIN * of_all @ ridge)
    prior = of_kin[kin.of]
    own = _solve(zz + PRIOR_OWN * ridge, zy + PRIOR_OWN * prior @ ridge)
    return np.asarray(own, np.float32)


def _solve(zz: NDArray[np.floating[Any]], zy: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.clip(np.linalg.solve(zz, zy[..., None])[..., 0], -20, 20)
