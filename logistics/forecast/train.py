"""Fitting the forecaster. Knows Torch and panels; nothing of Ray or storage.

The last horizon is held out: a model trained strictly before it is scored there. The champion is
that model, trained on with the held-out days included.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from logistics.config import ForecastConfig
from logistics.forecast.backtest import backtest
from logistics.forecast.features import Features, Scope, demand_ahead, features
from logistics.forecast.model import Forecaster, Settings, sums_of
from logistics.forecast.panel import Array, Panel
from logistics.outputs import QUANTILE_LEVELS, TOTAL_HORIZONS_DAYS

MIN_PAST_DAYS = 28  # an origin needs four weeks behind it
MIN_FUTURE_DAYS = 14  # and two ahead
MAX_ORIGINS = 48  # of a panel
YEARLY_DAYS = 364 + 91  # of history, before a season can be told from a trend
STEPS_SEEN = 24  # days of the horizon that one training batch looks at
MIN_SEEN = 0.85  # of its days, for a total to be learnt from
LEVELS = np.array(QUANTILE_LEVELS, np.float32)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model, its back-test scores, and its twin: trained on nothing of the held-out days."""

    model: Forecaster
    scores: dict[str, float]
    twin: Forecaster
    held_out: int


@dataclass(frozen=True, slots=True)
class Windows:
    """Training examples: features at an origin, and what came: target (n, h) in scale units."""

    past: Tensor
    future: Tensor
    category: Tensor
    department: Tensor
    target: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return int(self.past.shape[0])


def fit(panels: Sequence[Panel], config: ForecastConfig, seed: int, device: str = "cpu") -> Fitted:
    """Train, back-test and train on. Raises ValueError when no panel has history enough."""
    torch.manual_seed(seed)
    # Sums split over threads differ in their last digits from one machine to the next; and layers
    # this small gain nothing from more threads (two on a busy machine took 20 times as long).
    torch.set_num_threads(1)
    panels = [panel for panel in panels if len(panel)]
    longest = max((panel.num_periods for panel in panels), default=0)
    least = MIN_PAST_DAYS + 2 * MIN_FUTURE_DAYS
    if longest < least:
        raise ValueError(f"sales cover {longest} days; training needs {least} at least")
    held_out = min(config.horizon_days, max(longest // 4, MIN_FUTURE_DAYS))
    before = [panel.rewind(held_out) for panel in panels if panel.num_periods > held_out]
    rng = np.random.default_rng(seed)
    scope = _scope(before)
    windows = _windows(before, scope, config.max_train_windows, rng)
    settings = Settings(windows.past.shape[1], windows.future.shape[2], config.hidden, scope)
    model = Forecaster(settings).to(device)
    _silence_unseen(model, windows)
    _train(model, windows, config.train_steps, config, config.learning_rate, rng, device)
    judged = backtest(model.eval(), panels, held_out, device)
    twin = deepcopy(model)
    # `yearly` stays as it was: days of the year that the first training could not tell apart are
    # too much to learn while training on.
    reach_days = _scope(panels).reach_days
    model.settings = replace(settings, scope=replace(scope, reach_days=reach_days))
    windows = _windows(panels, model.settings.scope, config.max_train_windows, rng)
    more = max(config.train_steps // 3, 1)
    _train(model, windows, more, config, config.learning_rate / 3, rng, device)
    model.spread = torch.from_numpy(judged.spread).to(device)
    return Fitted(model.eval(), judged.scores, twin, held_out)


@torch.no_grad()
def _silence_unseen(model: Forecaster, windows: Windows) -> None:
    """A category or department that training never sees must not be noise to the network.

    Those seen start at random: from zero they are learnt so slowly that the demo company's 90-day
    totals were a fifth worse (WAPE 0.141 against 0.119).
    """
    for codes, seen in (
        (model.category, windows.category),
        (model.department, windows.department),
    ):
        unseen = torch.ones(codes.num_embeddings, dtype=torch.bool)
        unseen[seen] = False
        codes.weight[unseen.to(codes.weight.device)] = 0


def _scope(panels: Sequence[Panel]) -> Scope:
    longest = max(panel.num_periods for panel in panels)
    reach_days = min(longest - MIN_PAST_DAYS, max(panel.horizon for panel in panels))
    names = tuple(sorted({name for panel in panels for name in panel.signal_names}))
    return Scope(names, reach_days, longest >= YEARLY_DAYS)


def _windows(panels: Sequence[Panel], scope: Scope, most: int, rng: np.random.Generator) -> Windows:
    """Up to `most` examples from origins spread over every panel's history, newest first."""
    origins = [(panel, origin) for panel in panels for origin in _origins(panel)]
    each = max(most // max(len(origins), 1), 1)
    seen, targets = [], []
    for panel, origin in origins:
        started = np.flatnonzero(panel.age - (panel.num_periods - origin) > 7)
        rows = np.sort(rng.choice(started, min(each, started.size), replace=False))
        if rows.size:
            part = panel.take(rows)
            found = features(part, origin, scope)
            seen.append(found)
            targets.append(demand_ahead(part, origin) / found.scale[:, None])
    return _stack(seen, targets)


def _origins(panel: Panel) -> range:
    """Newest first. No whole weeks apart, or all would share a weekday and so would their steps."""
    newest = panel.num_periods - MIN_FUTURE_DAYS
    stride = max((newest - MIN_PAST_DAYS) // MAX_ORIGINS, 1)
    return range(newest, MIN_PAST_DAYS - 1, -(stride + (stride % 7 == 0)))


def _stack(seen: Sequence[Features], targets: Sequence[Array]) -> Windows:
    scale = np.concatenate([found.scale for found in seen])
    # WQL weighs a series by its units; capped, so that a few giants don't drown the rest.
    weight = np.clip(scale / scale.mean(), 0.05, 10.0).astype(np.float32)
    return Windows(
        torch.from_numpy(np.concatenate([found.past for found in seen])),
        torch.from_numpy(np.concatenate([found.future for found in seen])),
        torch.from_numpy(np.concatenate([found.category for found in seen])),
        torch.from_numpy(np.concatenate([found.department for found in seen])),
        torch.from_numpy(np.concatenate(targets)),
        torch.from_numpy(weight),
    )


def _train(
    model: Forecaster,
    windows: Windows,
    steps: int,
    config: ForecastConfig,
    learning_rate: float,
    rng: np.random.Generator,
    device: str,
) -> None:
    """Days first, then totals on top of the means the days' network gives."""
    model.train()
    days = [p for name, p in model.named_parameters() if not name.startswith("total")]
    horizon = windows.target.shape[1]
    optimiser, schedule = _optimiser(days, learning_rate, steps)
    for _ in range(steps):
        batch = _batch(windows, rng, config.batch_series, device)
        at = torch.from_numpy(np.sort(rng.choice(horizon, min(STEPS_SEEN, horizon), replace=False)))
        mean, quantiles = model(batch.past, batch.future[:, at], batch.category, batch.department)
        loss = _daily_loss(mean, quantiles, batch.target[:, at], batch.weight)
        _step(optimiser, schedule, days, loss)
    totals = list(model.total.parameters())
    optimiser, schedule = _optimiser(totals, learning_rate, max(steps // 3, 1))
    for _ in range(max(steps // 3, 1)):
        batch = _batch(windows, rng, config.batch_series, device)
        with torch.no_grad():
            mean, _ = model(batch.past, batch.future, batch.category, batch.department)
        _step(optimiser, schedule, totals, _total_loss(model, batch, mean))


def _batch(windows: Windows, rng: np.random.Generator, size: int, device: str) -> Windows:
    rows = torch.from_numpy(rng.integers(0, len(windows), size))
    return Windows(*(getattr(windows, name)[rows].to(device) for name in Windows.__slots__))


def _optimiser(
    parameters: Sequence[Tensor], learning_rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=learning_rate, total_steps=max(steps, 2), pct_start=0.15
    )
    return optimiser, schedule


def _step(
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    parameters: Sequence[Tensor],
    loss: Tensor,
) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    schedule.step()


def _daily_loss(mean: Tensor, quantiles: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Pinball of the quantiles, and the Poisson deviance of the mean, least at the true mean."""
    known = ~torch.isnan(target)
    actual = torch.where(known, target, torch.zeros_like(target))
    shown = known * weight[:, None]
    pinball = _pinball(actual, quantiles).mean(dim=-1)
    poisson = mean - actual * torch.log(mean)
    return ((2 * pinball + 0.5 * poisson) * shown).sum() / shown.sum().clamp_min(1e-6)


def _total_loss(model: Forecaster, batch: Windows, mean: Tensor) -> Tensor:
    """Pinball of the totals whose days were (nearly) all seen, censored days at their mean."""
    reach = model.settings.scope.reach_days
    lengths = sorted({min(days, reach) for days in TOTAL_HORIZONS_DAYS})
    known = ~torch.isnan(batch.target)
    actual = sums_of(torch.where(known, batch.target, mean), lengths)
    share = torch.stack([known[:, :days].float().mean(dim=1) for days in lengths], dim=1)
    sums, ratios = model.totals(batch.past, batch.future, mean, lengths)
    shown = (share >= MIN_SEEN) * batch.weight[:, None] / torch.tensor(lengths).to(mean)
    loss = _pinball(actual, ratios * sums[..., None]).mean(dim=-1)
    return (loss * shown).sum() / shown.sum().clamp_min(1e-6)


def _pinball(actual: Tensor, quantiles: Tensor) -> Tensor:
    levels = torch.from_numpy(LEVELS).to(quantiles)
    error = actual[..., None] - quantiles
    return torch.maximum(levels * error, (levels - 1) * error)


def rows_of_sample(num: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which series of a panel to train on when there are too many."""
    return np.sort(rng.choice(num, min(num, most), replace=False))
