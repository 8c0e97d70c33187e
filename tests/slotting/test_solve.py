"""The ideal layout against brute force, and the laws of a good one."""

from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.slotting.problem import NONE, Demand, Warehouse
from logistics.slotting.solve import assign, match
from logistics.slotting.travel import expect, lay_out
from tests.slotting import made

FEW = settings(max_examples=50, deadline=None)


def walking_of(warehouse: Warehouse, demand: Demand):  # noqa: ANN201
    return expect(lay_out(warehouse), made.one_tour(4), float(demand.picks_per_day.sum()))


@given(st.data())
@FEW
def test_a_match_costs_what_the_best_of_all_costs(data: st.DataObject) -> None:
    num_skus, num_groups = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    shape = (num_skus, num_groups)
    whole = st.integers(0, 50)
    cells = num_skus * num_groups
    costs = np.array(data.draw(st.lists(whole, min_size=cells, max_size=cells))).reshape(shape)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=cells, max_size=cells))).reshape(
        shape
    )
    left_out = 100 + np.array(data.draw(st.lists(whole, min_size=num_skus, max_size=num_skus)))
    room = np.array(
        data.draw(st.lists(st.integers(1, 2), min_size=num_groups, max_size=num_groups))
    )

    def cost(groups: tuple[int, ...] | np.ndarray) -> int:
        return sum(int(left_out[i] if g == NONE else costs[i, g]) for i, g in enumerate(groups))

    places = [g for g in range(num_groups) for _ in range(room[g])] + [NONE] * num_skus
    best = min(
        cost(groups)
        for groups in set(permutations(places, num_skus))
        if all(g == NONE or allowed[i, g] for i, g in enumerate(groups))
    )
    found = match(costs, allowed, left_out, room)
    assert cost(found) == best
    assert all(g == NONE or allowed[i, g] for i, g in enumerate(found))


@given(made.companies(max_new=3, max_slots=3))
@FEW
def test_no_other_layout_walks_less_by_the_slope_at_the_ideal(
    company: tuple[Warehouse, Demand],
) -> None:
    warehouse, demand = company
    slots = np.arange(6)
    if len(warehouse.slot_ids) < 6 or len(demand.sku_ids) > 5:
        return
    open_slots = np.zeros(len(warehouse.slot_ids), dtype=bool)
    open_slots[6:] = True
    warehouse = made.warehouse(
        len(set(warehouse.aisle.tolist())),
        len(warehouse.slot_ids) // len(set(warehouse.aisle.tolist())),
        locked=open_slots,
        storage_class=warehouse.storage_class,
    )
    demand = made.demand(
        demand.picks_per_day.tolist(),
        [NONE] * len(demand.sku_ids),
        storage_class=demand.storage_class,
    )
    walking = walking_of(warehouse, demand)
    ideal = assign(warehouse, demand, walking)
    costs = walking.aisle_costs(walking.picks_by_aisle(demand.picks_per_day, ideal)[0])
    cost = costs[walking.layout.aisle]

    def judged(slot_of: tuple[int, ...] | np.ndarray) -> tuple[int, float]:
        placed = [(i, s) for i, s in enumerate(slot_of) if s != NONE]
        return -len(placed), sum(demand.picks_per_day[i] * cost[s] for i, s in placed)

    best = min(
        judged(slot_of)
        for slot_of in set(permutations([*slots, *[NONE] * len(ideal)], len(ideal)))
        if all(
            s == NONE or warehouse.storage_class[s] == demand.storage_class[i]
            for i, s in enumerate(slot_of)
        )
    )
    found = judged(ideal)
    assert found[0] == best[0]
    # With all placed the cheapest is unique up to rounding; else the fastest go first.
    if -found[0] == len(ideal):
        assert found[1] <= best[1] * (1 + 1e-6) + 1e-6


@given(made.companies())
@FEW
def test_a_faster_sku_never_lies_worse_than_a_slower_alike(
    company: tuple[Warehouse, Demand],
) -> None:
    warehouse, demand = company
    warehouse = replace(warehouse, reach_m=np.zeros(warehouse.locked.size), aisle_picks=np.inf)
    alike = made.demand(demand.picks_per_day.tolist(), demand.face.tolist())
    walking = walking_of(warehouse, alike)
    ideal = assign(warehouse, alike, walking)
    costs = walking.slot_costs(walking.picks_by_aisle(alike.picks_per_day, ideal)[0])
    aisle_costs = walking.aisle_costs(walking.picks_by_aisle(alike.picks_per_day, ideal)[0])
    bound = (alike.face != NONE) & warehouse.locked[alike.face]
    free = [i for i in np.argsort(-alike.picks_per_day, kind="stable") if not bound[i]]
    for fast, slow in pairwise(free):
        if alike.picks_per_day[fast] == alike.picks_per_day[slow] or ideal[slow] == NONE:
            continue
        assert ideal[fast] != NONE
        a, b = ideal[fast], ideal[slow]
        same = walking.layout.aisle[a] == walking.layout.aisle[b]
        by = costs if same else aisle_costs[walking.layout.aisle]
        assert by[a] <= by[b] + 1e-6


def test_the_slowest_are_left_out_when_slots_run_short() -> None:
    warehouse = made.warehouse(2, 2)
    demand = made.demand([1.0, 9.0, 5.0, 7.0, 3.0, 8.0], [NONE] * 6)
    ideal = assign(warehouse, demand, walking_of(warehouse, demand))
    assert np.flatnonzero(ideal == NONE).tolist() == [0, 4]


def test_fast_skus_fill_the_first_aisle_before_the_next() -> None:
    warehouse = made.warehouse(4, 5)
    demand = made.demand([float(20 - i) for i in range(20)], [NONE] * 20)
    ideal = assign(warehouse, demand, walking_of(warehouse, demand))
    assert warehouse.aisle[ideal].tolist() == sorted(warehouse.aisle.tolist())


def test_stock_gets_room_where_there_is_some_and_one_unit_must_do_where_not() -> None:
    warehouse = made.warehouse(1, 3, capacity_m3=np.array([0.5, 0.5, 2.0]))
    sizes = {"unit_m3": np.array([0.5, 0.5]), "stock_m3": np.array([1.5, 0.5])}
    demand = made.demand([9.0, 8.0], [NONE, NONE], **sizes)
    assert assign(warehouse, demand, walking_of(warehouse, demand)).tolist() == [2, 0]
    small = made.warehouse(1, 3, capacity_m3=np.full(3, 0.5))
    assert NONE not in assign(small, demand, walking_of(small, demand))


def test_at_waist_height_lies_the_heavier_of_two_alike_and_of_two_as_heavy_the_faster() -> None:
    warehouse = made.warehouse(1, 1, levels=2, reach_m=np.array([1.0, 0.0]))
    heavy = made.demand([5.0, 5.0], [NONE] * 2, unit_kg=np.array([1.0, 30.0]))
    assert assign(warehouse, heavy, walking_of(warehouse, heavy)).tolist() == [0, 1]
    fast = made.demand([9.0, 5.0], [NONE] * 2, unit_kg=np.array([5.0, 5.0]))
    assert assign(warehouse, fast, walking_of(warehouse, fast)).tolist() == [1, 0]


def test_nothing_is_lifted_higher_than_its_weight_allows() -> None:
    warehouse = made.warehouse(1, 2, levels=2, lift_kg=np.array([500.0, 12.0, 500.0, 12.0]))
    demand = made.demand([5.0, 9.0, 1.0], [NONE] * 3, unit_kg=np.array([13.0, 20.0, 30.0]))
    ideal = assign(warehouse, demand, walking_of(warehouse, demand))
    assert ideal.tolist() == [2, 0, NONE]


@given(made.companies())
@FEW
def test_the_same_company_gets_the_same_layout(company: tuple[Warehouse, Demand]) -> None:
    walking = walking_of(*company)
    assert assign(*company, walking).tolist() == assign(*company, walking).tolist()


def test_nearly_every_sku_finds_a_slot_among_slots_of_all_sizes() -> None:
    rng = np.random.default_rng(3)
    warehouse = made.warehouse(20, 50, capacity_m3=rng.uniform(0.5, 2.0, 1000))
    units = rng.uniform(0, 0.5, 900)
    units[7] = warehouse.capacity_m3.max()
    demand = made.demand(
        rng.gamma(0.3, 2.0, 900).tolist(), [NONE] * 900, unit_m3=units, stock_m3=units * 2
    )
    ideal = assign(warehouse, demand, walking_of(warehouse, demand))
    assert (ideal == NONE).sum() <= 1
