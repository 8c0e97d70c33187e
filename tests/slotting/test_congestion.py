"""The cap on an aisle's picks."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings

from logistics.slotting.moves import plan_moves
from logistics.slotting.problem import NONE, Demand, Warehouse
from logistics.slotting.solve import assign
from logistics.slotting.travel import Walking, expect, lay_out
from tests.slotting import made


def walking_of(warehouse: Warehouse, demand: Demand) -> Walking:
    return expect(lay_out(warehouse), made.one_tour(4), float(demand.picks_per_day.sum()))


def aisle_picks(warehouse: Warehouse, demand: Demand, slot_of: np.ndarray) -> list[float]:
    lying = slot_of != NONE
    return np.bincount(warehouse.aisle[slot_of[lying]], demand.picks_per_day[lying]).tolist()


def test_fast_skus_change_places_with_slow_ones_until_no_aisle_is_too_busy() -> None:
    warehouse = made.warehouse(3, 4, aisle_picks=45.0)
    demand = made.demand([20.0, 20.0, 20.0, 20.0, *[2.0] * 8], [NONE] * 12)
    layout = assign(warehouse, demand, walking_of(warehouse, demand))
    assert NONE not in layout
    assert sorted(aisle_picks(warehouse, demand, layout)) == [8.0, 44.0, 44.0]


def test_a_sku_that_is_too_much_for_any_aisle_is_left_out_and_told_why() -> None:
    warehouse = made.warehouse(2, 2, aisle_picks=10.0)
    demand = made.demand([12.0, 3.0], [NONE, NONE])
    walking = walking_of(warehouse, demand)
    layout = assign(warehouse, demand, walking)
    assert (layout == NONE).tolist() == [True, False]
    night = plan_moves(warehouse, demand, walking, layout, 9, 0.0)
    assert night.unplaced == {0: "every aisle with a slot for it is as busy as it may be"}


@given(made.companies())
@settings(max_examples=25, deadline=None)
def test_a_cap_that_does_not_bind_changes_nothing(company: tuple[Warehouse, Demand]) -> None:
    warehouse, demand = company
    walking = walking_of(warehouse, demand)
    free, capped = (
        assign(replace(warehouse, aisle_picks=most), demand, walking)
        for most in (np.inf, float(demand.picks_per_day.sum()))
    )
    assert free.tolist() == capped.tolist()
