"""What the made company sells: items, their popularity, promotions and list prices.

The same for every DC but for local taste. Knows nothing of storage or Ray.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from logistics.config import WorldConfig
from logistics.world.weather import Array, Calendar


@dataclass(frozen=True, slots=True)
class Category:
    """share of SKUs; yearly amplitude (log) and peak day; lift on Friday and Saturday;
    warmth: log demand per °C above the climate; wet: log demand per 8 mm of rain."""

    storage_class: str
    share: float
    amplitude: float
    peak_day: float
    weekend: float
    warmth: float
    wet: float


CATEGORIES = {
    "beverages": Category("ambient", 0.16, 0.25, 200, 0.25, 0.030, -0.05),
    "snacks": Category("ambient", 0.16, 0.10, 350, 0.30, 0.005, 0.05),
    "household": Category("ambient", 0.14, 0.05, 90, 0.05, 0.0, 0.0),
    "toys": Category("ambient", 0.08, 0.60, 345, 0.40, 0.0, 0.08),
    "garden": Category("ambient", 0.08, 0.70, 130, 0.45, 0.020, -0.25),
    "baking": Category("ambient", 0.10, 0.35, 340, 0.10, -0.005, 0.04),
    "dairy": Category("chilled", 0.10, 0.05, 180, 0.15, 0.0, 0.0),
    "ice_cream": Category("frozen", 0.05, 0.50, 200, 0.35, 0.045, -0.12),
    "frozen_meals": Category("frozen", 0.07, 0.15, 20, 0.05, -0.010, 0.05),
    "cleaning": Category("hazmat", 0.06, 0.10, 100, 0.10, 0.0, 0.0),
}
LIFT_OF_KIND = {"price_cut": 1.0, "leaflet": 1.25, "display": 1.5}  # on top of the discount's


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """The company-wide tables demand follows from."""

    items: pl.DataFrame
    promotions: pl.DataFrame
    prices: pl.DataFrame


def catalogue(config: WorldConfig, seed: int) -> Catalogue:
    return Catalogue(items(config, seed), promotions(config, seed), prices(config, seed))


def dc_id(index: int) -> str:
    return f"DC{index + 1:02d}"


def sku_ids(config: WorldConfig) -> list[str]:
    return [f"S{i + 1:05d}" for i in range(config.skus_per_dc)]


def popularity(config: WorldConfig, seed: int) -> Array:
    """Mean units a day of every SKU at an average DC (skus,): lognormal, with a rare tail."""
    rng = np.random.default_rng([seed, 7])
    n = config.skus_per_dc
    rate = np.exp(rng.normal(0.6, 1.45, n)).clip(0.1, 180)
    return np.where(rng.random(n) < 0.15, rng.uniform(0.05, 0.25, n), rate)


def levels(config: WorldConfig, seed: int, dc: int) -> Array:
    """Mean units a day of every SKU at one DC (skus,): popularity, the DC's size, local taste."""
    rng = np.random.default_rng([seed, 8, dc])
    rate = popularity(config, seed)
    return np.asarray(rate * np.exp(rng.normal(0, 0.3)) * np.exp(rng.normal(0, 0.35, rate.size)))


def items(config: WorldConfig, seed: int) -> pl.DataFrame:
    """The catalogue: a tenth of the SKUs are new, ending, or both."""
    rng = np.random.default_rng([seed, 1])
    days, n, names = Calendar.of(config), config.skus_per_dc, list(CATEGORIES)
    category = rng.choice(len(names), n, p=np.array([c.share for c in CATEGORIES.values()]))
    start = rng.integers(30, max(config.history_days - 20, 31), n)
    launch = np.where(rng.random(n) < 0.08, start, -rng.integers(30, 900, n))
    ends = np.maximum(config.history_days + rng.integers(-120, 80, n), launch + 60)
    ending = rng.random(n) < 0.06
    # What sells by the pallet is small, or no slot would hold three days of it.
    unit_m3 = np.exp(rng.normal(-5.1, 0.85, n)) * popularity(config, seed) ** -0.25
    unit_m3 = unit_m3.clip(2e-4, 0.25)
    storage_class = [CATEGORIES[names[c]].storage_class for c in category]
    return pl.DataFrame(
        {
            "sku_id": sku_ids(config),
            "category": [names[c] for c in category],
            "department": storage_class,
            "launch": days.dates(launch),
            "end_of_life": days.dates(ends),
            "unit_m3": unit_m3.round(5),
            "unit_kg": (unit_m3 * np.exp(rng.normal(5.8, 0.5, n))).clip(0.02, 40).round(3),
            "storage_class": storage_class,
        }
    ).with_columns(pl.when(pl.Series(ending)).then("end_of_life").alias("end_of_life"))


def promotions(config: WorldConfig, seed: int) -> pl.DataFrame:
    """About four a year and SKU, past and planned; three quarters run at every DC."""
    rng = np.random.default_rng([seed, 2])
    days = Calendar.of(config)
    n = max(int(config.skus_per_dc * days.num_days * 4 / 365), 1)
    sku = np.sort(rng.integers(0, config.skus_per_dc, n))
    start = rng.integers(0, days.num_days, n)
    dc = rng.integers(0, config.num_dcs * 4, n)
    skus = pl.Series(sku_ids(config))
    return pl.DataFrame(
        {
            "promo_id": [f"P{i + 1:06d}" for i in range(n)],
            "sku_id": skus.gather(sku),
            "dc_id": [dc_id(i) if i < config.num_dcs else None for i in dc.tolist()],
            "start": days.dates(start),
            "end": days.dates(start + rng.integers(4, 14, n)),
            "kind": rng.choice(list(LIFT_OF_KIND), n, p=[0.6, 0.25, 0.15]),
            "discount": rng.choice([0.1, 0.15, 0.2, 0.25, 0.3, 0.4], n),
        },
        schema_overrides={"dc_id": pl.String},
    )


def prices(config: WorldConfig, seed: int) -> pl.DataFrame:
    """List prices: one at the start, a change about every ten months, some still to come."""
    rng = np.random.default_rng([seed, 3])
    days, n = Calendar.of(config), config.skus_per_dc
    base = np.exp(rng.normal(1.3, 0.7, n)).clip(0.4, 60)
    changes = rng.poisson(days.num_days / 300, n)
    later = rng.integers(20, days.num_days, int(changes.sum()))
    steps = rng.normal(0.02, 0.08, later.size)
    listed = pl.DataFrame(
        {
            "sku": np.concatenate([np.arange(n), np.repeat(np.arange(n), changes)]),
            "day": np.concatenate([np.zeros(n, dtype=np.int64), later]),
            "step": np.concatenate([np.log(base), steps]),
        }
    ).unique(["sku", "day"], keep="first", maintain_order=True)
    listed = listed.sort("sku", "day").with_columns(pl.col("step").cum_sum().over("sku").exp())
    return pl.DataFrame(
        {
            "sku_id": pl.Series(sku_ids(config)).gather(listed["sku"]),
            "dc_id": pl.Series([None] * listed.height, dtype=pl.String),
            "start": days.dates(listed["day"].to_numpy()),
            "price": listed["step"].round(2),
        }
    )
