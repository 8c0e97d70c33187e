"""What a timed route leaves open between its calls. Knows timetables only.

A `Frame` rules out nearly all places for an order in constant time each: by the earliest departure
before it, the latest arrival after it and the room on board. Breaks and driving limits are left to
retime.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from logistics.routes.loads import on_board
from logistics.routes.problem import DepotProblem, Load, Route
from logistics.routes.retime import calls_of


@dataclass(frozen=True, slots=True)
class Frame:
    """What a route leaves open at each gap k, between call k - 1 and call k (0 = the depot); gaps
    beyond are new trips, before the first one of the route and so on.

    leaves_s: earliest departure before the gap; due_s: latest arrival after it. room: on board on
    this leg; before, after: the least over all legs of the trip up to the gap (for one more
    delivery), and from it on (a pickup).
    """

    nodes: tuple[int, ...]
    leaves_s: tuple[int, ...]
    due_s: tuple[int, ...]
    room: tuple[Load, ...]
    before: tuple[Load, ...]
    after: tuple[Load, ...]


def frame(problem: DepotProblem, route: Route) -> Frame:
    """The frame of a route that keeps its rules."""
    crew, travel = problem.crews[route.crew], problem.travel
    stops, places = calls_of(problem, route)
    base = problem.base(crew.depot)
    nodes = (base, *places, base)
    leaves, due = [crew.starts_s], [crew.ends_s]
    for here, node, order in zip(nodes, nodes[1:], stops, strict=False):
        arrival_s = travel.arrive(here, node, leaves[-1], crew.speed_factor)
        start_s = order.start(arrival_s)
        leaves.append((arrival_s if start_s is None else start_s) + order.service_s)
    for node, after, order in zip(
        reversed(nodes[1:-1]), reversed(nodes[2:]), reversed(stops), strict=True
    ):
        last = len(due) == 1 and not crew.returns
        by_s = due[-1] if last else travel.depart(node, after, due[-1], crew.speed_factor)
        latest_s = order.latest_start(by_s - order.service_s)
        due.append(-(10**9) if latest_s is None else latest_s)
    return Frame(nodes, tuple(leaves), tuple(reversed(due)), *_rooms(problem, route))


def _rooms(
    problem: DepotProblem, route: Route
) -> tuple[tuple[Load, ...], tuple[Load, ...], tuple[Load, ...]]:
    """The room on each leg; the least up to it and from it on, within its trip."""
    most_mg, most_mm3, most_parcels = problem.crews[route.crew].room
    room: list[Load] = []
    before: list[Load] = []
    after: list[Load] = []
    for trip in route.trips:
        legs = [
            (most_mg - a, most_mm3 - b, most_parcels - c) for a, b, c in on_board(problem, trip)
        ]
        room += legs
        before += accumulate(legs, _least)
        after += reversed(list(accumulate(reversed(legs), _least)))
    return tuple(room), tuple(before), tuple(after)


def _least(one: Load, other: Load) -> Load:
    return min(one[0], other[0]), min(one[1], other[1]), min(one[2], other[2])


def _fits(load: Load, room: Load) -> bool:
    return load[0] <= room[0] and load[1] <= room[1] and load[2] <= room[2]


def gaps(problem: DepotProblem, crew_index: int, open_: Frame, index: int) -> Iterator[int]:
    """The gaps where the order fits by room and time (needed, and enough without breaks)."""
    order, crew, travel = problem.orders[index], problem.crews[crew_index], problem.travel
    node, speed, load = index + 1, crew.speed_factor, order.load
    rooms = open_.after if order.pickup else open_.before
    for gap, leaves_s in enumerate(open_.leaves_s):
        if not _fits(load, rooms[gap]):
            continue
        start_s = order.start(travel.arrive(open_.nodes[gap], node, leaves_s, speed))
        if start_s is None:
            continue
        done_s = start_s + order.service_s
        if crew.returns or gap + 1 < len(open_.leaves_s):
            done_s = travel.arrive(node, open_.nodes[gap + 1], done_s, speed)
        if done_s <= open_.due_s[gap]:
            yield gap


def spans(
    problem: DepotProblem, crew_index: int, open_: Frame, pickup: int, delivery: int
) -> Iterator[tuple[int, int]]:
    """The gaps of a pair's pickup and delivery where both fit as in `gaps`, on one trip."""
    for gap, leaves_s in enumerate(open_.leaves_s):
        done_s = _done(problem, crew_index, open_.nodes[gap], pickup + 1, leaves_s)
        if done_s is not None:
            for later in _deliveries(problem, crew_index, open_, pickup, delivery, gap, done_s):
                yield gap, later


def _deliveries(
    problem: DepotProblem,
    crew_index: int,
    open_: Frame,
    pickup: int,
    delivery: int,
    first: int,
    done_s: int,
) -> Iterator[int]:
    """The gaps from the first one on where goods collected in that one, by done_s, may leave."""
    crew, load, here = problem.crews[crew_index], problem.orders[pickup].load, pickup + 1
    for gap in range(first, len(open_.leaves_s)):
        if not _fits(load, open_.room[gap]):
            return
        after = open_.nodes[gap + 1]
        home_s = _done(problem, crew_index, here, delivery + 1, done_s)
        if home_s is not None:
            if crew.returns or gap + 1 < len(open_.leaves_s):
                home_s = problem.travel.arrive(delivery + 1, after, home_s, crew.speed_factor)
            if home_s <= open_.due_s[gap]:
                yield gap
        if after == open_.nodes[0]:
            return
        next_s = _done(problem, crew_index, here, after, done_s)
        if next_s is None:
            return
        here, done_s = after, next_s


def _done(
    problem: DepotProblem, crew_index: int, here: int, node: int, leaves_s: int
) -> int | None:
    """When the order at a node is served by whoever leaves here then; None: its windows close."""
    order, speed = problem.orders[node - 1], problem.crews[crew_index].speed_factor
    start_s = order.start(problem.travel.arrive(here, node, leaves_s, speed))
    return None if start_s is None else start_s + order.service_s
