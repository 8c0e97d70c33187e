"""Warehouses and what is picked in them. Knows nothing of storage or Ray.

Warehouse i belongs to DC i and bears its id, so that the DC's forecasts are the warehouse's demand.
"""

from datetime import timedelta

import numpy as np
import polars as pl

from logistics.config import WorldConfig
from logistics.world import catalogue, demand
from logistics.world.catalogue import Catalogue
from logistics.world.weather import Array, Ints

BAY_M, AISLE_M = 1.5, 5.0
SIDES, LEVELS = 2, 4
# Zones from the back of the warehouse, as shares of its slots; what is left is ambient.
ZONES = (("hazmat", 0.08), ("frozen", 0.14), ("chilled", 0.12))
GROUP_SIZE = 8  # SKUs that are bought together
TOGETHER = 0.45  # share of an order's further lines that come from the first one's group
UNPLACED = 0.04
MEAN_LINES = 10 / 3  # of an order


def warehouse_id(index: int) -> str:
    return catalogue.dc_id(index)


def warehouse(
    config: WorldConfig, seed: int, index: int, company: Catalogue
) -> dict[str, pl.DataFrame]:
    """slots and order_lines."""
    memory, lately = _demand(config, seed, index, company)
    return {
        "slots": _slots(config, seed, index, company.items, memory),
        "order_lines": _order_lines(config, seed, index, lately),
    }


def _demand(config: WorldConfig, seed: int, index: int, company: Catalogue) -> tuple[Array, Array]:
    """Expected units a day: last year's mean (skus,), and of each day with order lines (skus, d).

    The placement stems from the half year that ended half a year before the date.
    """
    now = config.history_days
    memory, lately = [], []
    for chunk in demand.chunks(config):
        mean = demand.expected(config, seed, index, company, chunk)
        memory.append(mean[:, max(now - 365, 0) : max(now - 182, 1)].mean(axis=1))
        lately.append(mean[:, max(now - config.order_lines_days, 0) : now])
    return np.concatenate(memory), np.concatenate(lately)


def _slots(
    config: WorldConfig, seed: int, index: int, items: pl.DataFrame, memory: Array
) -> pl.DataFrame:
    """The layout with what lies in it: placed by a noisy memory of last year's demand.

    A SKU launched since lies where room was left; what lately ended still takes its slot.
    """
    rng = np.random.default_rng([seed, 40, index])
    layout = _layout(config, rng)
    remembered = (memory + 0.01) * np.exp(rng.normal(0, 0.6, memory.size))
    kept = items["end_of_life"].fill_null(config.date) > config.date - timedelta(days=60)
    launched = items["launch"] < config.date
    placeable = (kept & launched).to_numpy() & (rng.random(memory.size) >= UNPLACED)
    distance = (layout["x_m"] + layout["y_m"]).to_numpy() + rng.normal(0, 8.0, layout.height)
    holds: list[str | None] = [None] * layout.height
    for storage_class in ("ambient", *(zone for zone, _ in ZONES)):
        skus = np.flatnonzero((items["storage_class"] == storage_class).to_numpy() & placeable)
        free = np.flatnonzero((layout["storage_class"] == storage_class).to_numpy())
        skus = skus[np.argsort(-remembered[skus], kind="stable")]
        free = free[np.argsort(distance[free], kind="stable")]
        for slot, sku in zip(free.tolist(), skus.tolist(), strict=False):
            holds[slot] = items["sku_id"][sku]
    return layout.with_columns(
        pl.Series("sku_id", holds, dtype=pl.String),
        pl.Series("frozen", rng.random(layout.height) < 0.02),
    )


def _layout(config: WorldConfig, rng: np.random.Generator) -> pl.DataFrame:
    """Aisles of bays, two-sided, in levels; the pickers start at (0, 0). The last aisle may end
    early."""
    n = max(round(config.slots_per_warehouse * rng.uniform(0.75, 1.25)), SIDES * LEVELS)
    bays = max(round(float(np.sqrt(n / (SIDES * LEVELS) * 1.6))), 2)
    shape = (-(-n // (SIDES * LEVELS * bays)), bays, SIDES, LEVELS)
    aisle, bay, side, level = np.unravel_index(np.arange(n), shape)
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


def _order_lines(config: WorldConfig, seed: int, index: int, lately: Array) -> pl.DataFrame:
    """Lines of the days before the date: each day's demand, and what is bought together.

    lately (skus, d): a SKU of n times the demand is on n**0.8 times the lines, in bigger lots.
    """
    rng = np.random.default_rng([seed, 41, index])
    num_days = lately.shape[1]
    often = lately**0.8
    often = often / np.maximum(often.sum(axis=0), 1e-9)
    num_orders = round(config.order_lines_per_day * num_days / MEAN_LINES)
    sizes = rng.geometric(1 / MEAN_LINES, num_orders)
    day_of = np.sort(rng.integers(0, num_days, num_orders))
    order = np.repeat(np.arange(num_orders), sizes)
    day = day_of[order]
    anchor = _pick(rng, often, day_of)
    alone = _pick(rng, often, day)
    group, members = groups(config, seed)
    along = members[group[anchor[order]], rng.integers(0, GROUP_SIZE, order.size)]
    sku = np.where(rng.random(order.size) < TOGETHER, along, alone)
    sku[np.concatenate([[True], order[1:] != order[:-1]])] = anchor
    lines_per_day = often[sku, day] * config.order_lines_per_day
    lot = lately[sku, day] / np.maximum(lines_per_day, 1e-9)
    first = np.datetime64(config.date, "us") - np.timedelta64(num_days, "D")
    minute = day_of * 1440 + rng.integers(6 * 60, 20 * 60, num_orders)
    at = first + minute.astype("timedelta64[m]")
    order_ids = pl.Series([f"{warehouse_id(index)}-P{i + 1:07d}" for i in range(num_orders)])
    lines = pl.DataFrame(
        {
            "order_id": order_ids.gather(order),
            "sku_id": pl.Series(catalogue.sku_ids(config)).gather(sku),
            "at": at[order],
            "qty": 1.0 + rng.poisson(np.maximum(lot - 1, 0)),
        }
    )
    sold = pl.Series(lately[sku, day] > 0)
    return lines.filter(sold).unique(["order_id", "sku_id"], maintain_order=True)


def _pick(rng: np.random.Generator, often: Array, day: Ints) -> Ints:
    """A SKU for each day given, drawn with that day's shares; often (skus, d) sums to 1 a day."""
    ladder = (np.cumsum(often, axis=0) + np.arange(often.shape[1])).T.ravel()
    drawn = np.searchsorted(ladder, day + rng.random(day.size), side="right")
    return np.asarray(np.minimum(drawn - day * len(often), len(often) - 1))


def groups(config: WorldConfig, seed: int) -> tuple[Ints, Ints]:
    """Affinity: the group of every SKU (skus,), and every group's members (groups, GROUP_SIZE)."""
    rng = np.random.default_rng([seed, 42])
    shuffled = rng.permutation(config.skus_per_dc)
    padded = np.resize(shuffled, -(-shuffled.size // GROUP_SIZE) * GROUP_SIZE)
    group = np.empty(config.skus_per_dc, dtype=np.int64)
    group[shuffled] = np.arange(shuffled.size) // GROUP_SIZE
    return group, padded.reshape(-1, GROUP_SIZE)
