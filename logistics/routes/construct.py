"""A quick first plan for mixed vehicles and optional stops: cheapest insertion (I1, Solomon 1987).

Knows static problems; no engine. One vehicle after another is filled around the farthest stop that
is left; all places for all stops near that one are weighed at once, so thousands of stops take a
second or two. Of a pair the delivery comes straight after the pickup. What does not fit is left
out, if it may be. Vehicles of several depots first take what is nearest to their own.
"""

from collections.abc import Callable
from math import inf

import numpy as np
from numpy.typing import NDArray

from logistics.routes.static import Fleet, Found, StaticProblem, Tour, left_out

_NEAR = 100  # stops around a vehicle's first one
_WAITING = 0.2  # metres for a second: as in savings
_NEVER = 10**12

Numbers = NDArray[np.int64]


def construct(problem: StaticProblem, over: Callable[[], bool]) -> Found | None:
    """Tours of one trip each that keep every rule, of no known cost; None: no answer.

    There is none for releases, or where no stop or not every one that must be is served. No more
    vehicles are filled once it is over.
    """
    stops = problem.stops
    if any(stop.release_s for stop in stops):
        return None
    filling = _Filling(problem)
    tours = []
    left = [fleet.num for fleet in problem.fleets]
    fleets = sorted(enumerate(problem.fleets), key=lambda f: _dearness(problem, f[1]))
    for only_near in (True, False) if len(filling.starts) > 1 else (False,):
        for index, fleet in fleets:
            while left[index] and not over() and (tour := filling.fill(fleet, only_near)):
                tours.append(Tour(index, (tour,)))
                left[index] -= 1
    if not tours or any(stops[stop].penalty is None for stop in left_out(problem, tours)):
        return None
    return Found(tuple(sorted(tours)), inf)


def _dearness(problem: StaticProblem, fleet: Fleet) -> float:
    """What it costs to go out, for each stop that could come along."""
    loads = [np.maximum(stop.delivery, stop.pickup) for stop in problem.stops]
    mean = np.maximum(np.mean(loads, axis=0), 1e-9)
    metres = float(problem.distance_m[fleet.profile].mean())
    going = fleet.cost_fixed + 2 * metres * fleet.cost_per_m
    return going / max(float((np.array(fleet.capacity) / mean).min()), 1e-9)


class _Filling:
    """The stops as arrays, and which of them are left; a pair stands under its pickup's number,
    and last is the stop where it ends (a single one's own)."""

    def __init__(self, problem: StaticProblem) -> None:
        stops = problem.stops
        self.problem = problem
        self.last = np.array([k if s.goes_to is None else s.goes_to for k, s in enumerate(stops)])
        self.paired = self.last != np.arange(len(stops))
        self.left = np.ones(len(stops), dtype=bool)
        self.left[self.last[self.paired]] = False
        self.node = np.array([stop.node for stop in stops])
        self.starts = np.array(sorted({fleet.start for fleet in problem.fleets}))
        apart = problem.distance_m[0][np.ix_(self.starts, self.node)]
        self.nearest = self.starts[apart.argmin(axis=0)]
        self.service_s = np.array([stop.service_s for stop in stops])
        self.delivery = np.array([stop.delivery for stop in stops])
        self.pickup = np.array([stop.pickup for stop in stops])
        self.from_depot = self.delivery.copy()
        self.from_depot[self.last[self.paired]] = 0
        most = max(len(stop.windows) for stop in stops)
        # Missing windows are the last one again.
        windows = [[*s.windows, *[s.windows[-1]] * (most - len(s.windows))] for s in stops]
        self.opens_s = np.array([[w.opens_s for w in row] for row in windows])
        self.closes_s = np.array([[w.closes_s for w in row] for row in windows])

    def fill(self, fleet: Fleet, only_near: bool) -> tuple[int, ...]:
        """One vehicle's tour, taken from what is left, or of that only from what is nearer to its
        depot than to others; empty: nothing suits it."""
        allowed = np.ones(len(self.left), dtype=bool)
        allowed[list(fleet.barred)] = False
        may = self.left & allowed & allowed[self.last]
        if only_near:
            may &= self.nearest == fleet.start
        route = _Route(self, fleet)
        alone = np.flatnonzero(may)
        alone = alone[(route.best(alone)[1] < _NEVER) & route.short(alone)]
        if not len(alone):
            return ()
        distance_m = self.problem.distance_m[fleet.profile]
        seed = alone[int(distance_m[fleet.start, self.node[alone]].argmax())]
        route.begin(seed)
        self.left[seed] = False
        apart = distance_m[self.node[seed], self.node[alone]]
        near = alone[np.argsort(apart, kind="stable")[: _NEAR + 1]]
        near = near[near != seed]
        far_m = distance_m[fleet.start, self.node]
        while len(near):
            gaps, added = route.best(near)
            fits = added < _NEVER
            near, gaps, added = near[fits], gaps[fits], added[fits]
            if not len(near):
                break
            best = int((far_m[near] - added).argmax())
            route.insert(int(near[best]), int(gaps[best]))
            self.left[near[best]] = False
            near = np.delete(near, best)
        return tuple(route.stops)

    def start_s(self, stops: Numbers, ready_s: Numbers) -> Numbers:
        """When service of each stop (rows) begins for whoever is ready then; far in the future
        where every window has closed."""
        starts = np.full_like(ready_s, _NEVER)
        for k in reversed(range(self.opens_s.shape[1])):
            opens_s, closes_s = self.opens_s[stops, k, None], self.closes_s[stops, k, None]
            starts = np.where(ready_s <= closes_s, np.maximum(ready_s, opens_s), starts)
        return starts

    def latest_s(self, stop: int, by_s: int) -> int:
        """The latest moment within a window of the stop that is not after by_s."""
        for k in reversed(range(self.opens_s.shape[1])):
            if self.opens_s[stop, k] <= by_s:
                return min(by_s, int(self.closes_s[stop, k]))
        return -_NEVER


class _Route:
    """A tour that keeps its rules: per gap the earliest departure before it, the latest arrival
    after it, and the room on board up to it and from it on."""

    def __init__(self, all_: _Filling, fleet: Fleet) -> None:
        self.all, self.fleet = all_, fleet
        self.stops: list[int] = []
        self.opens_s, self.closes_s = fleet.opens_s, fleet.closes_s
        self.distance_m = all_.problem.distance_m[fleet.profile]
        self.duration_s = all_.problem.duration_s[fleet.profile]
        self._update()

    def short(self, stops: Numbers) -> NDArray[np.bool_]:
        """Whether a day with nothing but this stop is short enough."""
        if self.fleet.max_duration_s is None:
            return np.ones(len(stops), dtype=bool)
        first, last = self.all.node[stops], self.all.node[self.all.last[stops]]
        legs_s = self.duration_s[self.fleet.start, first] + self.duration_s[last, self.fleet.end]
        return np.asarray(legs_s + self._spent_s(stops) <= self.fleet.max_duration_s)

    def _spent_s(self, stops: Numbers) -> Numbers:
        """Between the first and the last stop, both included, without waiting."""
        last = self.all.last[stops]
        drive_s = self.duration_s[self.all.node[stops], self.all.node[last]]
        again_s = np.where(self.all.paired[stops], self.all.service_s[last], 0)
        return np.asarray(self.all.service_s[stops] + drive_s + again_s)

    def begin(self, seed: int) -> None:
        """With its first stop, to which it leaves late where its day must be short."""
        if self.fleet.max_duration_s is not None:
            by_s = self.closes_s - int(self._spent_s(np.array([seed]))[0])
            by_s -= self.duration_s[self.all.node[self.all.last[seed]], self.fleet.end]
            out_s = int(self.duration_s[self.fleet.start, self.all.node[seed]])
            first_s = int(
                self.all.start_s(np.array([seed]), np.array([[self.opens_s + out_s]]))[0, 0]
            )
            self.opens_s = max(self.opens_s, min(first_s, int(by_s)) - out_s)
            self.closes_s = min(self.closes_s, self.opens_s + self.fleet.max_duration_s)
        self.insert(seed, 0)

    def insert(self, stop: int, gap: int) -> None:
        self.stops[gap:gap] = dict.fromkeys((stop, int(self.all.last[stop])))
        self._update()

    def best(self, stops: Numbers) -> tuple[Numbers, NDArray[np.float64]]:
        """For each stop the best gap, and the metres that it adds; no less than never: none."""
        all_, before, after = self.all, self.nodes[:-1], self.nodes[1:]
        pairs, lasts = all_.paired[stops][:, None], all_.last[stops]
        node, last = all_.node[stops][:, None], all_.node[lasts][:, None]
        ready_s = self.leaves_s + self.duration_s[before[None, :], node]
        start_s = all_.start_s(stops, ready_s)
        done_s = start_s + all_.service_s[stops, None]
        if pairs.any():
            brought_s = all_.start_s(lasts, done_s + self.duration_s[node, last])
            done_s = np.where(pairs, brought_s + all_.service_s[lasts, None], done_s)
        fits = done_s + self.duration_s[last, after[None, :]] <= self.due_s
        load, goods = all_.from_depot[stops][:, None], all_.pickup[stops][:, None]
        onward = np.where(pairs[:, :, None], self.room, self.room_after)
        fits &= (load <= self.room_before).all(axis=2) & (goods <= onward).all(axis=2)
        detour_m = self._detours(self.distance_m, node, last)
        if self.fleet.max_distance_m is not None:
            fits &= self.driven_m + detour_m <= self.fleet.max_distance_m
        if self.fleet.max_drive_s is not None:
            drive_s = self._detours(self.duration_s, node, last)
            fits &= self.driven_s + drive_s <= self.fleet.max_drive_s
        added = np.where(fits, detour_m + _WAITING * (start_s - ready_s), float(_NEVER))
        gaps = added.argmin(axis=1)
        return gaps, np.take_along_axis(added, gaps[:, None], axis=1)[:, 0]

    def _detours(self, matrix: Numbers, node: Numbers, last: Numbers) -> Numbers:
        before, after = self.nodes[None, :-1], self.nodes[None, 1:]
        there = matrix[before, node] + matrix[node, last] + matrix[last, after]
        return np.asarray(there - matrix[before, after])

    def _update(self) -> None:
        all_, fleet, stops = self.all, self.fleet, self.stops
        self.nodes = np.array([fleet.start, *all_.node[stops], fleet.end], dtype=np.int64)
        legs_s = self.duration_s[self.nodes[:-1], self.nodes[1:]].tolist()
        self.driven_s = sum(legs_s) if stops else 0
        self.driven_m = int(self.distance_m[self.nodes[:-1], self.nodes[1:]].sum())
        leaves, due = [self.opens_s], [self.closes_s]
        for stop, leg_s in zip(stops, legs_s, strict=False):
            ready = np.array([[leaves[-1] + leg_s]])
            start_s = int(all_.start_s(np.array([stop]), ready)[0, 0])
            leaves.append(start_s + int(all_.service_s[stop]))
        for stop, leg_s in zip(reversed(stops), reversed(legs_s), strict=False):
            due.append(all_.latest_s(stop, due[-1] - leg_s - int(all_.service_s[stop])))
        self.leaves_s, self.due_s = np.array(leaves), np.array(due[::-1])
        change = all_.pickup[stops] - all_.delivery[stops]
        nothing = np.zeros((1, len(fleet.capacity)), dtype=np.int64)
        load = all_.from_depot[stops].sum(axis=0) + np.concatenate(
            (nothing, np.cumsum(change, axis=0))
        )
        self.room = np.array(fleet.capacity) - load
        self.room_before = np.minimum.accumulate(self.room, axis=0)
        self.room_after = np.minimum.accumulate(self.room[::-1], axis=0)[::-1]
