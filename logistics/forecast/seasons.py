"""What the week and the year say of periods to come. Arrays in, arrays out."""

from collections.abc import Sequence

import numpy as np

from logistics.forecast.groups import Group, by_phase, weekly
from logistics.forecast.panel import Array, Panel

WEEKDAY_PERIODS = 182  # the weekday profile looks back so far
YEAR_DAYS = 364  # 52 weeks: the same weekday a year ago


def weekday_profiles(units: Array, weight: Array, kin: list[Group]) -> tuple[Array, Array, Array]:
    """Log share of each weekday from the origin on: own, the SKU's, the site's; each (n, 7).

    A series with few sales is shrunk to ordinary days; its SKU's and site's stand beside it.
    """
    by_day, seen = by_phase(units[:, -WEEKDAY_PERIODS:]), by_phase(weight[:, -WEEKDAY_PERIODS:])
    _, by_site, by_sku = kin[:3]
    site = weekly(by_site.sums(by_day), by_site.sums(seen), 4.0)[by_site.of]
    sku = weekly(by_sku.sums(by_day), by_sku.sums(seen), 4.0)[by_sku.of]
    own = weekly(by_day, seen, 2.0)
    return _log(own), _log(sku), _log(site)


def _log(share: Array) -> Array:
    return np.asarray(np.log(np.clip(share, 0.02, 20)), np.float32)


def year_ago(panel: Panel, origin: int, kin: Sequence[Group]) -> Array:
    """A month around each period to come a year ago, against the month before the origin then.

    (n, h, k + 2): logs of the ratios of the groups' sums and of its own, 0 where nothing is known;
    and 1 where something is.
    """
    n, h = len(panel), panel.horizon
    base, month = origin - YEAR_DAYS // panel.period_days, 28 // panel.period_days
    out = np.zeros((n, h, len(kin) + 2), np.float32)
    if base < month or h == 0:
        return out
    first, last = base - month, min(base + h + month // 2, origin)
    units, weight = panel.units[:, first:last], panel.in_stock[:, first:last]
    lived = np.arange(first, last) < (panel.num_periods + panel.left)[:, None]
    weight = np.where(np.isnan(units) | ~lived, 0, weight)
    units = np.where(weight > 0, units, 0)
    there = weight[:, :month].sum(axis=1) > 0
    out[:, :, -2] = _ratios(units, weight, month, h) * there[:, None]
    out[:, :, -1] = there[:, None]
    level = units.sum(axis=1) / np.maximum(weight.sum(axis=1), 1)
    vote = (there / np.sqrt(level + 0.02))[:, None].astype(np.float32)
    for i, group in enumerate(kin):
        sums = group.sums(units * vote), group.sums(weight * level[:, None] * vote)
        out[:, :, i] = _ratios(*sums, month, h)[group.of]
    return out


def _ratios(units: Array, weight: Array, month: int, h: int) -> Array:
    """log ratios (n, h)"""
    sums, hours = (
        np.pad(np.cumsum(grid, axis=1), ((0, 0), (1, 0))) for grid in (units, weight)
    )
    level = (sums[:, month] + 0.02) / np.maximum(hours[:, month], 1e-6)
    a = np.clip(np.arange(h) + month - month // 2, 0, units.shape[1])
    b = np.clip(np.arange(h) + month + month // 2 + 1, 0, units.shape[1])
    # Shrunk to the level of then by a week of ordinary periods.
    prior = hours[:, month] / 4
    mean = (sums[:, b] - sums[:, a] + (prior * level)[:, None]) / np.maximum(
        hours[:, b] - hours[:, a] + prior[:, None], 1e-6)
    return np.log(np.clip(mean / np.maximum(level[:, None], 1e-6), 0.1, 10))
