"""Gathering: only slots of one kind change hands, and what is bought together comes together."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.slotting import affinity
from logistics.slotting.fellows import fellows
from logistics.slotting.problem import NONE
from logistics.slotting.travel import Tours, lay_out, walk
from tests.slotting import made


def pairs_bought_together(num_pairs: int, num_tours: int, seed: int) -> Tours:
    """Tours of two pairs each; SKUs i and i + num_pairs are a pair."""
    pair = np.random.default_rng(seed).integers(0, num_pairs, (num_tours, 2))
    sku = np.column_stack((pair, pair + num_pairs)).ravel()
    return Tours(np.repeat(np.arange(num_tours), 4), sku)


def test_what_is_bought_together_comes_to_lie_together() -> None:
    block, slot_of = made.warehouse(6, 4), np.arange(24)
    layout, picks = lay_out(block), np.ones(24)
    past, later = (pairs_bought_together(12, 400, seed) for seed in (0, 1))
    added_m = affinity.slopes(layout, past, 24)
    gathered = affinity.gather(block, layout, added_m, picks, slot_of)
    assert affinity.helps(layout, later, slot_of, gathered)
    assert walk(layout, later, gathered).sum() < 0.9 * walk(layout, later, slot_of).sum()


def test_what_was_bought_together_lately_counts_more() -> None:
    block, slot_of = made.warehouse(3, 1), np.arange(3)
    sku = np.array([0, 1] * 50 + [0, 2] * 50)
    aged = np.repeat([900.0, 0.0], 50)
    tour, layout = np.repeat(np.arange(100), 2), lay_out(block)
    early_m, late_m = (
        affinity.slopes(layout, Tours(tour, sku, age_days), 3)(slot_of)[0]
        for age_days in (aged[::-1], aged)
    )
    assert late_m[2] < early_m[2] / 2
    assert early_m[1] < late_m[1]


def test_who_is_bought_together_most_are_fellows() -> None:
    tours = pairs_bought_together(12, 400, 3)
    found = fellows(tours, np.ones(400), 24)
    nearest = found.sku[np.arange(24), found.weight.argmax(axis=1)]
    assert np.array_equal(nearest, (np.arange(24) + 12) % 24)
    assert np.allclose(found.sums(np.ones((24, 1))), 10.0)  # as many as there are of each


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_slots_change_hands_only_within_their_kind(seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = made.warehouse(4, 5)
    block = replace(
        block,
        capacity_m3=rng.choice([0.5, 1.0], 20),
        storage_class=rng.integers(0, 2, 20),
        locked=rng.random(20) < 0.2,
    )
    slot_of = rng.permutation(20)[:14]
    slot_of[rng.random(14) < 0.2] = NONE
    tours = Tours(np.repeat(np.arange(10), 3), rng.integers(0, 14, 30))
    layout = lay_out(block)
    added_m = affinity.slopes(layout, tours, 14)
    after = affinity.gather(block, layout, added_m, rng.random(14), slot_of, rounds=4)
    assert sorted(after) == sorted(slot_of)
    moved = np.flatnonzero(after != slot_of)
    assert not block.locked[slot_of[moved]].any()
    for trait in (block.capacity_m3, block.capacity_kg, block.storage_class):
        assert (trait[after[moved]] == trait[slot_of[moved]]).all()
