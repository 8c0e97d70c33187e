"""What the series of a site share in the periods to come: calendar, signals, the others' prices."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.groups import Group
from logistics.forecast.panel import Array, Panel
from logistics.forecast.scope import Scope

FORECAST_FADES_DAYS = 6.0
CALENDAR = 13
STEP_OF_SIGNAL = 5


def shared(panel: Panel, origin: int, scope: Scope) -> Array:
    """Calendar and signals of each site and period from the origin on (sites, h, s)."""
    calendar = _calendar(panel, origin, scope)
    every = np.broadcast_to(calendar, (len(panel.site_ids), *calendar.shape))
    return np.concatenate([every, _signals(panel, origin, scope)], axis=2).astype(np.float32)


def _calendar(panel: Panel, origin: int, scope: Scope) -> Array:
    ahead = np.minimum(np.arange(panel.horizon), scope.reach - 1)
    start = panel.run_date + timedelta(days=(origin - panel.num_periods) * panel.period_days)
    days = [start + timedelta(days=int(i) * panel.period_days) for i in range(panel.horizon)]
    angle = np.array([2 * np.pi * day.timetuple().tm_yday / 365.25 for day in days])
    weekday = np.array([day.weekday() for day in days])
    daily = panel.period_days == 1
    columns = [
        ahead / max(scope.reach, 1),
        np.log1p(ahead) / 4.5,
        *(scope.seasons * f(k * angle) for k in (1, 2) for f in (np.sin, np.cos)),
        *(daily * (weekday == d) for d in range(7)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _signals(panel: Panel, origin: int, scope: Scope) -> Array:
    """Each signal in the period and around it, as (value - recent) / spread, and if it is known."""
    h, names = panel.horizon, scope.signal_names
    out = np.zeros((len(panel.site_ids), h, STEP_OF_SIGNAL * len(names)), np.float32)
    steps = np.arange(h)
    for i, name in enumerate(names):
        if name not in panel.signal_names:
            continue
        column = panel.signal_names.index(name)
        # Of an earlier night no more is taken as known ahead than is tonight.
        values = panel.signals[:, : origin + panel.lead[column], column]
        past = values[:, max(origin - 364, 0) : origin]
        known = ~np.isnan(past)
        if not known.any() or panel.lead[column] == 0:
            continue
        centre, spread = _around(past, known)
        # Holidays are certain. Weather is forecast, and forecasts fade; training sees the weather
        # that came, so both are faded alike: a forecast is not to be trusted like a measurement.
        certain = np.isin(past[known], (0, 1)).all()
        trust = 1.0 if certain else np.exp(-steps * panel.period_days / FORECAST_FADES_DAYS)
        padded = np.full((len(out), origin + h + 2), np.nan, np.float32)
        padded[:, : values.shape[1]] = values[:, : padded.shape[1]]
        for j, offset in enumerate((0, -1, 1, 2)):
            at = np.clip(steps + origin + offset, 0, padded.shape[1] - 1)
            out[:, :, STEP_OF_SIGNAL * i + j] = np.clip(
                np.nan_to_num(trust * (padded[:, at] - centre) / spread), -6, 6
            )
        out[:, :, STEP_OF_SIGNAL * i + 4] = ~np.isnan(padded[:, origin : origin + h])
    return out


def _around(past: Array, known: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Mean of the last month, or of all where that is unknown, and spread (sites, 1)."""
    zeroed = np.where(known, past, 0)
    num = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = zeroed.sum(axis=1, keepdims=True) / num
    spread = np.sqrt((np.where(known, past - mean, 0) ** 2).sum(axis=1, keepdims=True) / num)
    month = np.maximum(known[:, -28:].sum(axis=1, keepdims=True), 1)
    recent = zeroed[:, -28:].sum(axis=1, keepdims=True) / month
    centre = np.where(known[:, -28:].any(axis=1, keepdims=True), recent, mean)
    return centre, np.maximum(spread, 1e-3)


@dataclass(frozen=True, slots=True)
class Rivals:
    """The covariates of each site's series together: change (g, k, h), and level (g,), by which
    they count. of (n,): the site of each series; alone (n,): whether it has no other series."""

    change: Array
    level: Array
    of: NDArray[np.int64]
    alone: NDArray[np.bool_]

    @classmethod
    def at(cls, site: Group, change: Array, level: Array) -> "Rivals":
        """change (n, h, k) against usual values; level (n,)."""
        one, (_, h, k) = len(site.starts) == 1, change.shape
        sums = np.empty((len(site.starts), k, h), np.float32)
        for i in range(k):
            column = change[..., i]
            sums[:, i] = level @ column if one else site.sums(column * level[:, None])
        return cls(sums, site.sums(level), site.of, np.bincount(site.of)[site.of] < 2)

    def others(self, rows: slice, change: Array, level: Array) -> Array:
        """Mean change of the covariates of a site's other series, by their level, for some series;
        change and the answer (b, k, h).

        Where a rival is cheap, less of this is sold: in weekly juice sales, as much as its own
        price explains.
        """
        site = 0 if len(self.change) == 1 else self.of[rows]
        rest = self.change[site] - change * level[:, None, None]
        rest /= np.maximum(self.level[site] - level, 1e-6)[:, None, None]
        rest[self.alone[rows]] = 0
        return np.asarray(rest)
