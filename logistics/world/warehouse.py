"""Warehouses and what is picked in them. Knows nothing of storage or Ray.

Warehouse i belongs to DC i and bears its id, so that the DC's forecasts are the warehouse's demand.
"""

from datetime import datetime, time, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.config import WorldConfig
from logistics.world import demand

BAY_M, AISLE_M = 1.5, 5.0
SIDES, LEVELS = 2, 4
# Zones from the back of the warehouse, as shares of its slots; what is left is ambient.
ZONES = (("hazmat", 0.08), ("frozen", 0.14), ("chilled", 0.12))
GROUP_SIZE = 8  # SKUs that are bought together


def warehouse_id(index: int) -> str:
    return demand.dc_id(index)


def slots(config: WorldConfig, seed: int, index: int) -> pl.DataFrame:
    """The layout with what lies in it: placed by a noisy memory of last year's demand."""
    rng = np.random.default_rng([seed, 40, index])
    layout = _layout(config, rng)
    catalogue = demand.items(config, seed)
    remembered = demand.levels(config, seed, index) * np.exp(rng.normal(0, 1.0, catalogue.height))
    alive = demand.on_sale(config, seed) & (rng.random(catalogue.height) > 0.04)
    placed: dict[int, str] = {}
    for storage_class in ("ambient", *(zone for zone, _ in ZONES)):
        of_class = (catalogue["storage_class"] == storage_class).to_numpy() & alive
        skus = np.flatnonzero(of_class)
        skus = skus[np.argsort(-remembered[skus], kind="stable")]
        free = np.flatnonzero((layout["storage_class"] == storage_class).to_numpy())
        nearness = (layout["x_m"] + layout["y_m"]).to_numpy()[free] + rng.normal(0, 8.0, free.size)
        order = free[np.argsort(nearness, kind="stable")]
        placed |= {
            int(slot): catalogue["sku_id"][int(s)] for slot, s in zip(order, skus, strict=False)
        }
    return layout.with_columns(
        pl.Series("sku_id", [placed.get(i) for i in range(layout.height)], dtype=pl.String),
        pl.Series("frozen", rng.random(layout.height) < 0.02),
    )


def _layout(config: WorldConfig, rng: np.random.Generator) -> pl.DataFrame:
    wanted = config.slots_per_warehouse * rng.uniform(0.75, 1.25)
    bays = max(round(float(np.sqrt(wanted / (SIDES * LEVELS) * 1.6))), 2)
    aisles = max(round(float(wanted) / (SIDES * LEVELS * bays)), 1)
    aisle, bay, side, level = (
        grid.ravel()
        for grid in np.meshgrid(*map(np.arange, (aisles, bays, SIDES, LEVELS)), indexing="ij")
    )
    n = aisle.size
    zone, taken = np.full(n, "ambient", dtype=object), n
    for name, share in ZONES:
        first = taken - max(round(share * n), 1)
        zone[first:taken], taken = name, first
    return pl.DataFrame(
        {
            "slot_id": [
                f"{a:02d}-{b:02d}-{'LR'[s]}{v}"
                for a, b, s, v in zip(aisle, bay, side, level, strict=True)
            ],
            "aisle": aisle,
            "bay": bay,
            "level": level,
            "x_m": aisle * AISLE_M,
            "y_m": (bay + 0.5) * BAY_M,
            "capacity_m3": np.where(level == 0, 1.6, 0.9),
            "capacity_kg": np.where(level == 0, 900.0, 350.0),
            "storage_class": zone.astype(str),
        }
    )


def order_lines(config: WorldConfig, seed: int, index: int) -> pl.DataFrame:
    """Lines of the days before the date: popular SKUs often, and those of a group together."""
    rng = np.random.default_rng([seed, 41, index])
    level = demand.levels(config, seed, index)
    weight = level**0.8 * demand.on_sale(config, seed)
    weight = weight / weight.sum()
    group, members = groups(config, seed)
    sizes = rng.geometric(0.3, int(config.order_lines_per_day * config.order_lines_days * 0.3))
    order = np.repeat(np.arange(sizes.size), sizes)
    anchor = rng.choice(weight.size, sizes.size, p=weight)
    alone = rng.choice(weight.size, order.size, p=weight)
    together = members[group[anchor[order]], rng.integers(0, GROUP_SIZE, order.size)]
    sku = np.where(rng.random(order.size) < 0.45, together, alone)
    sku[np.concatenate([[True], order[1:] != order[:-1]])] = anchor
    day = np.sort(rng.integers(0, config.order_lines_days, sizes.size))
    minute = rng.integers(6 * 60, 20 * 60, sizes.size)
    start = datetime.combine(config.date - timedelta(days=config.order_lines_days), time())
    at = np.datetime64(start, "us") + (day * 1440 + minute) * np.timedelta64(60, "s")
    return (
        pl.DataFrame(
            {
                "order_id": [f"{warehouse_id(index)}-P{i + 1:07d}" for i in order],
                "sku_id": [f"S{i + 1:05d}" for i in sku],
                "at": at[order],
                "qty": 1.0 + rng.poisson(0.3 + level[sku] / 12),
            }
        )
        .filter(pl.Series(weight[sku] > 0))
        .unique(["order_id", "sku_id"], maintain_order=True)
    )


def groups(config: WorldConfig, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Affinity: the group of every SKU (skus,), and every group's members (groups, GROUP_SIZE)."""
    rng = np.random.default_rng([seed, 42])
    shuffled = rng.permutation(config.skus_per_dc)
    padded = np.resize(shuffled, -(-shuffled.size // GROUP_SIZE) * GROUP_SIZE)
    members = padded.reshape(-1, GROUP_SIZE)
    group = np.empty(config.skus_per_dc, dtype=np.int64)
    group[shuffled] = np.arange(shuffled.size) // GROUP_SIZE
    return group, members
