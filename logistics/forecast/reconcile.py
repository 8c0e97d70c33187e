"""Categories correct their SKUs, where a back-test says that this helps.

Knows panels and any forecaster as a function. A category's own series, the sum of its SKUs, is less
noisy than they are: the same network forecasts it, and the SKUs are scaled towards that forecast,
all of a category alike, so sums stay sums. How far is the weight that diagonal MinT (Wickramasuriya
et al. 2019) gives two forecasts of one number: each counts by the other's squared error. It is
measured at one origin and must prove itself at a later one, else it is 0 and nothing is corrected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logistics.forecast import metrics
from logistics.forecast.panel import FOREVER, OF_SERIES, Array, Panel, few_at_a_time
from logistics.forecast.quantiles import LEVELS, Predict, QuantileForecast
from logistics.forecast.totals import lengths_of

FURTHEST = 1.5  # no category is scaled by more than this, or its inverse
MIN_AGE = 28  # periods: a younger SKU is no part of its category's history
Groups = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Told:
    """A forecast of an earlier night and what came (n, ≤ h), NaN where censored."""

    past: Panel
    categories: tuple[str, ...]
    forecast: QuantileForecast
    came: Array


def corrected(
    predict: Predict,
    panel: Panel,
    forecast: QuantileForecast,
    categories: Sequence[str],
    weight: float,
) -> QuantileForecast:
    """The forecast with each category's SKUs scaled, `weight` of the way to the category's own."""
    if weight <= 0 or not len(panel):
        return forecast
    group, lasting = _groups(categories), _lasting(panel)
    if not lasting.any():
        return forecast
    top, below = _both(predict, panel, forecast, group, lasting)
    ratio = 1 + weight * (top - below) / np.maximum(below, 1e-6)
    of_group = np.where(below > 0, ratio, 1).clip(1 / FURTHEST, FURTHEST).astype(np.float32)
    factor = of_group[group]
    mean = forecast.mean * factor
    total = np.stack([mean[:, :length].sum(axis=1) for length in lengths_of(panel)], axis=1)
    scale = total / np.maximum(forecast.total_mean, 1e-9)
    scale = np.where(forecast.total_mean > 0, scale, 1)
    return QuantileForecast(
        mean,
        forecast.quantiles * factor[..., None],
        total,
        (forecast.total_quantiles * scale[..., None]).astype(np.float32),
    )


def weight_of(predict: Predict, first: Sequence[Told], later: Sequence[Told]) -> float:
    """The weight measured at the first origin's sites, if it proves itself at the later one's.

    It must lower the error of the categories and must not raise the loss of the SKUs.
    """
    weight = _measured(predict, first)
    before = [_loss(one, one.forecast) for one in later]
    after = [
        _loss(one, corrected(predict, one.past, one.forecast, one.categories, weight))
        for one in later
    ]
    (top, sku), (new_top, new_sku) = (np.sum(losses, axis=0) for losses in (before, after))
    return weight if new_top < top and new_sku <= sku else 0.0


def _measured(predict: Predict, told: Sequence[Told]) -> float:
    ours, theirs = 0.0, 0.0
    for one in told:
        group, lasting = _groups(one.categories), _lasting(one.past)
        if not lasting.any():
            continue
        top, below = _both(predict, one.past, one.forecast, group, lasting)
        width = one.came.shape[1]
        # What a SKU sold while it was out of stock is not known; it is taken as forecast.
        known = np.where(np.isnan(one.came), one.forecast.mean[:, :width], one.came)
        came = _sums(known[lasting], group[lasting], top.shape[0])
        level = np.maximum(came.mean(axis=1, keepdims=True), 1e-6)
        ours += float(np.square((came - below[:, :width]) / level).sum())
        theirs += float(np.square((came - top[:, :width]) / level).sum())
    return ours / (ours + theirs) if ours + theirs else 0.0


def _loss(one: Told, forecast: QuantileForecast) -> tuple[float, float]:
    """Summed absolute error of categories, and summed pinball loss of SKUs."""
    width = one.came.shape[1]
    known = ~np.isnan(one.came)
    actual = np.nan_to_num(one.came)
    pinball = metrics.pinball(actual, forecast.quantiles[:, :width], LEVELS).mean(axis=-1)
    off = np.where(known, actual - forecast.mean[:, :width], 0)
    group = _groups(one.categories)
    by_group = _sums(off, group, int(group.max()) + 1)
    return float(np.abs(by_group).sum()), float((pinball * known).sum())


def _both(
    predict: Predict,
    panel: Panel,
    forecast: QuantileForecast,
    group: Groups,
    lasting: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Each category's own forecast and its SKUs' sum (groups, h), of the SKUs that last."""
    rows = np.flatnonzero(lasting)
    below = _sums(forecast.mean[rows], group[rows], int(group.max()) + 1)
    top, found = below.copy(), np.unique(group[rows])
    top[found] = predict(summed(panel, [rows[group[rows] == g] for g in found])).mean
    return top, below


def summed(panel: Panel, groups: Sequence[NDArray[np.int64]]) -> Panel:
    """One series for the series of each group, none of which is empty."""
    sums = [_sum(panel, rows) for rows in groups]
    silent = np.isnan(panel.units).all(axis=0)  # no sales came: nothing is known of any sum
    for one in sums:
        one["units"][:, silent] = np.nan
    arrays: dict[str, Any] = {
        name: np.concatenate([one[name] for one in sums]) for name in OF_SERIES
    }
    return replace(panel, sku_ids=tuple(f"category {g}" for g in range(len(groups))), **arrays)


def _sum(panel: Panel, rows: Groups) -> dict[str, Any]:
    """What these series make together: days out of stock count at a series' usual level.

    A few of them at a time, which stay in the cache.
    """
    demand, weight = np.zeros(panel.num_periods), 1e-9
    covariates = np.zeros(panel.covariates.shape[1:], np.float32)
    for part in (rows[c] for c in few_at_a_time(len(rows))):
        units, known = _known(panel.units[part])
        out = panel.in_stock[part] < 1
        seen = (known & ~out).astype(np.float32)
        usual = np.einsum("nt,nt->n", units, seen) / np.maximum(seen.sum(axis=1), 1)
        demand += np.ones(len(part), np.float32) @ np.maximum(units, out * usual[:, None])
        covariates += np.tensordot(usual, _known(panel.covariates[part])[0], 1)
        weight += float(usual.sum(dtype=np.float64))
    return {
        "site": panel.site[rows[:1]],
        "units": demand[None].astype(np.float32),
        "in_stock": np.ones((1, panel.num_periods), np.float32),
        "covariates": covariates[None] / np.float32(weight),
        "known_ahead": panel.known_ahead[rows[:1]],
        "codes": panel.codes[rows[:1]],
        "attributes": _known(panel.attributes[rows])[0].mean(axis=0, keepdims=True),
        "age": np.full(1, panel.num_periods, np.float32),
        "left": np.full(1, FOREVER, np.float32),
    }


def _known(values: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The values, which nobody else has, with 0 where they are not known; and where they are."""
    known = ~np.isnan(values)
    values[~known] = 0
    return values, known


def _groups(categories: Sequence[str]) -> Groups:
    names = np.array(categories, dtype=object).astype(str)
    return np.asarray(np.unique(names, return_inverse=True)[1], np.int64)


def _lasting(panel: Panel) -> NDArray[np.bool_]:
    """Series that were sold for a while and go on: only they are their category's history."""
    return np.asarray((panel.age >= MIN_AGE) & (panel.left >= panel.horizon))


def _sums(values: Array, group: Groups, num: int) -> Array:
    """Sums over the series of each group (num, …), 0 of an empty one."""
    order = np.argsort(group, kind="stable")
    found, starts = np.unique(group[order], return_index=True)
    added = np.zeros((num, *values.shape[1:]), np.float32)
    if len(found):
        added[found] = np.add.reduceat(values[order], starts, axis=0, dtype=np.float64)
    return added
