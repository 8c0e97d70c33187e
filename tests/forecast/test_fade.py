"""Sales fade before an end of life as they did before those that were held out."""

import numpy as np
import pytest

from logistics.forecast.fade import PRIOR, WEEKS, ends, fade, on_sale, weeks_left


def test_forecasts_of_endings_are_scaled_to_what_came_of_others() -> None:
    left = np.tile(np.array([20.0, 35.0, 9999.0], np.float32), 100)
    week = weeks_left(left, 40, 1)
    true = np.clip((week + 1) / 4, 0, 1)
    scale = np.full(len(left), 3, np.float32)
    actual = 3 * np.where(week < 0, np.nan, true)
    found = fade(ends(actual, np.full(actual.shape, 3.0), scale, week), 1)
    assert found[[0, 1, 2, 3, -1]] == pytest.approx([0.25, 0.5, 0.75, 1, 1], abs=0.03)
    assert (on_sale(week, found)[week < 0] == 0).all()


def test_few_ends_change_little() -> None:
    week = weeks_left(np.array([7.0], np.float32), 8, 1)
    ones = np.ones((1, 8), np.float32)
    last = fade(ends(0 * ones, ones, ones[0, :1], week), 1)[0]
    assert last == pytest.approx(PRIOR / (PRIOR + 6 / 7))
    assert (fade(np.zeros((3, WEEKS), np.float32), 1) == 1).all()
