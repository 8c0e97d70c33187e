"""A warehouse's checked tables → its `Warehouse`, `Demand` and `Tours`. Knows polars; no solver.

A SKU belongs to the warehouse when it lies in a slot, was picked in the last history_days, or is
expected to be picked at least once in demand_days. Its picks are what the lines lately seen tell,
and beforehand the forecast's units over the units per line (of all SKUs, where it had none).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from logistics.columns import STORAGE_CLASSES
from logistics.config import SlottingConfig
from logistics.slotting import velocity
from logistics.slotting.problem import NONE, TOLERANCE, Demand, Ints, Reals, Relations, Warehouse
from logistics.slotting.travel import MAX_TOUR_LINES, Tours, lay_out


def read(
    tables: Mapping[str, pl.DataFrame],
    totals: pl.DataFrame | None,
    warehouse_id: str,
    run_date: date,
    config: SlottingConfig,
    seed: int,
) -> tuple[Warehouse, Demand, Tours]:
    """tables: slots and order_lines of the warehouse, items; totals: its DC's forecast_totals.

    The tours are those of the last affinity_days.
    Raises ValueError for a warehouse without slots.
    """
    slots = tables["slots"].sort("slot_id")
    if slots.is_empty():
        raise ValueError(f"slots: {warehouse_id} has no row that could be used; see rejects")
    past = recent_lines(tables["order_lines"], run_date, config.affinity_days)
    lines = recent_lines(past, run_date, config.history_days)
    skus = _expected(slots, lines, totals, tables["items"], run_date, config)
    index = pl.DataFrame({"sku_id": skus["sku_id"], "sku": np.arange(skus.height)})
    holds = slots.select("sku_id").join(index, on="sku_id", how="left", maintain_order="left")
    warehouse = _warehouse(warehouse_id, slots, holds["sku"].fill_null(NONE).to_numpy(), config)
    warehouse, face = _one_face(warehouse, skus.height)
    most = (config.max_aisle_share or np.inf) * float(skus["picks_per_day"].sum())
    return (
        replace(warehouse, aisle_picks=most),
        replace(_demand(warehouse, skus, face, config), relations=_relations(skus, config)),
        tours(past.join(index, on="sku_id"), seed),
    )


def recent_lines(order_lines: pl.DataFrame, run_date: date, history_days: int) -> pl.DataFrame:
    """Order lines of the last history_days before run_date."""
    midnight = datetime.combine(run_date, datetime.min.time())
    since = midnight - timedelta(days=history_days)
    return order_lines.filter((pl.col("at") < midnight) & (pl.col("at") >= since))


def tours(lines: pl.DataFrame, seed: int) -> Tours:
    """Each order is a tour, the earliest first; one of more than MAX_TOUR_LINES is dealt at random
    into equal tours.

    lines: order_id, at, sku_id and sku, its index.
    """
    lines = lines.sort("order_id", "at", "sku_id")
    chance = np.random.default_rng(seed).random(lines.height)
    size = pl.len().over("order_id").cast(pl.Int64)
    num_tours = (size - 1) // MAX_TOUR_LINES + 1
    dealt = lines.with_columns(chance=chance).with_columns(
        part=(pl.col("chance").rank("ordinal").over("order_id") - 1) * num_tours // size,
        begun=pl.col("at").min().over("order_id"),
    )
    tour = pl.struct("begun", "order_id", "part").rank("dense") - 1
    dealt = dealt.with_columns(tour=tour.cast(pl.Int64)).sort("tour", "sku")
    begun = pl.col("begun").dt.date()
    aged = dealt.unique("tour", maintain_order=True).select(
        age_days=(begun.max() - begun).dt.total_days()
    )
    return Tours(_whole(dealt, "tour"), _whole(dealt, "sku"), _real(aged, "age_days"))


def _expected(
    slots: pl.DataFrame,
    lines: pl.DataFrame,
    totals: pl.DataFrame | None,
    items: pl.DataFrame,
    run_date: date,
    config: SlottingConfig,
) -> pl.DataFrame:
    """sku_id, picks_per_day, units_per_day, forecast (bool) and the item, in sku_id order."""
    # A warehouse younger than the history has fewer days of lines.
    days = lines.select((pl.lit(run_date) - pl.col("at").dt.date()).dt.total_days().max()).item()
    days = days or 0
    seen = lines.group_by("sku_id").agg(lines=pl.len(), units=pl.col("qty").sum())
    usual = (seen["units"] / seen["lines"]).median() if seen.height else 1.0
    per_line = (pl.col("units") / pl.col("lines")).fill_null(usual)
    here = slots.select("sku_id").drop_nulls().unique().with_columns(known=True)
    # That a SKU was not picked tells something of it only where it could have been.
    picked = pl.col("lines").is_not_null()
    launched = (pl.lit(run_date) - pl.col("launch")).dt.total_days().fill_null(days)
    skus = (
        here.join(seen, on="sku_id", how="full", coalesce=True)
        .join(_forecast(totals, config.demand_days), on="sku_id", how="full", coalesce=True)
        .join(items, on="sku_id", how="left")
        .sort("sku_id")
        .with_columns(known=pl.col("known").fill_null(value=False) | picked)
        .with_columns(
            forecast=pl.col("mean_per_day").is_not_null(),
            days=launched.clip(picked.cast(pl.Int64), days) * pl.col("known"),
            lines=pl.col("lines").fill_null(0),
            predicted=(pl.col("mean_per_day") / per_line).fill_null(0.0),
            units_per_day=pl.coalesce("mean_per_day", pl.col("units") / (days or 1), pl.lit(0.0)),
        )
    )
    skus = skus.with_columns(picks_per_day=_picks_per_day(skus))
    return skus.filter(pl.col("known") | (pl.col("picks_per_day") * config.demand_days >= 1))


def _picks_per_day(skus: pl.DataFrame) -> Reals:
    """Of SKUs with a forecast, and by themselves of those without."""
    lines, days, predicted = (_real(skus, column) for column in ("lines", "days", "predicted"))
    forecast = skus["forecast"].to_numpy()
    picks = np.zeros(skus.height)
    for some in (forecast, ~forecast):
        picks[some] = velocity.reconciled(lines[some], days[some], predicted[some])
    return picks


def _forecast(totals: pl.DataFrame | None, demand_days: int) -> pl.DataFrame:
    """sku_id and mean_per_day, from the horizon nearest to demand_days."""
    if totals is None or totals.is_empty():
        return pl.DataFrame(schema={"sku_id": pl.String, "mean_per_day": pl.Float64})
    horizons = totals["horizon_days"].unique().sort().to_list()
    horizon = min(horizons, key=lambda days: abs(days - demand_days))
    mean = pl.col("mean").cast(pl.Float64).clip(lower_bound=0) / horizon
    return totals.filter(horizon_days=horizon).select("sku_id", mean.alias("mean_per_day"))


def _warehouse(
    warehouse_id: str, slots: pl.DataFrame, holds: Ints, config: SlottingConfig
) -> Warehouse:
    level = _whole(slots, "level")
    return Warehouse(
        id=warehouse_id,
        slot_ids=tuple(slots["slot_id"]),
        aisle=_whole(slots, "aisle"),
        x_m=_real(slots, "x_m"),
        y_m=_real(slots, "y_m"),
        capacity_m3=_real(slots, "capacity_m3"),
        capacity_kg=_real(slots, "capacity_kg"),
        reach_m=_by_level(level, config.reach_m_by_level),
        lift_kg=_by_level(level, [kg or np.inf for kg in config.lift_kg_by_level]),
        storage_class=_class_code(slots["storage_class"]),
        holds=holds.astype(np.int64),
        locked=slots["frozen"].fill_null(value=False).to_numpy().astype(bool),
    )


def _by_level(level: Ints, values: Sequence[float]) -> Reals:
    """Each level's value, the floor's first; levels above the last are like it."""
    return np.array(values, dtype=np.float64)[np.minimum(level, len(values) - 1)]


def _one_face(warehouse: Warehouse, num_skus: int) -> tuple[Warehouse, Ints]:
    """The slot each SKU is picked from; its further slots are its reserve, and locked."""
    distance_m = lay_out(warehouse).distance_m
    face = np.full(num_skus, NONE, dtype=np.int64)
    locked = warehouse.locked.copy()
    # A frozen slot stays the face, else the nearest is.
    for slot in np.lexsort((np.arange(locked.size), distance_m, ~warehouse.locked)):
        sku = warehouse.holds[slot]
        if sku != NONE and face[sku] == NONE:
            face[sku] = slot
        elif sku != NONE:
            locked[slot] = True
    return replace(warehouse, locked=locked), face


def _demand(warehouse: Warehouse, skus: pl.DataFrame, face: Ints, config: SlottingConfig) -> Demand:
    storage_class = _class_code(skus["storage_class"].fill_null("ambient"))
    units = np.maximum(_real(skus, "units_per_day") * config.replenish_days, 1.0)
    unit_m3, unit_kg = (_real(skus.fill_null(0.0), size) for size in ("unit_m3", "unit_kg"))
    stock_m3, stock_kg = _room(warehouse, storage_class, unit_m3, unit_kg, units)
    return Demand(
        sku_ids=tuple(skus["sku_id"]),
        face=face,
        picks_per_day=_real(skus, "picks_per_day"),
        units_per_day=_real(skus, "units_per_day"),
        forecast=skus["forecast"].to_numpy().astype(bool),
        storage_class=storage_class,
        unit_m3=unit_m3,
        unit_kg=unit_kg,
        stock_m3=stock_m3,
        stock_kg=stock_kg,
    )


def _relations(skus: pl.DataFrame, config: SlottingConfig) -> Relations | None:
    """Who must lie together and who apart; None where nobody must."""
    # Goods of two storage classes cannot lie in one aisle where each class has its own.
    kin = pl.struct("family", pl.col("storage_class").fill_null("ambient"))
    several = pl.col("family").is_not_null() & (pl.len().over(kin) > 1)
    family = skus.select(pl.when(several & config.families_together).then(kin.rank("dense")))
    names = sorted({name for pair in config.keep_apart for name in pair})
    number = {name: index for index, name in enumerate(names)}
    group = skus["segregation_group"].replace_strict(number, default=NONE, return_dtype=pl.Int64)
    apart = np.zeros((len(names) + 1, len(names) + 1), dtype=bool)
    for one, other in config.keep_apart:
        apart[number[one], number[other]] = apart[number[other], number[one]] = True
    relations = Relations(
        family.to_series().cast(pl.Int64).fill_null(NONE).to_numpy(),
        group.fill_null(NONE).to_numpy(),
        apart,
    )
    any_at_all = (relations.family != NONE).any() or (relations.group != NONE).any()
    return relations if any_at_all else None


def _room(
    warehouse: Warehouse, storage_class: Ints, unit_m3: Reals, unit_kg: Reals, units: Reals
) -> tuple[Reals, Reals]:
    """m3 and kg (n,) of so many units, or of as many as the roomiest slot of the class holds."""
    kinds = np.unique(
        np.column_stack((warehouse.storage_class, warehouse.capacity_m3, warehouse.capacity_kg)),
        axis=0,
    )
    most = np.ones(units.size)
    for of_class, capacity_m3, capacity_kg in kinds:
        held = np.minimum(
            capacity_m3 / np.maximum(unit_m3, TOLERANCE),
            capacity_kg / np.maximum(unit_kg, TOLERANCE),
        )
        most = np.where(storage_class == of_class, np.maximum(most, np.floor(held)), most)
    units = np.minimum(units, most)
    return unit_m3 * units, unit_kg * units


def _class_code(names: pl.Series) -> Ints:
    codes = list(range(len(STORAGE_CLASSES)))
    return names.replace_strict(list(STORAGE_CLASSES), codes, return_dtype=pl.Int64).to_numpy()


def _whole(rows: pl.DataFrame, column: str) -> Ints:
    return rows[column].cast(pl.Int64).to_numpy()


def _real(rows: pl.DataFrame, column: str) -> Reals:
    return rows[column].cast(pl.Float64).to_numpy()
