"""A small DC with a weekly season, promotions and stock-outs, for the tests of forecasting."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from logistics.contracts import check
from logistics.forecast.inputs import panel
from logistics.forecast.panel import Array, Panel
from logistics.tables_forecast import ITEMS, PRICES, PROMOTIONS, SALES, SIGNALS

RUN_DATE = date(2026, 3, 2)
HORIZON_DAYS = 90
NUM_DAYS = 300

Tables = dict[str, pl.DataFrame]


def tables(num_skus: int = 40, seed: int = 0) -> Tables:
    """sales, promotions, prices, signals and items as the door lets them in."""
    rng = np.random.default_rng(seed)
    first = RUN_DATE - timedelta(days=NUM_DAYS)
    days = [first + timedelta(days=k) for k in range(NUM_DAYS)]
    season = 1 + 0.6 * np.isin([day.weekday() for day in days], (4, 5))
    sales, promotions = [], []
    for sku in range(num_skus):
        level, lift = np.exp(rng.normal(1.5, 1.0)), np.ones(NUM_DAYS)
        for number, start in enumerate(range(int(rng.integers(10, 40)), NUM_DAYS + 60, 60)):
            begins = first + timedelta(days=start)
            promotions.append(
                {
                    "promo_id": f"{sku}-{number}",
                    "sku_id": f"S{sku:03d}",
                    "start": begins,
                    "end": begins + timedelta(days=6),
                    "kind": "leaflet",
                    "discount": 0.3,
                }
            )
            lift[start : start + 7] = 2.5
        units = rng.poisson(level * season * lift)
        sales += [
            {"dc_id": "DC", "sku_id": f"S{sku:03d}", "date": day, "units": float(sold)}
            for day, sold in zip(days, units, strict=True)
        ]
    return {
        "sales": check(pl.DataFrame(sales), SALES).good,
        "promotions": check(pl.DataFrame(promotions), PROMOTIONS).good,
        "prices": empty(PRICES),
        "signals": empty(SIGNALS),
        "items": empty(ITEMS),
    }


def empty(contract: object) -> pl.DataFrame:
    return pl.DataFrame(schema={n: c.dtype for n, c in contract.columns.items()})  # type: ignore[attr-defined]


def panel_of(made: Tables, run_date: date = RUN_DATE) -> Panel:
    return panel(
        made["sales"],
        made["promotions"],
        made["prices"],
        made["signals"],
        made["items"],
        run_date,
        HORIZON_DAYS,
        790,
    )


def covariate(series: Panel, name: str) -> Array:
    """The values of one covariate (n, t + h)."""
    return series.covariates[:, :, series.covariate_names.index(name)]


def with_covariate(series: Panel, name: str, values: Array) -> Panel:
    covariates = series.covariates.copy()
    covariates[:, :, series.covariate_names.index(name)] = values
    return replace(series, covariates=covariates)
