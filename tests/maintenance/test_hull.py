"""Cuts from prices, judged by trying everything."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.maintenance.hull import Key, Row, cuts

JOBS, DAYS = 5, 2
KEYS = [(j, day) for j in range(JOBS) for day in range(DAYS)]


def rows(*keys: Key) -> st.SearchStrategy[Row]:
    weights = st.dictionaries(st.sampled_from(keys), st.integers(1, 5), min_size=1)
    return st.builds(Row, weights, st.integers(1, 12))


def one_of(day: int) -> st.SearchStrategy[list[Row]]:
    return st.lists(rows(*((j, day) for j in range(JOBS))), max_size=3)


def keeps(coming: set[Key], row: Row) -> bool:
    return sum(weight for key, weight in row.weights.items() if key in coming) <= row.most


@given(
    gain=st.fixed_dictionaries({key: st.integers(1, 10_000) for key in KEYS}),
    first=one_of(0),
    second=one_of(1),
    others=st.lists(rows(*KEYS), max_size=2),
)
@settings(max_examples=60, deadline=None)
def test_what_keeps_the_days_rows_keeps_the_cuts(
    gain: dict[Key, int], first: list[Row], second: list[Row], others: list[Row]
) -> None:
    found = cuts(gain, {0: first, 1: second}, others)
    for choice in product((None, *range(DAYS)), repeat=JOBS):
        coming = {(j, day) for j, day in enumerate(choice) if day is not None}
        if all(keeps(coming, row) for row in (*first, *second)):
            assert all(keeps(coming, row) for row in found.values())


def test_a_cut_leaves_no_room_for_parts_of_jobs() -> None:
    """Two jobs of 2 hours in 3: the relaxation takes one and a half, the cut one."""
    gain = {(0, 0): 100, (1, 0): 100}
    cut = cuts(gain, {0: [Row({(0, 0): 2, (1, 0): 2}, 3)]}, [])[0]
    assert cut.weights == {(0, 0): cut.most, (1, 0): cut.most}
