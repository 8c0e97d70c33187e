"""Tonight's moves, judged by verify after every single one."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.slotting.affinity import slopes as slopes_of
from logistics.slotting.detours import direct
from logistics.slotting.faces import FaceRules
from logistics.slotting.floor import Move
from logistics.slotting.moves import Night, plan_moves
from logistics.slotting.problem import NONE, Demand, Warehouse, reached_m
from logistics.slotting.solve import assign
from logistics.slotting.travel import Tours, Walking, expect, lay_out
from logistics.slotting.verify import Plan, verify
from logistics.slotting.zones import zoned
from tests.slotting import made

FEW = settings(max_examples=30, deadline=None)
Company = tuple[Warehouse, Demand]


def planned(
    company: Company,
    max_moves: int,
    least: float = 0.0,
    tours: Tours | None = None,
    newcomer_picks: float = 0.0,
) -> tuple[Night, np.ndarray, Walking]:
    warehouse, demand = company
    picks_per_day = float(demand.picks_per_day.sum())
    walking = expect(lay_out(warehouse), made.one_tour(2, 5, 9), picks_per_day)
    if demand.relations is not None:
        demand = zoned(warehouse, demand, walking, assign(warehouse, demand, walking))
    ideal = assign(warehouse, demand, walking)
    slopes = None if tours is None else slopes_of(walking.layout, tours, demand.face.size)
    walking = replace(walking, newcomer_picks=newcomer_picks)
    night = plan_moves(warehouse, demand, walking, ideal, max_moves, least, slopes)
    return night, ideal, walking


def plan_of(company: Company, night: Night, ideal: np.ndarray, max_moves: int) -> Plan:
    after, faces = night.slot_of.tolist(), FaceRules(1, 0.0)
    return Plan(*company, max_moves, night.moves, after, ideal.tolist(), night.unplaced, faces)


@given(made.companies(), st.integers(0, 40))
@FEW
def test_every_rule_holds_after_every_single_move(company: Company, max_moves: int) -> None:
    night, ideal, _ = planned(company, max_moves)
    plan = plan_of(company, night, ideal, max_moves)
    assert verify(plan) == []
    after = company[1].face.copy()
    for done, move in enumerate(night.moves, 1):
        after[move.sku] = move.to_slot
        missing = dict.fromkeys(np.flatnonzero(after == NONE).tolist(), "later")
        so_far = replace(plan, moves=night.moves[:done], after=after.tolist(), unplaced=missing)
        # Between the moves of one step an aisle may be busier than it will be.
        assert [v for v in verify(so_far) if v.rule != "crowded_aisles"] == []


@given(made.companies(), st.integers(1, 20), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_moves_by_past_tours_break_no_rule(company: Company, max_moves: int, seed: int) -> None:
    num_skus = company[1].face.size
    sku = np.random.default_rng(seed).integers(0, max(num_skus, 1), 48 if num_skus else 0)
    tours = Tours(np.repeat(np.arange(12), 4)[: sku.size], sku)
    night, ideal, _ = planned(company, max_moves, 0.5, tours, newcomer_picks=0.5)
    assert verify(plan_of(company, night, ideal, max_moves)) == []


@given(made.companies(max_new=0), st.integers(0, 12))
@FEW
def test_more_moves_never_save_less(company: Company, max_moves: int) -> None:
    company = made.in_order(company)
    fewer, more = planned(company, max_moves)[0], planned(company, max_moves + 1)[0]
    assert saved(more) >= saved(fewer) - 1e-6


def test_where_an_aisle_is_too_busy_more_moves_save_no_less() -> None:
    # No aisle may take SKU 0, and a move into its aisle breaks the cap: nearer there it may come.
    slots = made.warehouse(4, 2, holds=np.array([-1, 1, 2, 3, -1, 0, -1, -1]), aisle_picks=10.0)
    slots.reach_m[5] = 2.0
    company = slots, made.demand([10.1, 0.0, 0.0, 0.1], [5, 1, 2, 3])
    saved_m = [saved(planned(company, max_moves)[0]) for max_moves in range(5)]
    assert saved_m == sorted(saved_m)
    assert saved_m[1] > 20


@given(made.companies(max_new=0), st.sampled_from([0.0, 0.5, 5.0]))
@FEW
def test_savings_add_up_to_the_walking_and_reaching_saved(
    company: Company, newcomer_picks: float
) -> None:
    night, _, walking = planned(company, 20, newcomer_picks=newcomer_picks)
    picks = company[1].picks_per_day
    before, after = (
        walking.metres(*walking.picks_by_aisle(picks, slot_of)) + reached_m(*company, slot_of)
        for slot_of in (company[1].face, night.slot_of)
    )
    np.testing.assert_allclose(saved(night), before - after, rtol=1e-6, atol=1e-6)


@given(made.companies(max_new=0), st.floats(0.1, 20))
@FEW
def test_no_night_saves_less_per_move_than_is_worth_a_move(company: Company, least: float) -> None:
    night = planned(made.in_order(company), 8, least)[0]
    assert saved(night) >= least * len(night.moves) - 1e-6


@given(made.companies())
@settings(max_examples=10, deadline=None)
def test_the_same_company_gets_the_same_moves(company: Company) -> None:
    assert planned(company, 10)[0].moves == planned(company, 10)[0].moves


def test_a_sku_that_makes_way_twice_is_carried_once() -> None:
    # SKU 0 goes from slot 0 to 3 for SKU 1, then on to 4 for SKU 2; slot 4 is empty all the while.
    holds = np.array([0, NONE, NONE, NONE, NONE])
    twice = [Move(0, 0, 3, -2.0, 1), Move(1, NONE, 0, 0.0, 1)]
    twice += [Move(0, 3, 4, -1.0, 2), Move(2, NONE, 3, 0.0, 2)]
    once = [Move(0, 0, 4, -3.0, 1), Move(1, NONE, 0, 0.0, 1), Move(2, NONE, 3, 0.0, 2)]
    assert direct(holds, twice) == once
    holds[4] = 3  # full until SKU 3 leaves, so there is no shorter way
    assert direct(holds, after := [twice[0], Move(3, 4, 2, 1.0, 2), twice[2]]) == after


def saved(night: Night) -> float:
    return sum(move.saving_m_per_day for move in night.moves)


def test_a_good_empty_slot_is_left_to_newcomers_who_will_be_faster() -> None:
    warehouse = made.warehouse(6, 1, holds=np.array([NONE, 0, 1, NONE, NONE, 2]))
    company = warehouse, made.demand([20.0, 20.0, 1.0], [1, 2, 5])
    assert 2 in [move.sku for move in planned(company, 4)[0].moves]
    assert 2 not in [move.sku for move in planned(company, 4, newcomer_picks=2.0)[0].moves]


def test_two_skus_swap_over_the_one_empty_slot() -> None:
    warehouse = made.warehouse(3, 1, holds=np.array([0, 1, NONE]))
    demand = made.demand([1.0, 50.0], [0, 1])
    # The empty slot is for passing through only: the stock needs the larger ones.
    warehouse = replace(warehouse, capacity_m3=np.array([2.0, 2.0, 1.0]))
    demand = replace(demand, unit_m3=np.array([1.0, 1.0]), stock_m3=np.array([2.0, 2.0]))
    night, _, _ = planned((warehouse, demand), 3)
    assert len(night.moves) == 3
    assert night.slot_of.tolist() == [1, 0]
    assert planned((warehouse, demand), 2)[0].moves == ()


def test_without_an_empty_slot_nothing_moves() -> None:
    warehouse = made.warehouse(2, 1, holds=np.array([0, 1]))
    assert planned((warehouse, made.demand([1.0, 50.0], [0, 1])), 5)[0].moves == ()


def test_a_new_sku_comes_before_any_saving() -> None:
    warehouse = made.warehouse(4, 1, holds=np.array([0, NONE, NONE, 1]))
    night, _, _ = planned((warehouse, made.demand([1.0, 50.0, 0.1], [0, 3, NONE])), 1)
    assert [move.sku for move in night.moves] == [2]


def test_a_new_sku_takes_a_slot_that_another_can_leave() -> None:
    warehouse = made.warehouse(1, 2, holds=np.array([0, NONE]), capacity_m3=np.array([2.0, 0.5]))
    demand = made.demand([1.0, 1.0], [0, NONE], unit_m3=np.array([0.1, 1.5]))
    night, _, _ = planned((warehouse, replace(demand, stock_m3=demand.unit_m3)), 5)
    assert [(m.sku, m.to_slot) for m in night.moves] == [(0, 1), (1, 0)]


def test_every_unplaced_sku_has_its_reason() -> None:
    warehouse = made.warehouse(1, 2, holds=np.array([0, NONE]))
    demand = made.demand(
        [1.0, 2.0, 3.0, 1.0], [0, NONE, NONE, NONE], unit_m3=np.array([0.0, 0.0, 9.0, 0.0])
    )
    assert planned((warehouse, demand), 5)[0].unplaced == {
        2: "no slot of its storage class takes one unit by size and weight",
        3: "every slot that would take it is occupied",
    }
    assert planned((warehouse, demand), 0)[0].unplaced[1] == "tonight's moves are used up"


def test_the_last_empty_slots_of_a_large_warehouse_are_kept_for_moving() -> None:
    holds = np.append(np.arange(198), [NONE, NONE])
    warehouse = made.warehouse(10, 20, holds=holds)
    demand = made.demand([1.0] * 200, [*range(198), NONE, NONE])
    night, _, _ = planned((warehouse, demand), 50)
    assert set(night.unplaced) == {198, 199}
    assert "kept for moving" in night.unplaced[199]


def test_new_skus_leave_half_of_the_moves_to_savings() -> None:
    holds = np.array([0, 1, 2, *[NONE] * 9, 3])
    holds = np.append(holds, [NONE] * 7)
    warehouse = made.warehouse(10, 2, holds=holds)
    demand = made.demand([0.1, 0.1, 0.1, 90.0, *[1.0] * 8], [0, 1, 2, 12, *[NONE] * 8])
    night, _, _ = planned((warehouse, demand), 8)
    first_slots = [move for move in night.moves[:4] if move.from_slot == NONE]
    assert first_slots
    assert any(move.sku == 3 for move in night.moves[4:])
    assert len(night.moves) == 8
