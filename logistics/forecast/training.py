"""Training and back-testing on Ray: a bounded sample of series, in one task.

The panels are the night's own (`batch.panel_of`). Torch is a matter of the tasks that fit: it costs
seconds of a core, and neither the driver nor a task that only reads needs it.
"""

import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
import ray

from logistics import lake, registry
from logistics.forecast.batch import NAME, TABLES, panel_of, units
from logistics.forecast.panel import Panel
from logistics.registry import Card
from logistics.tasks import Dims, Tables
from logistics.units import Run, StagedFile, Unit

if TYPE_CHECKING:
    from logistics.forecast.train import Fitted

MAX_TRAIN_UNITS = 32
FITTED = "fitted.pickle"
Sample = ray.ObjectRef[Panel | str]


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


def _fit_together(run: Run, samples: Sequence[Sample]) -> "Fitted":
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
            return cast("Fitted", pickle.loads(Path(folder, FITTED).read_bytes()))


def _fit_part(told: dict[str, Any]) -> None:
    """What each worker of Ray Train runs; the first one hands in the model, all have the same."""
    from ray import train as ray_train

    from logistics.forecast import fitting

    run = told["run"]
    fitted = fitting.fitted(run, _usable(ray.get(told["panels"])))
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
def _sample(run: Run, dims: Tables, unit: Unit, most: int) -> Panel | str:
    """A bounded sample of a unit's series; why, when the unit cannot be read."""
    read = lake.peek(run, unit, TABLES, dims)
    if isinstance(read, str):
        return read
    series = panel_of(run, unit, read | dims)
    any_of = np.random.default_rng(run.config.seed).choice
    return series.take(np.sort(any_of(len(series), min(len(series), most), replace=False)))


@ray.remote
def _fit(
    run: Run, dims: Tables, champion: Card | None, trained: "Fitted | None", *panels: Panel | str
) -> Card:
    from logistics.forecast import fitting

    usable = _usable(panels)
    return fitting.card(
        run, dims["items"], champion, trained or fitting.fitted(run, usable), usable
    )


@ray.remote
def _backtest(
    run: Run, dims: Tables, *panels: Panel | str
) -> tuple[list[StagedFile], pl.DataFrame]:
    from logistics.forecast import fitting

    usable = [series for series in _usable(panels) if len(series)]
    return fitting.backtest(run, dims["items"], usable)


def _usable(panels: Sequence[Panel | str]) -> list[Panel]:
    """Those that could be read. Raises ValueError, with a reason, where none could."""
    usable = [series for series in panels if not isinstance(series, str)]
    if not usable:
        raise ValueError(f"no DC can be read; the first: {panels[0]}")
    return usable
