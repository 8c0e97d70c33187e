"""What the model sees of a series at an origin: its past in a few numbers, and each day to come.

Arrays in, arrays out. An origin is a column of the panel: days before it are past, it and later
ones are to be forecast; nothing of `units` at or after the origin is read.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.panel import FOREVER, Array, Panel

SPANS = (7, 14, 28, 56, 91, 182, 364)
# A day in stock for less than this share tells too little of its demand to be judged by it.
MIN_IN_STOCK = 0.8
YEAR_DAYS = 364  # 52 weeks: the same weekday a year ago
FORECAST_FADES_DAYS = 6.0
DISCOUNT, PRICE = 0, 1  # where they stand among the covariates
MIN_SCALE = 0.02  # units a day, about two a quarter: the level of a series that hardly sells
WEEKLY = 13  # where in `future` the weekday profile stands, after the calendar's columns


@dataclass(frozen=True, slots=True)
class Scope:
    """What the training data could show. Beyond it features hold still: nothing is extrapolated.

    signal_names: the order of their columns. reach_days: the furthest day ahead that was seen.
    yearly: more than a year was seen, so that the day of the year and a year ago can mean anything.
    """

    signal_names: tuple[str, ...]
    reach_days: int
    yearly: bool


@dataclass(frozen=True, slots=True)
class Features:
    """scale (n,) in units a day; past (n, f); future (n, h, g); category and department (n,)."""

    scale: Array
    past: Array
    future: Array
    category: NDArray[np.int64]
    department: NDArray[np.int64]


def features(panel: Panel, origin: int, scope: Scope) -> Features:
    """Features of every series at one origin."""
    demand, weight = _demand(panel, origin)
    means = np.stack([_mean(demand, weight, origin - span, origin) for span in SPANS], axis=1)
    scale = _scale(means)
    weekly = _weekday_profile(demand, weight, panel, origin)
    return Features(
        scale,
        _past(panel, demand, weight, means, scale, origin, scope),
        _future(panel, demand, weight, weekly, origin, scope),
        panel.codes[:, 0],
        panel.codes[:, 1],
    )


def demand_ahead(panel: Panel, origin: int) -> Array:
    """Demand of the days from the origin (n, h); NaN where it was not seen or was censored."""
    n, h = len(panel), panel.horizon
    units = panel.units[:, origin : origin + h]
    in_stock = panel.in_stock[:, origin : origin + h]
    out = np.full((n, h), np.nan, np.float32)
    out[:, : units.shape[1]] = np.where(
        in_stock >= MIN_IN_STOCK, units / np.maximum(in_stock, MIN_IN_STOCK), np.nan
    )
    return out


def _demand(panel: Panel, origin: int) -> tuple[Array, Array]:
    """Units before the origin (0 where unknown), and how much each day tells of demand (n, origin).

    A day in stock for half its hours showed about half of its demand: sums of units are divided by
    sums of the hours in stock, so a stock-out neither lowers the level nor counts as a quiet day.
    """
    units = panel.units[:, :origin]
    known = ~np.isnan(units)
    return np.nan_to_num(units), np.where(known, panel.in_stock[:, :origin], 0.0).astype(np.float32)


def _mean(demand: Array, weight: Array, start: int, stop: int) -> Array:
    """Weighted mean over [start, stop), NaN where nothing is known (n,)."""
    span = slice(max(start, 0), max(stop, 0))
    total, hours = demand[:, span].sum(axis=1), weight[:, span].sum(axis=1)
    return np.where(hours > 0, total / np.maximum(hours, 1e-6), np.nan).astype(np.float32)


def _scale(means: Array) -> Array:
    """The level of a series: its last four weeks and its last quarter together, never 0.

    Out of stock all that time, it is the last level that was seen.
    """
    month, quarter, half, year = means[:, [2, 4, 5, 6]].T
    level = np.where(np.isnan(month), quarter, (month + quarter) / 2)
    for longer in (half, year):
        level = np.where(np.isnan(level), longer, level)
    return np.asarray(np.maximum(np.nan_to_num(level), MIN_SCALE), np.float32)


def _past(
    panel: Panel,
    demand: Array,
    weight: Array,
    means: Array,
    scale: Array,
    origin: int,
    scope: Scope,
) -> Array:
    discount = panel.covariates[..., DISCOUNT]
    recent = slice(max(origin - 28, 0), origin)
    quarter = slice(max(origin - 91, 0), origin)
    ratio = demand[:, quarter] / scale[:, None]
    known = weight[:, quarter] >= MIN_IN_STOCK
    num_known = np.maximum(known.sum(axis=1), 1)
    centre = (ratio * known).sum(axis=1) / num_known
    variance = ((ratio - centre[:, None]) ** 2 * known).sum(axis=1) / num_known
    last_year = _mean(demand, weight, origin - YEAR_DAYS - 28, origin - YEAR_DAYS)
    if not scope.yearly:
        last_year = np.full_like(last_year, np.nan)
    shift = panel.num_periods - origin  # days between this origin and the run date
    columns = [
        *(_ratio(means[:, i], scale) for i in range(len(SPANS))),
        _ratio(last_year, scale),
        *(np.isnan(column).astype(np.float32) for column in (means[:, 6], last_year)),
        np.log(scale),
        np.log1p(np.sqrt(variance)),
        _quiet_share(demand[:, recent], weight[:, recent]),
        _quiet_share(demand[:, quarter], weight[:, quarter]),
        np.log1p(ratio.max(axis=1, initial=0)),
        weight[:, recent].mean(axis=1),
        discount[:, recent].mean(axis=1),
        discount[:, max(origin - 14, 0) : origin].mean(axis=1),
        np.log1p(np.maximum(panel.age - shift, 0)) / 6,
        _left(panel, origin, 0),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _quiet_share(demand: Array, weight: Array) -> Array:
    """Share of days without a sale among those that could have had one (n,)."""
    known = weight >= MIN_IN_STOCK
    return np.asarray(((demand == 0) & known).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def _future(
    panel: Panel, demand: Array, weight: Array, weekly: Array, origin: int, scope: Scope
) -> Array:
    n, h = len(panel), panel.horizon
    days = np.arange(origin, origin + h)
    weekday = _weekday(panel, days)
    ahead = np.minimum(days - origin, scope.reach_days - 1)
    angle = _year_angle(panel, days)
    calendar = np.stack(
        [
            ahead / 90.0,
            np.log1p(ahead) / 4.5,
            *(scope.yearly * f(k * angle) for k in (1, 2) for f in (np.sin, np.cos)),
            *(weekday == d for d in range(7)),
        ],
        axis=1,
    )
    own = [
        weekly[:, weekday],
        *(scope.yearly * known for known in _year_ago(demand, weight, origin, h)),
        *_commerce(panel, origin, days),
        np.stack([_left(panel, origin, k) for k in range(h)], axis=1),
    ]
    blocks = [
        np.broadcast_to(calendar[None], (n, h, calendar.shape[1])),
        np.stack(own, axis=2),
        _signals(panel, origin, days, scope.signal_names),
    ]
    return np.concatenate(blocks, axis=2).astype(np.float32)


def _ratio(value: Array, scale: Array) -> Array:
    """log(1 + value / scale), at the neutral log 2 where the value is unknown."""
    return np.log1p(np.clip(np.where(np.isnan(value), scale, value) / scale, 0, 20))


def _weekday_profile(demand: Array, weight: Array, panel: Panel, origin: int) -> Array:
    """Each weekday's level over the last 26 weeks against all days, shrunk to 1 (n, 7), as log."""
    start = max(origin - 182, 0)
    weekday = _weekday(panel, np.arange(start, origin))
    total = demand[:, start:].sum(axis=1) / np.maximum(weight[:, start:].sum(axis=1), 1e-6)
    profile = np.empty((len(panel), 7), np.float32)
    for d in range(7):
        on = np.flatnonzero(weekday == d) + start
        # As if two weeks of ordinary days had been seen too.
        prior = 2.0
        sums, hours = demand[:, on].sum(axis=1), weight[:, on].sum(axis=1)
        profile[:, d] = (sums + prior * total) / (hours + prior) / np.maximum(total, 1e-6)
    return np.log(np.clip(profile, 0.05, 20))


def _year_ago(demand: Array, weight: Array, origin: int, h: int) -> tuple[Array, Array, Array]:
    """A year before each day to come: its week and month against the level then; if known."""
    n = demand.shape[0]
    base = origin - YEAR_DAYS
    then = _mean(demand, weight, base - 28, base)
    sums = np.pad(np.cumsum(demand, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
    hours = np.pad(np.cumsum(weight, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
    level = np.maximum(np.nan_to_num(then), 0.02)[:, None]
    out = []
    for half in (3, 14):
        a = np.clip(np.arange(base, base + h) - half, 0, origin)
        b = np.clip(np.arange(base, base + h) + half + 1, 0, origin)
        known = hours[:, b] - hours[:, a]
        # Shrunk to the level of then by a week of ordinary days.
        mean = (sums[:, b] - sums[:, a] + 7 * level) / (known + 7)
        out.append(np.log(np.clip(mean / level, 0.1, 10)).astype(np.float32))
    there = ~np.isnan(then) if base >= 28 else np.zeros(n, bool)
    flag = np.broadcast_to(there[:, None], (n, h)).astype(np.float32)
    return out[0] * flag, out[1] * flag, flag


def _commerce(panel: Panel, origin: int, days: NDArray[np.int64]) -> list[Array]:
    """The day's discount, also against its recent mean; of the days before; the price's change."""
    recent = slice(max(origin - 28, 0), origin)
    discount, log_price = (panel.covariates[..., k] for k in (DISCOUNT, PRICE))
    usual = discount[:, recent].mean(axis=1, keepdims=True)
    price = log_price[:, recent].mean(axis=1, keepdims=True)
    sums = np.pad(np.cumsum(discount, axis=1), ((0, 0), (1, 0)))
    before = [(sums[:, days] - sums[:, np.maximum(days - k, 0)]) / k for k in (5, 12)]
    today = discount[:, days]
    last = log_price[:, [origin - 1]]
    ahead = np.where(panel.known_ahead[:, [PRICE]], log_price[:, days], last)
    return [
        today,
        today - usual,
        *(b * (today == 0) for b in before),
        np.clip(ahead - price, -1, 1),
    ]


def _signals(
    panel: Panel, origin: int, days: NDArray[np.int64], signal_names: tuple[str, ...]
) -> Array:
    """Each signal on the day and around it, as (value - recent) / spread, and if it is known."""
    n, h = len(panel), days.size
    out = np.zeros((n, h, 5 * len(signal_names)), np.float32)
    if n == 0:
        return out
    position = {name: i for i, name in enumerate(panel.signal_names)}
    last = panel.signals.shape[1] - 1
    for i, name in enumerate(signal_names):
        if name not in position:
            continue
        # A unit is one DC: its series share signals. Of an earlier day no more is taken as known
        # ahead than is tonight, so that training and the back-test see what the night will.
        series = panel.signals[0, :, position[name]].copy()
        series[origin + panel.lead[position[name]] :] = np.nan
        past = series[max(origin - 364, 0) : origin]
        if np.isnan(past).all():
            continue
        recent = series[max(origin - 28, 0) : origin]
        centre = np.nanmean(recent) if not np.isnan(recent).all() else np.nanmean(past)
        spread = max(float(np.nanstd(past)), 1e-3)
        # Holidays are certain. Weather is forecast, and forecasts fade; training sees the weather
        # that came, so both are faded alike: a forecast is not to be trusted like a measurement.
        certain = np.isin(past[~np.isnan(past)], (0, 1)).all()
        trust = 1.0 if certain else np.exp(-(days - origin) / FORECAST_FADES_DAYS)
        for j, offset in enumerate((0, -1, 1, 2)):
            value = trust * (series[np.clip(days + offset, 0, last)] - centre) / spread
            out[:, :, 5 * i + j] = np.clip(np.nan_to_num(value), -6, 6)
        out[:, :, 5 * i + 4] = ~np.isnan(series[days])
    return out


def _left(panel: Panel, origin: int, step: int) -> Array:
    """Share of a month left until the end of life on a day to come, 1 when it is far off (n,)."""
    left = panel.left + (panel.num_periods - origin) - step
    share = np.where(panel.left >= FOREVER, 1.0, np.clip(left / 30, 0, 1))
    return share.astype(np.float32)


def _weekday(panel: Panel, days: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray((panel.run_date.weekday() + days - panel.num_periods) % 7)


def _year_angle(panel: Panel, days: NDArray[np.int64]) -> NDArray[np.float64]:
    dates = [panel.run_date + timedelta(days=int(day) - panel.num_periods) for day in days]
    return np.array([2 * np.pi * day.timetuple().tm_yday / 365.25 for day in dates])
