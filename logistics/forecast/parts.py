"""Why a forecast is what it is: base, season, promotion, price and signal, which add up to it.

Knows panels and any forecaster as a function. A part is what changes when its cause is taken away:
first the promotions to come, then the changes of price, then what is unusual in the signals. What
is left is the level lately seen, for as long as the SKU is sold, and what the season and trend make
of it.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from logistics.forecast.panel import FOREVER, Array, Panel
from logistics.forecast.quantiles import Predict
from logistics.outputs_forecast import FORECAST_PARTS, TOTAL_HORIZONS_DAYS

RECENT_DAYS = 56  # whose demand in stock is the base
DISCOUNT, PRICE = "discount", "log_price"
CAUSES = ("base", "season", "promotion", "price", "signal")


@dataclass(frozen=True, slots=True)
class Parts:
    """Units of the first total's span (n,); their sum is the forecast of it."""

    base: Array
    season: Array
    promotion: Array
    price: Array
    signal: Array


def parts(predict: Predict, panel: Panel) -> Parts:
    """Of every series of the panel."""
    span = min(round(TOTAL_HORIZONS_DAYS[0] / panel.period_days), panel.horizon)
    near = shortened(panel, span)
    told, last = [predict(near).mean.sum(axis=1)], near
    for step in (without_promotions, at_usual_prices, at_usual_signals, without_end):
        changed = step(last)
        told.append(told[-1] if changed is last else predict(changed).mean.sum(axis=1))
        last = changed
    # Of a level that runs out, as of the season on it, what is left.
    on_sale = np.where(near.left < FOREVER, told[3] / np.maximum(told[4], 1e-9), 1)
    level = recent_level(near)
    # What never sold has no level of its own: all of it is base.
    base = np.where(np.isnan(level), told[3], level * span * on_sale).astype(np.float32)
    return Parts(base, told[3] - base, told[0] - told[1], told[1] - told[2], told[2] - told[3])


def shortened(panel: Panel, horizon: int) -> Panel:
    """The panel of a night that looks less far ahead."""
    width = panel.num_periods + horizon
    return replace(
        panel,
        horizon=horizon,
        covariates=panel.covariates[:, :width],
        signals=panel.signals[:, :width],
        lead=tuple(min(lead, horizon) for lead in panel.lead),
    )


def without_promotions(panel: Panel) -> Panel:
    """No discount from the run date on; the panel itself where there is none."""
    return _held(panel, DISCOUNT, np.zeros(len(panel), np.float32))


def at_usual_prices(panel: Panel) -> Panel:
    """Prices stay at their mean of the last four weeks."""
    if PRICE not in panel.covariate_names:
        return panel
    weeks = max(28 // panel.period_days, 1)
    recent = panel.covariates[..., panel.covariate_names.index(PRICE)][:, : panel.num_periods]
    return _held(panel, PRICE, _mean(recent[:, -weeks:]))


def at_usual_signals(panel: Panel) -> Panel:
    """Signals stay at their median so far."""
    t = panel.num_periods
    if not panel.signal_names or not panel.signals.size:
        return panel
    unknown = np.isnan(panel.signals[:, :t]).all(axis=1, keepdims=True)
    usual = np.nanmedian(np.where(unknown, 0, panel.signals[:, :t]), axis=1, keepdims=True)
    signals = panel.signals.copy()
    known = ~np.isnan(signals[:, t:])
    signals[:, t:] = np.where(known, np.broadcast_to(usual, known.shape), np.nan)
    same = np.array_equal(signals, panel.signals, equal_nan=True)
    return panel if same else replace(panel, signals=signals)


def without_end(panel: Panel) -> Panel:
    """No series ends; the panel itself where none does in sight."""
    if (panel.left >= FOREVER).all():
        return panel
    return replace(panel, left=np.full(len(panel), FOREVER, np.float32))


def _held(panel: Panel, name: str, value: Array) -> Panel:
    """A covariate held at a value (n,) from the run date on; the panel itself if it is already."""
    if name not in panel.covariate_names:
        return panel
    k, t = panel.covariate_names.index(name), panel.num_periods
    covariates = panel.covariates.copy()
    covariates[:, t:, k] = np.where(np.isnan(covariates[:, t:, k]), np.nan, value[:, None])
    same = np.array_equal(covariates, panel.covariates, equal_nan=True)
    return panel if same else replace(panel, covariates=covariates)


def recent_level(panel: Panel) -> Array:
    """Mean demand a period of the last eight weeks, while in stock (n,); NaN if never."""
    recent = slice(-max(RECENT_DAYS // panel.period_days, 1), None)
    units, hours = panel.units[:, recent], panel.in_stock[:, recent]
    known = ~np.isnan(units) & (hours > 0)
    open_for = np.where(known, hours, 0).sum(axis=1)
    sold = np.where(known, units, 0).sum(axis=1)
    return np.where(open_for > 0, sold / np.maximum(open_for, 1e-6), np.nan).astype(np.float32)


def _mean(values: Array) -> Array:
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis=1)
    return np.asarray(total / np.maximum(known.sum(axis=1), 1), np.float32)


def rows(panel: Panel, found: Parts, total: Array) -> pl.DataFrame:
    """The `forecast_parts` rows; total (n,): of the final forecast, planners' overrides in it."""
    length = panel.period_days
    causes = {name: getattr(found, name).astype(np.float64) for name in CAUSES}
    columns = {
        "sku_id": pl.Series(panel.sku_ids, dtype=pl.String),
        "days": np.full(len(panel), round(TOTAL_HORIZONS_DAYS[0] / length) * length),
        **causes,
        "planner": total - sum(causes.values()),
        "mean": total,
    }
    return pl.DataFrame(columns, schema=pl.Schema(FORECAST_PARTS.columns), strict=False)
