"""A feed that stands still is told from one that seldom comes, and from days without a sale."""

import numpy as np
import pytest
from numpy.typing import NDArray

from logistics.forecast.feed import missing

T = 500
Days = NDArray[np.int64]


def feed(*silent: slice, every: int = 1) -> Days:
    """Days with rows, from the run date: each, or every so many, but for those silent."""
    came = np.zeros(T, np.bool_)
    came[::every] = True
    for days in silent:
        came[days] = False
    return np.flatnonzero(came) - T


def unseen(days: Days) -> list[int]:
    return np.flatnonzero(missing(days, T)).tolist()


def test_days_after_a_daily_feed_has_stopped_are_unseen_and_so_is_a_hole() -> None:
    assert unseen(feed(slice(T - 11, T))) == list(range(T - 11, T))
    hole = slice(200, 207)
    assert unseen(feed(hole, slice(T - 11, T))) == [*range(200, 207), *range(T - 11, T)]


def test_a_long_weekend_had_no_sales() -> None:
    assert unseen(feed(slice(100, 103), slice(T - 5, T - 2))) == []


def test_days_that_have_not_come_yet_are_unseen_but_for_those_that_are_always_closed() -> None:
    assert unseen(feed(slice(T - 1, T))) == [T - 1]
    closed = [slice(day, day + 1) for day in range(T - 2, 0, -7)]
    assert unseen(feed(*closed)) == []
    assert unseen(feed(*closed, slice(T - 3, T))) == [T - 3, T - 1]


@pytest.mark.parametrize("every", [2, 7, 30])
def test_a_feed_that_seldom_comes_has_not_stopped(every: int) -> None:
    assert unseen(feed(every=every)) == []
    assert unseen(feed(slice(T - every, T), every=every)) == []


def test_a_weekly_feed_has_stopped_when_reports_are_missing() -> None:
    assert len(unseen(feed(slice(T - 20, T), every=7))) >= 20


def test_what_is_closed_at_the_same_time_each_year_is_closed() -> None:
    assert unseen(feed(slice(60, 70), slice(425, 434))) == []
    assert unseen(feed(slice(60, 70), slice(450, 460))) == [*range(60, 70), *range(450, 460)]


def test_silence_is_unseen_however_long() -> None:
    assert len(unseen(feed(slice(T - 70, T)))) == len(unseen(feed(slice(100, 170)))) == 70


def test_sellers_of_few_things_have_long_pauses_of_their_own() -> None:
    rng = np.random.default_rng(0)
    found = [unseen(np.flatnonzero(rng.random(T) < 0.15) - T) for _ in range(200)]
    assert np.mean([len(days) > 0 for days in found]) < 0.1


def test_no_sales_at_all_is_no_feed() -> None:
    assert missing(np.zeros(0, np.int64), 1).tolist() == [False]
