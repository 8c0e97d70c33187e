"""The transport: its cost against every assignment, its bound against its cost."""

import sys
from itertools import product
from pathlib import Path

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logistics.slotting.problem import NONE

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from slotting_transport import transport


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4))
@example(
    725, 1, 1
)  # no place costs anything, but none does: its cost was out of the engine's range
@settings(max_examples=40, deadline=None)
def test_no_assignment_is_cheaper(seed: int, num_skus: int, num_groups: int) -> None:
    rng = np.random.default_rng(seed)
    costs = rng.integers(0, 50, (num_skus, num_groups)).astype(float)
    allowed = rng.random(costs.shape) < 0.8
    room, left_out = rng.integers(1, 3, num_groups), rng.integers(60, 90, num_skus).astype(float)
    found = transport(costs, allowed, left_out, room, max_gap=0.0)
    placed = np.flatnonzero(found.group != NONE)
    assert allowed[placed, found.group[placed]].all()
    assert (np.bincount(found.group[placed], minlength=num_groups) <= room).all()
    tried = [
        sum(left_out[i] if g == NONE else costs[i, g] for i, g in enumerate(groups))
        for groups in product(range(-1, num_groups), repeat=num_skus)
        if all(g == NONE or allowed[i, g] for i, g in enumerate(groups))
        and all(groups.count(g) <= room[g] for g in range(num_groups))
    ]
    assert found.bound - 1e-6 <= min(tried) == np.round(found.cost, 6)


def test_a_window_of_pairs_is_proven_good_enough_for_all() -> None:
    rng = np.random.default_rng(1)
    costs = rng.lognormal(0, 1.5, 600)[:, None] * np.repeat(np.arange(1.0, 101), 1)
    costs += rng.random(costs.shape)
    found = transport(costs, costs > 0, np.full(600, costs.max() * 10), np.full(100, 6))
    assert found.gap <= 1e-5
