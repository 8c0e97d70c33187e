"""The nets laid out for scoring: curves, and what their inputs did to them, in one pass. Knows
Torch only.

The same numbers as `Nets` and autograd give, for less: weights are arranged once, the nets share
their input, and only rows that are to be explained go the way back, over what the way there left.
Axes: e nets, n rows, c components, f inputs, t stretches; b terms that make up a course over time.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from logistics.maintenance.network import HORIZONS_DAYS, MOST_LOG_RATES, NUM_BUMPS, Nets
from logistics.maintenance.survival import WIDTHS_DAYS

MONTH = HORIZONS_DAYS[-1]  # days are stretches up to it, as EDGES_DAYS are
TERMS = NUM_BUMPS + 2  # b: bumps, drift and odds
# Torch takes powers of 2 three times as fast as those of e, and here nothing else takes as long.
_LOG2_E = 1 / math.log(2.0)
_BOUNDS = (MOST_LOG_RATES[0] * _LOG2_E, MOST_LOG_RATES[1] * _LOG2_E)
_WITHIN = (2.0 ** (_BOUNDS[0] + 1e-5), 2.0 ** (_BOUNDS[1] - 1e-5))  # rates that are not held there
_EPSILON = 1e-5  # layer_norm's own


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """enter (f, e · hidden), line (f, e · c · 2) for drift and odds, and each net's own
    steps (e, hidden, hidden), leave (e, hidden, c · b) and course (e, b, t), with their biases;
    course leads to logarithms to the base of 2."""

    enter: Tensor
    enter_bias: Tensor
    steps: tuple[tuple[Tensor, Tensor], ...]
    leave: Tensor
    leave_bias: Tensor
    line: Tensor
    line_bias: Tensor
    course: Tensor
    course_bias: Tensor
    widths: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What rows x (n, f) left on their way through: rates (e, n, c, t), their sum over c, and
    the states (e, n, hidden) before each norm with its mean and scale, and what gelu was given."""

    x: Tensor
    rates: Tensor
    total: Tensor
    norms: tuple[tuple[Tensor, Tensor, Tensor], ...]
    inner: tuple[Tensor, ...]


@torch.no_grad()
def arrange(nets: Nets) -> Scorer:
    """The weights of nets as `forward` wants them."""
    e, f, c = nets.first_level.shape
    hidden = nets.enter.weight.shape[2]
    enter, odds, drift = nets.on_inputs()
    odds_bias = nets.line.bias + nets.components.bias
    line = torch.stack([drift, odds], -1).permute(1, 0, 2, 3)
    course = nets.course() * _LOG2_E
    leave, leave_bias = odds.new_zeros(e, hidden, c, TERMS), odds.new_zeros(e, 1, c, TERMS)
    leave[..., :NUM_BUMPS] = nets.rates.weight.view(e, hidden, c, -1)
    leave[..., -1] = nets.components.weight
    leave_bias[..., :NUM_BUMPS] = nets.rates.bias.view(e, 1, c, -1)
    return Scorer(
        enter=enter.transpose(0, 1).reshape(f, -1),
        enter_bias=nets.enter.bias.reshape(-1),
        steps=tuple((b.gain.mT * b.step.weight, b.step.bias) for b in nets.each_block()),
        leave=leave.flatten(2),
        leave_bias=leave_bias.flatten(2),
        line=line.reshape(f, -1),
        line_bias=torch.stack([nets.drift.bias, odds_bias], -1).reshape(-1),
        course=course[:, :TERMS],
        course_bias=course[:, TERMS:],
        widths=odds.new_tensor(WIDTHS_DAYS),
    )


def forward(scorer: Scorer, x: Tensor) -> Pass:
    """Rows (n, f) on their way to the rates."""
    e, hidden, _ = scorer.leave.shape
    norms: list[tuple[Tensor, Tensor, Tensor]] = []
    inner: list[Tensor] = []

    def normal(state: Tensor) -> Tensor:
        found, mean, scale = torch.native_layer_norm(state, [hidden], None, None, _EPSILON)
        norms.append((state, mean, scale))
        return found

    state = torch.addmm(scorer.enter_bias, x, scorer.enter).view(len(x), e, hidden)
    state = state.transpose(0, 1).contiguous()
    for weight, bias in scorer.steps:
        inner.append(torch.baddbmm(bias, normal(state), weight))
        state = nn.functional.gelu(inner[-1]).add_(state)
    terms = torch.baddbmm(scorer.leave_bias, normal(state), scorer.leave)
    terms = terms.view(e, len(x), -1, TERMS)
    line = torch.addmm(scorer.line_bias, x, scorer.line).view(len(x), e, -1, 2)
    terms[..., NUM_BUMPS:] += line.transpose(0, 1)
    log_rates = torch.baddbmm(scorer.course_bias, terms.flatten(1, 2), scorer.course)
    rates = log_rates.clamp_(*_BOUNDS).exp2_().view(*terms.shape[:3], -1)
    return Pass(x, rates, rates.sum(2), tuple(norms), tuple(inner))


def curves(scorer: Scorer, done: Pass) -> tuple[Tensor, Tensor]:
    """Mean over nets of survival (n, edges), and of the chance (n, c, HORIZONS_DAYS) that a
    component is the first to fail within so many days."""
    steps = done.total * scorer.widths
    each = steps.cumsum(-1).mul_(-_LOG2_E).exp2_()
    alive = nn.functional.pad(each.mean(0), (1, 0), value=1.0)
    month = slice(0, MONTH)
    begun = nn.functional.pad(each[..., : MONTH - 1], (1, 0), value=1.0)
    ended = begun * torch.expm1(-steps[..., month]) / done.total[..., month]
    first = (done.rates[..., month] * ended[:, :, None]).sum(0) / -len(steps)
    return alive, torch.stack([first[..., :days].sum(-1) for days in HORIZONS_DAYS], -1)


def pulls(scorer: Scorer, done: Pass, rows: Tensor, inputs: int) -> Tensor:
    """(rows, inputs): each of the first inputs times the slope of the logarithm of the 30-day
    hazard (gradient times input; Shrikumar et al. 2017)."""
    # A rate that is held at a bound is moved by nothing.
    rates = done.rates[..., :MONTH].index_select(1, rows)
    slope = torch.ops.aten.hardtanh_backward(rates, rates, *_WITHIN).flatten(1, 2)
    # Of the hazard; what makes it one of its logarithm is a number per row, left to the end.
    terms = torch.bmm(slope, scorer.course[..., :MONTH].mT)
    terms = terms.view(len(terms), len(rows), -1, TERMS)
    state = _through_norm(torch.bmm(terms.flatten(2), scorer.leave.mT), done.norms[-1], rows)
    steps = zip(scorer.steps, done.inner, done.norms[:-1], strict=True)
    for (weight, _), inner, norm in reversed([*steps]):
        slope = torch.ops.aten.gelu_backward(state, inner.index_select(1, rows))
        state += _through_norm(torch.bmm(slope, weight.mT), norm, rows)
    line = terms[..., NUM_BUMPS:]
    found = state.transpose(0, 1).reshape(len(rows), -1) @ scorer.enter[:inputs].T
    found.addmm_(line.transpose(0, 1).reshape(len(rows), -1), scorer.line[:inputs].T)
    hazard = done.total[..., :MONTH].sum((0, 2))[rows] * _LOG2_E
    return found * done.x[rows, :inputs] / hazard[:, None]


def _through_norm(slope: Tensor, norm: tuple[Tensor, Tensor, Tensor], rows: Tensor) -> Tensor:
    state, mean, scale = (part.index_select(1, rows) for part in norm)
    found: Tensor = torch.ops.aten.native_layer_norm_backward(
        slope, state, [state.shape[-1]], mean, scale, None, None, [True, False, False]
    )[0]
    return found
