"""Training and back-testing on Ray: a bounded sample of series, in one task.

Knows storage and the registry. The panels are the night's own (`batch.panel_of`).
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import partial

import numpy as np
import polars as pl
import ray

from logistics import lake, plan, registry
from logistics.forecast.batch import (
    NAME,
    TABLES,
    Dims,
    Tables,
    forecaster,
    lengths_of,
    panel_of,
    units,
)
from logistics.forecast.challenge import last_origins, trial, unseen_periods
from logistics.forecast.levels import Correlations, correlations, seen
from logistics.forecast.model import dumps, loads, predict
from logistics.forecast.origins import Predict, demand_since, errors, origins_back
from logistics.forecast.panel import Panel
from logistics.forecast.published import categories_of
from logistics.forecast.train import Fitted, fit, rows_of_sample
from logistics.outputs import FORECAST_BACKTESTS
from logistics.registry import Card
from logistics.units import Run, StagedFile, Unit

MAX_TRAIN_UNITS = 32
HELD_OUT = "held_out"  # periods that a model's twin has not seen, in its calibration
Sample = ray.ObjectRef[Panel | None]


def train(run: Run, dims: Dims) -> Card:
    """Train on a bounded sample of series, back-test, challenge the champion, and save the model.

    The card names the champion that it lost to, if it did; nothing is promoted here.
    """
    champion = registry.champion(run.config.models, NAME)
    fitting = _fit.options(
        name="forecast training", num_cpus=1, num_gpus=run.config.forecast.num_gpus
    )
    return ray.get(  # type: ignore[no-any-return]
        fitting.remote(run, dims, champion, *_samples(run, dims))
    )


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
def _fit(run: Run, dims: Tables, champion: Card | None, *panels: Panel | None) -> Card:
    config, device = run.config, _device(run)
    usable = [series for series in panels if series is not None]
    fitted = fit(usable, config.forecast, config.seed, device)
    settings = asdict(config.forecast)
    rho = _correlations(fitted, usable, dims["items"], device)
    calibration = rho.kept() | {HELD_OUT: [float(fitted.held_out)]}
    card = Card(
        NAME, str(config.date), config.seed, fitted.scores, settings, calibration=calibration
    )
    blob = dumps(fitted.model)
    if champion is not None:
        if champion.version == registry.version_of(blob, card.calibration):
            return champion
        card = _challenge(run, card, champion, fitted, usable)
    return registry.save(config.models, card, blob, dumps(fitted.twin))


def _correlations(
    fitted: Fitted, panels: Sequence[Panel], items: pl.DataFrame, device: str
) -> Correlations:
    """How errors of the twin go together on the days held out of it."""
    held_out = fitted.held_out
    found = []
    for series in panels:
        for back in last_origins(held_out) if series.num_periods > held_out else ():
            past = series.rewind(back)
            rows = np.flatnonzero(past.age > 0)
            past, came = past.take(rows), demand_since(series.take(rows), back)
            forecast = predict(fitted.twin, past, device, lengths_of(past))
            found.append(seen(past, came, forecast, categories_of(past, items)))
    return correlations(found) if found else Correlations()


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
            f"sales cover {longest} days; an origin {horizon} days ago needs at least as many "
            "before it: choose a shorter forecast.horizon_days"
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
