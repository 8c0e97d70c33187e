"""Picks to come from picks seen."""

import numpy as np

from logistics.slotting import velocity


def test_a_steady_sku_is_expected_to_go_on_and_an_unseen_one_is_not() -> None:
    picks = np.full((9, 50), 2.0)
    assert np.allclose(velocity.expect(picks), 2.0)
    assert np.allclose(velocity.expect(np.zeros((3, 50))), 0.0)


def test_a_new_sku_is_judged_by_the_days_since_its_first_pick() -> None:
    picks = np.zeros((30, 100))
    picks[10, 95:] = 3.0
    picks[20] = 3.0
    rate = velocity.expect(picks)
    assert np.isclose(rate[10], rate[20])


def test_recent_picks_weigh_more() -> None:
    picks = np.zeros((30, 100))
    picks[10, :50], picks[20, 50:], picks[[10, 20], 0] = 2.0, 2.0, 2.0
    rate = velocity.expect(picks)
    assert rate[20] > 2 * rate[10]
