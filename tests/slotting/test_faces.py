"""Further faces of fast SKUs: few, in the aisle, worth their moves."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.slotting.effect import look_ahead
from logistics.slotting.faces import FaceRules, open_faces, replenishments
from logistics.slotting.moves import Night, plan_moves
from logistics.slotting.outputs import after
from logistics.slotting.problem import NONE, Demand, Warehouse
from logistics.slotting.solve import assign
from logistics.slotting.travel import Tours, expect, lay_out
from logistics.slotting.verify import Plan, verify
from logistics.slotting.zones import zoned
from tests.slotting import made

NO_TOURS = Tours(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
RULES = FaceRules(3, 100.0)
FEW = settings(max_examples=15, deadline=None)


def planned(
    warehouse: Warehouse, demand: Demand, max_moves: int, rules: FaceRules = RULES
) -> tuple[Night, Plan]:
    walking = expect(lay_out(warehouse), made.one_tour(4), float(demand.picks_per_day.sum()))
    if demand.relations is not None:
        demand = zoned(warehouse, demand, walking, assign(warehouse, demand, walking))
    ideal = assign(warehouse, demand, walking)

    night = plan_moves(warehouse, demand, walking, ideal, max_moves, 1.0)
    prospect = look_ahead(warehouse, demand, walking, NO_TOURS)
    night = open_faces(prospect, night, rules, max_moves, 1.0)
    layouts = night.slot_of.tolist(), ideal.tolist()
    return night, Plan(warehouse, demand, max_moves, night.moves, *layouts, night.unplaced, rules)


def stocked(picks: list[float], face: list[int]) -> Demand:
    """Goods of which a slot takes ten units."""
    return made.demand(picks, face, unit_m3=np.full(len(picks), 0.1))


@given(made.companies(), st.integers(0, 12))
@FEW
def test_no_rule_breaks_where_faces_are_opened(
    company: tuple[Warehouse, Demand], max_moves: int
) -> None:
    assert verify(planned(*company, max_moves)[1]) == []


@given(made.companies(), st.integers(1, 12))
@FEW
def test_a_further_face_saves_the_replenishments_that_it_is_worth(
    company: tuple[Warehouse, Demand], max_moves: int
) -> None:
    warehouse, demand = made.in_order(company)
    night, _ = planned(warehouse, demand, max_moves)
    first = replace(night, moves=tuple(m for m in night.moves if not m.opens_face))
    fewer = (
        replenishments(warehouse, demand, after(warehouse, first)).sum()
        - replenishments(warehouse, demand, after(warehouse, night)).sum()
    )
    promised = sum(move.saving_m_per_day for move in night.moves if move.opens_face)
    np.testing.assert_allclose(RULES.replenishing_m * fewer, promised, rtol=1e-9, atol=1e-9)


def test_the_fast_sku_gets_more_faces_than_the_slow_one_and_none_too_many() -> None:
    warehouse = made.warehouse(1, 40, holds=np.array([0, 1, *[NONE] * 38]))
    night, _ = planned(warehouse, stocked([50.0, 0.1], [0, 1]), 9)
    opened = [move.sku for move in night.moves if move.opens_face]
    assert opened == [0, 0]  # from 5 replenishments a day to 2.5 and 1.67: with its first, three


def test_a_slow_sku_makes_way_in_the_full_aisle_of_a_fast_one() -> None:
    warehouse = made.warehouse(2, 10, holds=np.array([*range(10), *[NONE] * 10]))
    night, plan = planned(warehouse, stocked([50.0, *[5.0] * 8, 0.01], list(range(10))), 2)
    away, face = night.moves
    assert (away.sku, face.sku, face.to_slot) == (9, 0, away.from_slot)
    assert away.saving_m_per_day < 0 < away.saving_m_per_day + face.saving_m_per_day
    assert verify(plan) == []


def test_moves_go_to_faces_only_where_they_save_more_than_walking_less() -> None:
    holds = np.full(20, NONE)
    holds[[0, 19]] = 0, 1
    warehouse, demand = made.warehouse(2, 10, holds=holds), stocked([9.0, 8.0], [0, 19])
    dear, cheap = (planned(warehouse, demand, 1, FaceRules(2, metres))[0] for metres in (1e4, 2.0))
    assert [move.opens_face for move in dear.moves] == [True]
    assert [move.opens_face for move in cheap.moves] == [False]


def test_the_last_empty_slots_are_kept_from_faces() -> None:
    holds = np.append(np.arange(19), NONE)
    demand = stocked([50.0] * 19, list(range(19)))
    assert planned(made.warehouse(1, 20, holds=holds), demand, 5)[0].moves == ()
