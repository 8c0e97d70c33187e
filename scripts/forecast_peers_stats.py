"""Peers that fit each series alone, through statsforecast: nothing is shared between series.

Quantiles come from prediction intervals of 20, 40, 60 and 80 %, the median from the forecast
itself; models without intervals of their own get conformal ones from rolling windows of the past.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from forecast_case import LEVELS, Array, Case, Forecaster, Outcome, fill, outcome, past_frame
from statsforecast import StatsForecast
from statsforecast.models import (
    TSB,
    AutoETS,
    CrostonSBA,
    DynamicOptimizedTheta,
    SeasonalNaive,
    WindowAverage,
)
from statsforecast.utils import ConformalIntervals

from logistics.forecast.panel import Panel

INTERVALS = (80, 60, 40, 20)  # %
WARM_UP = 8  # series: numba compiles on the first call, once per machine
MOST_WINDOWS = 8
# TSB has no optimised form; these are the values that M5's and Nixtla's own examples use.
ALPHA_DEMAND, ALPHA_CHANCE = 0.2, 0.2

Make = Callable[[int, ConformalIntervals | None], Any]  # (season, intervals) → the library's model


def local(make: Make, conformal: bool, case: Case, least: int = 1) -> Outcome:
    """The forecasts of one model, made as a user of StatsForecast makes them, in one process.

    Conformal intervals take as many windows of the horizon as the history has beside the least
    that the model fits on. Where that is not even two, the last 28 days' own quantiles stand in.
    """
    panel, h = case.panel, case.panel.horizon
    windows = min((panel.num_periods - least) // h, MOST_WINDOWS)
    intervals = ConformalIntervals(n_windows=windows, h=h) if conformal and windows > 1 else None
    season = _season(case)
    # Fewer values than the windows or a season take are refused: younger series begin with zeros.
    lead_in = max(windows * h + least if intervals else least, season + 1)
    frame = past_frame(panel, lead_in)
    runner = StatsForecast(models=[make(season, intervals)], freq=1, n_jobs=1)
    levels = list(INTERVALS) if intervals or not conformal else None
    runner.forecast(df=frame[frame["unique_id"] < WARM_UP], h=h, level=levels)
    started = time.perf_counter()
    made = runner.forecast(df=frame, h=h, level=levels)
    spent = time.perf_counter() - started
    made = made.sort_values(["unique_id", "ds"], kind="stable")
    name = runner.models[0].alias
    mean = made[name].to_numpy(np.float32).reshape(len(panel), h)
    if levels is None:
        return outcome(mean, _recent_quantiles(panel), 0.0, spent)
    edges = [f"{name}-lo-{p}" for p in INTERVALS] + [name]
    edges += [f"{name}-hi-{p}" for p in reversed(INTERVALS)]
    quantiles = made[edges].to_numpy(np.float32).reshape(len(panel), h, 9)
    return outcome(mean, quantiles, 0.0, spent)


def _recent_quantiles(panel: Panel) -> Array:
    """(n, h, 9): of the last 28 days of each series, the same for every period to come."""
    recent = fill(panel.units[:, -28 // panel.period_days :])
    found = np.quantile(recent, LEVELS, axis=1).T[:, None]
    return np.repeat(found, panel.horizon, axis=1).astype(np.float32)


def _season(case: Case) -> int:
    """A season that has come round three times; else none can be told from noise."""
    return case.season if case.panel.num_periods >= 3 * case.season else 1


def _naive(season: int, intervals: ConformalIntervals | None) -> SeasonalNaive:
    return SeasonalNaive(season_length=season)


def _ets(season: int, intervals: ConformalIntervals | None) -> AutoETS:
    # Errors in proportion to the level let simulated intervals run away: WQL 5e10 on orange_juice.
    return AutoETS(season_length=season if season <= 24 else 1, model="AZZ")  # it takes no longer


def _theta(season: int, intervals: ConformalIntervals | None) -> DynamicOptimizedTheta:
    return DynamicOptimizedTheta(season_length=season)


def _croston(season: int, intervals: ConformalIntervals | None) -> CrostonSBA:
    return CrostonSBA(prediction_intervals=intervals)


def _tsb(season: int, intervals: ConformalIntervals | None) -> TSB:
    return TSB(ALPHA_DEMAND, ALPHA_CHANCE, prediction_intervals=intervals)


def mean_28(case: Case) -> Outcome:
    """The mean of the last 28 days (four weeks of weekly data), with conformal intervals."""
    periods = 28 // case.panel.period_days

    def average(season: int, intervals: ConformalIntervals | None) -> WindowAverage:
        return WindowAverage(window_size=periods, prediction_intervals=intervals)

    return local(average, True, case, least=periods)


PEERS: dict[str, Forecaster] = {
    "seasonal_naive": partial(local, _naive, False),
    "auto_ets": partial(local, _ets, False),
    "theta": partial(local, _theta, False),
    "croston_sba": partial(local, _croston, True),
    "tsb": partial(local, _tsb, True),
    "mean_28": mean_28,
}
