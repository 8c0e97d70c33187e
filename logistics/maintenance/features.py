"""What daily sensor series and events come down to on a given day. Knows NumPy; no tables.

Axes: a assets, d days (index 0 is the first day), g days asked for. A feature of day t uses the
days before t only. Time is counted in days, so hourly and daily telemetry give the same features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Small = NDArray[np.float32]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

SENSOR_FEATURES = (
    "last",  # the newest daily mean
    "age",  # days since the newest reading
    "share",  # of the window's days with a reading
    "mean_3",
    "mean_7",
    "mean_window",
    "deviation_window",  # of daily means
    "slope_half",  # per day, over half the window
    "slope_window",
    "average_short",  # exponential, see HALF_LIVES_DAYS
    "average_long",
    "rise",  # short minus long average
    "from_baseline",  # short average minus the asset's own first days
    "since_baseline",  # long average minus the asset's own first days
    "unrest_7",  # mean deviation within a day
    "peak_7",  # highest reading above the mean
)
HALF_LIVES_DAYS = (3.0, 15.0)
BASELINE_DAYS = 10
LONG_AGO_DAYS = 365


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """One sensor by asset and day (a, d); NaN where it was not heard."""

    mean: Reals
    deviation: Reals
    high: Reals


def sensor_features(daily: Daily, at: Whole, window: int) -> Small:
    """(a, g, len(SENSOR_FEATURES)); NaN where the sensor was not heard within the window."""
    heard = np.isfinite(daily.mean)
    # Values are taken from the asset's first one, so that sums of squares keep their digits.
    first = np.take_along_axis(daily.mean, heard.argmax(axis=1)[:, None], axis=1)
    first = np.where(np.isfinite(first), first, 0.0)
    x = np.where(heard, daily.mean - first, 0.0)
    sums = _Sums(x, heard)
    short, long = (average[:, at] for average in _averages(x, heard, HALF_LIVES_DAYS))
    newest = _newest(heard)[:, at]
    last = np.take_along_axis(x, np.maximum(newest, 0), axis=1)
    age = at - 1 - newest
    baseline = _baseline(x, heard)[:, at]
    unrest = _Sums(np.nan_to_num(daily.deviation), np.isfinite(daily.deviation)).mean(at, 7)
    peak = _Sums(np.nan_to_num(daily.high - daily.mean), heard).mean(at, 7)
    columns = (
        last + first,
        np.log1p(age),
        sums.count(at, window) / window,
        sums.mean(at, 3) + first,
        sums.mean(at, 7) + first,
        sums.mean(at, window) + first,
        sums.deviation(at, window),
        sums.slope(at, max(window // 2, 3)),
        sums.slope(at, window),
        short + first,
        long + first,
        short - long,
        short - baseline,
        long - baseline,
        unrest,
        peak,
    )
    features = np.stack(columns, axis=-1)
    features[(newest < 0) | (age >= window)] = np.nan
    return features.astype(np.float32)


class _Sums:
    """Running sums of one sensor, from which any trailing window's moments are differences."""

    def __init__(self, x: Reals, heard: Flags) -> None:
        day = np.arange(x.shape[1], dtype=np.float64)
        weight = heard.astype(np.float64)
        moments = (weight, x, x * x, day * weight, day * day * weight, day * x)
        self._running = [np.cumsum(np.pad(m, ((0, 0), (1, 0))), axis=1) for m in moments]

    def _over(self, at: Whole, days: int) -> list[Reals]:
        return [running[:, at] - running[:, np.maximum(at - days, 0)] for running in self._running]

    def count(self, at: Whole, days: int) -> Reals:
        return self._over(at, days)[0]

    def mean(self, at: Whole, days: int) -> Reals:
        n, sx, *_ = self._over(at, days)
        return np.where(n > 0, sx / np.maximum(n, 1), np.nan)

    def deviation(self, at: Whole, days: int) -> Reals:
        n, sx, sxx, *_ = self._over(at, days)
        n1 = np.maximum(n, 1)
        return np.sqrt(np.maximum(sxx / n1 - (sx / n1) ** 2, 0.0))

    def slope(self, at: Whole, days: int) -> Reals:
        """Least squares per day; 0 from fewer than three days, which say nothing of a trend."""
        n, sx, _, st, stt, stx = self._over(at, days)
        spread = n * stt - st * st
        return np.where(n >= 3, (n * stx - st * sx) / np.where(n >= 3, spread, 1.0), 0.0)


def _averages(x: Reals, heard: Flags, half_lives: tuple[float, ...]) -> list[Reals]:
    """Exponential averages before each day, (a, d + 1) per half-life; a missing day only ages."""
    assets, days = x.shape
    averages = []
    for half_life in half_lives:
        keep = 0.5 ** (1 / half_life)
        total, weight = np.zeros(assets), np.zeros(assets)
        average = np.zeros((assets, days + 1))
        for day in range(days):
            total = total * keep + x[:, day]
            weight = weight * keep + heard[:, day]
            average[:, day + 1] = total / np.maximum(weight, 1e-9)
        averages.append(average)
    return averages


def _baseline(x: Reals, heard: Flags) -> Reals:
    """Mean of the first BASELINE_DAYS heard, as far as known before each day, (a, d + 1)."""
    seen = np.cumsum(heard, axis=1)
    early = heard & (seen <= BASELINE_DAYS)
    total = np.cumsum(np.where(early, x, 0.0), axis=1)
    mean = total / np.maximum(np.cumsum(early, axis=1), 1)
    return np.pad(mean, ((0, 0), (1, 0)))


def _newest(happened: Flags) -> Whole:
    """The last day before each day on which it happened, (a, d + 1); −1 for never."""
    day = np.where(happened, np.arange(happened.shape[1]), -1)
    return np.pad(np.maximum.accumulate(day, axis=1), ((0, 0), (1, 0)), constant_values=-1)


def days_since(happened: Flags, at: Whole) -> Small:
    """(a, g) days since it last happened before each day asked for, at most LONG_AGO_DAYS."""
    newest = _newest(happened)[:, at]
    days = np.where(newest < 0, LONG_AGO_DAYS, np.minimum(at - newest, LONG_AGO_DAYS))
    return days.astype(np.float32)


def number_in(count: Whole, at: Whole, days: int) -> Small:
    """(a, g) how many there were on the `days` days before each day asked for."""
    running = np.cumsum(np.pad(count, ((0, 0), (1, 0))), axis=1)
    return (running[:, at] - running[:, np.maximum(at - days, 0)]).astype(np.float32)


def days_until(happened: Flags, at: Whole) -> Whole:
    """(a, g) days until it happens next, 0 for the day itself; d (all of them) for never."""
    num_days = happened.shape[1]
    day = np.where(happened, np.arange(num_days), 2 * num_days)
    ahead = np.minimum.accumulate(day[:, ::-1], axis=1)[:, ::-1]
    return np.where(ahead[:, at] >= 2 * num_days, num_days, ahead[:, at] - at)
