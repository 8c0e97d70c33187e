"""What sensors come down to day by day, and how long ago events were. Knows NumPy; no tables.

Axes: d days (index 0 is the first day), a assets, s sensors, g days asked for. A feature of day t
uses the days before t only. Time is counted in days, so hourly and daily telemetry give the same
features. Sensors are remembered by a state that takes one day at a time: a night needs the state
of the night before and the new days, never the whole history.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Small = NDArray[np.float32]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

HALF_LIVES_DAYS = (2.0, 6.0, 15.0, 40.0)  # of the exponential averages
SHORT, TREND, LONG = 1, 2, 3  # the averages that news, trend and long memory go by
SENSOR_FEATURES = (
    "average_2",
    "average_6",
    "average_15",
    "average_40",
    "from_baseline",  # average_15 minus the asset's own first days
    "trend",  # weighted least squares over average_15's days, times its half-life
    "deviation",  # of daily means about average_40
    "unrest",  # average_6 of the deviation within a day
    "peak",  # average_6 of the highest reading above the mean
    "share",  # average_6 of days with a reading
    "age",  # log days since the newest reading
    "turned",  # days since average_6 crossed average_40; below 0: since it fell below. To explain
)
MIN_SPREAD_DAYS2 = 25.0  # of the days behind a trend: about 17 days in a row
BASELINE_DAYS = 10
LONG_AGO_DAYS = 365
MOST = 1e30  # readings may be mad, but must stay numbers

_KEEP = 0.5 ** (1 / np.array(HALF_LIVES_DAYS))[:, None, None]


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """All sensors by day (d, a, s); NaN where one was not heard."""

    mean: Small
    deviation: Small  # of the readings within the day
    high: Small


def sensor_features(
    state: "SensorState", days: Days, at: Whole, window: int
) -> tuple[Small, Small]:
    """(a, g, s, len(SENSOR_FEATURES)), NaN where a sensor was not heard within the window; and days
    (a, g) since any was heard, at most LONG_AGO_DAYS.

    The state goes on through the days up to the last of at (g,), which must rise.
    """
    _, assets, sensors = days.mean.shape
    found = np.empty((assets, len(at), sensors, len(SENSOR_FEATURES)), np.float32)
    silent = np.empty((assets, len(at)), np.float32)
    for g, (first, wanted) in enumerate(pairwise([0, *at.tolist()])):
        for day in range(first, wanted):
            state.take(days.mean[day], days.deviation[day], days.high[day])
        found[:, g] = state.features(window)
        silent[:, g] = state.silence()
    return found, silent


_REMEMBERED = (
    "origin",
    "days",
    "total",
    "ages",
    "squared_ages",
    "moments",
    "squares",
    "unrest",
    "peak",
    "calls",
    "first_days",
    "first_total",
    "silent",
    "above",
    "turned",
)


class SensorState:
    """What is remembered of every sensor of every asset, (a, s) each; grows no larger with time.

    Sums are of values less the asset's first one, so that they keep their digits.
    """

    def __init__(self, assets: int, sensors: int) -> None:
        shape, each = (assets, sensors), (len(HALF_LIVES_DAYS), assets, sensors)
        self.origin = np.full(shape, np.nan)
        self.days = np.zeros(each)  # heard, fading by half-life
        self.total = np.zeros(each)
        # Of average_15: sums of age, age² and age · value, and of average_40: of squares.
        self.ages, self.squared_ages, self.moments, self.squares = np.zeros((4, *shape))
        self.unrest, self.peak, self.calls = np.zeros((3, *shape))
        self.first_days, self.first_total = np.zeros((2, *shape))
        self.silent = np.full(shape, np.inf)
        self.above = np.zeros(shape, dtype=np.bool_)  # whether average_6 is above average_40,
        self.turned = np.zeros(shape)  # and for how many days

    def take(self, mean: Small, deviation: Small, high: Small) -> None:
        """Another day: readings (a, s), NaN where a sensor was not heard."""
        heard = np.isfinite(mean)
        self.origin = np.where(np.isfinite(self.origin) | ~heard, self.origin, mean)
        x = np.where(heard, mean - np.nan_to_num(self.origin), 0.0)
        self._age_trend()
        self.days = self.days * _KEEP + heard
        self.total = self.total * _KEEP + x
        self.squares = self.squares * _KEEP[LONG] + x * x
        keep = _KEEP[SHORT]
        self.unrest = self.unrest * keep + np.nan_to_num(deviation)
        self.peak = self.peak * keep + np.where(heard, np.nan_to_num(high - mean), 0.0)
        self.calls = self.calls * keep + 1.0
        early = heard & (self.first_days < BASELINE_DAYS)
        self.first_days += early
        self.first_total += np.where(early, x, 0.0)
        self.silent = np.where(heard, 0.0, self.silent + 1.0)
        averages = self._averages()
        above = averages[SHORT] > averages[LONG]
        self.turned = np.where(above == self.above, self.turned + 1.0, 0.0)
        self.above = above

    def silence(self) -> Reals:
        """Days (a,) since any sensor was heard, at most LONG_AGO_DAYS."""
        least = self.silent.min(axis=1, initial=np.inf)
        return np.asarray(np.minimum(least + 1, LONG_AGO_DAYS))

    def packed(self) -> Small:
        """(a, s, numbers): all there is, as `unpacked` takes it back."""
        parts = (np.atleast_3d(getattr(self, name).T).T for name in _REMEMBERED)
        return np.concatenate([*parts]).astype(np.float32).transpose(1, 2, 0)

    @classmethod
    def unpacked(cls, numbers: Small) -> "SensorState":
        state, rows = cls(*numbers.shape[:2]), numbers.transpose(2, 0, 1).astype(np.float64)
        for name in _REMEMBERED:
            old = getattr(state, name)
            count = len(old) if old.ndim == 3 else 1
            part, rows = rows[:count], rows[count:]
            setattr(state, name, part.reshape(old.shape).astype(old.dtype))
        return state

    def _age_trend(self) -> None:
        """All that was heard becomes a day older, and fades."""
        keep, days, total = _KEEP[TREND], self.days[TREND], self.total[TREND]
        self.squared_ages = keep * (self.squared_ages + 2 * self.ages + days)
        self.ages = keep * (self.ages + days)
        self.moments = keep * (self.moments + total)

    def _averages(self) -> Reals:
        return np.asarray(self.total / np.maximum(self.days, 1e-9))

    def features(self, window: int) -> Small:
        """(a, s, len(SENSOR_FEATURES)) as the next day begins."""
        averages, origin = self._averages(), np.nan_to_num(self.origin)
        baseline = self.first_total / np.maximum(self.first_days, 1.0)
        squares = self.squares / np.maximum(self.days[LONG], 1e-9)
        recent = np.maximum(self.days[SHORT], 1e-9)
        columns = (
            *(averages + origin),
            averages[TREND] - baseline,
            self._slope() * HALF_LIVES_DAYS[TREND],
            np.sqrt(np.maximum(squares - averages[LONG] ** 2, 0.0)),
            self.unrest / recent,
            self.peak / recent,
            recent / np.maximum(self.calls, 1.0),
            np.log1p(self.silent),
            np.where(self.above, self.turned, -self.turned),
        )
        features: Small = np.clip(np.stack(columns, axis=-1), -MOST, MOST).astype(np.float32)
        features[self.silent >= window] = np.nan
        return features

    def _slope(self) -> Reals:
        """Per day; short histories, which say little of a trend, are drawn to 0."""
        days = self.days[TREND]
        spread = days * self.squared_ages - self.ages**2
        rise = self.ages * self.total[TREND] - days * self.moments
        return np.asarray(rise / (spread + MIN_SPREAD_DAYS2 * days**2 + 1e-9))


def days_since(of: Whole, day: Whole, at: Whole, count: int) -> Small:
    """(count, g) days since the last of the events (m,), each of its row on a day, before each day
    asked for; at most LONG_AGO_DAYS."""
    newest = np.full((count, len(at) + 1), -LONG_AGO_DAYS, dtype=np.int64)
    np.maximum.at(newest, (of, np.searchsorted(at, day, side="right")), day)
    newest = np.maximum.accumulate(newest, axis=1)[:, :-1]
    days: Small = np.minimum(at - newest, LONG_AGO_DAYS).astype(np.float32)
    return days


def number_in(of: Whole, day: Whole, at: Whole, count: int, days: int) -> Small:
    """(count, g) how many events there were on the `days` days before each day asked for."""
    before = (_number_before(of, day, edge, count) for edge in (at, at - days))
    return np.subtract(*before).astype(np.float32)


def _number_before(of: Whole, day: Whole, at: Whole, count: int) -> Whole:
    """(count, g) how many events there were before each day."""
    width = len(at) + 1
    place = of * width + np.searchsorted(at, day, side="right")
    binned = np.bincount(place, minlength=count * width).reshape(count, width)
    return binned.cumsum(axis=1)[:, :-1]


def days_until(happened: Flags, at: Whole) -> Whole:
    """(a, g) days until it happens next, 0 for the day itself; d (all of them) for never."""
    num_days = happened.shape[1]
    day = np.where(happened, np.arange(num_days), 2 * num_days)
    ahead = np.minimum.accumulate(day[:, ::-1], axis=1)[:, ::-1]
    return np.where(ahead[:, at] >= 2 * num_days, num_days, ahead[:, at] - at)
