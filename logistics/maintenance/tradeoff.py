"""Visits against orders: a depot that drops orders for want of a vehicle names its price.

Knows neither solver: both come as functions. One exchange and no more: the schedule, what it costs
the depots tomorrow, the schedule at their prices, what that costs them, and the cheaper of the two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from logistics.maintenance.problem import Job, Schedule, WorkshopProblem


@dataclass(frozen=True, slots=True)
class Routed:
    """Tomorrow's routes of one depot: their cost, with penalties for the orders they drop."""

    cost: float
    dropped: int


# The depot and its assets that stay in the workshop → its routes; None: it has none tomorrow.
Route = Callable[[str, frozenset[str]], Routed | None]
Solve = Callable[[WorkshopProblem], Schedule]


@dataclass(frozen=True, slots=True)
class Trade:
    """What was weighed for one depot, and what came of it. price: of a vehicle for a day.

    Costs are of all the workshop's visits and of the routes of all its depots together.
    """

    site_id: str
    vehicles_away: int
    orders_dropped: int
    price: float
    cost_of_dropping: float
    cost_of_moving: float
    moved: tuple[str, ...]  # the assets that come on another day, or not at all

    @property
    def decision(self) -> str:
        return "visits moved" if self.moved else "orders dropped"


def settle(
    problem: WorkshopProblem, solve: Solve, route: Route, lead_of: Mapping[str, str] | None = None
) -> tuple[Schedule, list[Trade]]:
    """The schedule that is cheapest together with tomorrow's routes, and what was weighed.

    lead_of: depot → the one that stands for all depots whose routes are planned together with its.
    """
    route, leads = cache(route), lead_of or {}
    first = solve(problem)
    away = _away(first, leads)
    prices = {site: price for site in away if (price := _price(site, away[site], route)) > 0}
    if not prices:
        return first, []
    dearer = tuple(
        _dearer(job, prices.get(_lead(job, leads), 0.0), problem.num_days) for job in problem.jobs
    )
    second = _at_old_prices(problem, solve(replace(problem, jobs=dearer)))
    later = _away(second, leads)
    sites = sorted({*away, *later})
    dropping = first.cost + sum(_routes(site, away, route).cost for site in sites)
    moving = second.cost + sum(_routes(site, later, route).cost for site in sites)
    keep = second if moving < dropping else first
    trades = [
        Trade(
            site_id=site,
            vehicles_away=len(away[site]),
            orders_dropped=_routes(site, away, route).dropped - _routes(site, {}, route).dropped,
            price=price,
            cost_of_dropping=dropping,
            cost_of_moving=moving,
            moved=tuple(sorted(away[site] - _away(keep, leads).get(site, frozenset()))),
        )
        for site, price in sorted(prices.items())
    ]
    return keep, trades


def _price(site_id: str, assets: frozenset[str], route: Route) -> float:
    """What tomorrow's routes lose by each of the assets' absence, if they drop orders for it."""
    without = route(site_id, assets)
    if without is None or not without.dropped:
        return 0.0  # what nobody's absence would cost need not be found
    whole = route(site_id, frozenset())
    if whole is None or without.dropped <= whole.dropped:
        return 0.0
    return (without.cost - whole.cost) / len(assets)


def _routes(site_id: str, away: Mapping[str, frozenset[str]], route: Route) -> Routed:
    return route(site_id, away.get(site_id, frozenset())) or Routed(0.0, 0)


def _lead(job: Job, leads: Mapping[str, str]) -> str:
    return leads.get(job.site_id, job.site_id)


def _away(schedule: Schedule, leads: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Site (or the lead of several) → assets that are in the workshop on the first day."""
    found: dict[str, frozenset[str]] = {}
    for order in schedule.orders:
        if order.visit is not None and order.visit.day == 0:
            site = _lead(order.job, leads)
            found[site] = found.get(site, frozenset()) | {order.job.asset_id}
    return found


def _dearer(job: Job, price: float, num_days: int) -> Job:
    """The same job where its absence tomorrow costs what the routes would lose."""
    if not price:
        return job
    tomorrow, *later = job.day_prices or (0.0,) * num_days
    return replace(job, day_prices=(tomorrow + price, *later))


def _at_old_prices(problem: WorkshopProblem, schedule: Schedule) -> Schedule:
    """The schedule with the jobs as they were: the routes have counted what tomorrow is worth."""
    orders = zip(problem.jobs, schedule.orders, strict=True)
    return replace(schedule, orders=tuple(replace(order, job=job) for job, order in orders))
