"""The shortest tour: against every order of the picks, and never longer than the S-shape."""

import sys
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.slotting.travel import Layout, Tours, lay_out, walk
from tests.slotting import made

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from slotting_shortest import shortest

FEW = settings(max_examples=40, deadline=None)


def tried_m(layout: Layout, slots: list[int]) -> float:
    """The shortest of all orders of the picks."""
    depot = (layout.depot_x_m, 0.0)
    points = [(float(layout.aisle_x_m[layout.aisle[s]]), float(layout.depth_m[s])) for s in slots]

    def apart_m(a: tuple[float, float], b: tuple[float, float]) -> float:
        if a[0] == b[0]:
            return abs(a[1] - b[1])
        by_back = 2 * layout.length_m - a[1] - b[1]
        return abs(a[0] - b[0]) + min(a[1] + b[1], by_back)

    return min(
        sum(apart_m(a, b) for a, b in pairwise((depot, *order, depot)))
        for order in permutations(set(points))
    )


@given(
    st.lists(st.lists(st.integers(0, 23), min_size=1, max_size=6), min_size=1, max_size=4),
    st.sampled_from([0.0, -7.0, -12.5, 30.0]),
)
@FEW
def test_the_shortest_tour_is_the_shortest_of_all_orders(
    tours: list[list[int]], shift_m: float
) -> None:
    block = made.warehouse(4, 6)
    layout = lay_out(made.warehouse(4, 6, x_m=block.x_m + shift_m))
    picks = Tours(
        np.repeat(np.arange(len(tours)), [len(t) for t in tours]),
        np.array([slot for tour in tours for slot in tour]),
    )
    slot_of = np.arange(24)
    found = shortest(layout, picks, slot_of)
    assert np.allclose(found, [tried_m(layout, tour) for tour in tours])
    assert (found <= walk(layout, picks, slot_of) + 1e-9).all()
