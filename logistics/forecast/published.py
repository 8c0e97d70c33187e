"""What a unit's forecasts become: every table that is made of them. Knows no storage."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from logistics.config import ForecastConfig
from logistics.forecast.levels import sums
from logistics.forecast.overrides import finished, overridden, overrides, value_added
from logistics.forecast.panel import Panel
from logistics.forecast.parts import Parts
from logistics.forecast.parts import rows as parts_rows
from logistics.forecast.quantiles import QuantileForecast
from logistics.forecast.stock import reorder_points
from logistics.forecast.totals import days, growing, totals


def about(series: Panel, items: pl.DataFrame, lead_time_days: int) -> pl.DataFrame:
    """Category ("" for none) and lead_time_days of each series, in its order."""
    return _named(series, items).select(
        pl.col("category").fill_null(""),
        pl.col("lead_time_days").fill_null(lead_time_days).cast(pl.Float32),
    )


def categories_of(series: Panel, items: pl.DataFrame) -> Sequence[str]:
    """The category of each series, "" where it has none."""
    return _named(series, items)["category"].fill_null("").to_list()


def _named(series: Panel, items: pl.DataFrame) -> pl.DataFrame:
    skus = pl.DataFrame({"sku_id": pl.Series(series.sku_ids, dtype=pl.String)})
    return skus.join(items, on="sku_id", how="left", maintain_order="left")


def _whole(rows: pl.DataFrame, series: Panel, column: str) -> pl.DataFrame:
    """Days of totals as the whole periods that they are made of."""
    length = series.period_days
    return rows.with_columns((pl.col(column) / length).round().cast(pl.Int64) * length)


def published(
    series: Panel,
    statistical: QuantileForecast,
    parts: Parts | None,
    told: pl.DataFrame,
    changes: pl.DataFrame,
    earlier: pl.DataFrame | None,
    bucket: int,
    config: ForecastConfig,
) -> tuple[QuantileForecast, dict[str, pl.DataFrame]]:
    """The final forecast and its tables.

    told: the rows of `about`; changes: planners' overrides; earlier: `forecast_overridden` rows of
    the nights before; parts: None where nothing is to be explained.
    """
    applied = overrides(series, statistical.mean, changes)
    final = growing(finished(statistical, applied, series.period_days))
    lead_days = np.asarray(told["lead_time_days"].to_numpy(), np.float32)
    tables = {
        "forecasts": days(series, final),
        "forecast_totals": totals(series, final, config.service_level),
        "reorder_points": reorder_points(series, final, config.service_level, lead_days),
        "forecast_sums": sums(series, final, told["category"].to_list(), bucket),
        "forecast_overridden": overridden(series, statistical, applied),
    }
    if series.period_days > 1:  # totals are of whole periods, and are called what they are
        tables["forecast_totals"] = _whole(tables["forecast_totals"], series, "horizon_days")
    if parts is not None:
        tables["forecast_parts"] = parts_rows(series, parts, final.total_mean[:, 0])
    if earlier is not None:
        tables["forecast_value_added"] = value_added(series, earlier)
    return final, tables
