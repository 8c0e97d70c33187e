"""A quick first plan for vehicles that differ in loads and costs: savings (Clarke and Wright 1964).

Knows static problems; no engine. What a second of waiting and an arc weigh against what is saved
(the shape of Yellow 1970) differs from problem to problem: several are tried, the cheapest stays.
Times are merged in constant time as segments (duration, earliest and latest start without waiting
more; Kindervater and Savelsbergh 1997). Of every stop only its nearest neighbours are tried, so
thousands of stops take a second or two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from logistics.routes.static import Found, Matrix, StaticProblem, Tour

_NEAREST = 50
# (metres for a second waited, shape). Eleven problems of 200 to 1,000 stops with windows: 4.6 %
# below plain savings with a fifth of a metre (Vidal et al. 2013) in the mean, two by 9 and 12 %.
_WEIGHTS = ((0.1, 0.9), (0.05, 0.8), (0.2, 0.9))
_UNTIMED = ((0.0, 1.2), (0.0, 1.0))
_MOST = 10_000  # stops times weights: a second or two
_ROWS = 500  # of the matrix at a time: it may have thousands squared


@dataclass(slots=True)
class _Route:
    stops: list[int]
    load: tuple[int, ...]
    duration_s: int
    earliest_s: int
    latest_s: int


def savings(problem: StaticProblem) -> Found | None:
    """Tours that keep every rule, by merging the ends of tours that save most; None: no answer.

    There is none for problems that are not plain, or that need more vehicles than there are. Of
    several kinds each is tried as if there were no other.
    """
    if len(problem.fleets) > 1:
        return _of_kinds(problem)
    if not applies(problem):
        return None
    weights = _WEIGHTS if problem.timed else _UNTIMED
    tries = weights[: max(_MOST // len(problem.stops), 1)]
    found = [merged for waiting, shape in tries if (merged := _merged(problem, waiting, shape))]
    return min(found, key=lambda f: f.cost, default=None)


def _of_kinds(problem: StaticProblem) -> Found | None:
    """One kind's tours, each then driven by the kind that does it at the least cost.

    None where kinds differ in more than loads and costs, or are too many to be tried.
    """
    alike = {replace(f, num=0, capacity=(), cost_fixed=0, cost_per_m=0) for f in problem.fleets}
    if len(alike) > 1 or len(problem.fleets) * len(problem.stops) > _MOST:
        return None
    found = []
    for fleet in problem.fleets:
        merged = savings(replace(problem, fleets=(fleet,)))
        if merged and (dealt := _dealt(problem, merged.tours)):
            found.append(dealt)
    return min(found, key=lambda f: f.cost, default=None)


def _dealt(problem: StaticProblem, tours: Sequence[Tour]) -> Found | None:
    """Each tour with the cheapest vehicle left that holds its load; None: there is not one."""
    left = [fleet.num for fleet in problem.fleets]
    dealt, cost = [], 0
    for tour in tours:
        load = np.sum([problem.stops[stop].delivery for stop in tour.stops], axis=0)
        metres = _metres(problem, tour.stops)
        costs = [
            (fleet.cost_fixed + metres * fleet.cost_per_m, kind)
            for kind, fleet in enumerate(problem.fleets)
            if left[kind] and (load <= fleet.capacity).all()
        ]
        if not costs:
            return None
        least, kind = min(costs)
        left[kind] -= 1
        dealt.append(Tour(kind, tour.trips))
        cost += least
    return Found(tuple(sorted(dealt)), cost)


def _metres(problem: StaticProblem, stops: Sequence[int]) -> int:
    """Of a tour, by any of the vehicles: they differ in loads and costs only."""
    fleet = problem.fleets[0]
    path = [fleet.start, *(problem.stops[stop].node for stop in stops), fleet.end]
    return int(problem.distance_m[fleet.profile][path[:-1], path[1:]].sum())


def _merged(problem: StaticProblem, waiting: float, shape: float) -> Found | None:
    merging = _Merging(problem)
    for first, second in _pairs(problem, waiting, shape):
        merging.merge(first, second)
    fleet = problem.fleets[0]
    routes = list({id(route): route for route in merging.route_of}.values())
    if len(routes) > fleet.num or any(merging.unfit(route) for route in routes):
        return None
    metres = sum(_metres(problem, route.stops) for route in routes)
    tours = tuple(sorted(Tour(0, (tuple(route.stops),)) for route in routes))
    return Found(tours, metres * fleet.cost_per_m + len(tours) * fleet.cost_fixed)


def applies(problem: StaticProblem) -> bool:
    """One kind of vehicle paid by distance, one trip, no pairs, one window, everything served."""
    fleet = problem.fleets[0]
    one_kind = len(problem.fleets) == 1 and fleet.max_trips == 1 and not fleet.barred
    by_distance = fleet.cost_per_s == 0 and fleet.max_distance_m is fleet.max_drive_s is None
    return (
        one_kind
        and by_distance
        and all(
            s.penalty is None
            and s.goes_to is None
            and len(s.windows) == 1
            and s.release_s == 0
            and not any(s.pickup)
            for s in problem.stops
        )
    )


def _pairs(problem: StaticProblem, waiting: float, shape: float) -> list[tuple[int, int]]:
    """Pairs of near stops, the greatest saving first; time that must be waited counts against it,
    and a second too late as a metre."""
    fleet = problem.fleets[0]
    nodes = np.array([stop.node for stop in problem.stops])
    distance_m, duration_s = problem.distance_m[fleet.profile], problem.duration_s[fleet.profile]
    opens_s = np.array([stop.windows[0].opens_s for stop in problem.stops])
    closes_s = np.array([stop.windows[0].closes_s for stop in problem.stops])
    service_s = np.array([stop.service_s for stop in problem.stops])
    near = min(_NEAREST, len(nodes) - 1)
    pairs: list[tuple[NDArray[np.int64], ...]] = []
    for rows in np.array_split(np.arange(len(nodes)), len(nodes) // _ROWS + 1):
        apart = distance_m[np.ix_(nodes[rows], nodes)]
        leg_s = (duration_s[np.ix_(nodes[rows], nodes)].T + service_s[rows]).T
        wait_s = np.maximum(opens_s - leg_s - closes_s[rows, None], 0)
        late_s = np.maximum(opens_s[rows, None] + leg_s - closes_s, 0)
        apart = apart + waiting * wait_s + late_s
        second = np.argpartition(apart, near, axis=1)[:, : near + 1]
        first = np.broadcast_to(rows[:, None], second.shape)
        alone = distance_m[nodes[first], fleet.end] + distance_m[fleet.start, nodes[second]]
        saved = alone - shape * np.take_along_axis(apart, second, axis=1)
        good = (saved > 0) & (first != second)
        pairs.append((saved[good], first[good], second[good]))
    saved, first, second = (np.concatenate(column) for column in zip(*pairs, strict=True))
    order = np.argsort(-saved, kind="stable")
    return list(zip(first[order].tolist(), second[order].tolist(), strict=True))


class _Merging:
    """The routes so far, and which of them each stop is on."""

    def __init__(self, problem: StaticProblem) -> None:
        self.problem, self.fleet = problem, problem.fleets[0]
        self.duration_s: Matrix = problem.duration_s[self.fleet.profile]
        self.reversible = self._untimed()
        self.route_of = [self._alone(stop) for stop in range(len(problem.stops))]

    def _untimed(self) -> bool:
        opens_s, closes_s = self.fleet.opens_s, self.fleet.closes_s
        wide = all(
            s.windows[0].opens_s <= opens_s and s.windows[0].closes_s >= closes_s
            for s in self.problem.stops
        )
        return wide and bool((self.duration_s == self.duration_s.T).all())

    def _alone(self, index: int) -> _Route:
        stop, fleet = self.problem.stops[index], self.fleet
        out_s = int(self.duration_s[fleet.start, stop.node])
        back_s = int(self.duration_s[stop.node, fleet.end])
        earliest_s = max(stop.windows[0].opens_s, fleet.opens_s + out_s)
        latest_s = min(stop.windows[0].closes_s, fleet.closes_s - stop.service_s - back_s)
        return _Route([index], stop.delivery, stop.service_s, earliest_s, latest_s)

    def merge(self, first: int, second: int) -> None:
        """Drive from stop `first` straight to `second`, if both are ends and the rules allow it."""
        before, after = self.route_of[first], self.route_of[second]
        if before is after:
            return
        if self.reversible:
            if before.stops[-1] != first and before.stops[0] == first:
                before.stops.reverse()
            if after.stops[0] != second and after.stops[-1] == second:
                after.stops.reverse()
        if before.stops[-1] != first or after.stops[0] != second:
            return
        merged = self._merged(before, after)
        if merged is None or self.unfit(merged):
            return
        for stop in merged.stops:
            self.route_of[stop] = merged

    def _merged(self, before: _Route, after: _Route) -> _Route | None:
        stops = self.problem.stops
        last, first = stops[before.stops[-1]].node, stops[after.stops[0]].node
        gone_s = before.duration_s + int(self.duration_s[last, first])
        if before.earliest_s + gone_s > after.latest_s:
            return None
        wait_s = max(after.earliest_s - gone_s - before.latest_s, 0)
        return _Route(
            before.stops + after.stops,
            tuple(a + b for a, b in zip(before.load, after.load, strict=True)),
            gone_s + after.duration_s + wait_s,
            max(after.earliest_s - gone_s, before.earliest_s) - wait_s,
            min(after.latest_s - gone_s, before.latest_s),
        )

    def unfit(self, route: _Route) -> bool:
        fleet, stops = self.fleet, self.problem.stops
        if route.earliest_s > route.latest_s:
            return True
        if any(load > room for load, room in zip(route.load, fleet.capacity, strict=True)):
            return True
        if fleet.max_duration_s is None:
            return False
        out_s = self.duration_s[fleet.start, stops[route.stops[0]].node]
        back_s = self.duration_s[stops[route.stops[-1]].node, fleet.end]
        return bool(out_s + route.duration_s + back_s > fleet.max_duration_s)
