"""From a forecast to the tables planners read: days, totals and safety stock. Arrays → tables."""

from dataclasses import replace
from datetime import timedelta
from statistics import NormalDist

import numpy as np
import polars as pl

from logistics.forecast.panel import Array, Panel
from logistics.forecast.quantiles import QuantileForecast
from logistics.outputs_forecast import (
    FORECAST_TOTALS,
    FORECASTS,
    QUANTILE_COLUMNS,
    QUANTILE_LEVELS,
    TOTAL_HORIZONS_DAYS,
)


def lengths_of(series: Panel) -> tuple[int, ...]:
    """Periods of the totals."""
    return tuple(round(days / series.period_days) for days in TOTAL_HORIZONS_DAYS)


def days(panel: Panel, forecast: QuantileForecast) -> pl.DataFrame:
    """The `forecasts` rows, by SKU and day."""
    n, h = forecast.mean.shape
    dates = np.array(
        [panel.run_date + timedelta(days=k * panel.period_days) for k in range(h)],
        dtype="datetime64[D]",
    )
    columns = {
        "sku_id": pl.Series(panel.sku_ids, dtype=pl.String).gather(np.repeat(np.arange(n), h)),
        "date": pl.Series(np.tile(dates, n)),
        "mean": forecast.mean.ravel(),
    }
    flat = forecast.quantiles.reshape(n * h, len(QUANTILE_LEVELS))
    columns |= {name: flat[:, i] for i, name in enumerate(QUANTILE_COLUMNS)}
    return pl.DataFrame(columns, schema=pl.Schema(FORECASTS.columns))


def totals(panel: Panel, forecast: QuantileForecast, service_level: float) -> pl.DataFrame:
    """The `forecast_totals` rows, by SKU and horizon."""
    n, horizons = forecast.total_mean.shape
    columns = {
        "sku_id": pl.Series(panel.sku_ids, dtype=pl.String).gather(
            np.repeat(np.arange(n), horizons)
        ),
        "horizon_days": np.tile(np.array(TOTAL_HORIZONS_DAYS, np.int64), n),
        "mean": forecast.total_mean.ravel(),
    }
    flat = forecast.total_quantiles.reshape(n * horizons, len(QUANTILE_LEVELS))
    columns |= {name: flat[:, i] for i, name in enumerate(QUANTILE_COLUMNS)}
    columns["safety_stock"] = safety_stock(forecast, service_level).ravel()
    return pl.DataFrame(columns, schema=pl.Schema(FORECAST_TOTALS.columns))


def growing(forecast: QuantileForecast) -> QuantileForecast:
    """No quantile of a longer total below that of a shorter one, as demand only adds up.

    Their spreads come from the back-test of each length, so that of a SKU whose sales end within
    the shorter one may be a few percent narrower in the longer.
    """
    grown = np.maximum.accumulate(forecast.total_quantiles, axis=1)
    return replace(forecast, total_quantiles=grown)


def safety_stock(forecast: QuantileForecast, service_level: float) -> Array:
    """Units above the mean total that cover demand with this probability (n, 3), never below 0.

    Between two quantile levels it is interpolated. Above the last one the distance from the median
    grows as a normal distribution's does: at 0.98 it is 1.6 times that of 0.9.
    """
    levels = np.array(QUANTILE_LEVELS)
    quantiles = forecast.total_quantiles
    if service_level > levels[-1]:
        normal, middle = NormalDist(), quantiles[..., len(levels) // 2]
        reach = normal.inv_cdf(service_level) / normal.inv_cdf(levels[-1])
        covered = middle + reach * (quantiles[..., -1] - middle)
    else:
        above = int(np.clip(np.searchsorted(levels, service_level), 1, len(levels) - 1))
        low, high = levels[above - 1], levels[above]
        share = max((service_level - low) / (high - low), 0)
        covered = (1 - share) * quantiles[..., above - 1] + share * quantiles[..., above]
    return np.maximum(covered - forecast.total_mean, 0).astype(np.float32)
