"""Fitting the forecaster. Knows Torch and panels; nothing of Ray or storage.

The last periods are held out, twice as many where there are plenty of days: a model trained
strictly before them is scored there and its margins set. The champion is trained again, as that
model was, with the held-out periods included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

from logistics.config import ForecastConfig
from logistics.forecast.backtest import backtest, together
from logistics.forecast.fade import fade
from logistics.forecast.model import Forecaster, Settings, sums_of
from logistics.forecast.network import Inputs, Shape
from logistics.forecast.panel import NUM_CODES, Panel
from logistics.forecast.quantiles import LEVELS
from logistics.forecast.scope import Scope, scope_of
from logistics.forecast.windows import Windows, windows_of

MIN_PAST = {1: 14, 7: 13}  # periods that an origin needs behind it
MIN_HELD_OUT = {1: 14, 7: 4}
# Of a history too short for a whole horizon. With a quarter, intervals of the horizon's second half
# were set by the first half's errors. With half, they held too much (fresh_retail: days .83 where
# a third held .80 at an earlier origin, .91 where .76 in the end).
HELD_OUT_PART = 3
# So many times as many days make a second held-out stretch: all errors of one share its season.
# Origins of a made company (90 of 640 and 550 days): totals held .71 and .92 by one, .76 and .87 by
# two. Weeks are fewer: of juice sales, three origins, the older twin erred by a tenth more.
PLENTY = 6
STEPS_SEEN = 14  # periods of the horizon that one training batch looks at
MEAN_WEIGHT = 0.5  # of the mean's loss, against the quantiles'
MIN_SEEN = 0.85  # of its periods, for a total to be learnt from
TOTAL_PARTS = (0.25, 0.5, 0.75, 1.0)  # of the reach: lengths of totals to learn


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model, its back-test scores, and its twin, trained on nothing of the held_out periods."""

    model: Forecaster
    scores: dict[str, float]
    twin: Forecaster
    held_out: int


def fit(panels: Sequence[Panel], config: ForecastConfig, seed: int, device: str = "cpu") -> Fitted:
    """Train, back-test, train again on everything. Raises ValueError when history is too short."""
    torch.manual_seed(seed)
    # Sums split over threads differ in their last digits from one machine to the next; and layers
    # this small gain nothing from more threads (two on a busy machine took 20 times as long).
    torch.set_num_threads(1)
    panels = [panel for panel in panels if len(panel)]
    held_out = _held_out(panels)
    twice = panels[0].period_days == 1 and _longest(panels) >= PLENTY * held_out
    stretches = [0, held_out] if twice else [0]  # by the periods after them
    rng = np.random.default_rng(seed)
    before = _as_of(panels, stretches[-1] + held_out)
    before = [panel.take(np.flatnonzero(panel.age > 0)) for panel in before]
    past = _trained(before, config, rng, device)
    reach = _reach(panels)
    judged = together(
        [backtest(past, _as_of(panels, back), held_out, reach, device) for back in stretches]
    )
    model = _trained(panels, config, rng, device)
    model.margin.copy_(torch.from_numpy(judged.margin))
    model.total_margin.copy_(torch.from_numpy(judged.total_margin))
    model.borders.copy_(torch.from_numpy(judged.borders))
    model.fade.copy_(torch.from_numpy(fade(judged.ends, panels[0].period_days)))
    return Fitted(model, judged.scores, past, held_out)


def _as_of(panels: Sequence[Panel], back: int) -> list[Panel]:
    """The panels as they were so many periods ago."""
    return [panel.rewind(back) for panel in panels if panel.num_periods > back]


def _longest(panels: Sequence[Panel]) -> int:
    return max((panel.num_periods for panel in panels), default=0)


def _trained(
    panels: Sequence[Panel], config: ForecastConfig, rng: np.random.Generator, device: str
) -> Forecaster:
    """A model of everything these panels show.

    From scratch. Training on from the back-test's model was tried on juice sales only, where it
    kept that one's bias; which of the two is better is not settled.
    """
    scope = scope_of(panels, _reach(panels))
    windows = _windows(panels, scope, config, rng)
    model = _model(windows, scope, config).to(device)
    _train(model, windows, config, config.train_steps, config.learning_rate, rng, device)
    return model.eval()


def _held_out(panels: Sequence[Panel]) -> int:
    longest = _longest(panels)
    period_days = panels[0].period_days if panels else 1
    shortest = MIN_HELD_OUT[period_days]
    least = 2 * MIN_PAST[period_days] + 2 * shortest
    if longest < least:
        unit = "days" if period_days == 1 else "weeks"
        raise ValueError(f"sales cover {longest} {unit}; training needs {least} at least")
    return min(max(panel.horizon for panel in panels), max(longest // HELD_OUT_PART, shortest))


def _reach(panels: Sequence[Panel]) -> int:
    """The furthest period ahead that these panels show."""
    horizon = max(panel.horizon for panel in panels)
    return min(_longest(panels) - MIN_PAST[panels[0].period_days], horizon)


def _windows(
    panels: Sequence[Panel], scope: Scope, config: ForecastConfig, rng: np.random.Generator
) -> Windows:
    return windows_of(panels, scope, config.max_train_windows, MIN_PAST[panels[0].period_days], rng)


def _model(windows: Windows, scope: Scope, config: ForecastConfig) -> Forecaster:
    shape = Shape(
        num_past=windows.past.shape[1],
        num_step=windows.step.shape[2],
        num_shared=windows.shared.shape[2],
        num_codes=windows.codes.shape[1],
        hidden=config.hidden,
        step_hidden=config.step_hidden,
        dropout=config.dropout,
    )
    model = Forecaster(Settings(shape, scope, config.members))
    for member in model.members:
        _silence_unseen(member.codes, windows.codes)  # type: ignore[arg-type]
    return model


@torch.no_grad()
def _silence_unseen(tables: torch.nn.ModuleList, codes: Tensor) -> None:
    """A category or department that training never sees must not be noise to the network.

    Those seen start at random: from zero they are learnt so slowly that the demo company's 90-day
    totals were a fifth worse (WAPE 0.141 against 0.119).
    """
    for i, table in enumerate(tables):
        unseen = torch.ones(NUM_CODES, dtype=torch.bool)
        unseen[codes[:, i] % NUM_CODES] = False
        table.weight[unseen] = 0  # type: ignore[index, operator]


def _train(
    model: Forecaster,
    windows: Windows,
    config: ForecastConfig,
    steps: int,
    learning_rate: float,
    rng: np.random.Generator,
    device: str,
) -> None:
    """Each network on batches of its own, then totals on top of the means they give together."""
    model.train()
    horizon = windows.target.shape[1]
    for member in model.members:
        parameters = list(member.parameters())
        optimiser, schedule = _optimiser(parameters, learning_rate, steps)
        for _ in range(steps):
            at = torch.from_numpy(
                np.sort(rng.choice(horizon, min(STEPS_SEEN, horizon), replace=False))
            )
            rows = _share(rng.integers(0, len(windows), config.batch_series))
            inputs, target, weight = windows.batch(rows, at, device)
            mean, quantiles = member(inputs)
            _step(optimiser, schedule, parameters, _loss(mean, quantiles, target, weight))
    parameters = list(model.total.parameters())
    steps = max(steps // 3, 1)
    optimiser, schedule = _optimiser(parameters, learning_rate, steps)
    every = torch.arange(horizon)
    for _ in range(steps):
        rows = _share(rng.integers(0, len(windows), config.batch_series))
        inputs, target, weight = windows.batch(rows, every, device)
        with torch.no_grad():
            mean, _ = model(inputs)
        loss = _total_loss(model, (inputs, target, weight), mean)
        if loss is None and distributed.is_initialized():
            loss = mean.new_zeros(
                (), requires_grad=True
            )  # the other workers may have a step to take
        if loss is not None:
            _step(optimiser, schedule, parameters, loss)


def _share(rows: NDArray[np.int64]) -> Tensor:
    """This worker's part of a batch: all draw the same one, as they have the same seed."""
    if distributed.is_initialized():
        rows = rows[distributed.get_rank() :: distributed.get_world_size()]
    return torch.from_numpy(rows)


def _average(parameters: Sequence[Tensor]) -> None:
    """Every worker steps along the mean of all gradients, so that their weights stay the same."""
    if not distributed.is_initialized():
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        distributed.all_reduce(parameter.grad)
        parameter.grad /= distributed.get_world_size()


def _optimiser(
    parameters: Sequence[Tensor], learning_rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    # A constant rate with averaged weights, stopped where the held-out periods were told best, was
    # no better (4,000 series of fresh_retail, one seed: WQL .295 for .294; draws differ by .005).
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=1e-2)
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
    _average(parameters)
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    schedule.step()


def _loss(mean: Tensor, quantiles: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Pinball of the quantiles, and the Poisson deviance of the mean, least at the true mean."""
    known = ~torch.isnan(target)
    actual = torch.where(known, target, torch.zeros_like(target))
    shown = known * weight[:, None]
    pinball = _pinball(actual, quantiles).mean(dim=-1)
    poisson = mean - actual * torch.log(mean)
    return ((2 * pinball + MEAN_WEIGHT * poisson) * shown).sum() / shown.sum().clamp_min(1e-6)


def _total_loss(
    model: Forecaster, batch: tuple[Inputs, Tensor, Tensor], mean: Tensor
) -> Tensor | None:
    """Pinball of the totals whose periods were (nearly) all seen, censored ones at their mean."""
    inputs, target, weight = batch
    reach = model.settings.scope.reach
    lengths = sorted({max(round(part * reach), 1) for part in TOTAL_PARTS})
    known = ~torch.isnan(target)
    actual = sums_of(torch.where(known, target, mean), lengths)
    share = torch.stack([known[:, :length].float().mean(dim=1) for length in lengths], dim=1)
    sums, ratios = model.totals(inputs, mean, lengths)
    shown = (share >= MIN_SEEN) * weight[:, None] / torch.tensor(lengths).to(mean)
    if not shown.any():
        return None
    loss = _pinball(actual, ratios * sums[..., None]).mean(dim=-1)
    return (loss * shown).sum() / shown.sum()


def _pinball(actual: Tensor, quantiles: Tensor) -> Tensor:
    levels = torch.from_numpy(LEVELS).to(quantiles)
    error = actual[..., None] - quantiles
    return torch.maximum(levels * error, (levels - 1) * error)
