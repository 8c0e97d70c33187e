"""Demand of the made company: items, promotions, prices, and each DC's sales and signals.

Knows how demand arises and gets censored; knows nothing of storage or Ray. Every DC draws from its
own generator, so any DC can be made alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.config import WorldConfig

Array = NDArray[np.float64]
FUTURE_DAYS = 90  # planned promotions and prices, and weather forecasts, reach this far
SKUS_PER_CHUNK = 2000  # bounds a task's memory: 2000 × 820 days × 8 bytes is 13 MB an array

# category: storage class, share of SKUs, yearly amplitude and peak day, weekend lift, warmth, rain
CATEGORIES = {
    "beverages": ("ambient", 0.16, 0.25, 200, 0.25, 0.030, -0.05),
    "snacks": ("ambient", 0.16, 0.10, 350, 0.30, 0.005, 0.05),
    "household": ("ambient", 0.14, 0.05, 90, 0.05, 0.0, 0.0),
    "toys": ("ambient", 0.08, 0.60, 345, 0.40, 0.0, 0.08),
    "garden": ("ambient", 0.08, 0.70, 130, 0.45, 0.020, -0.25),
    "baking": ("ambient", 0.10, 0.35, 340, 0.10, -0.005, 0.04),
    "dairy": ("chilled", 0.10, 0.05, 180, 0.15, 0.0, 0.0),
    "ice_cream": ("frozen", 0.05, 0.50, 200, 0.35, 0.045, -0.12),
    "frozen_meals": ("frozen", 0.07, 0.15, 20, 0.05, -0.010, 0.05),
    "cleaning": ("hazmat", 0.06, 0.10, 100, 0.10, 0.0, 0.0),
}
HOLIDAYS = ((1, 1), (4, 5), (5, 1), (10, 3), (12, 25), (12, 26))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of the made history and the planned future, first to last."""

    first: date
    num_history: int
    num_days: int

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=i) for i in range(self.num_days)]


def calendar(config: WorldConfig) -> Calendar:
    first = config.date - timedelta(days=config.history_days)
    return Calendar(first, config.history_days, config.history_days + FUTURE_DAYS)


def dc_id(index: int) -> str:
    return f"DC{index + 1:02d}"


def items(config: WorldConfig, seed: int) -> pl.DataFrame:
    """The catalogue, the same at every DC."""
    rng = np.random.default_rng([seed, 1])
    n = config.skus_per_dc
    names = list(CATEGORIES)
    category = rng.choice(len(names), n, p=np.array([CATEGORIES[c][1] for c in names]))
    first = calendar(config).first
    start = rng.integers(30, config.history_days - 20, n)
    launch = np.where(rng.random(n) < 0.08, start, -rng.integers(30, 900, n))
    ends = config.history_days + rng.integers(-120, 80, n)
    ending = rng.random(n) < 0.06
    unit_m3 = np.exp(rng.normal(-5.2, 0.9, n)).clip(2e-4, 0.25)
    return pl.DataFrame(
        {
            "sku_id": [f"S{i + 1:05d}" for i in range(n)],
            "category": [names[c] for c in category],
            "department": [CATEGORIES[names[c]][0] for c in category],
            "launch": [first + timedelta(days=int(day)) for day in launch],
            "end_of_life": [
                first + timedelta(days=int(max(day, born + 60))) if end else None
                for day, born, end in zip(ends, launch, ending, strict=True)
            ],
            "unit_m3": unit_m3.round(5),
            "unit_kg": (unit_m3 * np.exp(rng.normal(5.8, 0.5, n))).clip(0.02, 40).round(3),
            "storage_class": [CATEGORIES[names[c]][0] for c in category],
        }
    )


def promotions(config: WorldConfig, seed: int) -> pl.DataFrame:
    """About four a year and SKU, past and planned; most run at every DC."""
    rng = np.random.default_rng([seed, 2])
    days = calendar(config)
    n = int(config.skus_per_dc * days.num_days * 4 / 365)
    sku = np.sort(rng.integers(0, config.skus_per_dc, n))
    start = rng.integers(0, days.num_days, n)
    length = rng.integers(5, 15, n)
    dc = rng.integers(0, config.num_dcs * 4, n)  # three quarters name no DC
    return pl.DataFrame(
        {
            "promo_id": [f"P{i + 1:06d}" for i in range(n)],
            "sku_id": [f"S{i + 1:05d}" for i in sku],
            "dc_id": [dc_id(int(i)) if i < config.num_dcs else None for i in dc],
            "start": [days.first + timedelta(days=int(day)) for day in start],
            "end": [
                days.first + timedelta(days=int(d + k - 1))
                for d, k in zip(start, length, strict=True)
            ],
            "kind": rng.choice(["price_cut", "leaflet", "display"], n, p=[0.6, 0.25, 0.15]),
            "discount": rng.choice([0.1, 0.15, 0.2, 0.25, 0.3, 0.4], n),
        }
    )


def prices(config: WorldConfig, seed: int) -> pl.DataFrame:
    """List prices: one at the start, a change about every ten months, some still to come."""
    rng = np.random.default_rng([seed, 3])
    days = calendar(config)
    base = np.exp(rng.normal(1.3, 0.7, config.skus_per_dc)).clip(0.4, 60)
    rows = []
    for sku in range(config.skus_per_dc):
        changes = np.sort(rng.integers(20, days.num_days, rng.poisson(days.num_days / 300)))
        levels = base[sku] * np.cumprod(np.exp(rng.normal(0.02, 0.08, changes.size + 1)))
        starts = [0, *(int(c) for c in np.unique(changes))]
        rows += [
            (f"S{sku + 1:05d}", None, days.first + timedelta(days=start), round(float(level), 2))
            for start, level in zip(starts, levels, strict=False)
        ]
    schema = {"sku_id": pl.String, "dc_id": pl.String, "start": pl.Date, "price": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def weather(config: WorldConfig, seed: int, dc: int) -> dict[str, Array]:
    """True temperature and rain of every day, history and future."""
    rng = np.random.default_rng([seed, 4, dc])
    days = calendar(config)
    of_year = _day_of_year(days)
    slow = _autoregressive(rng, days.num_days, 0.8, 2.5)
    temperature = 11 + 9 * np.sin(2 * np.pi * (of_year - 110) / 365.25) + slow + rng.normal(0, 1)
    rain = np.where(rng.random(days.num_days) < 0.33, rng.gamma(0.8, 5.0, days.num_days), 0.0)
    return {"temperature": temperature, "rain": rain}


def signals(config: WorldConfig, seed: int, dc: int) -> pl.DataFrame:
    """Weather as measured before the date and as forecast after it, and the holidays."""
    rng = np.random.default_rng([seed, 5, dc])
    days = calendar(config)
    truth = weather(config, seed, dc)
    lead = np.maximum(np.arange(days.num_days) - days.num_history + 1, 0)
    # A forecast fades into the climate within about ten days.
    trust = np.where(lead > 0, np.exp(-lead / 6.0), 1.0)
    of_year = _day_of_year(days)
    climate = 11 + 9 * np.sin(2 * np.pi * (of_year - 110) / 365.25)
    temperature = trust * truth["temperature"] + (1 - trust) * climate
    temperature += np.where(lead > 0, rng.normal(0, 1.0, days.num_days), 0.0)
    rain = trust * truth["rain"] + (1 - trust) * 1.3
    holiday = _holidays(days).astype(float)
    series = {"temperature": temperature.round(1), "rain": rain.round(1), "holiday": holiday}
    return pl.concat(
        pl.DataFrame({"date": days.days, "name": [name] * days.num_days, "value": value})
        for name, value in series.items()
    )


def sales(config: WorldConfig, seed: int, dc: int) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """(sales, truth) of a DC, SKUs in order, a chunk at a time.

    truth has the expected demand, and the demand that arose, of every day to the future's end.
    """
    catalogue, promoted, listed = (
        items(config, seed),
        promotions(config, seed),
        prices(config, seed),
    )
    for first in range(0, config.skus_per_dc, SKUS_PER_CHUNK):
        chunk = catalogue[first : first + SKUS_PER_CHUNK]
        rng = np.random.default_rng([seed, 6, dc, first])
        expected = levels(config, seed, dc)[first : first + chunk.height]
        yield _chunk(config, seed, dc, rng, chunk, expected, promoted, listed)


def _chunk(
    config: WorldConfig,
    seed: int,
    dc: int,
    rng: np.random.Generator,
    chunk: pl.DataFrame,
    level: Array,
    promoted: pl.DataFrame,
    listed: pl.DataFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    days, n = calendar(config), chunk.height
    index = {sku: i for i, sku in enumerate(chunk["sku_id"])}
    price = _price_grid(days, index, listed)
    discount = _promotion_grid(days, index, promoted, dc_id(dc))
    expected = level[:, None] * _shape(config, seed, rng, chunk, dc)
    elasticity = rng.uniform(0.8, 2.0, (n, 1))
    expected *= (price / price[:, :1]) ** -elasticity
    expected *= np.exp(rng.uniform(2.0, 4.5, (n, 1)) * discount) * _dip(discount)
    expected *= _alive(days, chunk)
    dispersion = rng.uniform(1.5, 12.0, (n, 1))
    demand = rng.poisson(rng.gamma(dispersion, expected / dispersion))
    in_stock = _in_stock(rng, n, days.num_days)
    sold = rng.binomial(demand, in_stock)
    past = np.arange(days.num_days) < days.num_history
    born = _since_launch(days, chunk) >= 0
    rows = (born & (_alive(days, chunk) > 0) & past).nonzero()
    dates = np.array(days.days, dtype="datetime64[D]")
    ids = chunk["sku_id"].to_numpy()
    paid = price * (1 - discount)
    table = pl.DataFrame(
        {
            "sku_id": ids[rows[0]],
            "date": dates[rows[1]],
            "units": sold[rows].astype(np.float64),
            "price": paid[rows].round(2),
            "in_stock": in_stock[rows].round(2),
        }
    )
    every = np.indices(expected.shape).reshape(2, -1)
    truth = pl.DataFrame(
        {
            "sku_id": ids[every[0]],
            "date": dates[every[1]],
            "expected": expected.ravel().astype(np.float32),
            "demand": demand.ravel().astype(np.int32),
        }
    )
    return table, truth


def levels(config: WorldConfig, seed: int, dc: int) -> Array:
    """Mean units a day of every SKU at one DC (skus,): popularity, the DC's size, local taste."""
    everywhere = np.random.default_rng([seed, 7])
    rate = np.exp(everywhere.normal(0.6, 1.25, config.skus_per_dc)).clip(0.1, 150)
    rare = everywhere.random(rate.size) < 0.15
    rate = np.where(rare, everywhere.uniform(0.03, 0.25, rate.size), rate)
    here = np.random.default_rng([seed, 8, dc])
    return np.asarray(rate * np.exp(here.normal(0, 0.3)) * np.exp(here.normal(0, 0.35, rate.size)))


def on_sale(config: WorldConfig, seed: int) -> NDArray[np.bool_]:
    """Which SKUs are alive on the date (skus,)."""
    catalogue = items(config, seed)
    end = catalogue["end_of_life"].fill_null(config.date + timedelta(days=9999))
    return ((catalogue["launch"] < config.date) & (end > config.date)).to_numpy()


def _shape(
    config: WorldConfig, seed: int, rng: np.random.Generator, chunk: pl.DataFrame, dc: int
) -> Array:
    """Trend × week × year × holidays × weather, around 1 (skus, days)."""
    days, n = calendar(config), chunk.height
    traits = np.array([CATEGORIES[c][2:] for c in chunk["category"]], dtype=float)
    amplitude, peak, weekend, warmth, wet = (traits[:, [i]] for i in range(5))
    t = np.arange(days.num_days)[None, :]
    trend = np.exp(rng.normal(0.03, 0.15, (n, 1)) * (t - days.num_history) / 365)
    weekday = (t + days.first.weekday()) % 7
    week = 1 + weekend * np.isin(weekday, (4, 5)) - 0.6 * weekend * (weekday == 6)
    week = week * np.exp(rng.normal(0, 0.08, (n, 7)))[:, weekday[0]]
    of_year = _day_of_year(days)[None, :]
    phase = peak + rng.normal(0, 12, (n, 1))
    year = np.exp(amplitude * np.cos(2 * np.pi * (of_year - phase) / 365.25))
    holiday = _holidays(days)[None, :].astype(float)
    eve = np.roll(holiday, -1, axis=1) + 0.5 * np.roll(holiday, -2, axis=1)
    feast = (1 - 0.7 * holiday) * (1 + 0.45 * eve)
    truth = weather(config, seed, dc)
    climate = 11 + 9 * np.sin(2 * np.pi * (of_year - 110) / 365.25)
    warm = np.exp(warmth * (truth["temperature"][None, :] - climate))
    rain = np.exp(wet * np.minimum(truth["rain"][None, :] / 8, 2))
    return np.asarray(trend * week * year * feast * warm * rain)


def _price_grid(days: Calendar, index: dict[str, int], listed: pl.DataFrame) -> Array:
    grid = np.ones((len(index), days.num_days))
    for sku, _, start, price in listed.filter(pl.col("sku_id").is_in(list(index))).iter_rows():
        grid[index[sku], max((start - days.first).days, 0) :] = price
    return grid


def _promotion_grid(
    days: Calendar, index: dict[str, int], promoted: pl.DataFrame, dc: str
) -> Array:
    grid = np.zeros((len(index), days.num_days))
    here = promoted.filter(
        pl.col("sku_id").is_in(list(index)) & (pl.col("dc_id").is_null() | (pl.col("dc_id") == dc))
    )
    for sku, start, end, discount in here.select("sku_id", "start", "end", "discount").iter_rows():
        span = slice((start - days.first).days, (end - days.first).days + 1)
        grid[index[sku], span] = np.maximum(grid[index[sku], span], discount)
    return grid


def _dip(discount: Array) -> Array:
    """People who stocked up buy less for about ten days after a promotion."""
    stocked = np.zeros(discount.shape[0])
    dip = np.ones_like(discount)
    for day in range(discount.shape[1]):
        on = discount[:, day] > 0
        dip[:, day] = np.where(on, 1.0, 1 - np.minimum(stocked, 0.45))
        stocked = np.where(
            on, np.minimum(stocked + 0.12 * discount[:, day] / 0.2, 0.5), stocked * 0.85
        )
    return dip


def _alive(days: Calendar, chunk: pl.DataFrame) -> Array:
    """0 before launch and after the end of life, growing over the first weeks."""
    age = _since_launch(days, chunk)
    ramp = np.where(age < 0, 0.0, 1 - 0.7 * np.exp(-np.maximum(age, 0) / 20))
    # A SKU without an end of life lives on beyond the days that are made.
    last = 2 * days.num_days
    end = [(e - days.first).days if e is not None else last for e in chunk["end_of_life"]]
    left = np.array(end)[:, None] - np.arange(days.num_days)[None, :]
    return np.asarray(ramp * np.clip(left / 30, 0, 1))


def _since_launch(days: Calendar, chunk: pl.DataFrame) -> NDArray[np.int64]:
    launch = np.array([(day - days.first).days for day in chunk["launch"]])
    return np.asarray(np.arange(days.num_days)[None, :] - launch[:, None])


def _in_stock(rng: np.random.Generator, n: int, num_days: int) -> Array:
    """Share of opening hours in stock: a stock-out starts every few months and lasts days."""
    share = np.ones((n, num_days))
    starts = np.argwhere(rng.random((n, num_days)) < rng.uniform(0.001, 0.008, (n, 1)))
    lengths = rng.geometric(0.4, len(starts))
    for offset in range(int(lengths.max(initial=0))):
        out = starts[lengths > offset] + [0, offset]
        out = out[out[:, 1] < num_days]
        share[out[:, 0], out[:, 1]] = np.where(
            offset == 0, rng.random(len(out)), rng.random(len(out)) * 0.2
        )
    return share


def _holidays(days: Calendar) -> NDArray[np.bool_]:
    return np.array([(day.month, day.day) in HOLIDAYS for day in days.days])


def _day_of_year(days: Calendar) -> Array:
    return np.array([day.timetuple().tm_yday for day in days.days], dtype=float)


def _autoregressive(rng: np.random.Generator, n: int, keep: float, scale: float) -> Array:
    noise = rng.normal(0, scale * np.sqrt(1 - keep**2), n)
    out = np.empty(n)
    state = rng.normal(0, scale)
    for i in range(n):
        state = keep * state + noise[i]
        out[i] = state
    return out
