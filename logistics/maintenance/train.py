"""Fits the risk model: nets by folds of assets, then calibration on what each had not seen.

Knows Torch and arrays. Every asset is held out of one net, so each score and the calibration rest
on assets the net in question has never seen; the model is all nets together.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from logistics.config import MaintenanceConfig
from logistics.maintenance.backtest import FOLDS, PRIOR_DAYS, age_rule, scores
from logistics.maintenance.features import Reals, Whole
from logistics.maintenance.inputs import Outcomes, SensorWindows, select
from logistics.maintenance.model import (
    Fleet,
    Net,
    RiskModel,
    encode,
    fit_scaling,
    flat,
    hazards,
    kind_indices,
    num_inputs,
    single_thread,
)
from logistics.maintenance.survival import (
    EDGES_DAYS,
    LAST_DAY,
    WIDTHS_DAYS,
    hazard_on,
    log_loss,
    residual_levels,
    stretched,
)

# Fewer failures than this teach a net nothing that a base rate does not say.
MIN_FAILURES = 10
HORIZON_DAYS = 30
HIDE_SENSOR_SHARE = 0.3  # of the sensors of a training row, so that a dead sensor is no surprise
UNUSUAL = 0.02  # share left to components that a kind has not lost yet
WEIGHT_DECAY = 0.05
AVERAGE_DECAY = 0.97  # of the weights; what is kept of a net is its running average
LOOK_STEPS = 50


@dataclass(frozen=True, slots=True)
class Fit:
    """A trained model, its scores on held-out assets, and a word on how it was trained."""

    model: RiskModel
    scores: dict[str, float]
    remark: str


def fit(windows: SensorWindows, known: Outcomes, options: MaintenanceConfig, seed: int) -> Fit:
    """Train on windows whose outcome is known. Without enough failures the model is a base rate."""
    kinds = tuple(sorted(set(windows.kinds.tolist())))
    components = tuple(sorted({c for c in known.component.tolist() if c} | set(windows.components)))
    windows = select(windows, windows.sensors, components)
    kind_of = kind_indices(kinds, windows)
    model = RiskModel(
        kinds=kinds,
        sensors=windows.sensors,
        components=components,
        hidden=options.hidden,
        scaling=fit_scaling(windows, kinds),
        fleet=fleet_rates(kind_of, known, len(kinds), components),
        nets=(),
    )
    failures = _num_failures(windows, known)
    if failures < MIN_FAILURES or len(set(windows.asset_ids.tolist())) < FOLDS:
        remark = f"base rates only: {failures} failures, a net needs {MIN_FAILURES}"
        return Fit(model, {"failures": float(failures)}, remark)
    rows = _Rows(encode(model.scaling, kind_of, windows), known, components, windows)
    fold_of = _folds(windows, known, seed)
    nets, held_out = _fit_folds(rows, fold_of, model, options, seed)
    stretch, _ = calibrate(held_out, known)
    calibrated = stretched(held_out, stretch)
    levels = residual_levels(calibrated, known.days, known.failed)
    model = replace(model, nets=nets, stretch=stretch, residuals=levels)
    rule = age_rule(windows, kind_of, known, fold_of)
    remark = f"{FOLDS} nets on {len(windows)} windows with {failures} failures"
    return Fit(model, scores(calibrated, rule, known), remark)


def fleet_rates(
    kind_of: Whole, known: Outcomes, num_kinds: int, components: tuple[str, ...]
) -> Fleet:
    """Failures per asset-day by kind, drawn towards the whole fleet where there are few.

    Counted over the month after each window: over whole lives, machines that wear out evenly would
    seem to fail twice as often as they do.
    """
    days = np.minimum(known.days, HORIZON_DAYS).astype(np.float64)
    failed = (known.failed & (known.days < HORIZON_DAYS)).astype(np.float64)
    everyone = (failed.sum() + 0.5) / (days.sum() + 0.5 * LAST_DAY)
    by_kind = np.bincount(kind_of, weights=days, minlength=num_kinds + 1)
    ends = np.bincount(kind_of, weights=failed, minlength=num_kinds + 1)
    rate = (ends + everyone * PRIOR_DAYS) / (by_kind + PRIOR_DAYS)
    share = np.zeros((num_kinds + 1, len(components)))
    for i, component in enumerate(components):
        own = (known.component == component).astype(np.float64)
        share[:, i] = np.bincount(kind_of, weights=own, minlength=num_kinds + 1)
        share[-1, i] = own.sum()
    total = share.sum(axis=1, keepdims=True)
    share = np.where(total > 0, share / np.maximum(total, 1), share[-1:] / max(total[-1, 0], 1))
    return Fleet(rate, share)


def _num_failures(windows: SensorWindows, known: Outcomes) -> int:
    """Distinct failures, however many windows look ahead to the same one."""
    ends = windows.as_of[known.failed] + known.days[known.failed]
    return len(set(zip(windows.asset_ids[known.failed].tolist(), ends.tolist(), strict=True)))


def _folds(windows: SensorWindows, known: Outcomes, seed: int) -> Whole:
    """(n,) the fold of each row's asset; assets that failed are spread evenly."""
    assets, of_row = np.unique(windows.asset_ids, return_inverse=True)
    failed = np.bincount(of_row, weights=known.failed) > 0
    shuffled = np.random.default_rng(seed).permutation(len(assets))
    order = shuffled[np.argsort(~failed[shuffled], kind="stable")]
    fold = np.empty(len(assets), dtype=np.int64)
    fold[order] = np.arange(len(assets)) % FOLDS
    return fold[of_row]


# --- one net -------------------------------------------------------------------------------------


class _Rows:
    """Training rows as tensors: inputs, days lived in each stretch, how each life ended."""

    def __init__(
        self, x: Tensor, known: Outcomes, components: tuple[str, ...], windows: SensorWindows
    ) -> None:
        days = np.minimum(known.days, LAST_DAY)
        lived = np.clip(days[:, None] - EDGES_DAYS[:-1], 0, WIDTHS_DAYS)
        failed = known.failed & (known.days < LAST_DAY)
        end = np.searchsorted(EDGES_DAYS, days, side="right") - 1
        which = {component: i for i, component in enumerate(components)}
        self.x = x
        self.known = known
        self.lived = torch.from_numpy(lived.astype(np.float32))
        self.failed = torch.from_numpy(failed.astype(np.float32))
        self.end = torch.from_numpy(np.minimum(end, len(WIDTHS_DAYS) - 1))
        self.component = torch.tensor([which.get(c, -1) for c in known.component.tolist()])
        self.num_signals = int(np.prod(windows.signals.shape[1:]))
        self.num_sensors = len(windows.sensors)
        self.num_flat = flat(windows).shape[1]


def _fit_folds(
    rows: _Rows, fold_of: Whole, model: RiskModel, options: MaintenanceConfig, seed: int
) -> tuple[tuple[Net, ...], Reals]:
    """One net per fold, and the cumulative hazard (n, edges) of every row held out of its net.

    All nets stop after the same number of steps, where the held-out likelihood, calibrated, is
    best: a small fleet is learnt by heart long before a large one is learnt at all.
    """
    of_fold = [torch.from_numpy(np.flatnonzero(fold_of == fold)) for fold in range(FOLDS)]
    others = [torch.from_numpy(np.flatnonzero(fold_of != fold)) for fold in range(FOLDS)]
    trails = [
        list(_train(rows, chosen, model, options, seed + fold))
        for fold, chosen in enumerate(others)
    ]
    best_nets: tuple[Net, ...] = ()
    best_curves, best_loss = np.zeros((0, 0)), np.inf
    for nets in zip(*trails, strict=True):
        curves = np.zeros((len(fold_of), len(EDGES_DAYS)))
        for net, mine in zip(nets, of_fold, strict=True):
            curves[mine.numpy()] = hazards(net, rows.x[mine])[0]
        _, loss = calibrate(curves, rows.known)
        if loss < best_loss:
            best_loss, best_curves, best_nets = loss, curves, nets
    return best_nets, best_curves


def _new_net(rows: _Rows, model: RiskModel) -> Net:
    inputs = num_inputs(len(model.sensors), rows.num_flat, len(model.kinds))
    return Net(len(model.kinds), inputs, model.hidden, len(model.components))


def _train(
    rows: _Rows,
    chosen: Tensor,
    model: RiskModel,
    options: MaintenanceConfig,
    seed: int,
) -> Iterator[Net]:
    """The net with its weights averaged so far, every LOOK_STEPS steps."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]), single_thread():
        torch.manual_seed(seed)
        net = _new_net(rows, model)
        _start_from_fleet(net, model.fleet, rows, chosen)
        average = copy.deepcopy(net).eval()
        optimiser = torch.optim.AdamW(
            net.parameters(), options.learning_rate, weight_decay=WEIGHT_DECAY
        )
        for step in range(1, options.train_steps + 1):
            draw = torch.randint(len(chosen), (options.batch_windows,), generator=generator)
            batch = chosen[draw]
            loss = _loss(net.train(), rows, batch, _hide_sensors(rows, rows.x[batch], generator))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            _draw_near(average, net)
            if step % LOOK_STEPS == 0 or step == options.train_steps:
                yield copy.deepcopy(average)


@torch.no_grad()
def _draw_near(average: Net, net: Net) -> None:
    for mean, now in zip(average.parameters(), net.parameters(), strict=True):
        mean.lerp_(now, 1 - AVERAGE_DECAY)


def _start_from_fleet(net: Net, fleet: Fleet, rows: _Rows, chosen: Tensor) -> None:
    """The fleet's own rate in every stretch; where few lived that long, the rate before it."""
    lived = rows.lived[chosen].sum(0).double().numpy()
    ends = np.bincount(
        rows.end[chosen].numpy(), weights=rows.failed[chosen].numpy(), minlength=len(WIDTHS_DAYS)
    )
    rate, log_rates = ends.sum() / max(lived.sum(), 1.0), []
    for days, failures in zip(lived, ends, strict=True):
        rate = (failures + 2.0) / (days + 2.0 / rate)
        log_rates.append(np.log(rate))
    net.fleet_log_rates.copy_(torch.tensor(log_rates))
    if fleet.share.shape[1]:
        share = (1 - UNUSUAL) * fleet.share + UNUSUAL / fleet.share.shape[1]
        net.usual_odds.copy_(torch.from_numpy(np.log(share)))


def _loss(net: Net, rows: _Rows, batch: Tensor, x: Tensor) -> Tensor:
    """Negative log likelihood of the life, censored or not, and of the component that failed.

    x: the inputs of the batch's rows, perhaps with sensors hidden.
    """
    log_rates, components = net(x)
    failed, end = rows.failed[batch], rows.end[batch]
    survived = (log_rates.exp() * rows.lived[batch]).sum(1)
    # A failure is known to the day: the chance to fail within the day after the days survived.
    last_day = log_rates.gather(1, end[:, None])[:, 0].exp()
    log_failed = torch.log(-torch.expm1(-last_day))
    life: Tensor = (survived - failed * log_failed).mean()
    which = rows.component[batch]
    named = which >= 0
    if not named.any():
        return life
    component: Tensor = nn.functional.cross_entropy(
        components[named], which[named], reduction="sum"
    )
    return life + component / len(batch)


def _hide_sensors(rows: _Rows, x: Tensor, generator: torch.Generator) -> Tensor:
    """x with a share of the sensors made absent, as `encode` would show them."""
    keep = torch.rand(len(x), rows.num_sensors, generator=generator) >= HIDE_SENSOR_SHARE
    width = rows.num_signals // max(rows.num_sensors, 1)
    mask = torch.ones_like(x)
    mask[:, : rows.num_signals] = keep.repeat_interleave(width, dim=1).float()
    mask[:, rows.num_flat : rows.num_flat + rows.num_sensors] = keep.float()
    return x * mask


# --- calibration and scores ----------------------------------------------------------------------


def calibrate(hazard: Reals, known: Outcomes) -> tuple[tuple[float, float], float]:
    """The stretch that makes the held-out lives of 30 days likeliest, and their log loss then."""
    ended = torch.from_numpy((known.failed & (known.days < HORIZON_DAYS)).astype(np.float64))
    days = np.minimum(known.days, HORIZON_DAYS)
    before = torch.from_numpy(np.log(hazard_on(hazard, days) + 1e-9))
    after = torch.from_numpy(np.log(hazard_on(hazard, days + 1) + 1e-9))
    stretch = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([stretch], max_iter=30, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        survived = torch.exp(stretch[0] + stretch[1] * before)
        step = torch.exp(stretch[0] + stretch[1] * after) - survived
        loss: Tensor = (survived - ended * torch.log(-torch.expm1(-step.clamp(min=1e-9)))).mean()
        torch.autograd.backward(loss)
        return loss

    with single_thread():
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    shift, power = (float(value) for value in stretch.detach())
    fine = np.isfinite(shift + power) and 0.2 <= power <= 3.0 and abs(shift) <= 3.0
    found = (shift, power) if fine else (0.0, 1.0)
    return found, log_loss(stretched(hazard, found), known.days, known.failed, HORIZON_DAYS)
