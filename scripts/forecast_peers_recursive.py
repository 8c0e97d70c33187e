"""LightGBM through mlforecast: one step ahead, its own forecasts fed back in as lags."""

import time
from typing import Any

import numpy as np
import pandas as pd
from forecast_case import (
    LEVELS,
    Array,
    Case,
    Forecaster,
    Outcome,
    exogenous,
    future_frame,
    join,
    learners,
    outcome,
    past_frame,
)
from lightgbm import LGBMRegressor
from mlforecast import MLForecast
from mlforecast.lag_transforms import ExponentiallyWeightedMean, RollingMean, RollingStd

from logistics.forecast.panel import Panel

MOST_ROWS = 300_000  # the latest ones
SETTINGS = {
    "n_estimators": 200,
    "learning_rate": 0.08,
    "num_leaves": 63,
    "min_child_samples": 50,
    "colsample_bytree": 0.7,
    "subsample": 0.8,
    "subsample_freq": 1,
    "n_jobs": 1,
    "verbosity": -1,
}


def recursive(case: Case) -> Outcome:
    started = time.perf_counter()
    forecaster = MLForecast(
        models=_models(case.seed),
        freq=1,
        lags=_lags(case),
        lag_transforms={
            1: [RollingMean(w, min_samples=1) for w in (3, 7, 14, 28)]
            + [RollingStd(28, min_samples=2), ExponentiallyWeightedMean(0.2)],
        },
        num_threads=1,
    )
    learnt, names = _frame(learners(case))
    latest = learnt["ds"] >= case.panel.num_periods - MOST_ROWS // len(case.learn)
    forecaster.fit(learnt[latest], static_features=names, dropna=False)
    train_s = time.perf_counter() - started
    started = time.perf_counter()
    made = _predict(forecaster, case.panel)
    return outcome(made[..., 0], made[..., 1:], train_s, time.perf_counter() - started)


def _models(seed: int) -> dict[str, Any]:
    mean = LGBMRegressor(objective="tweedie", tweedie_variance_power=1.3, seed=seed, **SETTINGS)
    return {"mean": mean} | {
        f"q{level:.1f}": LGBMRegressor(objective="quantile", alpha=level, seed=seed, **SETTINGS)
        for level in LEVELS.astype(float)
    }


def _lags(case: Case) -> list[int]:
    seasons = [case.season * k for k in (1, 2, 3, 4)]
    return sorted({*range(1, 8), *(s for s in seasons if 2 * s <= case.panel.num_periods)})


def _frame(panel: Panel) -> tuple[pd.DataFrame, list[str]]:
    """The history with what is known ahead and the static columns; their names."""
    known = exogenous(panel)
    frame = join(past_frame(panel), known.future, known.future_names)
    static = np.broadcast_to(
        known.static[:, None], (len(panel), panel.num_periods, known.static.shape[1])
    )
    return join(frame, static, known.static_names), list(known.static_names)


def _predict(forecaster: MLForecast, panel: Panel) -> Array:
    """(n, h, 10): the mean and the quantiles, of series that need not have been learnt from."""
    frame, _ = _frame(panel)
    ahead = future_frame(panel, exogenous(panel))
    made = forecaster.predict(panel.horizon, new_df=frame, X_df=ahead)
    made = made.sort_values(["unique_id", "ds"], kind="stable")
    columns = [name for name in made.columns if name not in ("unique_id", "ds")]
    values: Array = made[columns].to_numpy(np.float32)
    return values.reshape(len(panel), panel.horizon, -1)


PEERS: dict[str, Forecaster] = {"lightgbm_recursive": recursive}
