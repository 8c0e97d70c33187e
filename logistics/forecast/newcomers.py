"""SKUs that are launched now and have no history: they sell as their siblings do at their age.

Knows panels, the items' rows and any forecaster's answers. A sibling is a SKU of the same category,
or department, or of all where there is none. Which of them the new one will be like nobody knows,
so its distribution is that of all of them together.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.forecast.panel import FOREVER, OF_SERIES, Array, Panel
from logistics.forecast.quantiles import LEVELS, Predict, QuantileForecast
from logistics.forecast.totals import lengths_of

LATE_DAYS = 28  # a SKU launched longer ago that nobody bought here is not sold here
MAX_SIBLINGS = 200
RAMP_DAYS = 84  # after which a new SKU sells as an old one
STEP_DAYS = 7
MIN_LAUNCHES = 5  # seen, before anything is said about how sales begin


def joined(panel: Panel, items: pl.DataFrame, candidates: Sequence[str]) -> Panel:
    """The panel and, after its series, one for every SKU that is launched within the horizon or was
    just now, and that it does not have yet. candidates: the SKUs that may be among them."""
    end = panel.run_date + timedelta(days=panel.horizon * panel.period_days)
    since = panel.run_date - timedelta(days=LATE_DAYS)
    fresh = items.filter(
        pl.col("launch").is_between(since, end, closed="left"),
        pl.col("sku_id").is_in(sorted({*candidates} - {*panel.sku_ids})),
    ).sort("sku_id")
    if fresh.is_empty() or not len(panel) or len(panel.site_ids) != 1:
        return panel
    known = _codes_of(panel, items)
    codes = np.zeros((fresh.height, panel.codes.shape[1]), np.int64)
    for k, name in enumerate(panel.code_names):
        if name in fresh.columns:
            codes[:, k] = [known[k].get(value, 0) for value in fresh[name]]
    rows = _rows(panel, fresh, codes)
    skus = [*panel.sku_ids, *fresh["sku_id"]]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(panel, name), rows[name]]) for name in OF_SERIES
    }
    return replace(panel, sku_ids=tuple(skus), **arrays)


def _rows(panel: Panel, fresh: pl.DataFrame, codes: NDArray[np.int64]) -> dict[str, np.ndarray]:
    n, days = fresh.height, panel.period_days
    found = {name: np.full((n, *getattr(panel, name).shape[1:]), np.nan, np.float32) for name in
             ("units", "covariates", "attributes")}  # fmt: skip
    ages = [(panel.run_date - launch).days / days for launch in fresh["launch"]]
    ends = fresh["end_of_life"] if "end_of_life" in fresh.columns else [None] * n
    left = [FOREVER if end is None else (end - panel.run_date).days / days for end in ends]
    return found | {
        "site": np.zeros(n, np.int64),
        "in_stock": np.ones((n, panel.num_periods), np.float32),
        "known_ahead": np.zeros((n, panel.known_ahead.shape[1]), bool),
        "codes": codes,
        # Launched but not sold yet: whatever the calendar says, its life here has not begun.
        "age": np.minimum(np.array(ages, np.float32), 0),
        "left": np.array(left, np.float32),
    }


def _codes_of(panel: Panel, items: pl.DataFrame) -> list[dict[str, int]]:
    """Per code, what its names are called in this panel."""
    skus = pl.DataFrame({"sku_id": pl.Series(panel.sku_ids, dtype=pl.String)})
    named = skus.join(items, on="sku_id", how="left", maintain_order="left")
    return [
        dict(zip(named[name].to_list(), panel.codes[:, k].tolist(), strict=True))
        if name in named.columns
        else {}
        for k, name in enumerate(panel.code_names)
    ]


def is_new(panel: Panel) -> NDArray[np.bool_]:
    """Which series have no history at all (n,)."""
    quiet = np.asarray(np.isnan(panel.units[:, -1:]).all(axis=1))  # which few are
    quiet[quiet] = np.isnan(panel.units[quiet]).all(axis=1)
    return quiet


def predict_all(predict: Predict, panel: Panel) -> QuantileForecast:
    """The forecaster's answer for what has a history, the siblings' for what has none."""
    new = is_new(panel)
    if not new.any():
        return predict(panel)
    old = panel.take(np.flatnonzero(~new))
    forecast = predict(old)
    grids = {}
    for name in QuantileForecast.__slots__:
        known = getattr(forecast, name)
        grids[name] = np.zeros_like(known, shape=(len(panel), *known.shape[1:]))
        grids[name][~new] = known
    ramp, likes = launch_ramp(old), dict[bytes, QuantileForecast]()
    for row in np.flatnonzero(new) if len(old) else ():
        kin = siblings(panel, int(row), old)
        key = kin.tobytes()  # most have the siblings of another one
        likes[key] = like = likes.get(key) or _like(forecast, kin)
        share = _share(panel, int(row), ramp)
        mean = like.mean[0] * share
        grids["mean"][row], grids["quantiles"][row] = mean, like.quantiles[0] * share[:, None]
        spans = lengths_of(panel)
        totals = np.array([mean[:span].sum() for span in spans])
        of_like = np.maximum(like.total_mean[0], 1e-9)
        grids["total_mean"][row] = totals
        grids["total_quantiles"][row] = like.total_quantiles[0] * (totals / of_like)[:, None]
    return QuantileForecast(**grids)


def siblings(panel: Panel, row: int, old: Panel) -> NDArray[np.int64]:
    """The old series that a new one is taken to be like: those that share the most with it."""
    lasting = old.left >= old.horizon
    for k in range(panel.codes.shape[1]):
        same = lasting & (old.codes[:, k] == panel.codes[row, k]) & (panel.codes[row, k] > 0)
        if same.sum() >= MIN_LAUNCHES:
            return _some(np.flatnonzero(same))
    return _some(np.flatnonzero(lasting) if lasting.any() else np.arange(len(old)))


def _some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[:: -(-len(rows) // MAX_SIBLINGS)]


def _like(forecast: QuantileForecast, rows: NDArray[np.int64]) -> QuantileForecast:
    """One of these series, nobody knows which: the mean of the means, the quantiles of them all."""

    def mixed(quantiles: Array) -> Array:
        pooled = np.moveaxis(quantiles[rows], 0, 1).reshape(quantiles.shape[1], -1)
        return np.asarray(np.quantile(pooled, LEVELS, axis=1).T[None], np.float32)

    return QuantileForecast(
        forecast.mean[rows].mean(axis=0, keepdims=True),
        mixed(forecast.quantiles),
        forecast.total_mean[rows].mean(axis=0, keepdims=True),
        mixed(forecast.total_quantiles),
    )


def launch_ramp(old: Panel) -> Array:
    """Share of its later sales that a SKU sells in each week after its launch (weeks,).

    From the launches that the panel has seen; as a whole where it has seen too few.
    """
    days = old.period_days
    step, weeks, span = max(STEP_DAYS // days, 1), RAMP_DAYS // STEP_DAYS, RAMP_DAYS // days
    start = old.num_periods - old.age.astype(np.int64)
    seen = np.flatnonzero((old.age >= 2 * span) & (start >= 1))
    if len(seen) < MIN_LAUNCHES:
        return np.ones(weeks, np.float32)
    after = start[seen][:, None] + np.arange(2 * span)
    sold = np.take_along_axis(np.nan_to_num(old.units[seen]), after, axis=1)
    later = sold[:, span:].mean(axis=1)
    lasting = later > 0
    relative = sold[lasting, :span] / later[lasting, None]
    # The median week of many launches: one SKU that began with a promotion must not set the pace.
    by_week = relative[:, : weeks * step].reshape(lasting.sum(), weeks, step).mean(axis=2)
    found = np.median(by_week, axis=0) if lasting.any() else np.ones(weeks)
    return np.asarray(np.clip(found, 0.1, 1.5), np.float32)


def _share(panel: Panel, row: int, ramp: Array) -> Array:
    """The ramp on each period to come (h,): 0 before the launch and from the end of life on."""
    ahead = np.arange(panel.horizon)
    age = ahead + float(panel.age[row])
    week = np.clip((age * panel.period_days // STEP_DAYS).astype(np.int64), 0, len(ramp) - 1)
    grown = np.where(age * panel.period_days >= RAMP_DAYS, 1.0, ramp[week])
    return np.asarray(grown * (age >= 0) * (panel.left[row] > ahead), np.float32)
