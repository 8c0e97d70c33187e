"""Fitting and back-testing the forecaster. Knows Torch and panels; nothing of Ray or storage.

The last horizon is held out: a model trained strictly before it is scored against seasonal naive
there. The champion is that model, trained on with the held-out days included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from logistics.config import ForecastConfig
from logistics.forecast import metrics
from logistics.forecast.features import Features, features
from logistics.forecast.inputs import Array, Panel
from logistics.forecast.model import Forecaster, QuantileForecast, Settings, predict, sums_of
from logistics.outputs import QUANTILE_LEVELS, TOTAL_HORIZONS_DAYS

MIN_PAST_DAYS = 35  # an origin needs five weeks behind it
MIN_FUTURE_DAYS = 14  # and two ahead
STEPS_SEEN = 24  # days of the horizon that one training batch looks at
# A day in stock for less than this share tells too little of its demand to learn from.
MIN_IN_STOCK = 0.8
LEVELS = np.array(QUANTILE_LEVELS, np.float32)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The champion and its back-test scores."""

    model: Forecaster
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class Windows:
    """Training examples: features at an origin, and what came: target (n, h) in scale units."""

    past: Tensor
    future: Tensor
    category: Tensor
    target: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return int(self.past.shape[0])


def fit(panels: Sequence[Panel], config: ForecastConfig, seed: int, device: str = "cpu") -> Fitted:
    """Train, back-test and train on. Raises ValueError when no panel has history enough."""
    torch.manual_seed(seed)
    names = tuple(sorted({name for panel in panels for name in panel.signal_names}))
    panels = [panel for panel in panels if len(panel)]
    longest = max((panel.num_days for panel in panels), default=0)
    if longest < MIN_PAST_DAYS + 2 * MIN_FUTURE_DAYS:
        raise ValueError(f"sales cover {longest} days; training needs 63 at least")
    held_out = min(config.horizon_days, max(longest // 4, MIN_FUTURE_DAYS))
    before = [rewind(panel, held_out) for panel in panels if panel.num_days > held_out]
    rng = np.random.default_rng(seed)
    windows = _windows(before, names, config.max_train_windows, rng)
    settings = Settings(windows.past.shape[1], windows.future.shape[2], config.hidden, names)
    model = Forecaster(settings).to(device)
    _train(model, windows, config.train_steps, config, config.learning_rate, rng, device)
    scores = _backtest(model, panels, held_out, device)
    windows = _windows(panels, names, config.max_train_windows, rng)
    more = max(config.train_steps // 3, 1)
    _train(model, windows, more, config, config.learning_rate / 3, rng, device)
    return Fitted(model.eval(), scores)


def rewind(panel: Panel, days: int) -> Panel:
    """The panel as it was known `days` ago (signals and prices as they came)."""
    t, h = panel.num_days - days, panel.horizon_days
    return replace(
        panel,
        run_date=panel.run_date - timedelta(days=days),
        units=panel.units[:, :t],
        in_stock=panel.in_stock[:, :t],
        discount=panel.discount[:, : t + h],
        log_price=panel.log_price[:, : t + h],
        signals=panel.signals[:, : t + h],
        age_days=panel.age_days - days,
        days_left=panel.days_left + days,
    )


def _windows(
    panels: Sequence[Panel], names: tuple[str, ...], most: int, rng: np.random.Generator
) -> Windows:
    """Up to `most` examples from origins spread over every panel's history, newest first."""
    origins = [
        (panel, origin)
        for panel in panels
        for origin in range(panel.num_days - MIN_FUTURE_DAYS, MIN_PAST_DAYS, -14)
    ]
    each = max(most // max(len(origins), 1), 1)
    seen, targets = [], []
    for panel, origin in origins:
        started = np.flatnonzero(panel.age_days - (panel.num_days - origin) > 7)
        rows = np.sort(rng.choice(started, min(each, started.size), replace=False))
        if rows.size:
            part = panel.take(rows)
            found = features(part, origin, names)
            seen.append(found)
            targets.append(_target(part, origin) / found.scale[:, None])
    return _stack(seen, targets)


def _target(panel: Panel, origin: int) -> Array:
    """Demand of the days from the origin (n, h); NaN where it was not seen or was censored."""
    n, h = len(panel), panel.horizon_days
    units = panel.units[:, origin : origin + h]
    in_stock = panel.in_stock[:, origin : origin + h]
    out = np.full((n, h), np.nan, np.float32)
    out[:, : units.shape[1]] = np.where(
        in_stock >= MIN_IN_STOCK, units / np.maximum(in_stock, MIN_IN_STOCK), np.nan
    )
    return out


def _stack(seen: Sequence[Features], targets: Sequence[Array]) -> Windows:
    scale = np.concatenate([found.scale for found in seen])
    # WQL weighs a series by its units; capped, so that a few giants don't drown the rest.
    weight = np.clip(scale / scale.mean(), 0.05, 10.0).astype(np.float32)
    return Windows(
        torch.from_numpy(np.concatenate([found.past for found in seen])),
        torch.from_numpy(np.concatenate([found.future for found in seen])),
        torch.from_numpy(np.concatenate([found.category for found in seen])),
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
        rows = torch.from_numpy(rng.integers(0, len(windows), config.batch_series))
        at = torch.from_numpy(np.sort(rng.choice(horizon, min(STEPS_SEEN, horizon), replace=False)))
        batch = _batch(windows, rows, device)
        mean, quantiles = model(batch.past, batch.future[:, at], batch.category)
        _step(
            optimiser,
            schedule,
            days,
            _daily_loss(mean, quantiles, batch.target[:, at], batch.weight),
        )
    totals = list(model.total.parameters())
    optimiser, schedule = _optimiser(totals, learning_rate, max(steps // 3, 1))
    for _ in range(max(steps // 3, 1)):
        rows = torch.from_numpy(rng.integers(0, len(windows), config.batch_series))
        batch = _batch(windows, rows, device)
        with torch.no_grad():
            mean, _ = model(batch.past, batch.future, batch.category)
        _step(optimiser, schedule, totals, _total_loss(model, batch, mean))


def _batch(windows: Windows, rows: Tensor, device: str) -> Windows:
    arrays = (windows.past, windows.future, windows.category, windows.target, windows.weight)
    return Windows(*(array[rows].to(device) for array in arrays))


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
    known = ~torch.isnan(batch.target)
    actual = sums_of(torch.where(known, batch.target, mean))
    share = torch.stack([known[:, :d].float().mean(dim=1) for d in TOTAL_HORIZONS_DAYS], dim=1)
    sums = sums_of(mean)
    quantiles = model.totals(batch.past, batch.future, sums) * sums[..., None]
    days = torch.tensor([min(d, mean.shape[1]) for d in TOTAL_HORIZONS_DAYS]).to(mean)
    shown = (share > 0.85) * batch.weight[:, None] / days
    loss = _pinball(actual, quantiles).mean(dim=-1)
    return (loss * shown).sum() / shown.sum().clamp_min(1e-6)


def _pinball(actual: Tensor, quantiles: Tensor) -> Tensor:
    levels = torch.from_numpy(LEVELS).to(quantiles)
    error = actual[..., None] - quantiles
    return torch.maximum(levels * error, (levels - 1) * error)


def _backtest(
    model: Forecaster, panels: Sequence[Panel], held_out: int, device: str
) -> dict[str, float]:
    """Scores over the held-out days, ours and seasonal naive's; sets the spread of the totals.

    Days that were censored by stock-outs are left out: their sales are not their demand.
    """
    model.eval()
    ours, naive, actual, totals = [], [], [], []
    for panel in (panel for panel in panels if panel.num_days > held_out):
        past = rewind(panel, held_out)
        rows = np.flatnonzero(past.age_days > 0)
        past, panel = past.take(rows), panel.take(rows)
        ours.append(predict(model, past, device))
        naive.append(seasonal_naive(past))
        actual.append(_target(panel, past.num_days)[:, :held_out])
        totals.append(np.nan_to_num(panel.units[:, past.num_days :]))
    came = np.concatenate(actual)
    quantiles = np.concatenate([f.quantiles for f in ours])[:, :held_out]
    mean = np.concatenate([f.mean for f in ours])[:, :held_out]
    plain = np.concatenate([n[0] for n in naive])[:, :held_out]
    plain_quantiles = np.concatenate([n[1] for n in naive])[:, :held_out]
    scores = {
        "held_out_days": float(held_out),
        "wql": metrics.wql(came, quantiles, LEVELS),
        "naive_wql": metrics.wql(came, plain_quantiles, LEVELS),
        "wape": metrics.wape(came, mean),
        "naive_wape": metrics.wape(came, plain),
        "bias": metrics.bias(came, mean),
        "coverage80": metrics.coverage(came, quantiles[..., 0], quantiles[..., -1]),
    }
    return scores | _total_scores(model, ours, np.concatenate(totals), plain, held_out)


def _total_scores(
    model: Forecaster,
    ours: Sequence[QuantileForecast],
    came: Array,
    plain: Array,
    held_out: int,
) -> dict[str, float]:
    """Scores of the longest total that the held-out days hold; calibrates the totals' spread."""
    reach = [i for i, days in enumerate(TOTAL_HORIZONS_DAYS) if days <= held_out]
    if not reach:
        return {}
    mean = np.concatenate([f.total_mean for f in ours])
    quantiles = np.concatenate([f.total_quantiles for f in ours])
    longest = TOTAL_HORIZONS_DAYS[reach[-1]]
    actual = came[:, :longest].sum(axis=1)
    at = reach[-1]
    scores = {
        "total_days": float(longest),
        "total_wape": metrics.wape(actual, mean[:, at]),
        "naive_total_wape": metrics.wape(actual, plain[:, :longest].sum(axis=1)),
        "total_coverage80": metrics.coverage(actual, quantiles[:, at, 0], quantiles[:, at, -1]),
    }
    for i in range(len(TOTAL_HORIZONS_DAYS)):
        j = i if i in reach else at  # a horizon that was not held out takes the longest one's
        total = came[:, : TOTAL_HORIZONS_DAYS[j]].sum(axis=1)
        model.spread[i] = _spread(total, quantiles[:, j])
    return scores


def _spread(actual: Array, quantiles: Array) -> float:
    """The factor on the totals' distance from their median that makes 80 % cover 80 %."""
    middle = quantiles[:, len(LEVELS) // 2]
    best, smallest = 1.0, np.inf
    for factor in np.arange(0.6, 2.51, 0.05):
        low = middle + factor * (quantiles[:, 0] - middle)
        high = middle + factor * (quantiles[:, -1] - middle)
        gap = abs(metrics.coverage(actual, low, high) - 0.8)
        if gap < smallest:
            best, smallest = float(factor), gap
    return best


def seasonal_naive(panel: Panel) -> tuple[Array, Array]:
    """The last week again (n, h), with the spread of past weekly differences (n, h, q)."""
    units = np.nan_to_num(panel.units)
    week = units[:, -7:]
    mean = np.tile(week, (1, -(-panel.horizon_days // 7)))[:, : panel.horizon_days]
    recent = units[:, -98:]
    change = recent[:, 7:] - recent[:, :-7]
    spread = np.quantile(change, LEVELS, axis=1).T.astype(np.float32)
    return mean, np.maximum(mean[..., None] + spread[:, None, :], 0)


def rows_of_sample(num: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which series of a panel to train on when there are too many."""
    return np.sort(rng.choice(num, min(num, most), replace=False))
