"""The standard warehouse of the slotting benchmark, its order lines, and who may lie in it.

One slot in ten is a place, kept for SKUs that nobody has picked yet; the others hold the SKUs of
late. So it is for every policy but the oracle, which knows who will come. Knows no policy.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl

from logistics.slotting import inputs
from logistics.slotting.problem import NONE, Demand, Ints, Reals, Warehouse
from logistics.slotting.travel import Layout, Tours, lay_out

AISLES, BAYS, SIDES, LEVELS = 20, 20, 2, 4
BAY_M, AISLE_M = 1.5, 5.0
PLACES = AISLES * BAYS * SIDES * LEVELS // 10  # slots kept for SKUs that are still to come
LIVELY_DAYS = 60.0  # half-life
KIN = 5  # neighbouring ids on each side


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """All order lines in time order; SKUs (n,) in order of their ids.

    lines: order_id, at, sku_id, qty, sku (its index), day (whole days since the first line).
    start: the day of --from; what is learnt comes from lines of earlier days.
    """

    warehouse: Warehouse
    layout: Layout
    sku_ids: tuple[str, ...]
    lines: pl.DataFrame
    first: date
    start: int
    seed: int

    def tours(self, first_day: int, last_day: int) -> Tours:
        """Tours of the orders of first_day, …, last_day - 1."""
        lines = self.lines.filter(pl.col("day").is_between(first_day, last_day - 1))
        return inputs.tours(lines, self.seed)

    def picked(self, first_day: int, last_day: int) -> Ints:
        """The SKU of every line (l,) of first_day, …, last_day - 1, in time order."""
        lines = self.lines.filter(pl.col("day").is_between(first_day, last_day - 1))
        return lines["sku"].to_numpy()

    def day(self, number: int) -> date:
        return self.first + timedelta(days=number)

    @property
    def days(self) -> int:
        return int(self.lines["day"].max()) + 1  # type: ignore[arg-type]


def read(file: str, start: date, seed: int) -> Case:
    """Raises ValueError where there are no lines on one side of the date."""
    lines = pl.read_parquet(file).select(
        pl.col("order_id").cast(pl.String),
        pl.col("ts").alias("at"),
        pl.col("sku").cast(pl.String).alias("sku_id"),
        "qty",
    )
    lines = lines.filter(pl.col("qty") > 0).sort("at", "order_id", "sku_id")
    midnight = datetime.combine(start, time.min)
    if not (lines["at"] < midnight).any() or not (lines["at"] >= midnight).any():
        raise ValueError(f"{file}: order lines are needed before {start} and from then on")
    first = lines["at"][0].date()
    skus = lines["sku_id"].unique().sort()
    index = pl.DataFrame({"sku_id": skus, "sku": np.arange(skus.len())})
    day = (pl.col("at").dt.date() - pl.lit(first)).dt.total_days()
    lines = lines.join(index, on="sku_id", maintain_order="left").with_columns(day=day)
    warehouse = standard()
    return Case(
        warehouse, lay_out(warehouse), tuple(skus), lines, first, (start - first).days, seed
    )


def standard() -> Warehouse:
    """One block, two-sided aisles, every slot alike; the depot at the front left."""
    shape = (AISLES, BAYS, SIDES, LEVELS)
    num_slots = int(np.prod(shape))
    aisle, bay, side, level = np.unravel_index(np.arange(num_slots), shape)
    names = zip(aisle.tolist(), bay.tolist(), side.tolist(), level.tolist(), strict=True)
    return Warehouse(
        id="standard",
        slot_ids=tuple(f"{a:02d}-{b:02d}-{'LR'[s]}{v}" for a, b, s, v in names),
        aisle=aisle.astype(np.int64),
        x_m=aisle.astype(np.float64) * AISLE_M,
        y_m=(bay.astype(np.float64) + 0.5) * BAY_M,
        capacity_m3=np.ones(num_slots),
        capacity_kg=np.ones(num_slots),
        reach_m=np.zeros(num_slots),
        lift_kg=np.full(num_slots, np.inf),
        storage_class=np.zeros(num_slots, dtype=np.int64),
        holds=np.full(num_slots, NONE),
        locked=np.zeros(num_slots, dtype=bool),
    )


def known(case: Case, day: int) -> Ints:
    """The SKUs that have a slot on a day: of those picked before it the liveliest, places kept."""
    picks = counts(case, day)
    lively = picks @ 0.5 ** (np.arange(day - 1, -1, -1) / LIVELY_DAYS)
    seen = np.flatnonzero(lively > 0)
    liveliest = seen[np.argsort(-lively[seen], kind="stable")]
    return np.sort(liveliest[: len(case.warehouse.slot_ids) - PLACES])


def counts(case: Case, day: int, since: int = 0) -> Reals:
    """Lines of every SKU on each of the days since, …, day - 1 (n, d)."""
    lines = case.lines.filter(pl.col("day").is_between(since, day - 1))
    picks = np.zeros((len(case.sku_ids), day - since))
    np.add.at(picks, (lines["sku"].to_numpy(), lines["day"].to_numpy() - since), 1.0)
    return picks


def demand(case: Case, skus: Ints, rate: Reals) -> Demand:
    """The SKUs, and as many places as rate (picks per day) is longer, without size and slot."""
    names = [case.sku_ids[sku] for sku in skus] + [f"~{i}" for i in range(rate.size - skus.size)]
    nothing = np.zeros(rate.size)
    return Demand(
        sku_ids=tuple(names),
        face=np.full(rate.size, NONE),
        picks_per_day=rate,
        units_per_day=nothing,
        forecast=np.ones(rate.size, dtype=bool),
        storage_class=np.zeros(rate.size, dtype=np.int64),
        unit_m3=nothing,
        unit_kg=nothing,
        stock_m3=nothing,
        stock_kg=nothing,
    )


def settle(case: Case, slot_of: Ints, empty: Ints, picked: Ints) -> Ints:
    """The slots (n,) once all SKUs picked (l,), in time order, have one.

    A SKU without one takes, of the empty slots, the first of those in the aisle nearest to SKUs
    with neighbouring ids (families of articles have them); when all are taken, they are shared.
    """
    arriving = picked[slot_of[picked] == NONE]
    _, first = np.unique(arriving, return_index=True)
    settled, left = slot_of.copy(), empty
    aisle, x_m = case.layout.aisle, case.layout.aisle_x_m
    for sku in arriving[np.sort(first)].tolist():
        left = left if left.size else empty
        placed = np.flatnonzero(settled != NONE)
        place = int(np.searchsorted(placed, sku))
        kin = settled[placed[max(place - KIN, 0) : place + KIN]]
        apart_m = np.abs(x_m[aisle[left], None] - x_m[aisle[kin]]).sum(axis=1)
        settled[sku] = left[np.argmin(apart_m)]
        left = left[left != settled[sku]]
    return settled
