"""What a training task does with its panels: fit, calibrate, challenge the champion, back-test.

Knows Torch's models, storage and the registry; nothing of Ray.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import partial

import numpy as np
import polars as pl

from logistics import plan, registry
from logistics.forecast.batch import NAME, TOP_WEIGHT
from logistics.forecast.challenge import last_origins, trial, unseen_periods
from logistics.forecast.levels import correlations, seen
from logistics.forecast.model import dumps, forecaster, loads
from logistics.forecast.origins import demand_since, errors, origins_back
from logistics.forecast.panel import Panel
from logistics.forecast.published import categories_of
from logistics.forecast.quantiles import Predict
from logistics.forecast.reconcile import Told, weight_of
from logistics.forecast.train import Fitted, fit
from logistics.outputs_forecast import FORECAST_BACKTESTS
from logistics.registry import Card
from logistics.units import Run, StagedFile, Unit

HELD_OUT = "held_out"  # periods that a model's twin has not seen, in its calibration


def fitted(run: Run, panels: Sequence[Panel]) -> Fitted:
    """A model of the panels, as the run's config asks. Raises ValueError when they allow none."""
    return fit(panels, run.config.forecast, run.config.seed, _device(run))


def card(
    run: Run,
    items: pl.DataFrame,
    champion: Card | None,
    trained: Fitted,
    panels: Sequence[Panel],
) -> Card:
    """Calibrate and save a trained model; its card, with the champion's name if that won."""
    config, device = run.config, _device(run)
    settings = asdict(config.forecast)
    calibration = _calibration(trained, panels, items, device)
    made = Card(
        NAME, str(config.date), config.seed, trained.scores, settings, calibration=calibration
    )
    blob = dumps(trained.model)
    if champion is not None:
        if champion.version == registry.version_of(blob, made.calibration):
            return champion
        made = _challenge(run, made, champion, trained, panels)
    return registry.save(config.models, made, blob, dumps(trained.twin))


def backtest(
    run: Run, items: pl.DataFrame, panels: Sequence[Panel]
) -> tuple[list[StagedFile], pl.DataFrame]:
    """The staged files of `forecast_backtests` and its rows with the site.

    Raises ValueError when the history is too short.
    """
    config = run.config.forecast
    longest = max((series.num_periods for series in panels), default=0)
    horizon = max((series.horizon for series in panels), default=0)
    stride = config.backtest_stride_days
    back = origins_back(horizon, config.backtest_origins, stride, longest)
    if not back:
        raise ValueError(
            f"sales cover {longest} {config.period}s; an origin {horizon} {config.period}s ago "
            "needs at least as many before it: choose a shorter forecast.horizon_days"
        )
    before = [series.rewind(back[0]) for series in panels if series.num_periods > back[0]]
    model = fitted(run, before).model
    predictor = partial(forecaster, model, _device(run))
    files: list[StagedFile] = []
    told = []
    for series in panels:
        names = categories_of(series, items)
        there = [b for b in back if series.num_periods > b]
        rows = pl.concat([errors(predictor, series, b, names) for b in there])
        unit = Unit(series.site_ids[0])
        files += plan.publish(run, unit, {FORECAST_BACKTESTS.name: rows})
        told.append(rows.with_columns(pl.lit(unit.site_id).alias(FORECAST_BACKTESTS.site)))
    return files, pl.concat(told)


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


def _device(run: Run) -> str:
    return "cuda" if run.config.forecast.num_gpus else "cpu"
