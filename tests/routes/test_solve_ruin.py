"""Ruin and recreate on small problems of every kind, judged by driving second by second."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.routes.problem import Budget, TimeWindow
from logistics.routes.solve_ruin import solve
from logistics.routes.static import (
    NOTHING,
    Fleet,
    Job,
    StaticProblem,
    Stop,
    Tour,
    left_out,
)

DAY_S = 120


@st.composite
def stops(draw: st.DrawFn, node: int, num_loads: int) -> Stop:
    edges = draw(st.lists(st.integers(0, DAY_S), min_size=2, max_size=4, unique=True).map(sorted))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    loads = st.lists(st.integers(0, 5), min_size=num_loads, max_size=num_loads).map(tuple)
    return Stop(
        node,
        tuple(TimeWindow(a, b) for a, b in pairs),
        delivery=draw(loads),
        pickup=draw(loads) if draw(st.booleans()) else (0,) * num_loads,
        service_s=draw(st.integers(0, 9)),
        release_s=draw(st.sampled_from([0, 0, 20])),
        penalty=draw(st.sampled_from([None, 30, 400, 400])),
    )


@st.composite
def fleets(draw: st.DrawFn, num_stops: int, num_loads: int, num_depots: int) -> Fleet:
    limit = st.sampled_from([None, None, 60])
    return Fleet(
        draw(st.integers(1, 3)),
        tuple(draw(st.integers(5, 15)) for _ in range(num_loads)),
        opens_s=draw(st.sampled_from([0, 15])),
        closes_s=draw(st.sampled_from([90, DAY_S])),
        start=draw(st.integers(0, num_depots - 1)),
        end=draw(st.integers(0, num_depots - 1)),
        cost_fixed=draw(st.sampled_from([0, 50])),
        cost_per_m=draw(st.integers(0, 3)),
        cost_per_s=draw(st.integers(0, 2)),
        max_distance_m=draw(limit),
        max_duration_s=draw(limit),
        max_drive_s=draw(limit),
        profile=draw(st.integers(0, 1)),
        barred=draw(st.frozensets(st.integers(0, num_stops - 1), max_size=2)),
    )


@st.composite
def problems(draw: st.DrawFn) -> StaticProblem:
    """Ways that break the triangle inequality, two profiles, up to three kinds and two depots."""
    num_stops, num_depots = draw(st.integers(1, 9)), draw(st.integers(1, 2))
    num_loads, size = draw(st.integers(1, 2)), num_stops + num_depots
    ways = np.random.default_rng(draw(st.integers(0, 999))).integers(1, 25, (4, size, size))
    ways[:, np.arange(size), np.arange(size)] = 0
    return StaticProblem(
        num_depots,
        tuple(draw(stops(num_depots + index, num_loads)) for index in range(num_stops)),
        tuple(
            draw(fleets(num_stops, num_loads, num_depots)) for _ in range(draw(st.integers(1, 3)))
        ),
        (ways[0], ways[1]),
        (ways[2], ways[3]),
    )


def shortest_s(problem: StaticProblem, tour: Tour) -> int | None:
    """The least time from any departure to the end; None: no departure keeps the windows."""
    fleet, served = problem.fleets[tour.fleet], [problem.stops[stop] for stop in tour.stops]
    ways = problem.duration_s[fleet.profile]
    found = []
    for departs_s in range(max(fleet.opens_s, *(s.release_s for s in served)), fleet.closes_s + 1):
        clock_s, node = departs_s, fleet.start
        for stop in served:
            clock_s += ways[node, stop.node]
            opens_s = [w.opens_s for w in stop.windows if clock_s <= w.closes_s]
            if not opens_s:
                break
            clock_s, node = max(clock_s, opens_s[0]) + stop.service_s, stop.node
        else:
            clock_s += ways[node, fleet.end]
            if clock_s <= fleet.closes_s:
                found.append(int(clock_s - departs_s))
    return min(found, default=None)


def cost_if_sound(problem: StaticProblem, tours: tuple[Tour, ...]) -> int:
    """What the tours and the stops on none cost; fails where a rule is broken."""
    served = [stop for tour in tours for stop in tour.stops]
    assert len(set(served)) == len(served)
    cost = 0
    for stop in left_out(problem, tours):
        penalty = problem.stops[stop].penalty
        assert penalty is not None
        cost += penalty
    for index, fleet in enumerate(problem.fleets):
        assert sum(tour.fleet == index for tour in tours) <= fleet.num
    for tour in tours:
        fleet = problem.fleets[tour.fleet]
        on_it = [problem.stops[stop] for stop in tour.stops]
        assert on_it
        assert not fleet.barred.intersection(tour.stops)
        path = [fleet.start, *(stop.node for stop in on_it), fleet.end]
        metres = sum(int(problem.distance_m[fleet.profile][leg]) for leg in pairwise(path))
        drive_s = sum(int(problem.duration_s[fleet.profile][leg]) for leg in pairwise(path))
        away_s = shortest_s(problem, tour)
        assert away_s is not None
        for amount, limit in (
            (metres, fleet.max_distance_m),
            (drive_s, fleet.max_drive_s),
            (away_s, fleet.max_duration_s),
        ):
            assert limit is None or amount <= limit
        for kind, room in enumerate(fleet.capacity):
            aboard = sum(stop.delivery[kind] for stop in on_it)
            assert aboard <= room
            for stop in on_it:
                aboard += stop.pickup[kind] - stop.delivery[kind]
                assert aboard <= room
        cost += fleet.cost_fixed + metres * fleet.cost_per_m + away_s * fleet.cost_per_s
    return cost


@given(problems(), st.integers(0, 99), st.booleans())
@settings(max_examples=60, deadline=None)
def test_tours_keep_every_rule_and_cost_what_is_said(
    problem: StaticProblem, seed: int, one_window: bool
) -> None:
    """With several windows the search may have chosen a later one than whoever drives it would."""
    if one_window:
        first = tuple(replace(stop, windows=stop.windows[:1]) for stop in problem.stops)
        problem = replace(problem, stops=first)
    job = Job("ruin", problem, Budget(iterations=2), seed)
    found = solve(job)
    assert solve(job) == found
    if found is NOTHING:
        return
    cost = cost_if_sound(problem, found.tours)
    assert found.cost >= cost
    if one_window:
        assert found.cost == cost
    again = solve(Job("ruin", problem, Budget(iterations=1), seed + 1, found))
    cost = cost_if_sound(problem, again.tours)
    if one_window:
        assert found.cost >= again.cost == cost
