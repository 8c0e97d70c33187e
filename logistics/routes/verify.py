"""The rules of a plan, one function each, judged from its timetable alone.

Shares no timing with the solvers or with retime: it drives every leg through the half hours itself,
adds up every load itself, and checks what the timetable claims. `verify` returns every violation; a
plan that is published has none.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import numpy as np

from logistics.routes.problem import DepotProblem, Violation
from logistics.routes.retime import Reload, TimedRoute, Visit
from logistics.routes.slots import SlotTravel
from logistics.routes.travel import SLOT_S, Travel
from logistics.routes.zones import ZoneTravel

Found = Iterator[Violation]
_TOLERANCE_S = 1e-3


def verify(
    problem: DepotProblem, routes: Sequence[TimedRoute], unserved: Collection[int]
) -> list[Violation]:
    """Every violation of every rule; unserved are indices of the orders left out."""
    found = [v for rule in ROUTE_RULES for route in routes for v in rule(problem, route)]
    found += [v for rule in CREW_RULES for v in rule(problem, routes)]
    return found + list(orders_once(problem, routes, unserved))


def impossible_times(problem: DepotProblem, route: TimedRoute) -> Found:
    """No stop is reached before the road allows, begun before arrival or left before it is done."""
    crew, clock = problem.crews[route.crew], route.departs_s
    here = base = problem.base(crew.depot)
    reloads = {reload.before: reload for reload in route.reloads}
    for position, visit in enumerate(route.visits):
        node, order = visit.order + 1, problem.orders[visit.order]
        if (reload := reloads.get(position)) is not None:
            back_s = _drive(problem.travel, here, base, clock, crew.speed_factor)
            early_s = back_s - reload.arrival_s
            stay_s = reload.departure_s - reload.arrival_s
            if early_s > _TOLERANCE_S or stay_s < crew.reload_s:
                yield Violation("impossible_times", crew.vehicle_id, None, early_s)
            here, clock = base, reload.departure_s
        early_s = _drive(problem.travel, here, node, clock, crew.speed_factor) - visit.arrival_s
        if early_s > _TOLERANCE_S:
            yield Violation("impossible_times", crew.vehicle_id, order.id, early_s)
        if visit.start_s < visit.arrival_s or visit.departure_s < visit.start_s + order.service_s:
            yield Violation("impossible_times", crew.vehicle_id, order.id, 0)
        here, clock = node, visit.departure_s
    home_s = float(clock)
    if crew.returns:
        home_s = _drive(problem.travel, here, base, clock, crew.speed_factor)
    early_s = home_s - route.returns_s
    if early_s > _TOLERANCE_S:
        yield Violation("impossible_times", crew.vehicle_id, None, early_s)


def _drive(
    travel: Travel | SlotTravel | ZoneTravel,
    start: int,
    end: int,
    depart_s: int,
    speed_factor: float,
) -> float:
    """The arrival, driven half hour by half hour; or the best of waiting for any later slot."""
    if isinstance(travel, SlotTravel):
        slots = travel.duration_s[:, start, end] / speed_factor
        begins = travel.slot_s * np.arange(len(slots))
        begins[0] = min(depart_s, 0)
        ends = np.append(begins[1:], np.inf)
        leaves = np.maximum(begins, depart_s)
        return float((leaves + slots)[leaves <= ends].min())
    if isinstance(travel, ZoneTravel):
        factors = travel.factors[travel.zone_of[start]]
    else:
        factors = travel.factors
    left, clock = float(travel.base_s[start, end]) / speed_factor, float(depart_s)
    while True:
        slot = int(clock // SLOT_S)
        factor = factors[min(max(slot, 0), len(factors) - 1)]
        until = (slot + 1) * SLOT_S - clock
        if left <= factor * until:
            return clock + left / factor
        left -= factor * until
        clock = float((slot + 1) * SLOT_S)


def missed_windows(problem: DepotProblem, route: TimedRoute) -> Found:
    for visit in route.visits:
        order = problem.orders[visit.order]
        if not any(w.opens_s <= visit.start_s <= w.closes_s for w in order.windows):
            late_s = visit.start_s - order.windows[-1].closes_s
            yield Violation("missed_windows", _vehicle(problem, route), order.id, late_s)


def overloads(problem: DepotProblem, route: TimedRoute) -> Found:
    """On every leg, deliveries still to come and pickups so far fit, of whatever is limited; what
    goes from a pickup to its delivery is on board in between."""
    for first, last in _trips(route):
        yield from _overloads(problem, route.crew, route.visits[first:last])


def _trips(route: TimedRoute) -> Iterator[tuple[int, int]]:
    """From and to which visit each trip goes."""
    return pairwise((0, *(reload.before for reload in route.reloads), len(route.visits)))


def _overloads(problem: DepotProblem, crew_index: int, visits: Sequence[Visit]) -> Found:
    crew = problem.crews[crew_index]
    orders = [problem.orders[visit.order] for visit in visits]
    for leg in range(len(orders) + 1):
        done = {o.pair for o in orders[:leg] if not o.pickup and o.pair is not None}
        aboard = [o for o in orders[:leg] if o.pickup and o.pair not in done]
        aboard += [o for o in orders[leg:] if not o.pickup and o.pair is None]
        after = orders[leg - 1].id if leg else None
        over_mg = sum(order.weight_mg for order in aboard) - crew.capacity_mg
        over_mm3 = sum(order.volume_mm3 for order in aboard) - crew.capacity_mm3
        if over_mg > 0:
            yield Violation("overloads", crew.vehicle_id, after, over_mg / 1e6)
        if over_mm3 > 0:
            yield Violation("overloads", crew.vehicle_id, after, over_mm3 / 1e9)
        parcels = sum(order.parcels for order in aboard)
        if crew.capacity_parcels is not None and parcels > crew.capacity_parcels:
            over = parcels - crew.capacity_parcels
            yield Violation("overloads", crew.vehicle_id, after, over)


def overlong_shifts(problem: DepotProblem, route: TimedRoute) -> Found:
    """Out and home within the driver's shift and the hours of the vehicle's depot."""
    crew = problem.crews[route.crew]
    depot = problem.depots[crew.depot]
    early_s = max(crew.starts_s, depot.opens_s) - route.departs_s
    late_s = route.returns_s - min(crew.ends_s, depot.closes_s)
    if early_s > 0 or late_s > 0:
        yield Violation("overlong_shifts", crew.vehicle_id, None, max(early_s, late_s))


def overlong_drives(problem: DepotProblem, route: TimedRoute) -> Found:
    crew = problem.crews[route.crew]
    calls = route.calls
    leaves = (route.departs_s, *(call.departure_s for call in calls))
    reaches = (*(call.arrival_s for call in calls), route.returns_s)
    drive_s = sum(b - a for a, b in zip(leaves, reaches, strict=True))
    if crew.max_drive_s is not None and drive_s > crew.max_drive_s:
        yield Violation("overlong_drives", crew.vehicle_id, None, drive_s - crew.max_drive_s)


def missed_breaks(problem: DepotProblem, route: TimedRoute) -> Found:
    """Never more than break_after_s from leaving, or a break's end, to the next break or home."""
    crew, fresh_s = problem.crews[route.crew], route.departs_s
    if crew.break_after_s is None:
        return

    def overwork(until_s: int, order_id: str | None) -> Found:
        assert crew.break_after_s is not None
        over_s = until_s - fresh_s - crew.break_after_s
        if over_s > 0:
            yield Violation("missed_breaks", crew.vehicle_id, order_id, over_s)

    for call in route.calls:
        if _rested(call, crew.break_s):
            yield from overwork(call.arrival_s, _name(problem, call))
            fresh_s = call.start_s
    yield from overwork(route.returns_s, None)


def missed_driving_breaks(problem: DepotProblem, route: TimedRoute) -> Found:
    """Never more than break_after_drive_s at the wheel between two breaks (EU 561/2006, art. 7)."""
    crew, driven_s, free_s = problem.crews[route.crew], 0, route.departs_s
    if crew.break_after_drive_s is None:
        return
    for call in route.calls:
        driven_s += call.arrival_s - free_s
        if driven_s > crew.break_after_drive_s:
            over_s, after = driven_s - crew.break_after_drive_s, _name(problem, call)
            yield Violation("missed_driving_breaks", crew.vehicle_id, after, over_s)
        if _rested(call, crew.break_s):
            driven_s = 0
        free_s = call.departure_s
    over_s = driven_s + route.returns_s - free_s - crew.break_after_drive_s
    if over_s > 0:
        yield Violation("missed_driving_breaks", crew.vehicle_id, None, over_s)


def wrong_costs(problem: DepotProblem, route: TimedRoute) -> Found:
    """Vehicle, road, hours, overtime, changes of vehicle and balance add up to the cost told."""
    crew = problem.crews[route.crew]
    hours = (route.returns_s - route.departs_s) / 3600
    cost = crew.cost_fixed + crew.cost_per_km * route.distance_m / 1000 + crew.cost_per_h * hours
    if crew.overtime_from_s is not None and route.returns_s > crew.overtime_from_s:
        cost += crew.overtime_cost_per_h * (route.returns_s - crew.overtime_from_s) / 3600
    for visit in route.visits:
        usual = problem.orders[visit.order].usual_vehicle
        if usual is not None and usual != crew.vehicle_id:
            cost += problem.change_cost
    cost += problem.balance_cost * hours * hours
    if abs(cost - route.cost) > 1e-6 * max(cost, 1.0):
        yield Violation("wrong_costs", crew.vehicle_id, None, route.cost - cost)


def _name(problem: DepotProblem, call: Visit | Reload) -> str | None:
    return problem.orders[call.order].id if isinstance(call, Visit) else None


def _rested(call: Visit | Reload, break_s: int) -> bool:
    return call.start_s - call.arrival_s >= break_s


def missed_lunches(problem: DepotProblem, route: TimedRoute) -> Found:
    """Out from before lunch opens until after it closes: a break begins in between."""
    crew = problem.crews[route.crew]
    if crew.lunch is None or crew.lunch.opens_s <= route.departs_s:
        return
    if route.returns_s <= crew.lunch.closes_s:
        return
    for call in route.calls:
        earliest_s = max(call.arrival_s, crew.lunch.opens_s)
        if earliest_s <= crew.lunch.closes_s and call.start_s - earliest_s >= crew.break_s:
            return
    yield Violation("missed_lunches", crew.vehicle_id, None, crew.break_s)


def extra_trips(problem: DepotProblem, route: TimedRoute) -> Found:
    """No more trips than the vehicle may make, and none without an order."""
    crew = problem.crews[route.crew]
    trips = list(_trips(route))
    if len(trips) > crew.max_trips or any(first >= last for first, last in trips):
        yield Violation("extra_trips", crew.vehicle_id, None, len(trips))


def beyond_range(problem: DepotProblem, route: TimedRoute) -> Found:
    crew, distance_m = problem.crews[route.crew], problem.travel.distance_m
    calls, base = route.calls, problem.base(crew.depot)
    nodes = [base, *(call.order + 1 if isinstance(call, Visit) else base for call in calls)]
    if crew.returns:
        nodes.append(base)
    metres = sum(int(distance_m[a, b]) for a, b in pairwise(nodes))
    if crew.range_m is not None and metres > crew.range_m:
        yield Violation("beyond_range", crew.vehicle_id, None, metres - crew.range_m)
    if metres != route.distance_m:
        yield Violation("beyond_range", crew.vehicle_id, None, route.distance_m - metres)


def missing_skills(problem: DepotProblem, route: TimedRoute) -> Found:
    crew = problem.crews[route.crew]
    for visit in route.visits:
        order = problem.orders[visit.order]
        missing = order.skills - crew.skills
        if missing:
            yield Violation("missing_skills", crew.vehicle_id, order.id, len(missing))


def wrong_vehicle(problem: DepotProblem, route: TimedRoute) -> Found:
    vehicle_id = _vehicle(problem, route)
    for visit in route.visits:
        order = problem.orders[visit.order]
        if order.locked_vehicle not in (None, vehicle_id):
            yield Violation("wrong_vehicle", vehicle_id, order.id, 1)


def wrong_depot(problem: DepotProblem, route: TimedRoute) -> Found:
    """What only its own depot has goes out on a vehicle of that depot."""
    crew = problem.crews[route.crew]
    for visit in route.visits:
        order = problem.orders[visit.order]
        if order.own_depot_only and order.depot != crew.depot:
            yield Violation("wrong_depot", crew.vehicle_id, order.id, 1)


def torn_pairs(problem: DepotProblem, route: TimedRoute) -> Found:
    """What is collected for another order reaches it on the same trip, and later."""
    halves = Counter(order.pair for order in problem.orders)
    for first, last in _trips(route):
        orders = [problem.orders[visit.order] for visit in route.visits[first:last]]
        at = {(o.pair, o.pickup): position for position, o in enumerate(orders)}
        for order in orders:
            collected, brought = at.get((order.pair, True)), at.get((order.pair, False))
            whole = collected is not None and brought is not None and collected < brought
            if order.pair is not None and not (whole and halves[order.pair] == 2):
                yield Violation("torn_pairs", _vehicle(problem, route), order.id, 1)


def kept_back_vehicles(problem: DepotProblem, route: TimedRoute) -> Found:
    if _vehicle(problem, route) in problem.kept_back:
        yield Violation("kept_back_vehicles", _vehicle(problem, route), None, 1)


def double_crews(problem: DepotProblem, routes: Sequence[TimedRoute]) -> Found:
    """A vehicle and a driver each go out once."""
    vehicles = Counter(_vehicle(problem, route) for route in routes)
    drivers = Counter(problem.crews[route.crew].driver_id for route in routes)
    for route in routes:
        crew = problem.crews[route.crew]
        trips = max(vehicles[crew.vehicle_id], drivers[crew.driver_id])
        if trips > 1:
            yield Violation("double_crews", crew.vehicle_id, None, trips)


def orders_once(
    problem: DepotProblem, routes: Sequence[TimedRoute], unserved: Collection[int]
) -> Found:
    """Every order is on one route, once, or among the unserved."""
    seen = Counter(visit.order for route in routes for visit in route.visits)
    seen.update(unserved)
    for index, order in enumerate(problem.orders):
        if seen[index] != 1:
            yield Violation("orders_once", None, order.id, seen[index])


def _vehicle(problem: DepotProblem, route: TimedRoute) -> str:
    return problem.crews[route.crew].vehicle_id


ROUTE_RULES = (
    impossible_times,
    missed_windows,
    overloads,
    overlong_shifts,
    overlong_drives,
    missed_breaks,
    missed_driving_breaks,
    missed_lunches,
    extra_trips,
    wrong_costs,
    beyond_range,
    missing_skills,
    wrong_vehicle,
    wrong_depot,
    torn_pairs,
    kept_back_vehicles,
)
CREW_RULES = (double_crews,)
