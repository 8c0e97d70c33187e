"""What the week and the year say of periods to come. Arrays in, arrays out."""

import numpy as np

from logistics.forecast.groups import Group, by_phase, weekly
from logistics.forecast.panel import Array, Panel

WEEKDAY_PERIODS = 182  # the weekday profile looks back so far
YEAR_DAYS = 364  # 52 weeks: the same weekday a year ago
MONTH_DAYS = 28
SMALL = 0.02  # units: so little is as good as none


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


def year_ago(panel: Panel, origin: int, kin: Group) -> Array:
    """The month around each period to come, a year before, against the month before the origin's.

    (n, h, 3): log of that ratio of all its kin together, log of its own, and 1; 0 where that year
    is not known. Of a few series' noise the kin's keeps nothing: a made company's garden goods were
    forecast 40 % too low in spring by their own ratios alone, its baking goods 50 % too high.
    """
    n, h = len(panel), panel.horizon
    base, month = origin - YEAR_DAYS // panel.period_days, MONTH_DAYS // panel.period_days
    out = np.zeros((n, h, 3), np.float32)
    if base < month or h == 0:
        return out
    some = slice(base - month, min(base + h + month // 2, origin))
    units, weight = panel.units[:, some], panel.in_stock[:, some]
    lived = np.arange(some.start, some.stop) < (panel.num_periods + panel.left)[:, None]
    weight = np.where(np.isnan(units) | ~lived, 0, weight)
    units = np.where(weight > 0, units, 0)
    there = weight[:, :month].sum(axis=1) > 0
    usual = units.sum(axis=1) / np.maximum(weight.sum(axis=1), 1) + SMALL
    # Between one series, one vote and one unit, one vote, as in training.
    vote = (there / np.sqrt(usual))[:, None]
    of_kin = kin.sums(units * vote), kin.sums(weight * usual[:, None] * vote)
    out[:, :, 0] = _ratios(*of_kin, h, month)[kin.of]
    out[:, :, 1] = _ratios(units, weight, h, month)
    out[:, :, 2] = 1
    return np.asarray(out * there[:, None, None])


def _ratios(units: Array, weight: Array, h: int, month: int) -> Array:
    """Log of the mean around each of h periods against that of the first month (n, h)."""
    sums, hours = (np.pad(np.cumsum(grid, axis=1), ((0, 0), (1, 0))) for grid in (units, weight))
    first, last = np.clip(
        np.arange(h) + month + np.array([[-(month // 2)], [month // 2 + 1]]), 0, units.shape[1]
    )
    # Shrunk to the level of then by a week of it.
    prior = np.maximum(hours[:, month, None] / 4, 1e-6)
    level = (sums[:, month, None] + SMALL) / (4 * prior)
    mean = (sums[:, last] - sums[:, first] + prior * level) / (
        hours[:, last] - hours[:, first] + prior
    )
    return np.asarray(np.log(np.clip(mean / level, 0.1, 10)))
