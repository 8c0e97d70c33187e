"""A static problem as the arrays that `ruin` works on, and its best tours as tours.

Expresses all but pairs and several trips. Of a stop's windows one is chosen where it is put in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from logistics.routes import ruin_arrays as arrays
from logistics.routes.ruin_arrays import NEVER, Ints, Records
from logistics.routes.ruin_tour import refresh
from logistics.routes.static import Day, Fleet, Found, StaticProblem, Stop, Tour, Traffic

_NEAR = 250  # stops around each that may be taken out with it
_LARGEST = 2**30  # metres or seconds of an arc
# How often stops are put back in which order: at random, the bulkiest first, the farthest, the
# nearest, those with the shortest window, the earliest, the latest (the paper's weights).
_ODDS = (4, 4, 2, 1, 2, 2, 2)


def supports(problem: StaticProblem) -> bool:
    """Whether it has neither pairs nor several trips nor arcs that are too long."""
    longest = max(int(m.max()) for m in (*problem.distance_m, *problem.duration_s))
    one_trip = all(fleet.max_trips == 1 for fleet in problem.fleets)
    return one_trip and longest < _LARGEST and all(s.goes_to is None for s in problem.stops)


class Model:
    """The arrays of one search."""

    def __init__(self, problem: StaticProblem, seed: int) -> None:
        self.problem = problem
        self.tables = _tables(problem)
        self.state = _state(self.tables, [fleet.num for fleet in problem.fleets], seed)

    def load(self, tours: Sequence[Tour]) -> None:
        """The tours as they are; those that break a rule (a driving limit, which PyVRP knows
        roughly) are left to be built anew."""
        state, number = self.state, 0
        num, num_tours = len(self.problem.stops), len(state.tours)
        for tour in tours:
            path = [num + number, *tour.stops, num + num_tours + number]
            state.visits["after"][path[:-1]], state.visits["before"][path[1:]] = path[1:], path[:-1]
            state.visits["window"][path[1:-1]] = list(self._windows(tour))
            state.tours["kind"][number] = tour.fleet
            if state.left[tour.fleet] and refresh(self.tables, state, number):
                state.left[tour.fleet] -= 1
                number += 1
            else:
                state.visits["tour"][path] = -1
                state.tours["size"][number] = 0
        state.count["top"] = number
        absent = state.visits["tour"][:num] < 0
        state.count["missed"] = self.tables.stops["penalty"][absent].sum()

    def _windows(self, tour: Tour) -> Iterator[int]:
        """Of each stop the first window that is open long enough for whoever leaves at once."""
        fleet = self.problem.fleets[tour.fleet]
        duration_s = self.problem.duration_s[fleet.profile]
        stops = [self.problem.stops[stop] for stop in tour.stops]
        here, clock_s = fleet.start, max(fleet.opens_s, *(stop.release_s for stop in stops))
        for stop in stops:
            clock_s += int(duration_s[here, stop.node])
            closed = sum(window.closes_s < clock_s for window in stop.windows[:-1])
            yield closed
            here, clock_s = stop.node, max(clock_s, stop.windows[closed].opens_s) + stop.service_s

    def found(self) -> Found:
        """The best tours, with what they and all that is left out cost."""
        after, num = self.state.best_after, len(self.problem.stops)
        tours = []
        for number, (kind, size) in enumerate(self.state.best_tours):
            stops, index = [], num + number
            for _ in range(size):
                index = int(after[index])
                stops.append(index)
            if stops:
                tours.append(Tour(int(kind), (tuple(stops),)))
        return Found(tuple(sorted(tours)), int(self.state.count["best"][0]))

    def mean_leg(self) -> float:
        """What the tours as they are cost in the mean for each of their legs."""
        tours = self.state.tours[self.state.tours["size"] > 0]
        return max(float(tours["cost"].sum()) / max(int((tours["size"] + 1).sum()), 1), 1.0)


def _state(tables: arrays.Tables, vehicles: Sequence[int], seed: int) -> arrays.State:
    """No tours, all stops left out."""
    num, num_loads = len(tables.stops), tables.capacity.shape[1]
    num_tours = min(sum(vehicles), num)
    size = num + 2 * num_tours
    visits = np.zeros(size, dtype=arrays.VISIT)
    visits["node"][:num], visits["tour"] = tables.stops["node"], -1
    count = np.zeros(1, dtype=arrays.COUNT)
    count["best"], count["missed"] = NEVER, tables.stops["penalty"].sum()
    return arrays.State(
        visits=visits,
        peaks=np.zeros((size, 2, num_loads), dtype=np.int64),
        tours=np.zeros(num_tours, dtype=arrays.TOUR),
        loads=np.zeros((num_tours, 2, num_loads), dtype=np.int64),
        left=np.array(vehicles, dtype=np.int64),
        saved=np.zeros(num_tours, dtype=arrays.SAVED),
        saved_stops=np.zeros((num, 2), dtype=np.int64),
        out=np.zeros(num, dtype=np.int64),
        ranks=np.zeros(num),
        best_after=np.zeros(size, dtype=np.int64),
        best_tours=np.zeros((num_tours, 2), dtype=np.int64),
        count=count,
        # Odd, and far from the next seed's (Fibonacci hashing).
        random=np.array([(2 * seed + 1) * 0x9E3779B97F4A7C15 % 2**64], dtype=np.uint64),
    )


def _tables(problem: StaticProblem) -> arrays.Tables:
    stops, kinds = _stops(problem), _kinds(problem.fleets, problem.traffic is not None)
    windows = _windows(problem.stops)
    loads = np.array([(stop.delivery, stop.pickup) for stop in problem.stops], dtype=np.int64)
    capacity = np.array([fleet.capacity for fleet in problem.fleets], dtype=np.int64)
    allowed = np.ones((len(kinds), len(stops)), dtype=np.bool_)
    for number, fleet in enumerate(problem.fleets):
        allowed[number, list(fleet.barred)] = False
    timed = _time_matters(problem, stops, kinds)
    near, keys, odds = _near(problem), _keys(problem, windows, loads, capacity), np.array(_ODDS)
    odds = odds * (timed | (np.arange(len(odds)) < 4))
    distance = np.array(problem.distance_m, dtype=np.int32)
    duration = np.array(problem.duration_s, dtype=np.int32)
    return arrays.Tables(
        distance=distance,
        duration=duration,
        distance_to=distance.transpose(0, 2, 1).copy(),
        duration_to=duration.transpose(0, 2, 1).copy(),
        stops=stops,
        windows=windows,
        loads=loads,
        kinds=kinds,
        capacity=capacity,
        allowed=allowed,
        alone=np.array(
            [
                _alone(problem, kind, stops, windows, may & (loads <= room).all(axis=(1, 2)))
                for kind, may, room in zip(kinds, allowed, capacity, strict=True)
            ]
        ),
        near=near,
        keys=keys,
        odds=odds.cumsum() / odds.sum(),
        timed=timed,
        mixed=bool(loads[:, 1].any()),
        traffic=_traffic(problem),
    )


def _traffic(problem: StaticProblem) -> arrays.Traffic:
    nothing = Traffic((np.zeros((1, 1)),), np.zeros(1, dtype=np.int64), np.ones((1, 1)), NEVER)
    traffic = problem.traffic or nothing
    work, begins = np.array(traffic.base_s), np.zeros_like(traffic.factors)
    begins[:, 1:] = traffic.slot_s * np.cumsum(traffic.factors[:, :-1], axis=1)
    return arrays.Traffic(
        there=problem.traffic is not None,
        work=work,
        work_to=work.transpose(0, 2, 1).copy(),
        zone=traffic.zone_of,
        pace=traffic.factors,
        slowness=1 / traffic.factors,
        worked=begins,
        slot_s=traffic.slot_s,
    )


def _stops(problem: StaticProblem) -> Records:
    """One that must be served is dearer to leave out than any tours are."""
    most_m, most_s = (
        max(int(m.max()) for m in ms) for ms in (problem.distance_m, problem.duration_s)
    )
    shift_s = min(max(f.closes_s - f.opens_s for f in problem.fleets), _longest_s(problem))
    dearest = max(
        f.cost_fixed + 2 * f.cost_per_m * most_m + f.cost_per_s * (2 * most_s + shift_s)
        for f in problem.fleets
    )
    must = 10 * max(dearest, *(stop.penalty or 0 for stop in problem.stops), 1)
    rows = [
        (
            stop.node,
            stop.service_s,
            stop.release_s,
            must if stop.penalty is None else stop.penalty,
            stop.windows[0].opens_s,
            len(stop.windows),
        )
        for stop in problem.stops
    ]
    return np.array(rows, dtype=arrays.STOP)


def _kinds(fleets: Sequence[Fleet], exact: bool) -> Records:
    def limit(most: int | None) -> int:
        return NEVER if most is None else most

    days = [(fleet.day if exact else None) or Day(fleet.closes_s, None, 0) for fleet in fleets]
    rows = [
        (
            fleet.start,
            fleet.end,
            fleet.opens_s,
            day.closes_s,
            fleet.cost_fixed,
            fleet.cost_per_m,
            fleet.cost_per_s,
            limit(fleet.max_distance_m),
            limit(fleet.max_duration_s),
            limit(fleet.max_drive_s),
            fleet.profile,
            limit(day.break_after_s),
            day.break_s,
        )
        for fleet, day in zip(fleets, days, strict=True)
    ]
    return np.array(rows, dtype=arrays.KIND)


def _windows(stops: Sequence[Stop]) -> Ints:
    most = max(len(stop.windows) for stop in stops)
    windows = np.zeros((len(stops), most, 2), dtype=np.int64)
    for row, stop in zip(windows, stops, strict=True):
        row[: len(stop.windows)] = [astuple(window) for window in stop.windows]
    return windows


def _longest_s(problem: StaticProblem) -> int:
    """More than any tour takes that never waits."""
    drive_s = max(int(m.max(axis=1).sum()) for m in problem.duration_s)
    return drive_s + sum(stop.service_s for stop in problem.stops)


def _time_matters(problem: StaticProblem, stops: Records, kinds: Records) -> bool:
    shifts = len({(fleet.opens_s, fleet.closes_s) for fleet in problem.fleets}) > 1
    short = (kinds["closes"] - kinds["opens"] < _longest_s(problem)).any()
    limited = kinds["per_s"].any() or (kinds["max_s"] < NEVER).any()
    return bool(problem.timed or shifts or short or limited or stops["release"].any())


def _alone(
    problem: StaticProblem,
    kind: Records,
    stops: Records,
    windows: Ints,
    may: NDArray[np.bool_],
) -> Ints:
    """(n, 2): what a tour of each stop alone costs by this kind, and in which window."""
    node, service = stops["node"], stops["service"]
    distance_m, duration_s = (m[kind["profile"]] for m in (problem.distance_m, problem.duration_s))
    metres = distance_m[kind["start"], node] + distance_m[node, kind["end"]]
    there_s, back_s = duration_s[kind["start"], node], duration_s[node, kind["end"]]
    away_s = there_s + service + back_s
    may = may & (metres <= kind["max_m"]) & (away_s <= kind["max_s"])
    may &= there_s + back_s <= kind["max_drive"]
    alone = np.full((len(stops), 2), (NEVER, 0), dtype=np.int64)
    for window in reversed(range(windows.shape[1])):
        leaves_s = np.maximum(kind["opens"], stops["release"])
        begins_s = np.maximum(leaves_s + there_s, windows[:, window, 0])
        fits = may & (window < stops["num_windows"]) & (begins_s <= windows[:, window, 1])
        fits &= begins_s + service + back_s <= kind["closes"]
        cost = kind["fixed"] + kind["per_m"] * metres + kind["per_s"] * away_s
        alone[fits, 0], alone[fits, 1] = cost[fits], window
    return alone


def _near(problem: StaticProblem) -> NDArray[np.int32]:
    """(n, some): each stop and those around it, by distance."""
    node = np.array([stop.node for stop in problem.stops])
    apart = problem.distance_m[0][np.ix_(node, node)].astype(np.int32)
    apart = apart + apart.T
    np.fill_diagonal(apart, -1)
    last = min(_NEAR, len(node)) - 1
    near = np.argpartition(apart, last, axis=1)[:, : last + 1]
    order = np.take_along_axis(apart, near, axis=1).argsort(axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1).astype(np.int32)


def _keys(
    problem: StaticProblem, windows: Ints, loads: Ints, capacity: Ints
) -> NDArray[np.float64]:
    """(rules, n): the stops with the least come first."""
    node = [stop.node for stop in problem.stops]
    far = np.min([problem.distance_m[f.profile][f.start, node] for f in problem.fleets], axis=0)
    bulk = (loads / np.maximum(capacity.max(axis=0), 1)).max(axis=(1, 2))
    opens = windows[:, 0, 0]
    closes = np.array([stop.windows[-1].closes_s for stop in problem.stops])
    return np.array([far, -bulk, -far, far, closes - opens, opens, -closes], dtype=np.float64)
