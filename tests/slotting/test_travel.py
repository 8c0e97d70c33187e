"""Walking: the formula against a picker who walks step by step, and the expectation's laws."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.slotting.problem import NONE
from logistics.slotting.travel import Layout, Tours, expect, lay_out, walk
from tests.slotting import made

FEW = settings(max_examples=40, deadline=None)


def stroll_m(layout: Layout, slots: list[int]) -> float:
    """Walk the tour from point to point and add up every step."""
    aisles = sorted({int(layout.aisle[slot]) for slot in slots})
    x_m, y_m, metres = layout.depot_x_m, 0.0, 0.0

    def go(to_x_m: float, to_y_m: float) -> None:
        nonlocal x_m, y_m, metres
        assert to_x_m == x_m or (to_y_m == y_m and y_m in (0.0, layout.length_m))
        metres += abs(to_x_m - x_m) + abs(to_y_m - y_m)
        x_m, y_m = to_x_m, to_y_m

    for number, aisle in enumerate(aisles):
        go(float(layout.aisle_x_m[aisle]), y_m)
        picks = sorted(float(layout.depth_m[s]) for s in slots if layout.aisle[s] == aisle)
        if number == len(aisles) - 1 and y_m == 0.0:
            go(x_m, picks[-1])
            go(x_m, 0.0)
        elif y_m == 0.0:
            for depth_m in [*picks, layout.length_m]:
                go(x_m, depth_m)
        else:
            for depth_m in [*picks[::-1], 0.0]:
                go(x_m, depth_m)
    go(layout.depot_x_m, 0.0)
    return metres


@given(
    st.lists(st.lists(st.integers(0, 23), min_size=1, max_size=8), min_size=1, max_size=6),
    st.sampled_from([0.0, -7.0, 30.0]),
)
@FEW
def test_walking_is_what_a_picker_walks_step_by_step(
    tours: list[list[int]], shift_m: float
) -> None:
    block = made.warehouse(4, 6)
    layout = lay_out(made.warehouse(4, 6, x_m=block.x_m + shift_m))
    tour = np.repeat(np.arange(len(tours)), [len(t) for t in tours])
    walked = walk(layout, Tours(tour, np.concatenate(tours)), np.arange(24))
    np.testing.assert_allclose(walked, [stroll_m(layout, t) for t in tours])


def test_picks_without_a_slot_are_not_walked() -> None:
    layout = lay_out(made.warehouse(2, 2))
    tours = Tours(np.array([0, 0, 1]), np.array([0, 1, 1]))
    walked = walk(layout, tours, np.array([0, NONE]))
    assert walked.tolist() == [2 * 0.75, 0.0]


def test_the_depot_may_stand_at_either_end() -> None:
    block = made.warehouse(3, 2)
    mirrored = made.warehouse(3, 2, x_m=-block.x_m)
    tours = Tours(np.array([0, 0, 1, 2]), np.array([0, 1, 2, 3]))
    slot_of = np.array([0, 5, 3, NONE])
    walked = walk(lay_out(block), tours, slot_of)
    np.testing.assert_allclose(walked, walk(lay_out(mirrored), tours, slot_of))


@given(st.lists(st.floats(0, 50), min_size=5, max_size=5), st.lists(st.integers(1, 30)))
@FEW
def test_slot_costs_are_the_slope_of_expected_walking(picks: list[float], lines: list[int]) -> None:
    layout = lay_out(made.warehouse(5, 3))
    walking = expect(layout, made.one_tour(*lines), picks_per_day=sum(picks) + 1.0)
    before, step = np.array(picks), 1e-5
    slopes = [
        float(walking.metres(before + step * np.eye(5)[a], 0.0) - walking.metres(before, 0.0))
        / step
        for a in range(5)
    ]
    np.testing.assert_allclose(slopes, walking.aisle_costs(before), rtol=1e-3, atol=1e-4)


@given(
    st.lists(st.floats(0, 50), min_size=4, max_size=4),
    st.lists(st.floats(0, 50), min_size=4, max_size=4),
)
@FEW
def test_expected_walking_never_exceeds_its_slope(here: list[float], there: list[float]) -> None:
    walking = expect(lay_out(made.warehouse(4, 3)), made.one_tour(3, 8), picks_per_day=200.0)
    now, then = np.array(here), np.array(there)
    bound = walking.metres(now, 0.0) + walking.aisle_costs(now) @ (then - now)
    assert walking.metres(then, 0.0) <= bound + 1e-6


def test_expected_walking_is_near_the_mean_of_random_tours() -> None:
    rng = np.random.default_rng(1)
    layout = lay_out(made.warehouse(8, 10))
    weight = rng.gamma(0.5, 1.0, 80)
    sku = rng.choice(80, 60_000, p=weight / weight.sum())
    tours = Tours(np.repeat(np.arange(10_000), 6), sku)
    walking = expect(layout, tours, picks_per_day=60_000.0)
    picks, depth_m = walking.picks_by_aisle(60_000 * weight / weight.sum(), np.arange(80))
    walked = walk(layout, tours, np.arange(80)).sum()
    assert abs(walking.metres(picks, depth_m) / walked - 1) < 0.03


def test_tours_of_late_are_numbered_anew_and_the_last_is_of_no_age() -> None:
    tours = Tours(np.array([0, 0, 1, 2]), np.array([5, 6, 7, 8]), np.array([9.0, 2.0, 1.0]))
    late = tours.between(0, 2).lately(5)
    assert (late.tour.tolist(), late.sku.tolist()) == ([0], [7])
    assert late.age_days is not None
    assert late.age_days.tolist() == [0.0]
