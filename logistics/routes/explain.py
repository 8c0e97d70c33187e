"""Why an order is not on the plan: a reason that was tried, not guessed. Knows no solver.

The order is put everywhere in the final plan, exactly. If it fits somewhere it was left out for its
cost, or because the time for planning was over. If not, one rule at a time is lifted for all
vehicles: a rule whose lifting lets it in is named, with the smallest change seen that is enough.
An order of a pair comes in with its partner, so both have the same reason.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from logistics.routes.insert import Timetable
from logistics.routes.problem import UNLIMITED, Crew, DepotProblem, Order, TimeWindow
from logistics.routes.retime import TimedRoute

Constraint = Literal[
    "vehicles",
    "locked_vehicle",
    "depot",
    "skills",
    "capacity",
    "range",
    "driving_time",
    "break",
    "time_window",
    "shift",
    "cost",
    "deadline",
    "pair",
    "several",
]
_FAR_S = 10**7
_FAR_KM = 1000  # no night's delivery: swapped coordinates, or a lost sign


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence for the dispatcher, the binding constraint, and what would be enough."""

    order: int
    constraint: Constraint
    reason: str
    relaxation: str | None


@dataclass(frozen=True, slots=True)
class _Way:
    """A way in once a rule is lifted; share: the change over what there is now."""

    share: float
    relaxation: str


def explain(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Reason:
    """The reason for one unserved order, true of this plan."""
    if not problem.crews:
        where = "any depot of the pool" if problem.mates else "this depot"
        return Reason(order, "vehicles", f"no vehicle with a driver at {where}", None)
    if problem.incomplete(order):
        pair = f"pair {problem.orders[order].pair} is not one pickup and one delivery of this day"
        return Reason(order, "pair", pair, None)
    if (unknown := _absent_vehicle(problem, order)) is not None:
        return Reason(order, "locked_vehicle", unknown, "lift the lock to this vehicle")
    found = Timetable(problem, routes).cheapest(order)
    if found is not None:
        return _fits(problem, order, found.timed, found.delta)
    ways = [(constraint, way) for constraint, lift in LIFTS for way in lift(problem, routes, order)]
    if not ways:
        return _several(problem, order)
    # A rule that no vehicle meets comes first, whatever else would do as well; then the least.
    never = {problem.misfit(crew, order) for crew in range(len(problem.crews))}
    constraint, way = min(ways, key=lambda w: (None in never or w[0] not in never, w[1].share))
    return Reason(order, constraint, _SENTENCES[constraint], way.relaxation)


_SENTENCES: dict[Constraint, str] = {
    "locked_vehicle": "the vehicle it is locked to has no place for it",
    "depot": "no vehicle of its own depot, where its goods are, has a place for it",
    "skills": "no crew with its skills has a place for it",
    "capacity": "no vehicle that could come in time has room for it",
    "range": "every detour to it is beyond the vehicle's range",
    "driving_time": "every detour to it is beyond the driver's driving time",
    "break": "no driver could serve it and still have the break that is due",
    "time_window": "no vehicle can be there within its time windows",
    "shift": "no driver would be back before the end of the shift",
    "vehicles": "every vehicle is full or busy at that time",
}


def _absent_vehicle(problem: DepotProblem, order: int) -> str | None:
    out = {crew.vehicle_id for crew in problem.crews}
    absent = [vehicle for vehicle in _locks(problem, order) if vehicle not in out]
    if not absent:
        return None
    if absent[0] in problem.kept_back:
        return f"locked to {absent[0]}, which is in the workshop"
    return f"locked to {absent[0]}, which is not out on this day"


def _locks(problem: DepotProblem, order: int) -> list[str]:
    locks = (problem.orders[o].locked_vehicle for o in problem.together(order))
    return sorted({vehicle for vehicle in locks if vehicle is not None})


def _fits(problem: DepotProblem, order: int, timed: TimedRoute, delta: float) -> Reason:
    penalty, vehicle_id = problem.penalty(order), problem.crews[timed.crew].vehicle_id
    if delta <= penalty:
        reason = f"the time for planning was over before {vehicle_id} was given it"
        return Reason(order, "deadline", reason, "more seconds for this depot")
    return Reason(
        order,
        "cost",
        f"serving it would add {delta:.2f}, leaving it out costs {penalty:.2f}",
        f"{vehicle_id} could serve it at a penalty of {delta:.2f}",
    )


def _several(problem: DepotProblem, order: int) -> Reason:
    """No single rule; a place that nobody reaches in a shift, or rules that bar whole crews, are
    named."""
    if all(_beyond(problem, crew, order) for crew in problem.crews):
        km = problem.travel.distance_m.item(0, order + 1) / 1000
        ask = "; are its lat and lon right?" if km > _FAR_KM else ""
        far = f"it lies {km:,.0f} km from the depot, farther than any shift reaches{ask}"
        return Reason(order, "several", far, None)
    barred = sorted({m for c in range(len(problem.crews)) if (m := problem.misfit(c, order))})
    also = f" ({', '.join(barred)} among them)" if barred else ""
    return Reason(order, "several", f"more than one rule stands against it{also}", None)


def _beyond(problem: DepotProblem, crew: Crew, order: int) -> bool:
    base = problem.base(crew.depot)
    there_s = problem.travel.arrive(base, order + 1, crew.starts_s, crew.speed_factor)
    return there_s > crew.ends_s


# --- one rule lifted at a time -------------------------------------------------------------------

Ways = Iterator[_Way]


def _ways(
    problem: DepotProblem,
    routes: Sequence[TimedRoute],
    order: int,
    way: Callable[[TimedRoute], _Way],
) -> Ways:
    """The least way in among all insertions into a problem with one rule lifted."""
    found = (way(insertion.timed) for insertion in Timetable(problem, routes).insertions(order))
    least = min(found, key=lambda w: w.share, default=None)
    if least is not None:
        yield least


def _with_order(problem: DepotProblem, order: int, relax: Callable[[Order], Order]) -> DepotProblem:
    """With the order, and its partner, relaxed."""
    orders = list(problem.orders)
    for index in problem.together(order):
        orders[index] = relax(orders[index])
    return replace(problem, orders=tuple(orders))


def _with_crews(problem: DepotProblem, relax: Callable[[Crew], Crew]) -> DepotProblem:
    return replace(problem, crews=tuple(relax(crew) for crew in problem.crews))


def _lift_lock(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    if locks := _locks(problem, order):

        def way(timed: TimedRoute) -> _Way:
            other, held = problem.crews[timed.crew].vehicle_id, " and ".join(locks)
            return _Way(1.0, f"{other} could serve it if it were not locked to {held}")

        free = _with_order(problem, order, lambda o: replace(o, locked_vehicle=None))
        yield from _ways(free, routes, order, way)


def _lift_depot(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    tied = [o for o in problem.together(order) if problem.orders[o].own_depot_only]
    if tied and problem.mates:
        own = problem.depots[problem.orders[tied[0]].depot].id

        def way(timed: TimedRoute) -> _Way:
            crew = problem.crews[timed.crew]
            other = f"{crew.vehicle_id} of {problem.depots[crew.depot].id}"
            return _Way(1.0, f"{other} could serve it if its goods were not at {own} only")

        free = _with_order(problem, order, lambda o: replace(o, own_depot_only=False))
        yield from _ways(free, routes, order, way)


def _lift_skills(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    needed = frozenset().union(*(problem.orders[o].skills for o in problem.together(order)))
    if needed:

        def way(timed: TimedRoute) -> _Way:
            crew = problem.crews[timed.crew]
            missing = sorted(needed - crew.skills)
            return _Way(len(missing), f"{crew.vehicle_id} would need {', '.join(missing)}")

        plain = _with_order(problem, order, lambda o: replace(o, skills=frozenset()))
        yield from _ways(plain, routes, order, way)


def _lift_capacity(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    def way(timed: TimedRoute) -> _Way:
        crew = problem.crews[timed.crew]
        over = [max(most - room, 0) for most, room in zip(timed.peak, crew.room, strict=True)]
        amounts = (f"{_exact(over[0], 6)} kg", f"{_exact(over[1], 9)} m3", f"{over[2]} parcels")
        parts = [amount for amount, more in zip(amounts, over, strict=True) if more]
        share = max(more / max(room, 1) for more, room in zip(over, crew.room, strict=True))
        return _Way(share, f"{' and '.join(parts)} more room on {crew.vehicle_id}")

    def roomy(crew: Crew) -> Crew:
        return replace(crew, capacity_mg=UNLIMITED, capacity_mm3=UNLIMITED, capacity_parcels=None)

    yield from _ways(_with_crews(problem, roomy), routes, order, way)


def _lift_range(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    def way(timed: TimedRoute) -> _Way:
        crew = problem.crews[timed.crew]
        over_m = timed.distance_m - (crew.range_m or 0)
        share = over_m / max(crew.range_m or 0, 1)
        return _Way(share, f"{over_m / 1000:.3f} km more range of {crew.vehicle_id}")

    if any(crew.range_m is not None for crew in problem.crews):
        far = _with_crews(problem, lambda crew: replace(crew, range_m=None))
        yield from _ways(far, routes, order, way)


def _lift_driving_time(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    def way(timed: TimedRoute) -> _Way:
        crew = problem.crews[timed.crew]
        over_s = timed.drive_s - (crew.max_drive_s or 0)
        share = over_s / max(crew.max_drive_s or 0, 1)
        return _Way(share, f"{_minutes(over_s)} more driving time for {crew.driver_id}")

    if any(crew.max_drive_s is not None for crew in problem.crews):
        long = _with_crews(problem, lambda crew: replace(crew, max_drive_s=None))
        yield from _ways(long, routes, order, way)


def _lift_break(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    def way(timed: TimedRoute) -> _Way:
        crew = problem.crews[timed.crew]
        return _Way(1.0, f"{crew.driver_id} could serve it without the break that is due")

    if any(crew.has_breaks for crew in problem.crews):
        unbroken = _with_crews(
            problem,
            lambda crew: replace(crew, break_after_s=None, break_after_drive_s=None, lunch=None),
        )
        yield from _ways(unbroken, routes, order, way)


def _lift_time_window(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    """Its own windows; the change is measured at the times the relaxed route would really have."""
    together = problem.together(order)

    def way(timed: TimedRoute) -> _Way:
        changes = [
            change
            for visit in timed.visits
            if visit.order in together
            and (change := _wider(problem.orders[visit.order], visit.start_s, visit.order == order))
        ]
        vehicle = problem.crews[timed.crew].vehicle_id
        text = " and ".join(text for _, text in changes)
        return _Way(sum(by_s for by_s, _ in changes) / 86_400, f"{text} ({vehicle})")

    anytime = (TimeWindow(0, _FAR_S),)
    free = _with_order(problem, order, lambda o: replace(o, windows=anytime))
    yield from _ways(free, routes, order, way)


def _wider(order: Order, start_s: int, its_own: bool) -> tuple[int, str] | None:
    """By how much the nearest window would have to be wider for a start then, if at all."""
    if order.start(start_s) == start_s:
        return None
    whose = "its window" if its_own else f"the window of {order.id}"
    late_s = min(
        (start_s - w.closes_s for w in order.windows if w.closes_s < start_s), default=_FAR_S
    )
    early_s = min(
        (w.opens_s - start_s for w in order.windows if w.opens_s > start_s), default=_FAR_S
    )
    if late_s <= early_s:
        return late_s, f"{whose} would have to be open until {_clock(start_s, up=True)}"
    return early_s, f"{whose} would have to open at {_clock(start_s)}"


def _lift_shift(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    def way(timed: TimedRoute) -> _Way:
        crew = problem.crews[timed.crew]
        over_s = max(timed.returns_s - crew.ends_s, 0)
        text = f"{crew.driver_id}'s shift (and the depot) would have to last until "
        return _Way(over_s / 86_400, text + _clock(timed.returns_s, up=True))

    late = _with_crews(problem, lambda crew: replace(crew, ends_s=_FAR_S))
    yield from _ways(late, routes, order, way)


def _lift_vehicles(problem: DepotProblem, routes: Sequence[TimedRoute], order: int) -> Ways:
    """One more crew like one of those there are."""

    def way(timed: TimedRoute) -> _Way:
        crew = problem.crews[timed.crew]
        return _Way(1.0, f"one more vehicle and driver like {crew.vehicle_id} and {crew.driver_id}")

    del routes  # all vehicles stand empty, so every insertion is a vehicle of its own
    yield from _ways(problem, (), order, way)


LIFTS: tuple[tuple[Constraint, Callable[[DepotProblem, Sequence[TimedRoute], int], Ways]], ...] = (
    ("locked_vehicle", _lift_lock),
    ("depot", _lift_depot),
    ("skills", _lift_skills),
    ("capacity", _lift_capacity),
    ("range", _lift_range),
    ("driving_time", _lift_driving_time),
    ("break", _lift_break),
    ("time_window", _lift_time_window),
    ("shift", _lift_shift),
    ("vehicles", _lift_vehicles),
)


def _clock(time_s: int, *, up: bool = False) -> str:
    """Local time in minutes; up: not before time_s."""
    minutes = -(-time_s // 60) if up else time_s // 60
    day = f" (+{minutes // 1440} d)" if minutes >= 1440 else ""
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}{day}"


def _exact(amount: int, decimals: int) -> str:
    """A whole amount in its unit of 10 ** decimals, to the last digit: less would not be enough."""
    return f"{Decimal(amount).scaleb(-decimals).normalize():f}"


def _minutes(seconds: int) -> str:
    return f"{-(-seconds // 60)} min"
