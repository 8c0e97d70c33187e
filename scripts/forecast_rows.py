"""The table behind LightGBM direct: one row per series, origin and step ahead.

A row sees the past of its series before the origin, what is known ahead of the period it forecasts,
and the step between. Levels are told in units of the series' own recent level, so that one tree
speaks of slow and fast sellers alike.
"""

from dataclasses import dataclass

import numpy as np
from forecast_case import Array, Case, Rows, dates_of
from numpy.typing import NDArray

from logistics.forecast.panel import Panel

WINDOWS = (1, 3, 7, 14, 28, 56)  # periods
LAGS = 7
SEASONS_BACK = 4
RECENT = 28  # periods that the level is the mean of
MOST_CODES = 1000  # of SKUs or sites that are still told apart by name


@dataclass(frozen=True, slots=True)
class Source:
    """A panel with the sums that make a mean over any window two look-ups.

    sums, counts, squares, zeros (n, t + 1) of known units before a period. ahead (n, t + h, k) and
    ahead_sums (n, t + h + 1, k): what is known ahead; behind_sums (n, t + 1, p): what is not.
    static (n, c), categorical (c,), calendar (t + h, 2).
    """

    panel: Panel
    season: int
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    squares: NDArray[np.float64]
    zeros: NDArray[np.float64]
    ahead: Array
    ahead_sums: NDArray[np.float64]
    behind_sums: NDArray[np.float64]
    static: Array
    categorical: NDArray[np.bool_]
    calendar: Array


def source(case: Case) -> Source:
    panel = case.panel
    t, h = panel.num_periods, panel.horizon
    known = ~np.isnan(panel.units)
    units = np.nan_to_num(panel.units)
    ahead, early = panel.known_ahead.any(0), np.array(panel.lead, int) >= h
    signals = panel.signals[panel.site]
    future = np.concatenate([panel.covariates[..., ahead], signals[..., early]], 2)
    behind = np.concatenate([panel.covariates[:, :t, ~ahead], signals[:, :t, ~early]], 2)
    static, categorical = _static(panel)
    return Source(
        panel,
        case.season,
        _sums(units),
        _sums(known),
        _sums(units**2),
        _sums((units == 0) & known),
        future,
        _sums(np.nan_to_num(future)),
        _sums(np.nan_to_num(behind)),
        static,
        categorical,
        _calendar(panel, case.season),
    )


def _sums(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """(n, t, …) → (n, t + 1, …): the sum of what lies before each period."""
    sums = np.cumsum(values, axis=1, dtype=np.float64)
    return np.concatenate([np.zeros_like(sums[:, :1]), sums], axis=1)


def _static(panel: Panel) -> tuple[Array, NDArray[np.bool_]]:
    """Codes as categories, attributes as numbers; SKU and site by name where they are few."""
    codes = [panel.codes.astype(np.float32)]
    names = np.unique(panel.sku_ids, return_inverse=True)[1]
    for name, code in (("sku_id", names), ("dc_id", panel.site)):
        if name not in panel.code_names and 1 < code.max() + 1 <= min(MOST_CODES, len(panel) // 5):
            codes.append(code[:, None].astype(np.float32))
    found = np.concatenate([*codes, panel.attributes], 1)
    categorical = np.zeros(found.shape[1], bool)
    categorical[: found.shape[1] - panel.attributes.shape[1]] = True
    return found, categorical


def _calendar(panel: Panel, season: int) -> Array:
    """(t + h, 2): weekday (week of the year for weeks) and day of the month."""
    dates = dates_of(panel)
    first = dates.weekday if panel.period_days == 1 else dates.isocalendar().week
    return np.stack([np.asarray(first), np.asarray(dates.day)], 1).astype(np.float32)


def scale(data: Source, row: Rows, origin: Rows) -> NDArray[np.float64]:
    """(r,) units: the recent level, drawn a little to the whole past's; never zero."""
    recent = _mean(data.sums, data.counts, row, origin, RECENT)
    whole = _mean(data.sums, data.counts, row, origin, data.panel.num_periods)
    overall = data.sums[:, -1].sum() / max(data.counts[:, -1].sum(), 1)
    level: NDArray[np.float64] = np.nan_to_num(0.9 * recent + 0.1 * whole) + 0.02 * overall
    return level


def features(data: Source, row: Rows, origin: Rows, step: Rows) -> Array:
    """(r, f) of rows; step from 1. NaN where something is not known."""
    level = scale(data, row, origin)
    target = origin + step - 1
    columns = [step, np.log(level), origin - np.argmax(data.counts > 0, axis=1)[row] + 1]
    columns += [_mean(data.sums, data.counts, row, origin, w) / level for w in WINDOWS]
    mean = _mean(data.sums, data.counts, row, origin, RECENT)
    square = _mean(data.squares, data.counts, row, origin, RECENT)
    columns += [np.sqrt(np.maximum(square - mean**2, 0)) / level]
    columns += [_mean(data.zeros, data.counts, row, origin, w) for w in (7, RECENT)]
    columns += [_units(data, row, origin - lag) / level for lag in range(1, LAGS + 1)]
    columns += _seasonal(data, row, origin, step, level)
    columns += _known_ahead(data, row, origin, target)
    for name in range(data.behind_sums.shape[2]):
        sums = data.behind_sums[..., name]
        ones = np.broadcast_to(np.arange(sums.shape[1], dtype=np.float64), sums.shape)
        columns += [_mean(sums, ones, row, origin, w) for w in (1, 7, RECENT)]
    parts = [np.stack([c.astype(np.float32) for c in columns], 1), data.calendar[target]]
    return np.concatenate([*parts, data.static[row]], axis=1)


def categories(data: Source, width: int) -> list[int]:
    """The columns of features that are names: the static ones come last."""
    return [int(at) for at in width - len(data.categorical) + np.flatnonzero(data.categorical)]


def _mean(
    sums: NDArray[np.float64], counts: NDArray[np.float64], row: Rows, origin: Rows, window: int
) -> NDArray[np.float64]:
    before = np.maximum(origin - window, 0)
    count = counts[row, origin] - counts[row, before]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (sums[row, origin] - sums[row, before]) / count


def _units(data: Source, row: Rows, period: Rows) -> NDArray[np.float64]:
    found = data.panel.units[row, np.maximum(period, 0)].astype(np.float64)
    return np.where(period < 0, np.nan, found)


def _seasonal(
    data: Source, row: Rows, origin: Rows, step: Rows, level: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """The target's place in the season: the last time round, and the mean of up to four."""
    first = origin + step - 1 - -(-step // data.season) * data.season
    back = [_units(data, row, first - k * data.season) for k in range(SEASONS_BACK)]
    known = [~np.isnan(values) for values in back]
    total = np.sum([np.nan_to_num(values) for values in back], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return [back[0] / level, total / np.sum(known, axis=0) / level]


def _known_ahead(data: Source, row: Rows, origin: Rows, target: Rows) -> list[NDArray[np.generic]]:
    """Each covariate at the target, against its recent mean and its last value, and in the span."""
    columns: list[NDArray[np.generic]] = []
    for name in range(data.ahead.shape[2]):
        values, sums = data.ahead[..., name], data.ahead_sums[..., name]
        ones = np.broadcast_to(np.arange(sums.shape[1], dtype=np.float64), sums.shape)
        now = values[row, target]
        columns += [
            now,
            now - _mean(sums, ones, row, origin, RECENT),
            now - values[row, origin - 1],
        ]
        columns += [now - _mean(sums, ones, row, origin, 7)]
        # Buyers stock up: what was on offer just before the target, seen from it.
        columns += [now - _mean(sums, ones, row, target, 1), _mean(sums, ones, row, target, 3)]
    return columns
