"""Training and back-testing on Ray: a bounded sample of series, in one task.

Knows storage and the registry. The panels are the night's own (`batch.panel_of`).
"""

import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import ray

from logistics import lake, plan, registry
from logistics.forecast.batch import (
    NAME,
    TABLES,
    TOP_WEIGHT,
    panel_of,
    units,
)
from logistics.forecast.challenge import last_origins, trial, unseen_periods
from logistics.forecast.levels import correlations, seen
from logistics.forecast.model import dumps, forecaster, loads
from logistics.forecast.origins import demand_since, errors, origins_back
from logistics.forecast.panel import Panel
from logistics.forecast.published import categories_of
from logistics.forecast.quantiles import Predict
from logistics.forecast.reconcile import Told, weight_of
from logistics.forecast.train import Fitted, fit, rows_of_sample
from logistics.outputs_forecast import FORECAST_BACKTESTS
from logistics.registry import Card
from logistics.tasks import Dims, Tables
from logistics.units import Run, StagedFile, Unit

MAX_TRAIN_UNITS = 32
FITTED = "fitted.pickle"
HELD_OUT = "held_out"  # periods that a model's twin has not seen, in its calibration
Sample = ray.ObjectRef[Panel | None]


def train(run: Run, dims: Dims) -> Card:
    """Train on a bounded sample of series, back-test, challenge the champion, and save the model.

    The card names the champion that it lost to, if it did; nothing is promoted here.
    """
    champion = registry.champion(run.config.models, NAME)
    config = run.config.forecast
    samples, fitted = _samples(run, dims), None
    if config.train_workers > 1:
        fitted = _fit_together(run, samples)
    fitting = _fit.options(name="forecast training", num_cpus=1, num_gpus=config.num_gpus)
    return ray.get(  # type: ignore[no-any-return]
        fitting.remote(run, dims, champion, fitted, *samples)
    )


def _fit_together(run: Run, samples: Sequence[Sample]) -> Fitted:
    """The model that several workers of Ray Train have trained, each on its part of every batch.

    Raises ValueError, as one worker would, when it cannot be trained.
    """
    from ray.train import RunConfig, ScalingConfig  # a second to import
    from ray.train.torch import TorchTrainer

    config = run.config.forecast
    with tempfile.TemporaryDirectory() as local:
        kept = local if "://" not in run.config.models else f"{run.config.models}/_training"
        trainer = TorchTrainer(
            _fit_part,
            train_loop_config={"run": run, "panels": ray.put(ray.get(list(samples)))},
            # Half a CPU each: two workers with a whole one never started on two cores where another
            # actor still held its quarter.
            scaling_config=ScalingConfig(
                num_workers=config.train_workers,
                use_gpu=config.num_gpus > 0,
                resources_per_worker={"CPU": 0.5},
            ),
            run_config=RunConfig(name=f"forecast-{run.run_id}", storage_path=kept),
        )
        checkpoint = trainer.fit().checkpoint
        assert checkpoint is not None
        with checkpoint.as_directory() as folder:
            return cast(Fitted, pickle.loads(Path(folder, FITTED).read_bytes()))


def _fit_part(told: dict[str, Any]) -> None:
    """What each worker of Ray Train runs; the first one hands in the model, all have the same."""
    from ray import train as ray_train

    run = told["run"]
    usable = [series for series in ray.get(told["panels"]) if series is not None]
    fitted = fit(usable, run.config.forecast, run.config.seed, _device(run))
    if ray_train.get_context().get_world_rank() > 0:
        ray_train.report({})
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, FITTED).write_bytes(pickle.dumps(fitted))
        ray_train.report({}, checkpoint=ray_train.Checkpoint.from_directory(folder))


def backtest(run: Run, dims: Dims) -> tuple[list[StagedFile], pl.DataFrame]:
    """Errors at the last origins of a model trained strictly before the oldest of them.

    Returns the staged files of `forecast_backtests`, and its rows with the site. Raises (in the
    task) ValueError when the history is too short.
    """
    testing = _backtest.options(
        name="forecast back-test", num_cpus=1, num_gpus=run.config.forecast.num_gpus
    )
    return ray.get(  # type: ignore[no-any-return]
        testing.remote(run, dims, *_samples(run, dims))
    )


def _samples(run: Run, dims: Dims) -> list[Sample]:
    """Series of at most MAX_TRAIN_UNITS units, max_train_series in all."""
    every = units(run, dims)
    chosen = every[:: -(-len(every) // MAX_TRAIN_UNITS)]
    each = -(-run.config.forecast.max_train_series // len(chosen))
    return [
        _sample.options(name=f"forecast sample {unit.id}").remote(run, dims, unit, each)
        for unit in chosen
    ]


@ray.remote(num_cpus=0.5)
def _sample(run: Run, dims: Tables, unit: Unit, most: int) -> Panel | None:
    """A bounded sample of a unit's series; None when the unit cannot be read."""
    read = lake.peek(run, unit, TABLES, dims)
    if read is None:
        return None
    series = panel_of(run, unit, read | dims)
    return series.take(rows_of_sample(len(series), most, np.random.default_rng(run.config.seed)))


@ray.remote
def _fit(
    run: Run, dims: Tables, champion: Card | None, trained: Fitted | None, *panels: Panel | None
) -> Card:
    config, device = run.config, _device(run)
    usable = [series for series in panels if series is not None]
    fitted = trained or fit(usable, config.forecast, config.seed, device)
    settings = asdict(config.forecast)
    calibration = _calibration(fitted, usable, dims["items"], device)
    card = Card(
        NAME, str(config.date), config.seed, fitted.scores, settings, calibration=calibration
    )
    blob = dumps(fitted.model)
    if champion is not None:
        if champion.version == registry.version_of(blob, card.calibration):
            return champion
        card = _challenge(run, card, champion, fitted, usable)
    return registry.save(config.models, card, blob, dumps(fitted.twin))


def _told(
    fitted: Fitted, panels: Sequence[Panel], items: pl.DataFrame, device: str
) -> dict[int, list[Told]]:
    """Origin, so many periods ago → the twin's forecasts of every site on the days it never saw."""
    told: dict[int, list[Told]] = {}
    for back in last_origins(fitted.held_out):
        for series in (p for p in panels if p.num_periods > fitted.held_out):
            past = series.rewind(back)
            rows = np.flatnonzero(past.age > 0)
            past, came = past.take(rows), demand_since(series.take(rows), back)
            forecast = forecaster(fitted.twin, device, past)
            names = tuple(categories_of(past, items))
            told.setdefault(back, []).append(Told(past, names, forecast, came))
    return told


def _calibration(
    fitted: Fitted, panels: Sequence[Panel], items: pl.DataFrame, device: str
) -> dict[str, list[float]]:
    """What the night needs beside the model: how errors go together, and how far categories
    correct their SKUs."""
    told = _told(fitted, panels, items, device)
    kept = {HELD_OUT: [float(fitted.held_out)]}
    every = [seen(t.past, t.came, t.forecast, t.categories) for part in told.values() for t in part]
    if len(told) < 2:
        return kept
    first, *_, later = told.values()
    # The first origin is judged up to where the later one begins: no day
    # both measures and proves.
    width = max(told) - min(told)
    ended = [replace(one, came=one.came[:, :width]) for one in first]
    weight = weight_of(partial(forecaster, fitted.twin, device), ended, later)
    return kept | correlations(every).kept() | {TOP_WEIGHT: [weight]}


def _challenge(
    run: Run, card: Card, champion: Card, fitted: Fitted, panels: Sequence[Panel]
) -> Card:
    """The card with both twins' scores, and with the champion's name if it was not beaten."""
    twin, twin_held_out = _twin(run, champion)
    if twin is None:  # saved by another version of this package: it cannot forecast any more
        return card
    trained_to = date.fromisoformat(champion.trained_to)
    longest = max(panels, key=lambda panel: panel.num_periods)
    back = last_origins(unseen_periods(longest, fitted.held_out, trained_to, twin_held_out))
    if not back:  # an older date than the champion's: it has seen all there is to judge by
        return replace(card, lost_to=champion.version)
    rival = partial(forecaster, fitted.twin, _device(run))
    judged = trial(twin, rival, panels, back)
    told = {"origins_wql": judged.challenger_wql, "champion_wql": judged.champion_wql}
    lost_to = "" if judged.won else champion.version
    return replace(card, scores=card.scores | told, lost_to=lost_to)


def _twin(run: Run, champion: Card) -> tuple[Predict | None, int]:
    """The champion's twin and how many periods were held out of it.

    A champion saved without one stands for itself: it has seen all days before its training date.
    """
    blob = registry.load_twin(run.config.models, NAME, champion.version)
    held_out = int(champion.calibration.get(HELD_OUT, [0])[0])
    if blob is None:
        blob, held_out = registry.load(run.config.models, NAME, champion.version), 0
    try:
        return partial(forecaster, loads(blob, _device(run)), _device(run)), held_out
    except ValueError:
        return None, 0


@ray.remote
def _backtest(
    run: Run, dims: Tables, *panels: Panel | None
) -> tuple[list[StagedFile], pl.DataFrame]:
    config = run.config.forecast
    usable = [series for series in panels if series is not None and len(series)]
    longest = max((series.num_periods for series in usable), default=0)
    horizon = max((series.horizon for series in usable), default=0)
    stride = config.backtest_stride_days
    back = origins_back(horizon, config.backtest_origins, stride, longest)
    if not back:
        raise ValueError(
            f"sales cover {longest} {config.period}s; an origin {horizon} {config.period}s ago "
            "needs at least as many before it: choose a shorter forecast.horizon_days"
        )
    before = [series.rewind(back[0]) for series in usable if series.num_periods > back[0]]
    fitted = fit(before, config, run.config.seed, _device(run))
    predictor = partial(forecaster, fitted.model, _device(run))
    files: list[StagedFile] = []
    told = []
    for series in usable:
        names = categories_of(series, dims["items"])
        there = [b for b in back if series.num_periods > b]
        rows = pl.concat([errors(predictor, series, b, names) for b in there])
        unit = Unit(series.site_ids[0])
        files += plan.publish(run, unit, {FORECAST_BACKTESTS.name: rows})
        told.append(rows.with_columns(pl.lit(unit.site_id).alias(FORECAST_BACKTESTS.site)))
    return files, pl.concat(told)


def _device(run: Run) -> str:
    return "cuda" if run.config.forecast.num_gpus else "cpu"
