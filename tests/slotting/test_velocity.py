"""Picks to come from picks seen."""

import numpy as np

from logistics.slotting import velocity
from logistics.slotting.travel import Tours


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


def test_of_a_sku_that_has_just_come_its_first_pick_tells_nothing() -> None:
    picks = np.random.default_rng(1).poisson(0.4, (300, 100)).astype(float)
    picks[100], picks[100, 99] = 0.0, 9.0
    assert velocity.expect(picks)[100] < 0.5


def test_recent_picks_weigh_more() -> None:
    picks = np.zeros((30, 100))
    picks[10, :50], picks[20, 50:], picks[[10, 20], 0] = 2.0, 2.0, 2.0
    rate = velocity.expect(picks)
    assert rate[20] > 2 * rate[10]


def test_as_many_picks_of_newcomers_come_as_came_lately() -> None:
    # Every day a tour of SKU 0; SKUs 1 and 2 begin ten and three days before the last day.
    age_days = np.arange(39.0, -1, -1)
    began = {0: 39, 1: 10, 2: 3}
    picks = [(39 - age, sku) for age in range(39, -1, -1) for sku in began if age <= began[sku]]
    tour, sku = np.array(picks).T
    tours = Tours(tour, sku, age_days)
    assert velocity.of_newcomers(tours, 1) == 0.0
    assert np.isclose(velocity.of_newcomers(tours, 5), 4 / 5)
    assert np.isclose(velocity.of_newcomers(tours, 15), (11 + 4) / 15)
    assert velocity.of_newcomers(tours, 20) == 0.0  # the history is too short to tell who is new


def test_who_chooses_the_fastest_skus_is_promised_no_more_than_comes() -> None:
    rng = np.random.default_rng(1)
    forecast = np.exp(rng.normal(-1, 1.5, 4000))
    true = (0.6 * forecast + 0.3) * rng.gamma(3.0, 1 / 3.0, forecast.size)
    lines = rng.poisson(true * 28).astype(float)
    expected = velocity.reconciled(lines, np.full(true.size, 28.0), forecast)
    fastest = expected > np.quantile(expected, 0.8)
    assert np.isclose(expected[fastest].sum(), true[fastest].sum(), rtol=0.02)
    for naive in (lines / 28, forecast):
        assert ((expected - true) ** 2).sum() < ((naive - true) ** 2).sum()


def test_a_sku_that_could_not_yet_be_picked_is_expected_as_others_of_its_forecast_are() -> None:
    forecast = np.linspace(0.1, 4.0, 200)
    days, lines = np.full(200, 28.0), np.round(forecast * 14)  # half of what was forecast
    days[100], lines[100] = 0.0, 0.0
    expected = velocity.reconciled(lines, days, forecast)
    assert np.isclose(expected[100], forecast[100] / 2, rtol=0.05)
    assert np.allclose(velocity.reconciled(np.zeros(200), days, forecast), forecast)
