"""The made company's truth is known: what stock-outs hide and promotions bring is recovered."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

from logistics.config import Config
from logistics.contracts import check
from logistics.forecast.inputs import panel
from logistics.forecast.model import predict
from logistics.forecast.panel import Panel
from logistics.forecast.parts import without_promotions
from logistics.forecast.quantiles import QuantileForecast
from logistics.forecast.train import fit
from logistics.tables_forecast import ITEMS, PRICES, PROMOTIONS, SALES, SIGNALS
from logistics.world import catalogue, demand, weather
from tests.settings import config

SEED = 7
CENSORED_DAYS = 150  # in which every second SKU is out of stock half of the time


@dataclass(frozen=True)
class Truth:
    """expected (n, t + h) units a day, and what they would be without any promotion."""

    config: Config
    series: Panel
    expected: np.ndarray
    unpromoted: np.ndarray


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    sizes = ("world.skus_per_dc=250", "world.history_days=500", "forecast.train_steps=250")
    made = config(tmp_path_factory.mktemp("truth"), *sizes)
    world, company = made.world, catalogue.catalogue(made.world, SEED)
    here = pl.lit("DC01").alias("dc_id")
    series = panel(
        check(next(demand.sales(world, SEED, 0, company))[0].with_columns(here), SALES).good,
        check(company.promotions, PROMOTIONS).good,
        check(company.prices, PRICES).good,
        check(weather.signals(world, SEED, 0).with_columns(here), SIGNALS).good,
        check(company.items, ITEMS).good,
        world.date,
        90,
        790,
    )
    none = replace(company, promotions=company.promotions.clear())
    chunk = demand.chunks(world)[0]
    row = {sku: i for i, sku in enumerate(company.items["sku_id"])}
    rows = [row[sku] for sku in series.sku_ids]
    days = slice(world.history_days - series.num_periods, None)
    told = (demand.expected(world, SEED, 0, c, chunk)[rows, days] for c in (company, none))
    return Truth(made, series, *told)


Forecast = Callable[[Panel], QuantileForecast]


def trained(truth: Truth, series: Panel) -> Forecast:
    model = fit([series], truth.config.forecast, SEED).model
    return lambda panel: predict(model, panel)


def censored(series: Panel, rng: np.random.Generator) -> tuple[Panel, np.ndarray]:
    """Every second SKU out of stock every other week of late, and which they are."""
    n, t = series.units.shape
    hit = np.arange(n) % 2 == 0
    out = np.zeros((n, t), bool)
    for row in np.flatnonzero(hit):
        day = t - CENSORED_DAYS
        while day < t:
            length = int(rng.integers(3, 9))
            out[row, day : day + length] = True
            day += length + int(rng.integers(4, 10))
    share = np.where(rng.random((n, t)) < 0.6, rng.uniform(0, 0.5, (n, t)), 0).round(2)
    sold = rng.binomial(np.nan_to_num(series.units).astype(int), share)
    known = ~np.isnan(series.units)
    units = np.where(out & known, sold, series.units).astype(np.float32)
    in_stock = np.where(out, series.in_stock * share, series.in_stock).astype(np.float32)
    return replace(series, units=units, in_stock=in_stock), hit


def test_the_lift_of_promotions_to_come_is_recovered(truth: Truth) -> None:
    forecast = trained(truth, truth.series)
    t = truth.series.num_periods
    on = truth.series.covariates[:, t:, 0] > 0
    true = truth.expected[:, t:][on].sum() / truth.unpromoted[:, t:][on].sum()
    with_them = forecast(truth.series).mean[on].sum()
    found = with_them / forecast(without_promotions(truth.series)).mean[on].sum()
    assert true > 1.5
    assert found == pytest.approx(true, rel=0.2)


def test_demand_that_stock_outs_hid_is_forecast(truth: Truth) -> None:
    """On the censored SKUs within 5 % of the true demand; ignoring the hours costs 15 %."""
    series, hit = censored(truth.series, np.random.default_rng(3))
    blind = replace(series, in_stock=np.ones_like(series.in_stock))
    true = truth.expected[hit, series.num_periods :].sum()
    aware, ignorant = (trained(truth, s)(s).mean[hit].sum() / true - 1 for s in (series, blind))
    print(f"stock-outs known {aware:+.1%} of true demand, ignored {ignorant:+.1%}")  # noqa: T201
    assert ignorant < -0.15
    assert abs(aware) < 0.05
