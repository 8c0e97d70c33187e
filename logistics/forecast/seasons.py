"""What the week and the year say of periods to come. Arrays in, arrays out."""

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


def year_ago(panel: Panel, origin: int) -> Array:
    """A year before each period to come: its week and month against the level then; if known.

    (n, h, 3): logs of two ratios, 0 where nothing is known, and 1 where something is.
    """
    n, h = len(panel), panel.horizon
    base = origin - YEAR_DAYS // panel.period_days
    month = 28 // panel.period_days
    out = np.zeros((n, h, 3), np.float32)
    first = max(base - month, 0)
    if base < month or h == 0:
        return out
    units = panel.units[:, first : min(base + h + month, origin)]
    known = ~np.isnan(units)
    weight = np.where(known, panel.in_stock[:, first : first + units.shape[1]], 0)
    sums = np.pad(np.cumsum(np.where(known, units, 0), axis=1), ((0, 0), (1, 0)))
    hours = np.pad(np.cumsum(weight, axis=1), ((0, 0), (1, 0)))
    level = (sums[:, month] + 0.02) / np.maximum(hours[:, month], 1)
    there = hours[:, month] > 0
    for i, half in enumerate((3 // panel.period_days, month // 2)):
        a = np.clip(np.arange(h) + month - half, 0, units.shape[1])
        b = np.clip(np.arange(h) + month + half + 1, 0, units.shape[1])
        # Shrunk to the level of then by a week of ordinary periods.
        prior = max(7 / panel.period_days, 1)
        mean = (sums[:, b] - sums[:, a] + prior * level[:, None]) / (
            hours[:, b] - hours[:, a] + prior
        )
        ratio = np.log(np.clip(mean / np.maximum(level[:, None], 1e-6), 0.1, 10))
        out[:, :, i] = ratio * there[:, None]
    out[:, :, 2] = there[:, None]
    return out
