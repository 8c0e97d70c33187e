"""How good a model would have been: the last days held out, ours against the last week again.

Knows panels, a trained model's answers and metrics; trains nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from logistics.forecast import metrics
from logistics.forecast.features import demand_ahead
from logistics.forecast.model import Forecaster, predict
from logistics.forecast.panel import Array, Panel
from logistics.outputs import QUANTILE_LEVELS, TOTAL_HORIZONS_DAYS

LEVELS = np.array(QUANTILE_LEVELS, np.float32)
MIN_SEEN = 0.85  # of its days, for a total to be judged: the rest was out of stock
MIN_JUDGED = 50  # totals; fewer say too little to set a spread by
SPREADS = (0.6, 2.5)  # one hold-out must not narrow or widen the totals further than this


@dataclass(frozen=True, slots=True)
class Backtest:
    """scores by name; spread (3, 2): by total, factors on the quantiles below and above the median.

    The totals' scores are those before the spread is set: what is tuned on the held-out days
    cannot be judged on them.
    """

    scores: dict[str, float]
    spread: Array


def backtest(
    model: Forecaster, panels: Sequence[Panel], held_out: int, device: str = "cpu"
) -> Backtest:
    """Judge a model that was trained on nothing of the last held_out days.

    Days that were censored by stock-outs are left out: their sales are not their demand.
    """
    lengths = tuple(min(days, held_out) for days in TOTAL_HORIZONS_DAYS)
    ours, naive, came = [], [], []
    for panel in (panel for panel in panels if panel.num_periods > held_out):
        past = panel.rewind(held_out)
        rows = np.flatnonzero(past.age > 0)
        past = past.take(rows)
        ours.append(predict(model, past, device, lengths))
        naive.append(seasonal_naive(past))
        came.append(demand_ahead(panel.take(rows), past.num_periods)[:, :held_out])
    actual = np.concatenate(came)
    mean = np.concatenate([f.mean for f in ours])[:, :held_out]
    quantiles = np.concatenate([f.quantiles for f in ours])[:, :held_out]
    plain, plain_quantiles = (
        np.concatenate(arrays)[:, :held_out] for arrays in zip(*naive, strict=True)
    )
    scores = {
        "held_out_days": float(held_out),
        "wql": metrics.wql(actual, quantiles, LEVELS),
        "naive_wql": metrics.wql(actual, plain_quantiles, LEVELS),
        "wape": metrics.wape(actual, mean),
        "naive_wape": metrics.wape(actual, plain),
        "bias": metrics.bias(actual, mean),
        "coverage80": metrics.coverage(actual, quantiles[..., 0], quantiles[..., -1]),
    }
    totals = np.stack([_total(actual, days) for days in lengths], axis=1)
    total_quantiles = np.concatenate([f.total_quantiles for f in ours])
    if np.isfinite(totals[:, -1]).any():
        scores |= {
            "total_days": float(lengths[-1]),
            "total_wape": metrics.wape(
                totals[:, -1], np.concatenate([f.total_mean for f in ours])[:, -1]
            ),
            "naive_total_wape": metrics.wape(totals[:, -1], plain[:, : lengths[-1]].sum(axis=1)),
            "total_coverage80": metrics.coverage(
                totals[:, -1], total_quantiles[:, -1, 0], total_quantiles[:, -1, -1]
            ),
        }
    spread = [_spread(totals[:, i], total_quantiles[:, i]) for i in range(len(lengths))]
    return Backtest(scores, np.array(spread, np.float32))


def _total(actual: Array, num_days: int) -> Array:
    """Demand of the first days (n,), NaN where too little of it was seen."""
    known = ~np.isnan(actual[:, :num_days])
    seen = np.nan_to_num(actual[:, :num_days]).sum(axis=1)
    share = known.mean(axis=1)
    return np.where(share >= MIN_SEEN, seen / np.maximum(share, MIN_SEEN), np.nan)


def _spread(actual: Array, quantiles: Array) -> tuple[float, float]:
    """What the outer quantiles' distance from the median must be multiplied by, below and above.

    The factor that leaves a tenth of the totals outside is the 90 % quantile of the distances that
    came, each over the distance that was forecast: split conformal prediction, one side at a time.
    Source: Romano, Patterson and Candès 2019, with a factor in place of their addend.
    """
    known = np.isfinite(actual)
    if known.sum() < MIN_JUDGED:
        return 1.0, 1.0
    middle = quantiles[known, len(LEVELS) // 2]
    off = actual[known] - middle
    below = np.maximum(middle - quantiles[known, 0], 1e-6)
    above = np.maximum(quantiles[known, -1] - middle, 1e-6)
    factors = np.quantile([-off / below, off / above], LEVELS[-1], axis=1).clip(*SPREADS)
    return float(factors[0]), float(factors[1])


def seasonal_naive(panel: Panel) -> tuple[Array, Array]:
    """The last week again (n, h), with the spread of past weekly differences (n, h, q)."""
    units = np.nan_to_num(panel.units)
    week = units[:, -7:]
    mean = np.tile(week, (1, -(-panel.horizon // 7)))[:, : panel.horizon]
    recent = units[:, -98:]
    change = recent[:, 7:] - recent[:, :-7]
    spread = np.quantile(change, LEVELS, axis=1).T.astype(np.float32)
    return mean, np.maximum(mean[..., None] + spread[:, None, :], 0)
