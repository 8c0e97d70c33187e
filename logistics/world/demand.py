"""Demand of the made company at each DC, and the sales that are left of it.

Knows how demand arises and gets censored; knows nothing of storage or Ray. Every chunk of SKUs at
a DC draws from its own generator, so any of them can be made alone.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.config import WorldConfig
from logistics.world.catalogue import (
    CATEGORIES,
    LIFT_OF_KIND,
    Catalogue,
    dc_id,
    levels,
)
from logistics.world.weather import Array, Calendar, Ints, climate, holidays, weather

SKUS_PER_CHUNK = 1000  # bounds a task's memory: 1000 × 820 days × 8 bytes is 7 MB an array
MAX_STOCKED_UP = 0.5  # share of usual demand that a promotion can have taken in advance


def chunks(config: WorldConfig) -> list[slice]:
    """The SKUs, a chunk at a time."""
    n = config.skus_per_dc
    return [slice(i, min(i + SKUS_PER_CHUNK, n)) for i in range(0, n, SKUS_PER_CHUNK)]


def sales(
    config: WorldConfig, seed: int, dc: int, company: Catalogue
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """(sales, truth) of a DC, SKUs in order, a chunk at a time.

    A SKU has a row for each day of its life before the date. truth (sku_id, date, expected, demand)
    tells what sales do not: the demand of days that ran out of stock, and of the days to come.
    """
    days = Calendar.of(config)
    past = days.lead() == 0
    for chunk in chunks(config):
        rng = np.random.default_rng([seed, 9, dc, chunk.start])
        mean = expected(config, seed, dc, company, chunk)
        dispersion = rng.uniform(1.5, 12.0, (mean.shape[0], 1))
        demand = rng.poisson(rng.gamma(dispersion, mean / dispersion))  # negative binomial
        discount, _ = _promotion_grids(days, company, chunk, dc)
        in_stock = _in_stock(rng, mean, demand, discount > 0).round(2)
        paid = _price_grid(days, company, chunk) * (1 - discount)
        sold = rng.binomial(demand, in_stock).astype(np.float64)
        skus, lived = company.items["sku_id"][chunk], _lives(days, company.items[chunk])
        told = {"units": sold, "price": paid.round(2), "in_stock": in_stock}
        truth = {"expected": mean.round(3).astype(np.float32), "demand": demand.astype(np.int32)}
        yield (
            _rows(days, skus, lived & past, told),
            _rows(days, skus, lived & (~past | (in_stock < 1)), truth),
        )


def _rows(
    days: Calendar,
    skus: pl.Series,
    where: NDArray[np.bool_],
    grids: Mapping[str, NDArray[np.generic]],
) -> pl.DataFrame:
    """sku_id, date and the grids' values (skus, days) wherever `where` holds."""
    sku, day = where.nonzero()
    keys = {"sku_id": skus.gather(sku), "date": days.dates()[day]}
    return pl.DataFrame(keys | {name: grid[sku, day] for name, grid in grids.items()})


def expected(config: WorldConfig, seed: int, dc: int, company: Catalogue, chunk: slice) -> Array:
    """Mean units a day of a chunk of SKUs at one DC (skus, days), 0 before and after their life."""
    rng = np.random.default_rng([seed, 6, dc, chunk.start])
    days, items = Calendar.of(config), company.items[chunk]
    n = items.height
    mean = levels(config, seed, dc)[chunk, None] * _season(config, seed, rng, items, dc)
    price = _price_grid(days, company, chunk)
    mean *= (price / price[:, :1]) ** -rng.uniform(0.8, 2.0, (n, 1))
    discount, push = _promotion_grids(days, company, chunk, dc)
    mean *= np.exp(rng.uniform(2.0, 4.5, (n, 1)) * discount) * push * _dip(discount)
    return np.asarray(mean * _ramps(days, items))


def _season(
    config: WorldConfig, seed: int, rng: np.random.Generator, items: pl.DataFrame, dc: int
) -> Array:
    """Trend × week × year × holidays × weather, around 1 (skus, days)."""
    days, n = Calendar.of(config), items.height
    traits = [CATEGORIES[name] for name in items["category"]]
    amplitude, peak, weekend, warmth, wet = np.array(
        [(c.amplitude, c.peak_day, c.weekend, c.warmth, c.wet) for c in traits]
    ).T[:, :, None]
    years = (np.arange(days.num_days) - days.num_history) / 365
    weekday, of_year = days.weekday(), days.of_year()
    week = 1 + weekend * np.isin(weekday, (4, 5)) - 0.6 * weekend * (weekday == 6)
    week = week * np.exp(rng.normal(0, 0.08, (n, 7)))[:, weekday]
    year = amplitude * np.cos(2 * np.pi * (of_year - peak - rng.normal(0, 12, (n, 1))) / 365.25)
    closed = holidays(days).astype(float)
    eve = np.roll(closed, -1) + 0.5 * np.roll(closed, -2)
    truth = weather(config, seed, dc)
    outside = warmth * (truth["temperature"] - climate(of_year))
    outside = outside + wet * np.minimum(truth["rain"] / 8, 2)
    trend = rng.normal(0.03, 0.15, (n, 1)) * years
    return np.asarray(np.exp(trend + year + outside) * week * (1 - 0.7 * closed) * (1 + 0.45 * eve))


def _price_grid(days: Calendar, company: Catalogue, chunk: slice) -> Array:
    """List price of every SKU and day: each holds from its start to the next one's."""
    skus = company.items["sku_id"][chunk]
    listed = company.prices.filter(pl.col("sku_id").is_in(skus.to_list()))
    start = (listed["start"] - days.first).dt.total_days()
    until = start.shift(-1, fill_value=0).to_numpy()
    # The next row of another SKU starts at day 0: there the price holds to the end.
    held = np.where(until > 0, until, days.num_days) - start.to_numpy()
    return np.repeat(listed["price"].to_numpy(), held).reshape(len(skus), days.num_days)


def _promotion_grids(
    days: Calendar, company: Catalogue, chunk: slice, dc: int
) -> tuple[Array, Array]:
    """Discount (0 without a promotion), and the lift of its kind (1 without), (skus, days)."""
    skus = company.items["sku_id"][chunk].to_frame().with_row_index("row")
    here = company.promotions.join(skus, on="sku_id").filter(
        pl.col("dc_id").is_null() | (pl.col("dc_id") == dc_id(dc))
    )
    spans = here.select(
        "discount",
        row=pl.col("row").cast(pl.Int64),
        day=pl.int_ranges(
            (pl.col("start") - days.first).dt.total_days(),
            (pl.col("end") - days.first).dt.total_days() + 1,
        ),
        push=pl.col("kind").replace_strict(LIFT_OF_KIND),
    ).explode("day", empty_as_null=True, keep_nulls=True)
    spans = spans.filter(pl.col("day") < days.num_days)
    cells = spans["row"].to_numpy(), spans["day"].to_numpy()
    discount, push = np.zeros((2, skus.height, days.num_days))
    np.maximum.at(discount, cells, spans["discount"].to_numpy())
    np.maximum.at(push, cells, spans["push"].to_numpy())
    return discount, np.maximum(push, 1.0)


def _dip(discount: Array) -> Array:
    """Who stocked up buys less for about ten days after a promotion (skus, days)."""
    stocked = np.zeros(discount.shape[0])
    dip = np.ones_like(discount)
    for day in range(discount.shape[1]):
        on = discount[:, day] > 0
        dip[:, day] = np.where(on, 1.0, 1 - stocked)
        bought = np.minimum(stocked + 0.6 * discount[:, day], MAX_STOCKED_UP)
        stocked = np.where(on, bought, stocked * 0.85)
    return dip


def _lives(days: Calendar, items: pl.DataFrame) -> NDArray[np.bool_]:
    """Whether a SKU is sold on a day (skus, days)."""
    age, left = _ages(days, items)
    return np.asarray((age >= 0) & (left > 0))


def _ramps(days: Calendar, items: pl.DataFrame) -> Array:
    """Growing over the first weeks, fading over the last month, 0 outside (skus, days)."""
    age, left = _ages(days, items)
    grown = np.where(age < 0, 0.0, 1 - 0.7 * np.exp(-np.maximum(age, 0) / 20))
    return np.asarray(grown * np.clip(left / 30, 0, 1))


def _ages(days: Calendar, items: pl.DataFrame) -> tuple[Ints, Ints]:
    """Days since launch and days left to the end of life (skus, days)."""
    today = np.arange(days.num_days)
    launch = (items["launch"] - days.first).dt.total_days()
    end = (items["end_of_life"] - days.first).dt.total_days().fill_null(days.num_days + 365)
    return today - launch.to_numpy()[:, None], end.to_numpy()[:, None] - today


def _in_stock(
    rng: np.random.Generator, mean: Array, demand: Ints, promoted: NDArray[np.bool_]
) -> Array:
    """Share of opening hours in stock (skus, days): a stock-out lasts days.

    It comes more easily in a promotion and after a day that sold far more than expected.
    """
    surprised = np.roll(demand > 1.5 * mean + 3, 1, axis=1)
    hazard = rng.uniform(0.001, 0.012, (len(mean), 1)) * (1 + 3.0 * promoted + 4.0 * surprised)
    starts = np.argwhere(rng.random(mean.shape) < hazard)
    lengths = rng.geometric(0.4, len(starts))
    share = np.ones(mean.shape)
    for offset in range(int(lengths.max(initial=0))):
        out = starts[lengths > offset] + [0, offset]
        out = out[out[:, 1] < mean.shape[1]]
        # The first day sells until it is out, the next ones hardly open or not at all.
        left = rng.random(len(out)) * (1.0 if offset == 0 else 0.3) - 0.1
        share[tuple(out.T)] = left.clip(0, 0.99)
    return share
