"""A depot's day as plain values: orders, crews, travel, and a plan. Knows no solver, no table.

Weights are whole milligrams and volumes whole cubic millimetres (exact for tables that give kg and
m3 with six decimals and more), times are whole seconds after the run date's midnight: every check
is exact. Node 0 of the travel matrices is the depot, node k + 1 is order k; further depots, which
share their vehicles with it, stand behind the orders.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count, pairwise
from typing import TypeAlias

from logistics.routes.slots import SlotTravel
from logistics.routes.travel import Travel
from logistics.routes.zones import ZoneTravel


@dataclass(frozen=True, slots=True, order=True)
class TimeWindow:
    """Service may begin from opens_s to closes_s, both included."""

    opens_s: int
    closes_s: int

    def __post_init__(self) -> None:
        if not self.opens_s <= self.closes_s:
            raise ValueError(f"window closes ({self.closes_s}) before it opens ({self.opens_s})")


# Milligrams, cubic millimetres, parcels: what is limited on board.
Load: TypeAlias = tuple[int, int, int]
UNLIMITED = 10**15
_STEPS = 10  # of exact insertion for an iteration of a search


@dataclass(frozen=True, slots=True)
class Order:
    """Goods from the depot to a customer, or (pickup) from a customer back to the depot.

    windows: disjoint, in time order, at least one. penalty: the cost of leaving the order out.
    usual_vehicle: one of the crews' that the customer knows; another costs the problem's
    change_cost. pair: a pickup and a delivery that share it are one transport: the goods, alike in
    both, go from the one to the other on the same trip. depot: the order's own among the problem's;
    own_depot_only: whether only that one has its goods (or wants them).
    """

    id: str
    weight_mg: int
    volume_mm3: int
    windows: tuple[TimeWindow, ...]
    service_s: int
    penalty: float
    priority: int = 0
    pickup: bool = False
    skills: frozenset[str] = frozenset()
    locked_vehicle: str | None = None
    parcels: int = 0
    usual_vehicle: str | None = None
    pair: str | None = None
    depot: int = 0
    own_depot_only: bool = False

    @property
    def load(self) -> Load:
        return self.weight_mg, self.volume_mm3, self.parcels

    def start(self, ready_s: int) -> int | None:
        """When service begins for a vehicle ready at ready_s; None: every window has closed."""
        for window in self.windows:
            if ready_s <= window.closes_s:
                return max(ready_s, window.opens_s)
        return None

    def latest_start(self, by_s: int) -> int | None:
        """The latest moment within a window that is not after by_s."""
        for window in reversed(self.windows):
            if window.opens_s <= by_s:
                return min(by_s, window.closes_s)
        return None


@dataclass(frozen=True, slots=True)
class Crew:
    """A vehicle and its driver; skills are what either of them has. None: no such limit.

    starts_s, ends_s: the shift within the depot's hours, overtime included, which begins at
    overtime_from_s and costs overtime_cost_per_h more. A driver who has worked break_after_s, or
    driven break_after_drive_s, since leaving the depot or since the last break, must have begun a
    break of break_s; it is taken on arrival at a stop, and waiting that long for a window is a
    break. Whoever is out before lunch opens and after it closes has a break that begins in it.
    Between two of max_trips the vehicle is reloaded at the depot within reload_s. Unless it
    returns, the day ends (is home) with the last order. depot: which of the problem's it leaves,
    reloads at and comes home to.
    """

    vehicle_id: str
    driver_id: str
    capacity_mg: int
    capacity_mm3: int
    starts_s: int
    ends_s: int
    cost_fixed: float = 0.0
    cost_per_km: float = 1.0
    cost_per_h: float = 0.0
    speed_factor: float = 1.0
    range_m: int | None = None
    max_drive_s: int | None = None
    break_after_s: int | None = None
    break_s: int = 0
    skills: frozenset[str] = frozenset()
    capacity_parcels: int | None = None
    break_after_drive_s: int | None = None
    overtime_from_s: int | None = None
    overtime_cost_per_h: float = 0.0
    max_trips: int = 1
    reload_s: int = 0
    returns: bool = True
    lunch: TimeWindow | None = None
    depot: int = 0

    @property
    def room(self) -> Load:
        parcels = self.capacity_parcels
        return self.capacity_mg, self.capacity_mm3, UNLIMITED if parcels is None else parcels

    @property
    def regular_ends_s(self) -> int:
        """The end of the shift without overtime."""
        return self.ends_s if self.overtime_from_s is None else self.overtime_from_s

    @property
    def has_breaks(self) -> bool:
        by_work = self.break_after_s is not None or self.break_after_drive_s is not None
        return by_work or self.lunch is not None

    @property
    def breaks_needed(self) -> int:
        """How many breaks a route over the whole shift needs at most."""
        limits = [s for s in (self.break_after_s, self.break_after_drive_s) if s is not None]
        lunches = int(self.lunch is not None)
        if not limits:
            return lunches
        return lunches + max((self.ends_s - self.starts_s - 1) // (min(limits) + self.break_s), 0)


@dataclass(frozen=True, slots=True)
class Depot:
    """Where vehicles start, and its hours."""

    id: str
    opens_s: int
    closes_s: int


@dataclass(frozen=True, slots=True)
class DepotProblem:
    """Everything a night's routing of one depot needs. kept_back: vehicles that must stay.

    change_cost: of an order that another vehicle serves than the usual one. balance_cost: of a
    route, per squared hour away, so that even days cost less than a long and a short one.
    partners: the other order of each one's pair, where that is one pickup and one delivery.
    mates: the other depots of its pool: vehicles of any of them may serve the orders of all.
    """

    depot_id: str
    opens_s: int
    closes_s: int
    orders: tuple[Order, ...]
    crews: tuple[Crew, ...]
    travel: Travel | SlotTravel | ZoneTravel
    kept_back: frozenset[str] = frozenset()
    change_cost: float = 0.0
    balance_cost: float = 0.0
    mates: tuple[Depot, ...] = ()
    partners: tuple[int | None, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "partners", _partners(self.orders))

    @property
    def depots(self) -> tuple[Depot, ...]:
        """By the numbers that orders and crews have for them."""
        return Depot(self.depot_id, self.opens_s, self.closes_s), *self.mates

    def base(self, depot: int) -> int:
        """The node of a depot."""
        return len(self.orders) + depot if depot else 0

    def together(self, order: int) -> tuple[int, ...]:
        """The order alone, or pickup and delivery of its pair."""
        partner = self.partners[order]
        if partner is None:
            return (order,)
        return (order, partner) if self.orders[order].pickup else (partner, order)

    def penalty(self, order: int) -> float:
        """What it costs to leave out the order, and its partner with it."""
        return sum(self.orders[o].penalty for o in self.together(order))

    def incomplete(self, order: int) -> bool:
        """Whether it lacks the other order of its pair, so that it cannot be served."""
        return self.orders[order].pair is not None and self.partners[order] is None

    def misfit(self, crew: int, order: int) -> str | None:
        """The constraint by which the crew may never serve the order (and its partner), if any."""
        if self.incomplete(order):
            return "pair"
        alone, partner = _misfit(self.crews[crew], self.orders[order]), self.partners[order]
        if alone is not None or partner is None:
            return alone
        return _misfit(self.crews[crew], self.orders[partner])

    def suits(self, crew: int, order: int) -> bool:
        """Whether the crew may serve the order at all: skills, lock and size."""
        return self.misfit(crew, order) is None


def _partners(orders: Sequence[Order]) -> tuple[int | None, ...]:
    members: dict[str, list[int]] = {}
    for index, order in enumerate(orders):
        if order.pair is not None:
            members.setdefault(order.pair, []).append(index)
    partners: list[int | None] = [None] * len(orders)
    for pair in members.values():
        if sorted(orders[order].pickup for order in pair) == [False, True]:
            first, second = pair
            partners[first], partners[second] = second, first
    return tuple(partners)


def _misfit(crew: Crew, order: Order) -> str | None:
    if order.locked_vehicle not in (None, crew.vehicle_id):
        return "locked_vehicle"
    if order.own_depot_only and order.depot != crew.depot:
        return "depot"
    if not order.skills <= crew.skills:
        return "skills"
    if any(load > room for load, room in zip(order.load, crew.room, strict=True)):
        return "capacity"
    return None


def route_cost(
    problem: DepotProblem, route: "Route", distance_m: int, departs_s: int, returns_s: int
) -> float:
    """What a route that is driven costs, overtime, changes and balance included."""
    crew, hours = problem.crews[route.crew], (returns_s - departs_s) / 3600
    overtime_h = max(returns_s - crew.regular_ends_s, 0) / 3600
    usual = [problem.orders[order].usual_vehicle for order in route.orders]
    changes = sum(vehicle not in (None, crew.vehicle_id) for vehicle in usual)
    return (
        crew.cost_fixed
        + crew.cost_per_km * distance_m / 1000
        + crew.cost_per_h * hours
        + crew.overtime_cost_per_h * overtime_h
        + problem.change_cost * changes
        + problem.balance_cost * hours**2
    )


@dataclass(frozen=True, slots=True)
class Route:
    """Indices into the problem's crews and orders, in the order of visit.

    reloads: before which of the orders (by position, rising, none of them 0) it reloads at the
    depot, so that each trip has an order.
    """

    crew: int
    orders: tuple[int, ...]
    reloads: tuple[int, ...] = ()

    @property
    def trips(self) -> tuple[tuple[int, ...], ...]:
        if not self.reloads:
            return (self.orders,)
        edges = (0, *self.reloads, len(self.orders))
        return tuple(self.orders[a:b] for a, b in pairwise(edges))

    def inserted(self, call: int, order: int) -> "Route":
        """With one more order before the call-th call, reloads being calls, too."""
        calls = [k for at, k in enumerate(self.reloads) if k + at < call]
        position = call - len(calls)
        later = (k + 1 for k in self.reloads[len(calls) :])
        orders = (*self.orders[:position], order, *self.orders[position:])
        return Route(self.crew, orders, (*calls, *later))

    def without(self, gone: Collection[int]) -> "Route":
        """Without some orders, and without a trip that has no others."""
        return route_of(self.crew, [[o for o in trip if o not in gone] for trip in self.trips])


def route_of(crew: int, trips: Iterable[Sequence[int]]) -> Route:
    """The route of these trips; those without orders are left out."""
    kept = [trip for trip in trips if trip]
    reloads = tuple(accumulate(len(trip) for trip in kept))[:-1]
    return Route(crew, tuple(order for trip in kept for order in trip), reloads)


@dataclass(frozen=True, slots=True)
class Plan:
    """Routes by crew, and the orders on none of them."""

    routes: tuple[Route, ...]
    unserved: tuple[int, ...]


def plan_of(routes: Sequence[Route], num_orders: int) -> Plan:
    """The plan with these routes (empty ones left out); all other orders are unserved."""
    kept = tuple(sorted((r for r in routes if r.orders), key=lambda route: route.crew))
    served = {order for route in kept for order in route.orders}
    return Plan(kept, tuple(o for o in range(num_orders) if o not in served))


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a solver may search: wall-clock seconds, or iterations (which are repeatable)."""

    seconds: float | None = None
    iterations: int | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.iterations is None):
            raise ValueError("a budget is either seconds or iterations")

    def part(self, share: float) -> "Budget":
        if self.iterations is not None:
            return Budget(iterations=max(1, round(self.iterations * share)))
        assert self.seconds is not None
        return Budget(seconds=self.seconds * share)

    def over(self, share: float = 1.0) -> Callable[[], bool]:
        """Whether this share, from now on, is spent: of the seconds by the clock, of iterations by
        how often it is asked (a step of exact insertion stands for a tenth of one)."""
        if self.iterations is not None:
            asked, most = count(), _STEPS * self.iterations * share
            return lambda: next(asked) >= most
        assert self.seconds is not None
        until_s = time.monotonic() + self.seconds * share
        return lambda: time.monotonic() >= until_s


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a plan breaks; amount in the rule's unit, where it has one."""

    rule: str
    vehicle_id: str | None
    order_id: str | None
    amount: float
