"""The moves that pay best together, against every other choice of as few moves."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.slotting.price import priced, sequences
from logistics.slotting.problem import NONE

FEW = settings(max_examples=60, deadline=None)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(2, 3), st.integers(0, 6))
@FEW
def test_no_choice_of_as_few_moves_costs_less(
    seed: int, num_skus: int, num_groups: int, max_moves: int
) -> None:
    rng = np.random.default_rng(seed)
    costs_m = rng.integers(0, 50, (num_skus, num_groups)).astype(float)
    home = rng.integers(0, num_groups, num_skus)
    room = np.bincount(home, minlength=num_groups) + rng.integers(0, 2, num_groups)
    allowed = rng.random(costs_m.shape) < 0.8
    allowed[np.arange(num_skus), home] = True
    group = priced(costs_m, allowed, home, room, max_moves, 0.5)

    def cost(groups: np.ndarray) -> float:
        return float(costs_m[np.arange(num_skus), groups].sum())

    moves = int((group != home).sum())
    assert moves <= max_moves
    assert allowed[np.arange(num_skus), group].all()
    assert (np.bincount(group, minlength=num_groups) <= room).all()
    for other in map(np.array, product(range(num_groups), repeat=num_skus)):
        fits = (np.bincount(other, minlength=num_groups) <= room).all()
        if fits and allowed[np.arange(num_skus), other].all() and (other != home).sum() <= moves:
            assert cost(group) <= cost(other) + 1e-6


def test_the_price_is_never_below_what_a_move_must_save() -> None:
    costs_m, home = np.array([[5.0, 0.0], [9.0, 0.0]]), np.array([0, 0])
    everywhere, room = np.ones((2, 2), dtype=bool), np.array([2, 2])
    assert priced(costs_m, everywhere, home, room, 2, 1.0).tolist() == [1, 1]
    assert priced(costs_m, everywhere, home, room, 2, 6.0).tolist() == [0, 1]
    assert priced(costs_m, everywhere, home, room, 1, 1.0).tolist() == [0, 1]
    assert priced(costs_m, everywhere, home, room, 0, 1.0).tolist() == [0, 0]


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(0, 4))
@FEW
def test_chains_and_cycles_lead_to_the_target_whatever_their_order(
    seed: int, num_skus: int, num_empty: int
) -> None:
    rng = np.random.default_rng(seed)
    slots = rng.permutation(num_skus + num_empty)
    slot_of, target = slots[:num_skus], rng.permutation(slots)[:num_skus]
    chains, cycles = sequences(slot_of, target, slots[num_skus:])
    holds = np.full(slots.size, NONE)
    holds[slot_of] = np.arange(num_skus)
    for number in rng.permutation(len(chains)):
        for sku, slot in chains[number]:
            assert holds[slot] == NONE
            holds[holds == sku] = NONE
            holds[slot] = sku
    for cycle in cycles:
        assert holds[cycle[0][1]] == cycle[-1][0]
        holds[holds == cycle[-1][0]] = NONE
        for sku, slot in cycle:
            assert holds[slot] == NONE
            holds[holds == sku] = NONE
            holds[slot] = sku
    assert (holds[target] == np.arange(num_skus)).all()
