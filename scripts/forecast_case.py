"""What every forecaster of the benchmark gets and gives back, and the tables the libraries want.

Knows Panel, NumPy and pandas; no library of forecasts, and nothing of the held-out window.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from logistics.forecast.panel import Panel

Array = NDArray[np.float32]
Rows = NDArray[np.int64]
LEVELS: Array = np.linspace(0.1, 0.9, 9).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to do: forecast all of `panel`, having learnt from its series `learn` alone.

    season: periods after which a pattern comes back (7 of days, 52 of weeks).
    """

    panel: Panel
    season: int
    learn: Rows
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """A forecast and what it took; all in units.

    mean (n, h); quantiles (n, h, 9) at LEVELS; total_mean (n,), total_quantiles (n, 9): of the
    whole horizon. train_s: once for all series; who fits series by series trains nothing.
    """

    mean: Array
    quantiles: Array
    total_mean: Array
    total_quantiles: Array
    train_s: float
    predict_s: float


Forecaster = Callable[[Case], Outcome]


def outcome(mean: Array, quantiles: Array, train_s: float, predict_s: float) -> Outcome:
    """What the user of a library without totals of its own makes of its forecasts of periods.

    Demand is never below zero and a higher level never below a lower one; a total's quantile is the
    sum of the periods' quantiles. Raises ValueError when a number is missing.
    """
    if missing := int(np.isnan(mean).sum() + np.isnan(quantiles).sum()):
        raise ValueError(f"{missing} forecasts are not numbers")
    mean = np.maximum(mean, 0).astype(np.float32)
    quantiles = np.sort(np.maximum(quantiles, 0), axis=2).astype(np.float32)
    return Outcome(mean, quantiles, mean.sum(1), quantiles.sum(1), train_s, predict_s)


@dataclass(frozen=True, slots=True)
class Exogenous:
    """What is known besides the units, gaps filled.

    future (n, t + h, f): known ahead, with the calendar. past (n, t, p): only as it happens.
    static (n, c): numbers and codes of the series.
    """

    future: Array
    future_names: tuple[str, ...]
    past: Array
    past_names: tuple[str, ...]
    static: Array
    static_names: tuple[str, ...]


def exogenous(panel: Panel) -> Exogenous:
    """Every covariate, signal and attribute of a panel by when it is known."""
    t, h = panel.num_periods, panel.horizon
    ahead = panel.known_ahead.any(0)
    early = np.array(panel.lead, int) >= h
    signals = panel.signals[panel.site]
    named = np.array(panel.covariate_names, object), np.array(panel.signal_names, object)
    calendar, calendar_names = _calendar(panel)
    future = np.concatenate([panel.covariates[..., ahead], signals[..., early], calendar], 2)
    past = [panel.covariates[:, :t, ~ahead], signals[:, :t, ~early]]
    static = np.concatenate([panel.codes.astype(np.float32), panel.attributes], 1)
    return Exogenous(
        fill(future),
        (*named[0][ahead], *named[1][early], *calendar_names),
        fill(np.concatenate(past, 2)),
        (*named[0][~ahead], *named[1][~early]),
        np.nan_to_num(static),
        (*panel.code_names, *panel.attribute_names),
    )


def _calendar(panel: Panel) -> tuple[Array, tuple[str, ...]]:
    """(n, t + h, 7) or (n, t + h, 2): the weekday of days; of weeks, where in the year they lie."""
    n, length = len(panel), panel.num_periods + panel.horizon
    dates = dates_of(panel)
    if panel.period_days == 1:
        found = np.eye(7, dtype=np.float32)[dates.weekday]
        names = tuple(f"weekday_{day}" for day in range(7))
    else:
        angle = 2 * np.pi * dates.dayofyear.to_numpy() / 365.25
        found = np.stack([np.sin(angle), np.cos(angle)], 1).astype(np.float32)
        names = ("year_sin", "year_cos")
    return np.broadcast_to(found, (n, length, len(names))), names


def dates_of(panel: Panel) -> pd.DatetimeIndex:
    """The first day of each of the t + h periods."""
    past, length = panel.num_periods, panel.num_periods + panel.horizon
    days = (np.arange(length) - past) * panel.period_days
    return pd.DatetimeIndex(np.datetime64(panel.run_date, "D") + days)


def fill(values: Array) -> Array:
    """(n, t, …) without NaN: the last value known before, else the first one after, else 0."""
    known = ~np.isnan(values)
    steps = np.arange(values.shape[1]).reshape(1, -1, *[1] * (values.ndim - 2))
    last = np.maximum.accumulate(np.where(known, steps, -1), axis=1)
    at = np.where(last < 0, np.argmax(known, axis=1, keepdims=True), last)
    return np.nan_to_num(np.take_along_axis(values, at, axis=1))


def past_frame(panel: Panel, lead_in: int = 0) -> pd.DataFrame:
    """unique_id (the row), ds (the period) and y of each series from its first known value on.

    A gap takes the value before it. lead_in: periods that a series has at least; one that is
    younger was not sold before, and starts with zeros.
    """
    t = panel.num_periods
    known = ~np.isnan(panel.units)
    first = np.where(known.any(1), known.argmax(1), t - 1)
    units = np.where(np.arange(t) < first[:, None], 0, fill(panel.units))
    used = np.arange(t) >= np.minimum(first, t - lead_in)[:, None]
    row, period = np.nonzero(used)
    return pd.DataFrame({"unique_id": row, "ds": period, "y": units[used].astype(np.float32)})


def join(frame: pd.DataFrame, values: Array, names: tuple[str, ...]) -> pd.DataFrame:
    """A frame of unique_id and ds with the columns of values (n, periods, k) beside."""
    found = values[frame["unique_id"].to_numpy(), frame["ds"].to_numpy()]
    return pd.concat([frame, pd.DataFrame(found, columns=list(names), index=frame.index)], axis=1)


def future_frame(panel: Panel, known: Exogenous) -> pd.DataFrame:
    """unique_id, ds and what is known ahead of the h periods to come."""
    n, t, h = len(panel), panel.num_periods, panel.horizon
    keys = {"unique_id": np.repeat(np.arange(n), h), "ds": np.tile(np.arange(t, t + h), n)}
    return join(pd.DataFrame(keys), known.future, known.future_names)


def learners(case: Case) -> Panel:
    return case.panel.take(case.learn)
