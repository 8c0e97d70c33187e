"""The tables of a slotting plan, against the plan they were made from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings

from logistics.outputs import OUTPUTS
from logistics.slotting import outputs
from logistics.slotting.plan import plan_warehouse
from logistics.slotting.problem import NONE, Demand, Warehouse
from logistics.slotting.travel import Tours, walk
from tests.settings import config
from tests.slotting import made

CONFIG = replace(
    config(Path("nowhere")).slotting,
    max_moves=6,
    max_payback_days=480,
    history_days=28,
    max_faces=3,
)
NO_TOURS = Tours(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
FEW = settings(max_examples=25, deadline=None)


@given(made.companies())
@FEW
def test_the_tables_tell_the_same_story(company: tuple[Warehouse, Demand]) -> None:
    warehouse, demand = company
    tours = made.one_tour(3, 4) if demand.sku_ids else NO_TOURS
    night, ideal, prospect = plan_warehouse(warehouse, demand, tours, CONFIG)
    plan = outputs.slots_plan_rows(warehouse, demand, night, ideal)
    moves = outputs.moves_rows(prospect, night, CONFIG)
    unplaced = outputs.unplaced_rows(demand, night)
    heat = outputs.heat_rows(warehouse, demand, demand.face, night.slot_of, ideal)
    effect = outputs.effect_rows(warehouse, demand, prospect, night, ideal, CONFIG)
    tables = {"slots_plan": plan, "moves": moves, "slots_heat": heat, "slots_effect": effect}
    for name, rows in (tables | {"unplaced": unplaced}).items():
        assert rows.schema == pl.Schema(OUTPUTS[name].columns)
    if (demand.face != NONE).all() and (ideal != NONE).all():  # slots_effect leaves others out
        before, after, _ = effect.select("walk_m_per_day", "reach_m_per_day").sum_horizontal()
        walked = moves.filter(~pl.col("opens_face"))
        assert np.isclose(walked["saving_m_per_day"].sum(), before - after)
    layout = dict(plan.select("slot_id", "sku_before").iter_rows())
    for move in moves.iter_rows(named=True):
        assert layout[move["to_slot"]] is None
        if move["from_slot"] is not None:
            assert layout[move["from_slot"]] == move["sku_id"]
            layout[move["from_slot"]] = None
        layout[move["to_slot"]] = move["sku_id"]
    assert layout == dict(plan.select("slot_id", "sku_id").iter_rows())
    in_slots = set(plan["sku_id"].drop_nulls())
    assert in_slots | set(unplaced["sku_id"]) == set(demand.sku_ids)
    assert in_slots.isdisjoint(unplaced["sku_id"])


def test_a_reserve_stays_in_every_layout() -> None:
    holds, locked = np.array([0, 1, 0, NONE]), np.array([False, False, True, False])
    warehouse = made.warehouse(2, 2, holds=holds, locked=locked)
    demand = made.demand([1.0, 5.0], [0, 1])
    night, ideal, _ = plan_warehouse(warehouse, demand, made.one_tour(3), CONFIG)
    plan = outputs.slots_plan_rows(warehouse, demand, night, ideal)
    assert plan["sku_before"].to_list() == ["s00", "s01", "s00", None]
    for column in ("sku_id", "sku_ideal"):
        assert plan[column][2] == "s00"
        assert plan[column].drop_nulls().sort().to_list() == ["s00", "s00", "s01"]


def test_a_night_without_moves_walks_as_before() -> None:
    warehouse = made.warehouse(2, 2, holds=np.array([0, 1, NONE, NONE]))
    demand = made.demand([1.0, 5.0], [0, 1])
    still = replace(CONFIG, max_moves=0)
    tours = made.one_tour(1, 1)
    night, ideal, prospect = plan_warehouse(warehouse, demand, tours, still)
    figures = outputs.figures(warehouse, demand, prospect.walking.layout, tours, night, ideal)
    assert figures["walk_after_m"] == figures["walk_before_m"] > 0
    assert (figures["moves"], figures["picks"], figures["saving_m_per_day"]) == (0, 2, 0)


def test_tours_whose_picks_are_tomorrows_are_promised_as_they_are_walked() -> None:
    holds = np.array([0, NONE, NONE, 1])
    warehouse = made.warehouse(2, 2, holds=holds)
    demand = made.demand([3.0, 1.0], [0, 3])
    tours = Tours(np.array([0, 0, 1, 2]), np.array([0, 1, 0, 0]))
    night, ideal, prospect = plan_warehouse(warehouse, demand, tours, CONFIG)
    effect = outputs.effect_rows(warehouse, demand, prospect, night, ideal, CONFIG)
    for slot_of, promised_m in zip(
        (demand.face, night.slot_of, ideal), effect["walk_m_per_day"], strict=True
    ):
        assert np.isclose(promised_m, walk(prospect.walking.layout, tours, slot_of).sum())
