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
from logistics.maintenance import impute
from logistics.maintenance.backtest import FOLDS, PRIOR_DAYS, age_rule, scores
from logistics.maintenance.calibration import HORIZON_DAYS
from logistics.maintenance.features import LONG_AGO_DAYS, Flags, Reals, Small, Whole
from logistics.maintenance.held_out import MEMBERS, as_far_as_known, masses, of_fold
from logistics.maintenance.links import Line, fit_line, lives
from logistics.maintenance.model import (
    CHUNK,
    Fleet,
    RiskModel,
    encode,
    fit_scaling,
    kind_indices,
    single_thread,
)
from logistics.maintenance.network import NET_FEATURES, Nets, life, start_from
from logistics.maintenance.survival import (
    EDGES_DAYS,
    LAST_DAY,
    LIFE_CAP_DAYS,
    by_cause,
    residual_levels,
    stretched,
)
from logistics.maintenance.windows import HISTORY_FEATURES, Outcomes, SensorWindows, select

# Fewer failures than this teach a net nothing that a base rate does not say.
MIN_FAILURES = 10
HIDE_SENSORS = 0.4  # up to this share at a step, so that a dead sensor is no surprise
NOISE = 0.1  # of a feature's width
LIFE_WEIGHT = 300.0  # of the squared error of the expected life, as a share of LIFE_CAP_DAYS
# Windows with so much life left that nothing shows yet are alike, and often most of all: nets learn
# from a share of them, which took 5 % off the error of the expected life on held-out units of
# C-MAPSS. The chances to fail are calibrated on all, or they would be too high.
FAR_DAYS, FAR_SHARE = 150, 0.15
# Failures counted for each component that a kind has, beside those seen. Without them one that it
# has not lost yet was told never to fail: PR-AUC .34 instead of .38 on companies of 200 assets.
PRIOR_FAILURES = 2.0
UNUSUAL = 0.02  # share left to components that a kind has not lost yet
WEIGHT_DECAY = 0.05
AVERAGE_DECAY = 0.99  # of the weights; what is kept of a net is its running average
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
    kind_of, learnt = kind_indices(kinds, windows), _learnt(known, seed)
    model = RiskModel(
        kinds=kinds,
        sensors=windows.sensors,
        components=components,
        scaling=fit_scaling(windows.take(np.flatnonzero(learnt)), kinds),
        fleet=fleet_rates(windows, kind_of, known, len(kinds)),
        nets=None,
    )
    failures = _num_failures(windows, known)
    if failures < MIN_FAILURES or len(set(windows.asset_ids.tolist())) < FOLDS:
        remark = f"base rates only: {failures} failures, a net needs {MIN_FAILURES}"
        return Fit(model, {"failures": float(failures)}, remark)
    rows = _Rows(encode(model.scaling, kind_of, windows), known, components)
    fold_of = _folds(windows, known, seed)
    fold_of_learnt = np.where(learnt, fold_of, FOLDS)
    lines = _lines(windows, known, rows.x, kind_of, fold_of_learnt, model.fleet)
    both = _fit_folds(rows, fold_of_learnt, model, lines, options, seed)
    nets, hazard, shares, stretch = as_far_as_known(
        *both, rows.x, fold_of, known, rows.component.numpy()
    )
    calibrated = stretched(hazard, stretch) * by_cause(shares, stretch[1])[:, None]
    model = replace(
        model,
        nets=nets,
        stretch=stretch,
        residuals=_levels(calibrated, known),
        masses=masses(nets, hazard, rows.x, fold_of, known),
    )
    rule = age_rule(windows, kind_of, known, fold_of)
    remark = f"{FOLDS * MEMBERS} nets on {len(windows)} windows with {failures} failures"
    return Fit(model, scores(calibrated, rule, known), remark)


def _learnt(known: Outcomes, seed: int) -> Flags:
    """Rows (n,) that nets learn from: see FAR_DAYS."""
    drawn = np.random.default_rng(seed).random(len(known.days)) < FAR_SHARE
    return np.asarray((known.days < FAR_DAYS) | drawn)


def fleet_rates(windows: SensorWindows, kind_of: Whole, known: Outcomes, num_kinds: int) -> Fleet:
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
    return Fleet(rate, _shares(windows, kind_of, known, num_kinds))


def _shares(windows: SensorWindows, kind_of: Whole, known: Outcomes, num_kinds: int) -> Reals:
    """(kinds + 1, components) each one's share in a kind's failures, none where the kind does not
    have it: no event has ever named it."""
    losing = known.component[:, None] == np.array(windows.components, dtype=np.str_)
    per_failure = losing.sum() / max(_num_failures(windows, known), 1)  # windows
    counts = np.zeros((num_kinds + 1, len(windows.components)))
    for kind in range(num_kinds):
        mine = kind_of == kind
        carried = _has_events(windows.history[mine]).any(axis=0) | losing[mine].any(axis=0)
        counts[kind] = losing[mine].sum(axis=0) + PRIOR_FAILURES * per_failure * carried
    counts[-1] = counts[:-1].sum(axis=0)
    empty = counts.sum(axis=1) == 0
    counts[empty] = counts[-1]
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9))


def _has_events(history: Small) -> Flags:
    """(n, components) whether errors of it were reported, or it was replaced, not long ago."""
    since_days = np.expm1(history[:, :, HISTORY_FEATURES.index("log_days_since_replaced")])
    reported = history[:, :, HISTORY_FEATURES.index("log_errors_30")] > 0
    return np.asarray(reported | (since_days < LONG_AGO_DAYS - 0.5))


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


# --- the nets ------------------------------------------------------------------------------------


class _Rows:
    """Training rows as tensors: inputs, days lived in each stretch, how each life ended."""

    def __init__(self, x: Tensor, known: Outcomes, components: tuple[str, ...]) -> None:
        told = lives(known, components, EDGES_DAYS)
        self.x = x
        self.lived = torch.from_numpy(told.lived.astype(np.float32))
        self.failed = torch.from_numpy(told.failed.astype(np.float32))
        self.end = torch.from_numpy(told.end)
        self.component = torch.from_numpy(told.which)
        self.life = torch.from_numpy(told.days.astype(np.float32))


def _fit_folds(
    rows: _Rows,
    fold_of: Whole,
    model: RiskModel,
    lines: list[Line],
    options: MaintenanceConfig,
    seed: int,
) -> tuple[Nets, Nets]:
    """MEMBERS nets per fold, which have not seen the fold's assets; net i is of fold i % FOLDS.
    As they began, and as they became.

    Rows of fold FOLDS are left out.

    All nets stop after the same number of steps, where the held-out loss is least: a small fleet
    is learnt by heart long before a large one is learnt at all.
    """
    learnt, folds = fold_of < FOLDS, [fold_of == fold for fold in range(FOLDS)]
    mine = [torch.from_numpy(np.flatnonzero(own)) for own in folds]
    others = [torch.from_numpy(np.flatnonzero(learnt & ~own)) for own in folds] * MEMBERS
    looks = _train(rows, others, model, lines, options, seed)
    first = best = next(looks)
    least = _held_out_loss(first, rows, mine)
    for nets in looks:
        loss = _held_out_loss(nets, rows, mine)
        if loss < least:
            best, least = nets, loss
    return first, best


def _train(
    rows: _Rows,
    others: list[Tensor],
    model: RiskModel,
    lines: list[Line],
    options: MaintenanceConfig,
    seed: int,
) -> Iterator[Nets]:
    """The nets as they begin, and with their weights averaged so far every LOOK_STEPS steps."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]), single_thread():
        torch.manual_seed(seed)
        sensors, inputs = len(model.sensors), rows.x.shape[1]
        shape = sensors, inputs, options.hidden, len(model.components)
        nets = Nets(len(others), len(model.kinds), *shape)
        _start_from_fleet(nets, model.fleet, rows, others)
        for i, line in enumerate(lines * MEMBERS):
            start_from(nets, i, line)
        average = copy.deepcopy(nets).eval()
        yield copy.deepcopy(average)
        optimiser = torch.optim.AdamW(
            nets.parameters(), options.learning_rate, weight_decay=WEIGHT_DECAY
        )
        for step in range(1, options.train_steps + 1):
            batch = _draw(others, options.batch_windows, generator)
            x = _disturbed(rows.x[batch], model, generator)
            loss = _losses(nets.train()(x), rows, batch).mean(1).sum()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(nets.parameters(), len(others) ** 0.5)
            optimiser.step()
            _draw_near(average, nets)
            if step % LOOK_STEPS == 0 or step == options.train_steps:
                yield copy.deepcopy(average)


def _draw(others: list[Tensor], count: int, generator: torch.Generator) -> Tensor:
    """(e, count) rows of each net's own assets."""
    draws = [torch.randint(len(rows), (count,), generator=generator) for rows in others]
    return torch.stack([rows[draw] for rows, draw in zip(others, draws, strict=True)])


def _disturbed(x: Tensor, model: RiskModel, generator: torch.Generator) -> Tensor:
    """(e, n, inputs) with noise, and with sensors hidden, as `encode` would show them."""
    sensors, width = len(model.sensors), len(model.sensors) * NET_FEATURES
    x = x + NOISE * torch.randn(x.shape, generator=generator)
    if not sensors:
        return x
    share = HIDE_SENSORS * torch.rand((), generator=generator)
    heard = (torch.rand(len(x), sensors, generator=generator) >= share).numpy()
    told = torch.from_numpy(
        np.stack([impute.weights(model.scaling.together, pattern) for pattern in heard])
    )
    signals = x[..., :width].reshape(*x.shape[:2], sensors, NET_FEATURES)
    signals = torch.einsum("efst,entf->ensf", told, signals).flatten(-2)
    return torch.cat([signals, x[..., width:]], dim=-1)


@torch.no_grad()
def _draw_near(average: Nets, nets: Nets) -> None:
    for mean, now in zip(average.parameters(), nets.parameters(), strict=True):
        mean.lerp_(now, 1 - AVERAGE_DECAY)


def _start_from_fleet(nets: Nets, fleet: Fleet, rows: _Rows, others: list[Tensor]) -> None:
    """The fleet's own rate in every stretch; where few lived that long, the rate before it."""
    for i, chosen in enumerate(others):
        lived = rows.lived[chosen].sum(0).double().numpy()
        ends = np.bincount(
            rows.end[chosen].numpy(), weights=rows.failed[chosen].numpy(), minlength=len(lived)
        )
        rate, log_rates = ends.sum() / max(lived.sum(), 1.0), []
        for days, failures in zip(lived, ends, strict=True):
            rate = (failures + 2.0) / (days + 2.0 / rate)
            log_rates.append(np.log(rate))
        nets.fleet_log_rates[i] = torch.tensor(log_rates)
    if fleet.share.shape[1]:
        nets.usual_odds.copy_(torch.from_numpy(_usual_odds(fleet)))


def _usual_odds(fleet: Fleet) -> Reals:
    return np.asarray(np.log((1 - UNUSUAL) * fleet.share + UNUSUAL / fleet.share.shape[1]))


def _lines(
    windows: SensorWindows, known: Outcomes, x: Tensor, kind_of: Whole, fold_of: Whole, fleet: Fleet
) -> list[Line]:
    """Where the nets of each fold begin; none where components have no names."""
    if not windows.components:
        return []
    usual, lines = _usual_odds(fleet)[kind_of], []
    with single_thread():
        for fold in range(FOLDS):
            rows = np.flatnonzero((fold_of < FOLDS) & (fold_of != fold))
            of_others = (windows.take(rows), known.take(rows), x[rows].numpy())
            lines.append(fit_line(*of_others, NET_FEATURES, usual[rows]))
    return lines


def _losses(log_rates: Tensor, rows: _Rows, batch: Tensor) -> Tensor:
    """(e, n) negative log likelihood of each life, censored or not, and of the component that
    failed; and the squared error of the expected life, one-sided where it is censored."""
    failed, which, end = rows.failed[batch], rows.component[batch], rows.end[batch][..., None]
    rates = log_rates.exp()
    total = rates.sum(2)
    survived = (total * rows.lived[batch]).sum(-1)
    # A failure is known to the day: the chance to fail within the day after the days survived.
    last_day = total.gather(-1, end)[..., 0]
    of_causes = rates.gather(-1, end[:, :, None].expand(*rates.shape[:3], 1))[..., 0]
    of_cause = of_causes.gather(-1, which.clamp(min=0)[..., None])[..., 0]
    share = torch.where(which >= 0, of_cause / last_day, 1.0)
    died = torch.log(-torch.expm1(-last_day)) + share.clamp(min=1e-12).log()
    lived, miss = rows.life[batch], life(total) - rows.life[batch]
    miss = torch.where((failed > 0) | (lived >= LIFE_CAP_DAYS), miss, miss.clamp(max=0.0))
    return survived - failed * died + LIFE_WEIGHT * (miss / LIFE_CAP_DAYS) ** 2


@torch.no_grad()
def _held_out_loss(nets: Nets, rows: _Rows, mine: list[Tensor]) -> float:
    """Mean loss of every row under the net that has not seen its asset."""
    total, count = 0.0, 0
    for i, chosen in enumerate(mine):
        net = of_fold(nets, i)
        for part in torch.split(chosen, CHUNK):
            batch = part.expand(MEMBERS, -1)
            total += float(_losses(net(rows.x[batch]), rows, batch).mean(0).sum())
        count += len(chosen)
    return total / count


def _levels(hazard: Reals, known: Outcomes) -> tuple[float, float, float]:
    """Lives are told apart up to LIFE_CAP_DAYS; longer ones count as still going on."""
    cap = int(LIFE_CAP_DAYS)
    return residual_levels(hazard, np.minimum(known.days, cap), known.failed & (known.days < cap))
