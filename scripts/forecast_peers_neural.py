"""NHITS and TiDE through neuralforecast: a multi-quantile loss, and covariates of every kind."""

import logging
import time
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from forecast_case import (
    LEVELS,
    Array,
    Case,
    Exogenous,
    Forecaster,
    Outcome,
    exogenous,
    future_frame,
    join,
    outcome,
    past_frame,
)
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import NHITS, TiDE

from logistics.forecast.panel import Panel

STEPS = 800
SETTINGS: dict[str, Any] = {
    "max_steps": STEPS,
    "learning_rate": 1e-3,
    "num_lr_decays": 3,
    "batch_size": 64,
    "windows_batch_size": 256,
    "scaler_type": "standard",
    "start_padding_enabled": True,
    "accelerator": "cpu",
    "devices": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
    "enable_checkpointing": False,
}


def neural(kind: type[NHITS] | type[TiDE], case: Case) -> Outcome:
    """The median stands for the mean, which a quantile loss has none of."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in ("pytorch_lightning", "neuralforecast", "torch"):
        warnings.filterwarnings("ignore", module=module)
    torch.set_num_threads(1)  # as every other model here
    panel = case.panel
    started = time.perf_counter()
    known = _standard(exogenous(panel))
    runner = NeuralForecast(models=[_model(kind, case, known)], freq=1)
    history = _history(panel, known)
    learnt = history["unique_id"].isin(case.learn)
    static = _static(known)
    seen = None if static is None else static[static["unique_id"].isin(case.learn)]
    runner.fit(history[learnt], static_df=seen, val_size=0)
    train_s = time.perf_counter() - started
    started = time.perf_counter()
    made = runner.predict(df=history, static_df=static, futr_df=future_frame(panel, known))
    quantiles = np.sort(_quantiles(made, panel), axis=2)
    return outcome(quantiles[..., 4], quantiles, train_s, time.perf_counter() - started)


def _model(kind: type[NHITS] | type[TiDE], case: Case, known: Exogenous) -> NHITS | TiDE:
    h = case.panel.horizon
    return kind(
        h=h,
        input_size=min(2 * h, case.panel.num_periods - h),
        loss=MQLoss(quantiles=[float(level) for level in LEVELS]),
        futr_exog_list=list(known.future_names),
        hist_exog_list=list(known.past_names) or None,
        stat_exog_list=list(known.static_names) or None,
        random_seed=case.seed,
        **SETTINGS,
    )


def _history(panel: Panel, known: Exogenous) -> pd.DataFrame:
    frame = join(past_frame(panel, 2), known.future, known.future_names)
    return join(frame, known.past, known.past_names)


def _standard(known: Exogenous) -> Exogenous:
    """Static columns at mean 0 and spread 1: codes are numbers to this library."""
    spread = known.static.std(0)
    values = (known.static - known.static.mean(0)) / np.where(spread > 0, spread, 1)
    return replace(known, static=values.astype(np.float32))


def _static(known: Exogenous) -> pd.DataFrame | None:
    if not known.static_names:
        return None
    frame = pd.DataFrame(known.static, columns=list(known.static_names))
    return frame.assign(unique_id=np.arange(len(frame)))


def _quantiles(made: pd.DataFrame, panel: Panel) -> Array:
    """(n, h, 9), in the library's order of columns."""
    made = made.reset_index() if "unique_id" not in made else made
    made = made.sort_values(["unique_id", "ds"], kind="stable")
    columns = [name for name in made.columns if name not in ("unique_id", "ds", "index")]
    return made[columns].to_numpy(np.float32).reshape(len(panel), panel.horizon, 9)


PEERS: dict[str, Forecaster] = {"nhits": partial(neural, NHITS), "tide": partial(neural, TiDE)}
