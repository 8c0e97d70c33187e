"""Coherent sums: SKU → category → DC → company, with distributions that are right at each level.

Knows forecasts of series and how their errors go together; knows no models. Means add up exactly.
Spreads do not: errors of series that are independent add up by squares, errors that all go the same
way add up as they are, and real ones lie between. How far between is measured on the back-test, per
level and length of the span, as the correlation ρ of a level's children:

    spread² = (1 − ρ) Σ spread_i² + ρ (Σ spread_i)²

Every unit writes the sums of its series (Σ mean, Σ spread, Σ spread² of each category and span);
adding them up needs nothing else, so a million series never meet in one place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.forecast.panel import Array, Panel
from logistics.forecast.quantiles import QuantileForecast
from logistics.outputs_forecast import (
    FORECAST_LEVELS,
    FORECAST_SUMS,
    QUANTILE_COLUMNS,
    QUANTILE_LEVELS,
    TOTAL_HORIZONS_DAYS,
)

Reals = NDArray[np.floating[Any]]
COMPANY = "company"
Z = np.array([NormalDist().inv_cdf(level) for level in QUANTILE_LEVELS])
Z_RANGE = NormalDist().inv_cdf(QUANTILE_LEVELS[-1]) - NormalDist().inv_cdf(QUANTILE_LEVELS[0])
SPANS = (1, *TOTAL_HORIZONS_DAYS)  # days, that correlations are kept for
USUAL = {"sku": 0.02, "category": 0.2, "site": 0.3}  # where no back-test has told
PRIOR_GROUPS = 10  # what is usual weighs as much as so many groups seen


@dataclass(frozen=True, slots=True)
class Correlations:
    """ρ by span of SPANS: among the SKUs of a category, a DC's categories, and the DCs."""

    sku: tuple[float, ...] = (USUAL["sku"],) * len(SPANS)
    category: tuple[float, ...] = (USUAL["category"],) * len(SPANS)
    site: tuple[float, ...] = (USUAL["site"],) * len(SPANS)

    @classmethod
    def of(cls, calibration: Mapping[str, Sequence[float]]) -> "Correlations":
        """Those kept with a model; what is usual where there are none."""
        kept = {name: calibration.get(f"rho_{name}") for name in cls.__slots__}
        return cls(**{name: tuple(rho) for name, rho in kept.items() if rho})

    def kept(self) -> dict[str, list[float]]:
        """As a model's calibration keeps them."""
        return {f"rho_{name}": list(getattr(self, name)) for name in self.__slots__}


def spread(mean: Reals, quantiles: Array) -> Array:
    """Standard deviation of each value, from the width of its 80 % interval.

    Of a series that seldom sells both ends are 0; but counts vary at least as a Poisson number.
    """
    width = (quantiles[..., -1] - quantiles[..., 0]) / Z_RANGE
    return np.asarray(np.sqrt(np.maximum(np.square(width), mean)), np.float32)


def sums(
    panel: Panel, forecast: QuantileForecast, categories: Sequence[str], bucket: int
) -> pl.DataFrame:
    """The `forecast_sums` rows of one unit; categories (n,), "" where there is none."""
    names, group = np.unique(np.array(categories, dtype=object).astype(str), return_inverse=True)
    h, days = panel.horizon, panel.period_days
    first = np.datetime64(panel.run_date, "D")
    dates = [first + np.timedelta64(k * days, "D") for k in range(h)] + [first] * len(SPANS[1:])
    spans = [days] * h + [round(total / days) * days for total in TOTAL_HORIZONS_DAYS]
    mean = np.concatenate([forecast.mean, forecast.total_mean], axis=1)
    of_days = spread(forecast.mean, forecast.quantiles)
    of_totals = spread(forecast.total_mean, forecast.total_quantiles)
    sigma = np.concatenate([of_days, of_totals], axis=1).astype(np.float64)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(names)))
    added = [
        np.add.reduceat(grid[order], starts, axis=0, dtype=np.float64).ravel()
        for grid in (mean, sigma, sigma**2)
    ]
    n, width = len(names), len(spans)
    columns = {
        "bucket": np.full(n * width, bucket),
        "category": pl.Series(names, dtype=pl.String).gather(np.repeat(np.arange(n), width)),
        "date": np.tile(np.array(dates, "datetime64[D]"), n),
        "days": np.tile(np.array(spans), n),
        "series": np.repeat(np.bincount(group, minlength=n), width),
        "mean": added[0],
        "spread": added[1],
        "variance": added[2],
    }
    return pl.DataFrame(columns, schema=pl.Schema(FORECAST_SUMS.columns))


def levels(sums: pl.DataFrame, rho: Correlations) -> pl.DataFrame:
    """The `forecast_levels` rows of every level, with the site: a DC, or `company` for all.

    sums: `forecast_sums` rows of all units, with dc_id. A row without category is of all of them.
    """
    span = ["date", "days"]
    of_category = _added(sums, [*span, "dc_id", "category"], rho.sku)
    of_site = _added(of_category, [*span, "dc_id"], rho.category)
    categories = _added(of_category, [*span, "category"], rho.site)
    company = _added(of_site, span, rho.site)
    everywhere = pl.lit(COMPANY).alias("dc_id")
    parts = {
        "category": of_category,
        "dc": of_site,
        "company category": categories.with_columns(everywhere),
        "company": company.with_columns(everywhere),
    }
    told = pl.concat(
        [rows.with_columns(level=pl.lit(level)) for level, rows in parts.items()], how="diagonal"
    ).sort("dc_id", "level", "category", "days", "date")
    found = quantiles(told["mean"].to_numpy(), np.sqrt(told["variance"].to_numpy()))
    told = told.with_columns(
        pl.Series(name, found[:, i]) for i, name in enumerate(QUANTILE_COLUMNS)
    )
    return told.select("dc_id", *FORECAST_LEVELS.columns).cast(
        pl.Schema({"dc_id": pl.String(), **FORECAST_LEVELS.columns})
    )


def _added(rows: pl.DataFrame, by: Sequence[str], rho: Sequence[float]) -> pl.DataFrame:
    """Children added up: the parent's mean, spread and variance."""
    added = rows.group_by(by, maintain_order=True).agg(
        pl.col("series", "mean", "spread", "variance").sum()
    )
    share = _at(rho, added["days"].to_numpy())
    variance = (1 - share) * added["variance"].to_numpy() + share * added["spread"].to_numpy() ** 2
    return added.with_columns(
        variance=pl.Series(variance, dtype=pl.Float64),
        spread=pl.Series(np.sqrt(variance), dtype=pl.Float64),
    )


def _at(rho: Sequence[float], days: NDArray[np.int64]) -> NDArray[np.float64]:
    """ρ of spans of other lengths, by the logarithm of their days."""
    return np.asarray(np.interp(np.log(np.maximum(days, 1)), np.log(SPANS), rho))


def quantiles(mean: NDArray[np.float64], sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of gamma distributions with this mean and spread (n, 9): nearly normal where sums are big.

    Source: Wilson and Hilferty 1931, the cube root of a gamma variable is nearly normal.
    """
    floor = np.maximum(mean, 1e-9)
    ninth = np.square(sigma / floor)[:, None] / 9
    found = floor[:, None] * np.maximum(1 - ninth + Z * np.sqrt(ninth), 0) ** 3
    return np.maximum.accumulate(np.where(mean[:, None] > 0, found, 0.0), axis=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one site at one origin: n series' errors, means and spreads over SPANS (n, spans).

    Values are NaN where too little was in stock. day: those of single days (n, h).
    """

    site: str
    origin: date
    categories: tuple[str, ...]
    error: Array
    sigma: Array
    day_error: Array
    day_sigma: Array


def seen(panel: Panel, came: Array, forecast: QuantileForecast, categories: Sequence[str]) -> Seen:
    """What a forecast of an earlier night got wrong; came (n, w): demand since, NaN: censored."""
    width = came.shape[1]
    off = came - forecast.mean[:, :width]
    sigma = spread(forecast.mean[:, :width], forecast.quantiles[:, :width])
    errors, sigmas = [], []
    for k, days in enumerate(TOTAL_HORIZONS_DAYS):
        span = round(days / panel.period_days)
        known = ~np.isnan(off[:, :span])
        share = known.sum(axis=1) / span
        # A few days out of stock go as the others went.
        total = np.nansum(off[:, :span], axis=1) / np.maximum(share, 0.5)
        errors.append(np.where(share >= 0.85, total, np.nan))
        sigmas.append(spread(forecast.total_mean[:, k], forecast.total_quantiles[:, k]))
    error, of_totals = np.stack(errors, axis=1), np.stack(sigmas, axis=1)
    return Seen(panel.site_ids[0], panel.run_date, tuple(categories), error, of_totals, off, sigma)


def correlations(found: Sequence[Seen]) -> Correlations:
    """ρ of each level and span, from what was seen at the origins of a back-test."""
    by_span = [_children(found, span) for span in range(len(SPANS))]
    sku, category, site = [], [], []
    for rows in by_span:
        keys = ["origin", "period", "site", "category"]
        rho = _rho(rows, keys, USUAL["sku"])
        sku.append(rho)
        of_category = _parents(rows, keys, rho)
        rho = _rho(of_category, keys[:3], USUAL["category"])
        category.append(rho)
        of_site = _parents(of_category, keys[:3], rho)
        site.append(_rho(of_site, keys[:2], USUAL["site"]))
    return Correlations(tuple(sku), tuple(category), tuple(site))


def _children(found: Sequence[Seen], span: int) -> pl.DataFrame:
    """Series' errors and spreads as rows, of the single days or of one total."""
    parts = []
    for one in found:
        error, sigma = (
            (one.day_error, one.day_sigma)
            if span == 0
            else (one.error[:, span - 1, None], one.sigma[:, span - 1, None])
        )
        row, period = (~np.isnan(error)).nonzero()
        names = pl.Series(one.categories, dtype=pl.String)
        part = pl.DataFrame(
            {"period": period, "category": names.gather(row), "error": error[row, period]}
        ).with_columns(
            pl.Series("sigma", sigma[row, period]), site=pl.lit(one.site), origin=pl.lit(one.origin)
        )
        parts.append(part.with_columns(pl.col("error", "sigma").cast(pl.Float64)))
    return pl.concat(parts)


def _grouped(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    return rows.group_by(by, maintain_order=True).agg(
        pl.col("error").sum(),
        pl.len().alias("children"),
        apart=(pl.col("sigma") ** 2).sum(),
        together=pl.col("sigma").sum() ** 2,
    )


def _rho(rows: pl.DataFrame, by: Sequence[str], usual: float) -> float:
    """By moments: E[error²] = (1 − ρ) Σσ² + ρ (Σσ)²; each group weighs the same, however big."""
    groups = _grouped(rows, by).filter(pl.col("children") > 1, pl.col("together") > 0)
    # Single days of one origin are no independent groups: they count as its weeks.
    num = groups.height / (7 if "period" in by and groups["period"].n_unique() > 1 else 1)
    error, apart, together = (groups[name].to_numpy() for name in ("error", "apart", "together"))
    excess, room = ((error**2 - apart) / together).sum(), (1 - apart / together).sum()
    if not room:
        return usual
    rho = min(max(float(excess / room), 0.0), 1.0)
    return (num * rho + PRIOR_GROUPS * usual) / (num + PRIOR_GROUPS)


def _parents(rows: pl.DataFrame, by: Sequence[str], rho: float) -> pl.DataFrame:
    variance = (1 - rho) * pl.col("apart") + rho * pl.col("together")
    return _grouped(rows, by).with_columns(sigma=variance.sqrt())
