"""How often each SKU will be picked, from nothing but its picks: a Poisson regression.

What a SKU's recent, older and neighbours' picks say of the next weeks is learnt on earlier origins
of the same history, so no weight is chosen by hand. Knows counts per SKU and day only.
"""

import numpy as np

from logistics.slotting.problem import Flags, Ints, Reals

_HALF_LIVES_DAYS = (5.0, 14.0, 28.0, 60.0, 150.0)
_USUAL_HALF_LIFE_DAYS = 28.0  # where the history is too short to learn from
_NEIGHBOURS = 2  # on each side: families of articles have neighbouring ids, and one season
_NEIGHBOURS_DAYS = (14.0, 60.0)
_FLOOR = 0.01  # picks per day added before the logarithm
_LEAST_HISTORY_DAYS = 40  # before an origin that is learnt from
_ORIGINS_APART_DAYS = 20
_RIDGE = 1.0


def expect(picks: Reals, horizon_days: int) -> Reals:
    """Expected picks per day (n,) over the next horizon_days.

    picks (n, d): of every SKU, in the order of their ids, on each of the last d days.
    """
    num_days = picks.shape[1]
    origins = range(num_days - horizon_days, _LEAST_HISTORY_DAYS, -_ORIGINS_APART_DAYS)
    if not origins:
        return _lately(picks, _USUAL_HALF_LIFE_DAYS)
    known = [_known(picks[:, :origin]) for origin in origins]
    past = [_traits(picks[:, :origin])[seen] for origin, seen in zip(origins, known, strict=True)]
    came = [
        picks[seen, origin : origin + horizon_days].sum(axis=1)
        for origin, seen in zip(origins, known, strict=True)
    ]
    weights = _fit(np.concatenate(past), np.concatenate(came))
    rate = _rate(_traits(picks), weights) / horizon_days
    return np.where(_known(picks), rate, 0.0)


def _known(picks: Reals) -> Flags:
    seen: Flags = picks.any(axis=1)
    return seen


def _traits(picks: Reals) -> Reals:
    """What is known of each SKU (n, k) at the end of these days; the first column is 1."""
    num_days = picks.shape[1]
    seen = _known(picks)
    age_days = np.where(seen, num_days - picks.astype(bool).argmax(axis=1), 1).astype(np.float64)
    idle_days = np.where(seen, picks[:, ::-1].astype(bool).argmax(axis=1) + 1, num_days)
    columns = [np.ones(seen.size), np.log(age_days / (age_days + 30)), np.log(idle_days + 1)]
    columns += [
        np.log(_lately(picks, days, age_days.astype(np.int64)) + _FLOOR)
        for days in _HALF_LIVES_DAYS
    ]
    columns += [
        np.log(_of_neighbours(_lately(picks, days)) + _FLOOR) for days in _NEIGHBOURS_DAYS
    ]
    return np.column_stack(columns)


def _lately(picks: Reals, half_life_days: float, age_days: Ints | None = None) -> Reals:
    """Exponentially weighted picks per day (n,), of the days since the first pick where given."""
    weights = 0.5 ** (np.arange(picks.shape[1] - 1, -1, -1) / half_life_days)
    total = weights.sum() if age_days is None else np.cumsum(weights[::-1])[age_days - 1]
    rate: Reals = picks @ weights / total
    return rate


def _of_neighbours(rate: Reals) -> Reals:
    padded = np.pad(rate, _NEIGHBOURS, mode="edge")
    shifts = [s for s in range(2 * _NEIGHBOURS + 1) if s != _NEIGHBOURS]
    mean: Reals = np.mean([padded[s : s + rate.size] for s in shifts], axis=0)
    return mean


def _fit(traits: Reals, counts: Reals) -> Reals:
    """Weights (k,) of the log rate, by Newton's method; all but the first shrunk towards 0."""
    weights = np.zeros(traits.shape[1])
    weights[0] = np.log(counts.mean() + 1e-9)
    shrink = np.full(weights.size, _RIDGE)
    shrink[0] = 0.0
    for _ in range(30):
        rate = _rate(traits, weights)
        slope = traits.T @ (counts - rate) - shrink * weights
        curve = (traits * rate[:, None]).T @ traits + np.diag(shrink)
        step = np.linalg.solve(curve + 1e-9 * np.eye(weights.size), slope)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _rate(traits: Reals, weights: Reals) -> Reals:
    rate: Reals = np.exp(np.clip(traits @ weights, -12.0, 12.0))
    return rate
