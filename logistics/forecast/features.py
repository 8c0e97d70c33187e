"""What the model sees of series at an origin: their past in a few numbers, each period to come.

Arrays in, arrays out. An origin is a column of the panel: periods before it are past, it and
later ones are to be forecast. Nothing at or after it is read but covariates known ahead and signals
within their lead. What a site's series share (calendar, signals) is made once for the site.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from logistics.forecast import groups, seasons, sites
from logistics.forecast.groups import Group
from logistics.forecast.panel import FOREVER, Array, Panel, few_at_a_time
from logistics.forecast.response import RECENT, Response, response
from logistics.forecast.scope import Scope

# A period in stock for less than this share tells too little of its demand to be judged by it.
MIN_IN_STOCK = 0.8
SPANS = {1: (1, 3, 7, 14, 28, 56, 91, 182, 364), 7: (1, 2, 3, 4, 8, 13, 26, 52, 104)}
KIN_SPANS = {1: (1, 7, 14, 28, 56), 7: (1, 2, 4, 8, 26)}
WINDOW = {1: 28, 7: 13}  # latest periods that are seen one by one
LONG = {1: 182, 7: 104}
# An older series is not young. Age beyond this would be a clock: where all series began together,
# it lets the network learn each week's level and carry the last one on (20 % too high on juice).
YOUNG_DAYS = 56.0
MIN_SCALE = 0.02  # units a period: the level of a series that hardly sells
WEEKLY, EXPECTED = 0, 7  # where in `step` the own weekday profile and the regression's answer stand
STEP_FIXED = 8


@dataclass(frozen=True, slots=True)
class Features:
    """scale (n,) in units a period; past (n, f); step (n, h, g); codes (n, c); left (n, h): share
    of a month until the end of life; shared (sites, h, s), of which series i has row site[i]."""

    scale: Array
    past: Array
    step: Array
    codes: NDArray[np.int64]
    shared: Array
    site: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class History:
    """The last periods before an origin: units (n, w), 0 where unknown, and how much each tells."""

    units: Array
    weight: Array
    scale: Array
    means: Array  # (n, spans)


def features(panel: Panel, origin: int, scope: Scope) -> Features:
    """Features of every series at one origin."""
    history = _history(panel, origin)
    kin = groups.groups_of(panel)
    x = _covariates(panel, origin, scope)
    answer = _response(panel, history, x, kin)
    past = [
        *_levels(panel, history, origin),
        *_recent_covariates(panel, origin, scope),
        _window(history, answer, panel.period_days),
        *_kin_trends(panel, history, kin),
        answer.own,
        answer.level[:, None],
        scope.standard_attributes(panel),
    ]
    return Features(
        history.scale,
        np.nan_to_num(np.concatenate(past, axis=1)).astype(np.float32),
        _steps(panel, history, kin, x, answer, origin, scope),
        panel.codes,
        sites.shared(panel, origin, scope),
        panel.site,
    )


def demand_ahead(panel: Panel, origin: int) -> Array:
    """Demand of the periods from the origin (n, h); NaN where it was not seen or was censored."""
    n, h = len(panel), panel.horizon
    units = panel.units[:, origin : origin + h]
    in_stock = panel.in_stock[:, origin : origin + h]
    out = np.full((n, h), np.nan, np.float32)
    out[:, : units.shape[1]] = np.where(
        in_stock >= MIN_IN_STOCK, units / np.maximum(in_stock, MIN_IN_STOCK), np.nan
    )
    return out


def _history(panel: Panel, origin: int) -> History:
    """A period in stock for half its hours showed about half of its demand: sums of units are
    divided by sums of hours in stock, so a stock-out neither lowers the level nor counts as quiet.
    """
    spans = SPANS[panel.period_days]
    first = max(origin - spans[-1], 0)
    units = panel.units[:, first:origin]
    unknown = np.isnan(units)
    weight = np.where(unknown, np.float32(0), panel.in_stock[:, first:origin])
    units = np.where(unknown, np.float32(0), units)
    means = np.empty((len(panel), len(spans)), np.float32)
    sums = hours = np.zeros(len(panel), np.float32)
    stop = units.shape[1]
    for i, span in enumerate(spans):
        start = max(units.shape[1] - span, 0)
        sums = sums + units[:, start:stop].sum(axis=1)
        hours = hours + weight[:, start:stop].sum(axis=1)
        means[:, i] = np.where(hours > 0.5, sums / np.maximum(hours, 1e-6), np.nan)
        stop = start
    return History(units, weight, _scale(means), means)


def _scale(means: Array) -> Array:
    """The level of a series: its last months together, never 0; out of stock, the last one seen."""
    month, quarter = means[:, 4], means[:, 6]
    level = np.where(np.isnan(month), quarter, (month + quarter) / 2)
    for longer in means[:, 7:].T:
        level = np.where(np.isnan(level), longer, level)
    return np.asarray(np.maximum(np.nan_to_num(level), MIN_SCALE), np.float32)


def _levels(panel: Panel, history: History, origin: int) -> list[Array]:
    scale = history.scale[:, None]
    ratio = np.log1p(
        np.clip(np.where(np.isnan(history.means), scale, history.means) / scale, 0, 20)
    )
    recent = slice(-RECENT[panel.period_days], None)
    quarter = slice(-SPANS[panel.period_days][6], None)
    seen = history.weight >= MIN_IN_STOCK
    units = history.units[:, quarter]
    known = seen[:, quarter]
    num = np.maximum(known.sum(axis=1), 1)
    relative = units / scale * known
    mean = relative.sum(axis=1) / num
    square = np.einsum("nt,nt->n", relative, relative) / num
    sold = history.units[:, quarter] > 0
    since = np.where(sold.any(axis=1), sold[:, ::-1].argmax(axis=1), sold.shape[1])
    quiet = [1 - (history.units[:, s] > 0).sum(axis=1) / np.maximum(seen[:, s].sum(axis=1), 1)
             for s in (recent, quarter)]  # fmt: skip
    age = np.maximum(panel.age - (panel.num_periods - origin), 0)
    columns = [
        np.log(history.scale),
        np.log1p(np.sqrt(np.maximum(square - mean**2, 0))),
        *quiet,
        np.log1p(since),
        np.log1p(relative.max(axis=1, initial=0)),
        history.weight[:, recent].mean(axis=1),
        np.log1p(np.minimum(age * panel.period_days, YOUNG_DAYS)) / np.log1p(YOUNG_DAYS),
    ]
    return [ratio, np.stack(columns, axis=1).astype(np.float32)]


def _covariates(panel: Panel, origin: int, scope: Scope) -> Array:
    """Covariates known ahead, in spreads from their past mean, the last LONG periods and those to
    come (n, LONG + h, k); 0 where unknown.

    Where a series' covariate is not known ahead it stays as it last was on average: no effect.
    """
    past = min(LONG[panel.period_days], origin)
    picked = [panel.covariate_names.index(name) for name in scope.ahead_names]
    x = panel.covariates[:, origin - past : origin + panel.horizon, picked] / scope.ahead_spread
    ahead = panel.known_ahead[:, picked]
    if not ahead.all():
        x[:, past:] = np.where(ahead[:, None], x[:, past:], np.nan)
    unknown = np.isnan(x)
    if unknown.any():
        seen = ~unknown[:, :past]
        usual = np.where(seen, x[:, :past], 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        x = np.where(unknown, usual[:, None], x)
    x = np.asarray(x, np.float32)
    return np.asarray(x - x[:, :past].mean(axis=1, keepdims=True))


def _response(panel: Panel, history: History, x: Array, kin: list[Group]) -> Response:
    past = slice(history.units.shape[1] - (x.shape[1] - panel.horizon), None)
    return response(
        history.units[:, past],
        history.weight[:, past],
        history.scale,
        x,
        kin[1],
        kin[2],
        panel.period_days,
    )


def _window(history: History, answer: Response, period_days: int) -> Array:
    """The latest periods without what the covariates explain of them (n, w), 0 where unknown."""
    width = min(WINDOW[period_days], answer.past.shape[1])
    out = np.zeros((len(history.scale), WINDOW[period_days]), np.float32)
    if width:
        usual = history.units[:, -width:] / history.scale[:, None]
        plain = np.log1p(usual * np.exp(-answer.past[:, -width:]))
        out[:, -width:] = plain * (history.weight[:, -width:] > 0)
    return out


def _recent_covariates(panel: Panel, origin: int, scope: Scope) -> list[Array]:
    """Means over three spans of the covariates that are not known ahead (n, 3 k)."""
    behind = ~np.array(scope.ahead, bool)
    names = np.array(scope.covariate_names)[behind]
    picked = [panel.covariate_names.index(name) for name in names]
    if not picked:
        return []
    spans = (SPANS[panel.period_days][0], SPANS[panel.period_days][2], RECENT[panel.period_days])
    first = max(origin - RECENT[panel.period_days], 0)
    x = (panel.covariates[:, first:origin, picked] - scope.centre[behind]) / scope.spread[behind]
    seen = ~np.isnan(x)
    x = np.where(seen, x, 0)
    means = [
        x[:, -span:].sum(axis=1) / np.maximum(seen[:, -span:].sum(axis=1), 1) for span in spans
    ]
    return [np.clip(mean, -6, 6) for mean in means]


def _kin_trends(panel: Panel, history: History, kin: list[Group]) -> list[Array]:
    spans = KIN_SPANS[panel.period_days]
    units, weight = history.units[:, -spans[-1] :], history.weight[:, -spans[-1] :]
    return [
        groups.trends(group.sums(units), group.sums(weight), spans)[group.of] for group in kin[1:]
    ]


def _steps(
    panel: Panel,
    history: History,
    kin: list[Group],
    x: Array,
    answer: Response,
    origin: int,
    scope: Scope,
) -> Array:
    n, h, k = len(panel), panel.horizon, x.shape[2]
    out = np.zeros((n, h, STEP_FIXED + k), np.float32)
    profiles: tuple[Array, ...] = ()
    if panel.period_days == 1:
        profiles = seasons.weekday_profiles(history.units, history.weight, kin)
    for c in few_at_a_time(n):
        some, series = out[c], panel.take(np.arange(n)[c])
        for i, profile in enumerate(profiles):
            some[:, :, i] = np.take(profile[c], np.arange(h) % 7, axis=1)
        some[:, :, 3] = left(series, origin)
        some[:, :, EXPECTED] = answer.expected[c]
        np.clip(x[c, -h:], -8, 8, out=some[:, :, STEP_FIXED:])
    if scope.yearly:
        _, site, _, *codes = kin
        out[:, :, 4:7] = seasons.year_ago(panel, origin, codes[0] if codes else site)
    return out


def left(panel: Panel, origin: int) -> Array:
    """Share of a month left until the end of life in each period to come, 1 far from it (n, h)."""
    ahead = panel.left[:, None] + (panel.num_periods - origin) - np.arange(panel.horizon)
    share = np.clip(ahead * panel.period_days / 30, 0, 1)
    return np.where(panel.left[:, None] >= FOREVER, 1, share).astype(np.float32)
