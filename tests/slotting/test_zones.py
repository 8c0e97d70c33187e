"""Families that lie together, and groups that lie apart."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings

from logistics.slotting.moves import Night, plan_moves
from logistics.slotting.problem import NONE, Demand, Relations, Warehouse
from logistics.slotting.solve import assign
from logistics.slotting.travel import expect, lay_out
from logistics.slotting.zones import bays, zoned
from tests.slotting import made


def planned(warehouse: Warehouse, demand: Demand, max_moves: int = 0) -> tuple[np.ndarray, Night]:
    """The ideal, and the night's moves towards it."""
    walking = expect(lay_out(warehouse), made.one_tour(4), float(demand.picks_per_day.sum()))
    demand = zoned(warehouse, demand, walking, assign(warehouse, demand, walking))
    ideal = assign(warehouse, demand, walking)
    return ideal, plan_moves(warehouse, demand, walking, ideal, max_moves, 0.0)


def related(demand: Demand, family: dict[int, int], group: dict[int, int]) -> Demand:
    """The SKUs of families, and of groups 0 and 1 that must be kept apart."""
    of_family, of_group = np.full((2, len(demand.sku_ids)), NONE)
    of_family[list(family)], of_group[list(group)] = list(family.values()), list(group.values())
    return replace(demand, relations=Relations(of_family, of_group, made.apart(2, (0, 1))))


def test_a_family_lies_in_one_aisle_and_the_others_around_it() -> None:
    warehouse = made.warehouse(4, 3)
    demand = made.demand([float(12 - i) for i in range(12)], [NONE] * 12)
    ideal, _ = planned(warehouse, related(demand, {0: 0, 5: 0, 11: 0, 2: 1, 3: 1}, {}))
    assert NONE not in ideal
    assert len(set(warehouse.aisle[ideal[[0, 5, 11]]])) == 1
    assert len(set(warehouse.aisle[ideal[[2, 3]]])) == 1


def test_a_family_that_lies_together_stays_in_its_aisle() -> None:
    warehouse = made.warehouse(3, 2, holds=np.array([NONE, NONE, NONE, NONE, 0, 1]))
    demand = made.demand([50.0, 40.0, 1.0], [4, 5, NONE])
    ideal, _ = planned(warehouse, related(demand, {0: 0, 1: 0}, {}))
    assert warehouse.aisle[ideal].tolist() == [2, 2, 0]


def test_hardly_any_other_aisles_for_the_families_walk_less() -> None:
    rng = np.random.default_rng(3)
    excess = []
    for _ in range(8):
        warehouse, family = made.warehouse(4, 4), np.full(15, NONE)
        members = rng.permutation(15)[:7]
        family[members[:3]], family[members[3:]] = 0, 1
        picks = rng.gamma(0.6, 5.0, 15)
        demand = made.demand(picks.tolist(), [NONE] * 15)
        demand = related(demand, dict(zip(members.tolist(), family[members], strict=True)), {})
        walking = expect(lay_out(warehouse), made.one_tour(2, 5, 9), float(picks.sum()))
        ours = zoned(warehouse, demand, walking, assign(warehouse, demand, walking))
        assert ours.zones is not None
        metres = []
        for one, other in [
            (int(ours.zones.home[members[0]]), int(ours.zones.home[members[-1]]))
        ] + [pair for pair in np.ndindex(4, 4) if pair[0] != pair[1]]:
            home = np.select([family == 0, family == 1], [one, other], NONE)
            tried = replace(ours, zones=replace(ours.zones, home=home))
            layout = assign(warehouse, tried, walking)
            metres.append(float(walking.metres(*walking.picks_by_aisle(picks, layout))))
        excess.append(metres[0] / min(metres) - 1)
    assert np.mean(excess) < 0.02


def test_what_is_too_much_for_the_familys_aisle_is_told() -> None:
    warehouse = made.warehouse(2, 2)
    demand = related(made.demand([3.0, 2.0, 1.0], [NONE] * 3), {0: 0, 1: 0, 2: 0}, {})
    ideal, night = planned(warehouse, demand, 9)
    assert np.flatnonzero(ideal == NONE).tolist() == [2]
    assert night.unplaced == {2: "every slot that would take it is occupied"}


def test_two_groups_lie_two_bays_apart() -> None:
    warehouse = made.warehouse(1, 8)
    demand = made.demand([9.0, 8.0, 7.0, 6.0, 5.0], [NONE] * 5)
    ideal, night = planned(warehouse, related(demand, {}, {1: 0, 0: 1, 2: 1, 4: 1}), 9)
    assert NONE not in ideal
    assert night.unplaced == {}
    assert np.abs(ideal[1] - ideal[[0, 2, 4]]).min() > 1


def test_what_lies_too_near_is_moved_first_and_what_finds_no_place_apart_is_told() -> None:
    warehouse = made.warehouse(3, 2, holds=np.array([0, 1, NONE, NONE, 2, NONE]))
    demand = made.demand([9.0, 5.0, 3.0], [0, 1, 4])
    _, night = planned(warehouse, related(demand, {}, {0: 0, 1: 1}), 1)
    assert [move.sku for move in night.moves] in ([0], [1])
    tight = made.warehouse(1, 2, holds=np.array([0, NONE]), locked=np.array([True, False]))
    demand = related(made.demand([9.0, 5.0], [0, NONE]), {}, {0: 0, 1: 1})
    assert planned(tight, demand, 5)[1].unplaced == {
        1: "no slot for it is in its family's aisle and apart from what it must not lie near"
    }


@given(made.companies())
@settings(max_examples=15, deadline=None)
def test_where_there_is_room_nobody_is_left_out_for_lying_apart(
    company: tuple[Warehouse, Demand],
) -> None:
    _, demand = made.in_order(company)
    num_skus = len(demand.sku_ids)
    warehouse = made.warehouse(6, 12, capacity_m3=np.full(72, 9.0))
    group = np.arange(num_skus) % 4 - 1
    relations = Relations(np.full(num_skus, NONE), group, made.apart(3, (0, 1), (1, 2), (0, 2)))
    ideal, _ = planned(warehouse, replace(demand, face=group * 0 + NONE, relations=relations))
    assert NONE not in ideal


def test_bays_of_one_aisle_are_numbered_in_a_row_and_aisles_are_not_neighbours() -> None:
    assert bays(made.warehouse(2, 2, levels=2)).tolist() == [0, 0, 1, 1, 3, 3, 4, 4]
