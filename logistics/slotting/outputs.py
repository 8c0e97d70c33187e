"""A slotting plan → the rows of its output tables and its figures. Knows polars; no solver."""

from dataclasses import replace

import numpy as np
import polars as pl

from logistics.config import SlottingConfig
from logistics.outputs import MOVES, SLOTS_EFFECT, SLOTS_HEAT, SLOTS_PLAN, UNPLACED
from logistics.slotting.effect import Prospect
from logistics.slotting.faces import replenishments
from logistics.slotting.floor import Move
from logistics.slotting.moves import Night
from logistics.slotting.payback import by_step, is_urgent, per_move_m
from logistics.slotting.problem import NONE, Demand, Ints, Warehouse, contents, reached_m
from logistics.slotting.travel import Layout, Tours, walk


def slots_plan_rows(
    warehouse: Warehouse, demand: Demand, night: Night, ideal: Ints
) -> pl.DataFrame:
    """slots_plan: what lies in each slot after tonight's moves, before them, and ideally."""
    columns = {
        "slot_id": warehouse.slot_ids,
        "sku_id": _names(demand, after(warehouse, night)),
        "sku_before": _names(demand, warehouse.holds),
        "sku_ideal": _names(demand, contents(warehouse, ideal)),
    }
    return pl.DataFrame(columns, schema=SLOTS_PLAN.columns)


def after(warehouse: Warehouse, night: Night) -> Ints:
    """The SKU in each slot (s,) after tonight's moves, further faces among them."""
    holds = contents(warehouse, night.slot_of)
    for move in night.moves:
        if move.opens_face:
            holds[move.to_slot] = move.sku
    return holds


def moves_rows(prospect: Prospect, night: Night, config: SlottingConfig) -> pl.DataFrame:
    """moves, numbered from 1 in the order they are made, with what each costs and brings."""
    sku_ids, slot_ids = prospect.demand.sku_ids, prospect.warehouse.slot_ids
    cost = config.minutes_per_move / 60 * config.labour_cost_per_h
    value_per_m = _cost_per_m(config)
    payback_days = {
        step[0].step: None
        if is_urgent(prospect, step) or per_move_m(step) <= 0
        else cost / (per_move_m(step) * value_per_m)
        for step in by_step(night)
    }
    rows = [
        (
            number,
            sku_ids[move.sku],
            None if move.from_slot == NONE else slot_ids[move.from_slot],
            slot_ids[move.to_slot],
            move.opens_face,
            float(prospect.demand.picks_per_day[move.sku]),
            move.saving_m_per_day,
            move.step,
            move.saving_m_per_day * value_per_m,
            cost,
            payback_days[move.step],
            _why(prospect, move),
        )
        for number, move in enumerate(night.moves, 1)
    ]
    return pl.DataFrame(rows, schema=MOVES.columns, orient="row")


def _why(prospect: Prospect, move: Move) -> str:
    if move.opens_face:
        return "further face"
    if move.from_slot == NONE:
        return "first slot"
    if is_urgent(prospect, (move,)):
        return "may not stay where it is"
    return "walks less" if move.saving_m_per_day > 0 else "makes way"


def heat_rows(
    warehouse: Warehouse, demand: Demand, before: Ints, after: Ints, ideal: Ints
) -> pl.DataFrame:
    """slots_heat of three layouts (n,)."""
    bays, bay = np.unique(
        np.column_stack((warehouse.aisle, warehouse.y_m)), axis=0, return_inverse=True
    )
    columns = {"aisle": bays[:, 0].astype(np.int64), "y_m": bays[:, 1]}
    for name, slot_of in (("before", before), ("after", after), ("ideal", ideal)):
        placed = slot_of != NONE
        here, picks = bay.reshape(-1)[slot_of[placed]], demand.picks_per_day[placed]
        columns[f"picks_per_day_{name}"] = np.bincount(here, picks, minlength=len(bays))
    return pl.DataFrame(columns, schema=SLOTS_HEAT.columns)


def effect_rows(
    warehouse: Warehouse,
    demand: Demand,
    prospect: Prospect,
    night: Night,
    ideal: Ints,
    config: SlottingConfig,
) -> pl.DataFrame:
    """slots_effect: expected of tomorrow, for the SKUs that have a slot in all three layouts."""
    placed = (demand.face != NONE) & (ideal != NONE)
    walked = replace(demand, picks_per_day=np.where(placed, demand.picks_per_day, 0.0))
    picks_per_day = float(walked.picks_per_day.sum())
    layouts = {"before": demand.face, "after": night.slot_of, "ideal": ideal}
    holds = {
        "before": warehouse.holds,
        "after": after(warehouse, night),
        "ideal": contents(warehouse, ideal),
    }
    walk_m = {
        name: prospect.metres(np.where(placed, slot_of, NONE)) for name, slot_of in layouts.items()
    }
    before_m, cost_per_m = walk_m["before"], _cost_per_m(config)
    walking = prospect.walking
    share = picks_per_day / max(walking.picks_per_day, 1e-9)
    rows = [
        (
            name,
            picks_per_day,
            float(walking.tours_per_day.sum()) * share,
            metres,
            1 - metres / before_m if before_m > 0 else 0.0,
            metres * cost_per_m,
            reached_m(warehouse, walked, layouts[name]),
            float(replenishments(warehouse, demand, holds[name]).sum()),
        )
        for name, metres in walk_m.items()
    ]
    return pl.DataFrame(rows, schema=SLOTS_EFFECT.columns, orient="row")


def _cost_per_m(config: SlottingConfig) -> float:
    """Of a picker's walking, in money."""
    return 1 / config.walking_m_per_s / 3600 * config.labour_cost_per_h


def labels_csv(moves: pl.DataFrame) -> bytes:
    """A label for every slot that is filled anew: in order of the moves, which SKU comes there."""
    columns = pl.col("move", "to_slot", "sku_id", "from_slot")
    return moves.select(columns).write_csv().encode()


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
