"""Cuts from prices: what a day's jobs are worth together at most, at what the hours are worth.

Linear relaxations fill a day's hours with parts of jobs. If each day is a mixture of what it can
hold whole (Dantzig & Wolfe 1960), the bound is nearer, and the prices in it give an inequality for
each day that brings any relaxation about as near (a Fenchel cut; Boyd 1994). Knows no workshop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver import pywraplp

Key = tuple[int, int]  # job and day
Counts = NDArray[np.int32]
_MOST_HELD = 20_000  # ways to fill a day that are looked at; a day of more gets no cut
_ROUNDS = 30
_CLOSE = 1e-4  # of the bound: prices that near are as good
_FINEST = 200  # the largest weight in a cut
_TOO_LITTLE = 0.5  # of a hundredth: what a way to fill a day must be better by


@dataclass(frozen=True, slots=True)
class Row:
    """The weights of the jobs that come add up to no more than `most`."""

    weights: Mapping[Key, int]
    most: int


@dataclass(frozen=True, slots=True)
class _Held:
    """What a day can hold: groups (g) of jobs that weigh the same in all its rows, and ways (w, g)
    to fill it, so many of each group, to which nothing can be added."""

    groups: tuple[tuple[int, ...], ...]
    ways: NDArray[np.float64]


def cuts(
    gain: Mapping[Key, int], of_days: Mapping[int, Sequence[Row]], others: Sequence[Row]
) -> dict[int, Row]:
    """Day → one more row, kept by all that keeps the day's rows in whole jobs; not for every day.

    of_days: the rows of each day alone; others: those of several.
    """
    jobs = {day: sorted(j for j, on in gain if on == day) for day in of_days}
    all_held = {day: _held(day, jobs[day], rows) for day, rows in of_days.items() if jobs[day]}
    held = {day: known for day, known in all_held.items() if known is not None}
    if not held:
        return {}
    left = [row for day, rows in of_days.items() if day not in held for row in rows]
    prices = _Mixture(gain, held, [*left, *others]).prices()
    found = {day: _cut(day, known, prices[day]) for day, known in held.items()}
    return {day: row for day, row in found.items() if row is not None}


def _held(day: int, jobs: Sequence[int], rows: Sequence[Row]) -> _Held | None:
    """None: there are too many ways to fill the day."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for j in jobs:
        alike.setdefault(tuple(row.weights.get((j, day), 0) for row in rows), []).append(j)
    groups = [tuple(alike[column]) for column in sorted(alike, key=sum, reverse=True)]
    needs = np.array(sorted(alike, key=sum, reverse=True), dtype=np.int32)
    ways = np.zeros((1, 0), dtype=np.int32)
    room = np.array([[row.most for row in rows]], dtype=np.int32)
    for need, group in zip(needs[:-1], groups[:-1], strict=True):
        ways, room = _with_any(ways, room, need, len(group))
        if len(ways) > _MOST_HELD:
            return None
    # Of the lightest as many as still fit.
    times = np.where(needs[-1] > 0, room // np.maximum(needs[-1], 1), len(groups[-1]))
    last = times.min(axis=1, initial=len(groups[-1]))
    ways, room = np.column_stack([ways, last]), room - last[:, None] * needs[-1]
    more = (room[:, None, :] >= needs).all(axis=2) & (ways < [len(group) for group in groups])
    full = ways[~more.any(axis=1)]
    return _Held(tuple(groups), full.astype(np.float64))


def _with_any(ways: Counts, room: Counts, need: Counts, most: int) -> tuple[Counts, Counts]:
    """The ways and the room they leave, with none to `most` of one more group if they fit."""
    all_ways, all_room = [np.column_stack([ways, np.zeros(len(ways), np.int32)])], [room]
    for _ in range(most):
        fits = (all_room[-1] >= need).all(axis=1)
        if not fits.any() or sum(map(len, all_ways)) > _MOST_HELD:
            break
        all_ways.append(all_ways[-1][fits] + np.eye(ways.shape[1] + 1, dtype=np.int32)[-1])
        all_room.append(all_room[-1][fits] - need)
    return np.concatenate(all_ways), np.concatenate(all_room)


class _Mixture:
    """The linear program whose days are mixtures of ways to fill them, by column generation."""

    def __init__(
        self, gain: Mapping[Key, int], held: Mapping[int, _Held], rows: Sequence[Row]
    ) -> None:
        self._held = held
        self._solver = solver = pywraplp.Solver.CreateSolver("GLOP")
        self._most = solver.infinity()
        self._once = {day: solver.Constraint(-self._most, 1) for day in held}
        self._places = {
            day: [solver.Constraint(-self._most, 0) for _ in known.groups]
            for day, known in held.items()
        }
        comes = {key: solver.NumVar(0, 1, "") for key in gain}
        for key, var in comes.items():
            solver.Objective().SetCoefficient(var, gain[key])
        solver.Objective().SetMaximization()
        for j in sorted({j for j, _ in gain}):
            self._limit({key: 1 for key in gain if key[0] == j}, 1, comes)
        for row in rows:
            self._limit(row.weights, row.most, comes)
        for day, known in held.items():
            for place, group in zip(self._places[day], known.groups, strict=True):
                for j in group:
                    place.SetCoefficient(comes[j, day], 1)

    def _limit(
        self, weights: Mapping[Key, int], most: int, comes: Mapping[Key, pywraplp.Variable]
    ) -> None:
        row = self._solver.Constraint(-self._most, most)
        for key, weight in weights.items():
            row.SetCoefficient(comes[key], weight)

    def prices(self) -> dict[int, NDArray[np.float64]]:
        """Day → price (g,) of a place for each group, those of the nearest bound seen."""
        best, nearest = {day: np.zeros(len(k.groups)) for day, k in self._held.items()}, np.inf
        for _ in range(_ROUNDS):
            if self._solver.Solve() != pywraplp.Solver.OPTIMAL:
                break
            reached = self._solver.Objective().Value()
            prices = {
                day: np.maximum([place.dual_value() for place in places], 0.0)
                for day, places in self._places.items()
            }
            bound = reached + self._add_ways(prices)
            if bound < nearest:
                best, nearest = prices, bound
            if nearest - reached <= _CLOSE * nearest:
                break
        return best

    def _add_ways(self, prices: Mapping[int, NDArray[np.float64]]) -> float:
        """The best way to fill each day at these prices is mixed in; what all could gain more."""
        paid = {day: once.dual_value() for day, once in self._once.items()}
        missed = 0.0
        for day, known in self._held.items():
            worth = known.ways @ prices[day]
            best = int(worth.argmax())
            more = float(worth[best]) - paid[day]
            if more <= _TOO_LITTLE:
                continue
            missed += more
            share = self._solver.NumVar(0, self._most, "")
            self._once[day].SetCoefficient(share, 1)
            for place, count in zip(self._places[day], known.ways[best], strict=True):
                place.SetCoefficient(share, -float(count))
        return missed


def _cut(day: int, known: _Held, price: NDArray[np.float64]) -> Row | None:
    """Jobs weighed by the prices of their places, in whole numbers."""
    if not price.max(initial=0.0) > 0:
        return None
    weights = np.rint(price * (_FINEST / price.max()))
    most = int((known.ways @ weights).max())
    return Row(
        {(j, day): int(w) for w, g in zip(weights, known.groups, strict=True) for j in g if w > 0},
        most,
    )
