import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from logistics.routes.travel import SLOT_S, Travel, haversine_m
from tests.routes.problems import factors

times = st.integers(0, 40 * 3600)
base = st.floats(0, 20_000)


def one_leg(base_s: float, speeds: tuple[float, ...]) -> Travel:
    matrix = np.array([[0.0, base_s], [base_s, 0.0]])
    return Travel(matrix.astype(np.int64), matrix, speeds)


def step_by_step(base_s: float, speeds: tuple[float, ...], depart_s: int) -> float:
    """A vehicle watched second by second."""
    clock, left = depart_s, base_s
    while True:
        speed = speeds[min(clock // SLOT_S, len(speeds) - 1)]
        if left <= speed:
            return clock + left / speed
        left -= speed
        clock += 1


@given(base, factors, times)
def test_an_arrival_is_what_driving_second_by_second_gives(
    base_s: float, speeds: tuple[float, ...], depart_s: int
) -> None:
    arrival_s = one_leg(base_s, speeds).arrive(0, 1, depart_s)
    assert -1e-3 <= arrival_s - step_by_step(base_s, speeds, depart_s) < 1


@given(base, factors, times, st.integers(0, 3600))
def test_leaving_later_never_arrives_earlier(
    base_s: float, speeds: tuple[float, ...], depart_s: int, delay_s: int
) -> None:
    travel = one_leg(base_s, speeds)
    assert travel.arrive(0, 1, depart_s) <= travel.arrive(0, 1, depart_s + delay_s)


@given(base, factors, times)
def test_the_latest_departure_is_in_time_and_a_second_later_is_not(
    base_s: float, speeds: tuple[float, ...], by_s: int
) -> None:
    travel = one_leg(base_s, speeds)
    depart_s = travel.depart(0, 1, by_s)
    assert travel.arrive(0, 1, depart_s) <= by_s
    assert travel.arrive(0, 1, depart_s + 3) > by_s  # whole seconds at up to 1.3 times the speed


def test_the_mean_pace_is_the_mean_over_the_interval() -> None:
    travel = one_leg(1.0, (1.0, 0.5))
    spans = np.array([[0, 1800], [0, 3600], [1800, 9000], [900, 900]])
    assert travel.mean_pace(spans[:, 0], spans[:, 1]).tolist() == [1.0, 1.5, 2.0, 1.0]


def test_a_degree_of_latitude_is_sixty_nautical_miles() -> None:
    metres = haversine_m(np.array([51.0, 52.0]), np.array([4.0, 4.0]))
    assert abs(metres[0, 1] - 60 * 1852) < 100
    assert metres[0, 0] == 0
