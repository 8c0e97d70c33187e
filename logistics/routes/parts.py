"""A static problem cut into parts and put together again. Knows tours and places; no engine.

A part is the tours of one neighbourhood with all their stops, so its answer is always a plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from logistics.routes.static import Fleet, Found, StaticProblem, Stop, Tour, Traffic, left_out

Places = NDArray[np.float64]
_LANDMARKS = 24


@dataclass(frozen=True, slots=True)
class Part:
    """stops, fleets: what each stop and fleet of the part is called in the whole."""

    problem: StaticProblem
    stops: tuple[int, ...]
    fleets: tuple[int, ...]
    start: Found | None


def places(problem: StaticProblem) -> Places:
    """Where the stops lie in a plane (n, 2), as well as their distances can say it.

    Landmark multidimensional scaling (de Silva and Tenenbaum 2004): it needs no coordinates, which
    a road matrix does not have, and finds those of a Euclidean one up to a turn.
    """
    nodes = np.array([stop.node for stop in problem.stops])
    matrix = problem.distance_m[0]
    marks = nodes[np.linspace(0, len(nodes) - 1, min(_LANDMARKS, len(nodes))).astype(int)]
    between = (matrix[np.ix_(marks, marks)].astype(float) + matrix[np.ix_(marks, marks)].T) / 2
    squared = between**2
    mean = squared.mean(axis=0)
    values, vectors = np.linalg.eigh(-0.5 * (squared - mean[:, None] - mean + squared.mean()))
    scale = np.sqrt(np.maximum(values[-2:], 1e-9))
    to_marks = matrix[np.ix_(nodes, marks)].astype(float) ** 2
    return np.asarray(-0.5 * (to_marks - mean) @ (vectors[:, -2:] / scale))


def neighbourhoods(where: Places, weights: NDArray[np.int64], num: int, turn: float) -> list[int]:
    """Which of num neighbourhoods of about equal weight each place belongs to.

    The places are halved again and again across the direction `turn` (radians) and at right angles
    to it, so that another turn draws other borders.
    """
    group = np.zeros(len(where), dtype=int)

    def halve(members: NDArray[np.int64], first: int, num: int, turn: float) -> None:
        group[members] = first
        if num < 2 or len(members) < 2:
            return
        along = where[members] @ np.array([np.cos(turn), np.sin(turn)])
        members = members[np.argsort(along, kind="stable")]
        share = np.cumsum(weights[members]) / max(weights[members].sum(), 1)
        cut = int(np.clip(np.searchsorted(share, num // 2 / num), 1, len(members) - 1))
        halve(members[:cut], first, num // 2, turn + np.pi / 2)
        halve(members[cut:], first + num // 2, num - num // 2, turn + np.pi / 2)

    halve(np.arange(len(where)), 0, num, turn)
    return [int(g) for g in group]


def by_tours(
    problem: StaticProblem, where: Places, tours: Sequence[Tour], num: int, turn: float
) -> list[Part]:
    """The tours in num parts by the centre of their stops; what is left out joins where it lies."""
    centres = np.array([where[list(tour.stops)].mean(axis=0) for tour in tours])
    sizes = np.array([len(tour.stops) for tour in tours])
    part_of = neighbourhoods(centres, sizes, num, turn)
    out = {
        stop: part_of[int(np.argmin(((centres - where[stop]) ** 2).sum(axis=1)))]
        for stop in left_out(problem, tours)
    }
    for stop, part in tuple(out.items()):
        if (goes_to := problem.stops[stop].goes_to) is not None:
            out[goes_to] = part
    spare = [fleet.num - sum(t.fleet == f for t in tours) for f, fleet in enumerate(problem.fleets)]
    parts = []
    for number in sorted(set(part_of)):
        mine = [tour for tour, part in zip(tours, part_of, strict=True) if part == number]
        stops = {stop for tour in mine for stop in tour.stops}
        stops |= {stop for stop, part in out.items() if part == number}
        parts.append(_part(problem, sorted(stops), mine, _dealt(spare, number, num)))
    return parts


def by_stops(problem: StaticProblem, where: Places, num: int, turn: float) -> list[Part]:
    """All stops in num parts by where they lie, for a first plan; a pair goes where it begins.

    The vehicles are dealt out, so that together the parts have just what there is.
    """
    part_of = neighbourhoods(where, np.ones(len(where), dtype=np.int64), num, turn)
    for stop, goes_to in enumerate(s.goes_to for s in problem.stops):
        if goes_to is not None:
            part_of[goes_to] = part_of[stop]
    vehicles = [fleet.num for fleet in problem.fleets]
    parts = []
    for number in sorted(set(part_of)):
        mine = [stop for stop, part in enumerate(part_of) if part == number]
        parts.append(replace(_part(problem, mine, (), _dealt(vehicles, number, num)), start=None))
    return parts


def _dealt(vehicles: Sequence[int], part: int, num: int) -> list[int]:
    """A part's share of each fleet; what is over goes to other parts from fleet to fleet."""
    return [left // num + ((part - f) % num < left % num) for f, left in enumerate(vehicles)]


def _part(
    problem: StaticProblem, stops: Sequence[int], tours: Sequence[Tour], spare: Sequence[int]
) -> Part:
    used = [sum(tour.fleet == fleet for tour in tours) for fleet in range(len(problem.fleets))]
    fleets = [f for f in range(len(problem.fleets)) if used[f] + spare[f] > 0]
    new_stop = {stop: index for index, stop in enumerate(stops)}
    new_fleet = {fleet: index for index, fleet in enumerate(fleets)}
    nodes = [*range(problem.num_depots), *(problem.stops[stop].node for stop in stops)]
    grid = np.ix_(nodes, nodes)
    smaller = StaticProblem(
        problem.num_depots,
        tuple(
            _stop(problem, stop, problem.num_depots + k, new_stop) for k, stop in enumerate(stops)
        ),
        tuple(_fleet(problem.fleets[f], used[f] + spare[f], new_stop) for f in fleets),
        tuple(matrix[grid] for matrix in problem.distance_m),
        tuple(matrix[grid] for matrix in problem.duration_s),
        None if problem.traffic is None else _traffic(problem.traffic, nodes),
    )
    start = [
        Tour(new_fleet[t.fleet], tuple(tuple(new_stop[s] for s in trip) for trip in t.trips))
        for t in tours
    ]
    return Part(smaller, tuple(stops), tuple(fleets), Found(tuple(start), np.inf))


def _traffic(traffic: Traffic, nodes: Sequence[int]) -> Traffic:
    base_s = tuple(matrix[np.ix_(nodes, nodes)] for matrix in traffic.base_s)
    return replace(traffic, base_s=base_s, zone_of=traffic.zone_of[nodes])


def _stop(problem: StaticProblem, index: int, node: int, new_stop: dict[int, int]) -> Stop:
    stop = problem.stops[index]
    goes_to = None if stop.goes_to is None else new_stop[stop.goes_to]
    return replace(stop, node=node, goes_to=goes_to)


def _fleet(fleet: Fleet, num: int, new_stop: dict[int, int]) -> Fleet:
    barred = frozenset(new_stop[stop] for stop in fleet.barred if stop in new_stop)
    return replace(fleet, num=num, barred=barred)


def whole(part: Part, tours: Sequence[Tour]) -> list[Tour]:
    """The part's tours by the names of the whole."""
    return [
        Tour(part.fleets[t.fleet], tuple(tuple(part.stops[s] for s in trip) for trip in t.trips))
        for t in tours
    ]
