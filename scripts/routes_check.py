"""The judge of the route benchmark: cost and every broken rule of a plan, from its case alone.

Shares no code with the solvers: it adds up every load, drives every leg by the case's own numbers
and leaves at the best time. A plan without violations is feasible.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from routes_case import Case, Clock, Floats, Trips, Vehicle

_EPS = 1e-6


def judge(case: Case, plan: Sequence[Trips]) -> tuple[float, list[str]]:
    """The cost in the units of bks.json, and what the plan breaks (nothing: it is feasible)."""
    faults = list(_clients_once(case, plan)) + list(_fleet(case, plan))
    known = [c for trips in plan for trip in trips.clients for c in trip]
    if any(not 1 <= client <= case.num_clients for client in known):
        return np.inf, faults
    cost = 0.0
    for trips in plan:
        vehicle = case.vehicles[trips.vehicle]
        nodes = [[c + case.num_depots - 1 for c in trip] for trip in trips.clients]
        faults += [fault for trip in nodes for fault in _loads(case, vehicle, trip)]
        faults += [fault for trip in nodes for fault in _pairs(case, trip)]
        if case.clock is None:
            faults += _times(case, vehicle, nodes)
            cost += vehicle.cost_fixed + vehicle.cost_per_unit * _length(case, vehicle, nodes)
        else:
            duration = _duration(case, case.clock, nodes[0])
            cost += duration
            if not np.isfinite(duration):
                faults.append(f"late: a route beginning with client {trips.clients[0][0]}")
    left_out = set(range(1, case.num_clients + 1)) - set(known)
    cost += sum(float(case.prize[client + case.num_depots - 1]) for client in left_out)
    return float(cost * case.cost_scale), faults


def _clients_once(case: Case, plan: Sequence[Trips]) -> Iterator[str]:
    visits = Counter(c for trips in plan for trip in trips.clients for c in trip)
    for client in sorted(set(visits) - set(range(1, case.num_clients + 1))):
        yield f"client {client} does not exist"
    for client in range(1, case.num_clients + 1):
        must = case.prize[client + case.num_depots - 1] == 0
        if visits[client] > 1 or (must and visits[client] == 0):
            yield f"client {client} is visited {visits[client]} times"


def _fleet(case: Case, plan: Sequence[Trips]) -> Iterator[str]:
    used = Counter(trips.vehicle for trips in plan)
    for kind, vehicle in enumerate(case.vehicles):
        if used[kind] > vehicle.num:
            yield f"{used[kind]} of {vehicle.num} vehicles of kind {kind} are out"
    for trips in plan:
        if len(trips.clients) > 1 and not case.vehicles[trips.vehicle].reloads:
            yield f"a vehicle of kind {trips.vehicle} makes {len(trips.clients)} trips"


def _loads(case: Case, vehicle: Vehicle, trip: Sequence[int]) -> Iterator[str]:
    """Of a pair the goods are on board from its pickup on, of others from the depot on."""
    paired = {node for pair in case.pairs for node in pair}
    load = sum(float(case.demand[node]) for node in trip if node not in paired)
    peak = load
    for node in trip:
        load += float(case.demand[node]) if node in paired else -float(case.demand[node])
        peak = max(peak, load)
    if peak > vehicle.capacity + _EPS:
        yield f"load {peak:g} of {vehicle.capacity:g}"


def _pairs(case: Case, trip: Sequence[int]) -> Iterator[str]:
    at = {node: position for position, node in enumerate(trip)}
    for pickup, delivery in case.pairs:
        if (pickup in at or delivery in at) and not at.get(pickup, 10**9) < at.get(delivery, -1):
            yield f"node {pickup} is not before node {delivery} on its trip"


def _stops(case: Case, vehicle: Vehicle, nodes: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """(node, earliest service) from the first depot visit to the last."""
    stops = []
    for trip in nodes:
        released = max(float(case.release[node]) for node in trip)
        stops.append((vehicle.depot, max(float(case.windows[vehicle.depot, 0]), released)))
        stops += [(node, float(case.windows[node, 0])) for node in trip]
    return [*stops, (vehicle.depot, float(case.windows[vehicle.depot, 0]))]


def _length(case: Case, vehicle: Vehicle, nodes: Sequence[Sequence[int]]) -> float:
    stops = [node for node, _ in _stops(case, vehicle, nodes)]
    return sum(float(case.distance[a, b]) for a, b in pairwise(stops))


def _times(case: Case, vehicle: Vehicle, nodes: Sequence[Sequence[int]]) -> Iterator[str]:
    """Windows and depot hours, leaving as soon as possible; length, leaving as late as possible."""
    stops = _stops(case, vehicle, nodes)
    clock = work = 0.0
    before: int | None = None
    for node, opens in stops:
        if before is not None:
            spent = float(case.service[before] + case.distance[before, node])
            clock, work = clock + spent, work + spent
        clock = max(clock, opens)
        if clock > case.windows[node, 1] + _EPS:
            yield f"node {node} is reached at {clock:g}, after {case.windows[node, 1]:g}"
            return
        before = node
    latest = float(case.windows[vehicle.depot, 1])
    for (here, _), (following, _) in reversed(list(pairwise(stops))):
        latest -= float(case.service[here] + case.distance[here, following])
        latest = min(latest, float(case.windows[here, 1]))
    departs = max(stops[0][1], min(clock - work, latest))
    duration = max(clock, departs + work) - departs
    if duration > vehicle.max_duration + _EPS:
        yield f"a tour of {duration:g} where {vehicle.max_duration:g} is allowed"


def _duration(case: Case, clock: Clock, trip: Sequence[int]) -> float:
    """The least time on the road over all departures; infinite: no departure keeps the windows.

    Arrivals are piecewise linear in the departure, so the best one reaches some stop just as it
    opens or closes, or starts some leg at a breakpoint of its arc: all of those are tried.
    """
    legs = [(*clock.arcs[a, b], b) for a, b in pairwise([0, *trip, 0])]
    latest = np.array([])
    for at, to, node in reversed(legs):
        opens, closes = case.windows[node]
        due = np.concatenate((latest - case.service[node], [opens, min(closes, clock.horizon)]))
        latest = np.concatenate((_leave(due[due >= opens], at, to), at))
    departs = np.concatenate((latest, latest - _EPS))
    departs = departs[departs >= 0]
    ready = departs
    for at, to, node in legs:
        opens, closes = case.windows[node]
        arrival = np.where(ready <= at[-1], _arrive(ready, at, to), np.inf)
        arrival[arrival > min(closes, clock.horizon) + _EPS] = np.inf
        ready = np.maximum(arrival, opens) + float(case.service[node])
    return float((ready - departs).min(initial=np.inf))


def _leave(by: Floats, at: Floats, to: Floats) -> Floats:
    """The latest departures that arrive by the given times; those that cannot are left out."""
    by = by[by >= to[0]]
    after = np.searchsorted(to, by, side="right")
    before, after = after - 1, np.minimum(after, len(to) - 1)
    rise = to[after] - to[before]
    share = np.where(rise > 0, (by - to[before]) / np.where(rise > 0, rise, 1.0), 0.0)
    return np.asarray(at[before] + share * (at[after] - at[before]))


def _arrive(departs: Floats, at: Floats, to: Floats) -> Floats:
    """Arrivals; leaving just when a new matrix sets in (equal breakpoints) is leaving before it."""
    after = np.clip(np.searchsorted(at, departs, side="left"), 1, len(at) - 1)
    width = at[after] - at[after - 1]
    share = np.where(width > 0, (departs - at[after - 1]) / np.where(width > 0, width, 1.0), 1.0)
    return np.asarray(to[after - 1] + share * (to[after] - to[after - 1]))
