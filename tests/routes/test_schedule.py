"""The night's seconds among depots, by playing nights."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logistics.routes.schedule import seconds, shares

sizes = st.lists(st.integers(1, 300), min_size=1, max_size=60)


def play(sizes: list[int], workers: int, used: float) -> tuple[list[float], float]:
    """What each depot may take, and when the last one is done, if each uses a part of its own."""
    free, given = [0.0] * workers, []
    for share in shares(sizes, 10.0, workers):
        given.append(seconds(share, free[0]))
        heapq.heapreplace(free, free[0] + used * given[-1])
    return given, max(free)


@given(sizes, st.integers(1, 8))
def test_twice_the_size_is_twice_the_time_unless_it_is_the_whole_night(
    sizes: list[int], workers: int
) -> None:
    night_s = 10.0 * len(sizes) / workers
    for size, share in zip(sizes, shares(sizes, 10.0, workers), strict=True):
        assert share.seconds == pytest.approx(min(10 * len(sizes) * size / sum(sizes), night_s))


@given(sizes, st.integers(1, 8), st.floats(0.1, 1.0))
def test_the_last_depot_is_done_soon_after_the_deadline(
    sizes: list[int], workers: int, used: float
) -> None:
    given, done_s = play(sizes, workers, used)
    ends_s = 10.0 * len(sizes) / workers
    assert min(given) > 0
    assert done_s <= ends_s + 0.2 * max(share.seconds for share in shares(sizes, 10.0, workers))


def test_what_some_leave_over_goes_to_those_that_start_later() -> None:
    given, done_s = play([10] * 50, 2, used=0.5)
    assert given[0] == given[1] == 10
    assert given[-1] > 2 * given[0]
    assert done_s <= 250
