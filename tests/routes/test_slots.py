"""Travel by a matrix per slot, against trying every second."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.routes.slots import SlotTravel

SLOT_S = 20
driving = st.lists(st.integers(1, 70), min_size=1, max_size=6)
speeds = st.sampled_from([1.0, 0.8])


def one_arc(seconds: list[int]) -> SlotTravel:
    matrices = np.array([[[0, s], [s, 0]] for s in seconds])
    return SlotTravel(matrices[0], matrices, SLOT_S)


def by_waiting(seconds: list[int], depart_s: int, speed: float) -> int:
    """The best arrival over every second at which a waiting driver could leave."""
    last = max(depart_s, SLOT_S * len(seconds)) + 1
    found = []
    for leaves in range(depart_s, last + 1):
        slot = min(max((leaves - 1) // SLOT_S, 0), len(seconds) - 1)
        found.append(leaves + -int(-(seconds[slot] / speed) // 1))
        if leaves % SLOT_S == 0 and leaves >= 0 and leaves // SLOT_S < len(seconds):
            found.append(leaves + -int(-(seconds[leaves // SLOT_S] / speed) // 1))
    return min(found)


@given(driving, st.integers(0, 150), speeds)
@settings(max_examples=150, deadline=None)
def test_waiting_for_a_quicker_slot_is_the_only_shortcut(
    seconds: list[int], depart_s: int, speed: float
) -> None:
    arrival_s = one_arc(seconds).arrive(0, 1, depart_s, speed)
    assert abs(arrival_s - by_waiting(seconds, depart_s, speed)) <= 1
    assert one_arc(seconds).arrive(0, 1, depart_s + 1, speed) >= arrival_s


@given(driving, st.integers(0, 200), speeds)
@settings(max_examples=150, deadline=None)
def test_departing_a_second_later_arrives_too_late(
    seconds: list[int], by_s: int, speed: float
) -> None:
    travel = one_arc(seconds)
    depart_s = travel.depart(0, 1, by_s, speed)
    assert travel.arrive(0, 1, depart_s, speed) <= by_s < travel.arrive(0, 1, depart_s + 1, speed)
