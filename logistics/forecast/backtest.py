"""How good a model would have been: the last periods held out, ours against the last week again.

Knows panels, a trained model's answers and metrics; trains nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from logistics.forecast import calibrate, fade, metrics
from logistics.forecast.features import demand_ahead
from logistics.forecast.model import Forecaster, outlook
from logistics.forecast.panel import Array, Panel
from logistics.forecast.quantiles import LEVELS

MIN_SEEN = 0.85  # of its periods, for a total to be judged: the rest was out of stock


@dataclass(frozen=True, slots=True)
class Backtest:
    """scores by name; margins of periods and totals (blocks, classes); borders between classes;
    ends as in `fade`.

    Scores are those before the margins are set: what is tuned on the held-out periods cannot be
    judged on them.
    """

    scores: dict[str, float]
    margin: Array
    total_margin: Array
    borders: Array
    ends: Array


@dataclass(frozen=True, slots=True)
class Judged:
    """What was forecast of the held-out periods, what came, and the last week again."""

    scale: Array
    mean: Array
    quantiles: Array
    total_mean: Array
    total_quantiles: Array
    actual: Array
    plain: Array
    plain_quantiles: Array
    weeks_left: NDArray[np.int64]


def backtest(
    model: Forecaster, panels: Sequence[Panel], held_out: int, reach: int, device: str = "cpu"
) -> Backtest:
    """Judge a model that was trained on nothing of the last held_out periods.

    reach: how far ahead the margins are needed.
    Periods that were censored by stock-outs are left out: their sales are not their demand.
    """
    lengths = _lengths(held_out)
    judged = _judged(model, panels, held_out, lengths, device)
    # What lies further ahead than was held out is judged on the same periods, from further back.
    back = {held_out: judged}
    if reach > held_out:
        back[reach] = _judged(model, panels, reach, lengths, device)
    totals = np.stack([_total(judged.actual, length) for length in lengths], axis=1)
    borders = np.quantile(judged.scale, np.arange(1, calibrate.CLASSES) / calibrate.CLASSES)
    group = np.searchsorted(borders, judged.scale)
    # Margins from two later origins beside this one changed next to nothing on three real sets:
    # days of fresh_retail held .753 with them, .755 without. Nor did spans of a short history that
    # were held out in turn help, of models that knew what came after: days .764, totals .715.
    return Backtest(
        _scores(judged, totals, held_out),
        _margins(back, held_out, reach, borders),
        _total_margins(judged, totals, group),
        borders.astype(np.float32),
        fade.ends(judged.actual, judged.mean, judged.scale, judged.weeks_left),
    )


def together(stretches: Sequence[Backtest]) -> Backtest:
    """Several held-out stretches as one, the latest first: borders are that one's."""
    latest = stretches[0]
    return Backtest(
        {
            name: float(np.mean([stretch.scores[name] for stretch in stretches]))
            for name in latest.scores
            if all(name in stretch.scores for stretch in stretches)
        },
        _middle([stretch.margin for stretch in stretches]),
        _middle([stretch.total_margin for stretch in stretches]),
        latest.borders,
        np.sum([stretch.ends for stretch in stretches], axis=0),
    )


def _middle(factors: Sequence[Array]) -> Array:
    """Their geometric mean."""
    return np.asarray(np.exp(np.mean(np.log(np.stack(factors)), axis=0)), np.float32)


def _lengths(held_out: int) -> tuple[int, ...]:
    """A length of totals for each block of the horizon."""
    parts = np.arange(1, calibrate.BLOCKS + 1) / calibrate.BLOCKS
    return tuple(int(length) for length in np.maximum(np.round(parts * held_out), 1))


def _judged(
    model: Forecaster, panels: Sequence[Panel], back: int, lengths: tuple[int, ...], device: str
) -> Judged:
    """What was said of all series `back` periods ago, and what came."""
    parts = [
        _judged_of(model, panel, back, lengths, device)
        for panel in panels
        if panel.num_periods > back
    ]
    return Judged(*(np.concatenate([getattr(p, name) for p in parts]) for name in Judged.__slots__))


def _judged_of(
    model: Forecaster, panel: Panel, back: int, lengths: tuple[int, ...], device: str
) -> Judged:
    past = panel.rewind(back)
    rows = np.flatnonzero(past.age > 0)
    past = past.take(rows)
    parts = list(outlook(model, past, device, lengths))
    scale, mean, quantiles, total_mean, total_quantiles = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("scale", "mean", "quantiles", "total_mean", "total_quantiles")
    )
    came = demand_ahead(panel.take(rows), past.num_periods)[:, :back]
    plain, plain_quantiles = seasonal_naive(past)
    return Judged(
        scale, mean[:, :back], quantiles[:, :back], total_mean, total_quantiles, came,
        plain[:, :back], plain_quantiles[:, :back],
        fade.weeks_left(past.left, back, past.period_days),
    )  # fmt: skip


def _scores(judged: Judged, totals: Array, held_out: int) -> dict[str, float]:
    actual, mean = judged.actual, judged.mean
    quantiles = calibrate.in_order(judged.quantiles)
    scores = {
        "held_out_periods": float(held_out),
        "wql": metrics.wql(actual, quantiles, LEVELS),
        "naive_wql": metrics.wql(actual, judged.plain_quantiles, LEVELS),
        "wape": metrics.wape(actual, mean),
        "naive_wape": metrics.wape(actual, judged.plain),
        "bias": metrics.bias(actual, mean),
        "coverage80": metrics.coverage(actual, quantiles[..., 0], quantiles[..., -1]),
    }
    total, of_total = totals[:, -1], calibrate.in_order(judged.total_quantiles[:, -1])
    if np.isfinite(total).any():
        scores |= {
            "total_periods": float(held_out),
            "total_wape": metrics.wape(total, judged.total_mean[:, -1]),
            "naive_total_wape": metrics.wape(total, judged.plain.sum(axis=1)),
            "total_coverage80": metrics.coverage(total, of_total[:, 0], of_total[:, -1]),
        }
    return scores


def _margins(judged: Mapping[int, Judged], held_out: int, reach: int, borders: Array) -> Array:
    """Margins of periods (blocks, classes).

    judged: by how many periods ago its origin lies; of its periods only those held out are taken.
    """
    parts = [_seen_first(one, back - held_out, borders) for back, one in judged.items()]
    step, actual, mean, quantiles, group = (
        np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    )
    block = calibrate.block_of(step, reach)
    return np.stack(
        [
            calibrate.margins(actual[at], mean[at], quantiles[at], group[at])
            for at in (block == i for i in range(calibrate.BLOCKS))
        ]
    )


def _seen_first(judged: Judged, after: int, borders: Array) -> tuple[Array, ...]:
    """Step, actual, mean, quantiles and class of the values that come after so many periods."""
    n, width = judged.actual.shape
    return (
        np.tile(np.arange(after, width), n),
        judged.actual[:, after:].ravel(),
        judged.mean[:, after:].ravel(),
        judged.quantiles[:, after:].reshape(-1, len(LEVELS)),
        np.repeat(np.searchsorted(borders, judged.scale), width - after),
    )


def _total_margins(judged: Judged, totals: Array, group: NDArray[np.int64]) -> Array:
    return np.stack(
        [
            calibrate.margins(
                totals[:, i], judged.total_mean[:, i], judged.total_quantiles[:, i], group
            )
            for i in range(calibrate.BLOCKS)
        ]
    )


def _total(actual: Array, length: int) -> Array:
    """Demand of the first periods (n,), NaN where too little of it was seen."""
    known = ~np.isnan(actual[:, :length])
    seen = np.nan_to_num(actual[:, :length]).sum(axis=1)
    share = known.mean(axis=1)
    return np.where(share >= MIN_SEEN, seen / np.maximum(share, MIN_SEEN), np.nan)


def seasonal_naive(panel: Panel) -> tuple[Array, Array]:
    """The last week again (n, h), with the spread of past weekly differences (n, h, q)."""
    units, week = np.nan_to_num(panel.units), 7 // panel.period_days
    mean = np.tile(units[:, -week:], (1, -(-panel.horizon // week)))[:, : panel.horizon]
    recent = units[:, -14 * week :]
    change = recent[:, week:] - recent[:, :-week]
    spread = np.quantile(change, LEVELS, axis=1).T.astype(np.float32)
    return mean, np.maximum(mean[..., None] + spread[:, None, :], 0)
