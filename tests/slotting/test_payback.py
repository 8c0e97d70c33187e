"""No move is made whose labour is not earned back in time, unless it has to be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.slotting.effect import look_ahead
from logistics.slotting.floor import Move
from logistics.slotting.moves import Night
from logistics.slotting.outputs import moves_rows
from logistics.slotting.payback import paying
from logistics.slotting.plan import plan_warehouse
from logistics.slotting.problem import Demand, Warehouse
from logistics.slotting.travel import Tours, expect, lay_out
from tests.settings import config
from tests.slotting import made

CONFIG = replace(config(Path("nowhere")).slotting, max_moves=12, max_payback_days=40, max_faces=2)
MUST = {"first slot", "may not stay where it is"}


@given(made.companies(max_new=2), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_every_step_pays_back_in_time_or_has_to_be_made(
    company: tuple[Warehouse, Demand], seed: int
) -> None:
    num_skus = len(company[1].sku_ids)
    sku = np.random.default_rng(seed).integers(0, max(num_skus, 1), 60 if num_skus else 0)
    tours = Tours(np.arange(sku.size) // 5, sku)
    night, _, prospect = plan_warehouse(*company, tours, CONFIG)  # breaks no rule, or raises
    for _, step in moves_rows(prospect, night, CONFIG).group_by("step"):
        days = step["payback_days"]
        assert days.n_unique() == 1
        if days[0] is None:
            assert MUST & set(step["why"])
        else:
            np.testing.assert_allclose(
                step["labour_cost"].sum() / step["saving_per_day"].sum(), days
            )
            assert days[0] <= CONFIG.max_payback_days * (1 + 1e-9)


def test_a_step_is_judged_with_those_that_build_on_it() -> None:
    # SKU 0 leaves the best slot, SKU 1, the fastest, comes into it; SKU 2 goes farther for nothing.
    warehouse = made.warehouse(5, 1, holds=np.array([0, 2, -1, -1, 1]))
    demand = made.demand([1.0, 50.0, 1.0], [0, 4, 1])
    walking = expect(lay_out(warehouse), made.one_tour(2), 52.0)
    prospect = look_ahead(warehouse, demand, walking, made.one_tour())
    away, nearer = Move(0, 0, 3, 0.0, 1), Move(1, 4, 0, 0.0, 3)
    moves = (away, Move(2, 1, 2, 0.0, 2), nearer)
    night = paying(prospect, Night(moves, np.array([3, 0, 2]), {}), least_m=1.0)
    assert [(move.sku, move.to_slot, move.step) for move in night.moves] == [(0, 3, 1), (1, 0, 1)]
    assert night.slot_of.tolist() == [3, 0, 1]
    assert paying(prospect, night, least_m=1e6).moves == ()
