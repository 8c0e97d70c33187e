"""The shortest tour through every pick of a single-block warehouse, for all tours at once.

Ratliff and Rosenthal 1983 ("Order-picking in a rectangular warehouse: a solvable case of the
traveling salesman problem"): aisles are taken from left to right, and of the part of the tour to
the left only seven states matter. The depot is a pick at the front of an aisle of its own.
Knows walking distances only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from logistics.slotting.problem import NONE, Flags, Ints, Reals
from logistics.slotting.travel import Layout, Tours

# States: degree at the back and at the front (U odd, E even, 0 none) and connected parts.
_UU, _E0, _0E, _EE, _EE2, _NOTHING, _CLOSED = range(7)
# Ways through an aisle: the state after each of the states before; -1: not allowed.
_ONCE = (_EE, _UU, _UU, _UU, _UU, _UU, -1)
_FROM_BACK = (_UU, _E0, _EE2, _EE, _EE2, _E0, -1)
_FROM_FRONT = (_UU, _EE2, _0E, _EE, _EE2, _0E, -1)
_LEAVE_GAP = (_UU, _EE2, _EE2, _EE, _EE2, _EE2, -1)
_TWICE = (_UU, _EE, _EE, _EE, _EE, _EE, -1)
_PASS = (_UU, _E0, _0E, _EE, _EE2, _NOTHING, _CLOSED)
WAYS = (_ONCE, _FROM_BACK, _FROM_FRONT, _LEAVE_GAP, _TWICE, _PASS)
# Ways to the next aisle: how often each cross aisle is walked, and the states after.
ACROSS = (
    (2, (_UU, -1, -1, -1, -1, -1, -1)),  # once along each
    (2, (-1, _E0, -1, _E0, -1, -1, -1)),  # twice along the back
    (2, (-1, -1, _0E, _0E, -1, -1, -1)),  # twice along the front
    (4, (-1, _EE2, _EE2, _EE, _EE2, -1, -1)),  # twice along both
    (0, (-1, _CLOSED, _CLOSED, _CLOSED, -1, _NOTHING, _CLOSED)),
)
ENDS = [_E0, _0E, _EE, _NOTHING, _CLOSED]
BEGIN = _0E  # after a pick at the front


Way = tuple[Reals, tuple[int, ...]]  # metres of the tours (t,), and the states it leads to


@dataclass(frozen=True, slots=True, eq=False)
class _Aisle:
    """What the tours (t,) walk in one aisle each way, in metres; inf where it is no way."""

    x_m: float
    ways: Sequence[Way]


def shortest(layout: Layout, tours: Tours, slot_of: Ints) -> Reals:
    """Metres of the shortest tour (t,), SKUs in slots slot_of (n,); as `travel.walk` otherwise."""
    num_tours = len(tours)
    slot = slot_of[tours.sku]
    tour, slot = tours.tour[slot != NONE], slot[slot != NONE]
    aisles = [
        _aisle(layout, number, tour[here], layout.depth_m[slot[here]], num_tours)
        for number in np.unique(layout.aisle[slot])
        for here in [layout.aisle[slot] == number]
    ]
    visited = np.bincount(tour, minlength=num_tours) > 0
    aisles.append(_depot(layout, visited))
    aisles.sort(key=lambda aisle: aisle.x_m)
    metres = np.full((7, num_tours), np.inf)
    metres[_NOTHING] = 0.0
    x_m = aisles[0].x_m
    for aisle in aisles:
        step_m = aisle.x_m - x_m
        across = [(np.full(num_tours, times * step_m), after) for times, after in ACROSS]
        metres = _best(_best(metres, across), aisle.ways)
        x_m = aisle.x_m
    shortest_m: Reals = metres[ENDS].min(axis=0)
    return shortest_m


def _best(metres: Reals, ways: Sequence[Way]) -> Reals:
    """The least metres (7, t) in every state after the cheapest of the ways."""
    best = np.full_like(metres, np.inf)
    for cost_m, after in ways:
        for before, state in enumerate(after):
            if state >= 0:
                np.minimum(best[state], metres[before] + cost_m, out=best[state])
    return best


def _aisle(layout: Layout, number: int, tour: Ints, depth_m: Reals, num_tours: int) -> _Aisle:
    """The ways through one aisle for picks at depth_m (l,) of the tours (l,)."""
    order = np.lexsort((depth_m, tour))
    tour, depth_m = tour[order], depth_m[order]
    nearest, farthest = np.full(num_tours, np.inf), np.full(num_tours, -np.inf)
    np.minimum.at(nearest, tour, depth_m)
    np.maximum.at(farthest, tour, depth_m)
    gap_m = np.zeros(num_tours)
    same = tour[1:] == tour[:-1]
    np.maximum.at(gap_m, tour[1:][same], np.diff(depth_m)[same])
    picked = np.isfinite(nearest)
    length_m = layout.length_m
    return _Aisle(
        float(layout.aisle_x_m[number]),
        (
            (np.full(num_tours, length_m), _ONCE),
            (_where(picked, 2 * (length_m - nearest)), _FROM_BACK),
            (_where(picked, 2 * farthest), _FROM_FRONT),
            (_where(picked, 2 * (length_m - gap_m)), _LEAVE_GAP),
            (np.full(num_tours, 2 * length_m), _TWICE),
            (np.where(picked, np.inf, 0.0), _PASS),
        ),
    )


def _depot(layout: Layout, visited: Flags) -> _Aisle:
    return _Aisle(
        layout.depot_x_m,
        ((np.zeros(visited.size), _FROM_FRONT), (np.where(visited, np.inf, 0.0), _PASS)),
    )


def _where(picked: Flags, metres: Reals) -> Reals:
    return np.where(picked, metres, np.inf)
