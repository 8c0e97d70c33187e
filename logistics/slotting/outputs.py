"""A slotting plan → the rows of its output tables and its figures. Knows polars; no solver."""

import numpy as np
import polars as pl

from logistics.outputs import MOVES, SLOTS_PLAN, UNPLACED
from logistics.slotting.moves import Night
from logistics.slotting.problem import NONE, Demand, Ints, Warehouse
from logistics.slotting.travel import Layout, Tours, walk


def slots_plan_rows(
    warehouse: Warehouse, demand: Demand, slot_of: Ints, ideal: Ints
) -> pl.DataFrame:
    """slots_plan: what lies in each slot after the moves slot_of (n,), before them, and ideally."""
    columns = {
        "slot_id": warehouse.slot_ids,
        "sku_id": _names(demand, contents(warehouse, slot_of)),
        "sku_before": _names(demand, warehouse.holds),
        "sku_ideal": _names(demand, contents(warehouse, ideal)),
    }
    return pl.DataFrame(columns, schema=SLOTS_PLAN.columns)


def contents(warehouse: Warehouse, slot_of: Ints) -> Ints:
    """The SKU in each slot (s,) with the SKUs (n,) in slots slot_of; locked slots as they are."""
    holds = np.where(warehouse.locked, warehouse.holds, NONE)
    placed = np.flatnonzero(slot_of != NONE)
    holds[slot_of[placed]] = placed
    return holds


def moves_rows(warehouse: Warehouse, demand: Demand, night: Night) -> pl.DataFrame:
    """moves, numbered from 1 in the order they are made."""
    rows = [
        (
            number,
            demand.sku_ids[move.sku],
            None if move.from_slot == NONE else warehouse.slot_ids[move.from_slot],
            warehouse.slot_ids[move.to_slot],
            float(demand.picks_per_day[move.sku]),
            move.saving_m_per_day,
        )
        for number, move in enumerate(night.moves, 1)
    ]
    return pl.DataFrame(rows, schema=MOVES.columns, orient="row")


def unplaced_rows(demand: Demand, night: Night) -> pl.DataFrame:
    """unplaced, in sku_id order."""
    rows = [
        (demand.sku_ids[sku], float(demand.picks_per_day[sku]), night.unplaced[sku])
        for sku in sorted(night.unplaced)
    ]
    return pl.DataFrame(rows, schema=UNPLACED.columns, orient="row")


def figures(
    warehouse: Warehouse, demand: Demand, layout: Layout, tours: Tours, night: Night, ideal: Ints
) -> dict[str, float]:
    """Counts, and the metres that the recent tours walk before, after and at best.

    Only picks of SKUs that have a slot in all three layouts are walked, so that all three are of
    the same work: a SKU that is given its first slot tonight cannot have been walked to before.
    """
    placed = (demand.face != NONE) & (ideal != NONE)
    before, after, best = (np.where(placed, s, NONE) for s in (demand.face, night.slot_of, ideal))
    return {
        "slots": float(len(warehouse.slot_ids)),
        "skus": float(len(demand.sku_ids)),
        "moves": float(len(night.moves)),
        "unplaced": float(len(night.unplaced)),
        "picks": float(placed[tours.sku].sum()),
        "picks_per_day": float(demand.picks_per_day.sum()),
        "picks_per_day_forecast": float(demand.picks_per_day[demand.forecast].sum()),
        "saving_m_per_day": sum(move.saving_m_per_day for move in night.moves),
        "walk_before_m": float(walk(layout, tours, before).sum()),
        "walk_after_m": float(walk(layout, tours, after).sum()),
        "walk_ideal_m": float(walk(layout, tours, best).sum()),
    }


def _names(demand: Demand, holds: Ints) -> list[str | None]:
    return [None if sku == NONE else demand.sku_ids[sku] for sku in holds.tolist()]
