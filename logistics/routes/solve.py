"""One depot's plan: an engine on static driving times, then the truth about time of day.

Traffic changes by the half hour and most engines know one matrix only. Each round gives them every
place's mean pace over the time it is likely to be left (first its windows, then the times of the
plan at hand), retimes the answer, repairs what is late by the clock, and the best exact plan stays.
Ruin and recreate can be told of the traffic and the breaks; it then goes on from that plan.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from logistics.routes.decompose import ALONE, Team, search
from logistics.routes.flatten import flatten, may_tell_traffic
from logistics.routes.insert import Timetable, improve, repair
from logistics.routes.problem import Budget, DepotProblem, Order, Plan, plan_of
from logistics.routes.retime import TimedRoute

Engine = Literal["auto", "pyvrp", "ortools"]
# A plan's own times are trusted to ten minutes either way: the next round will shift them. Made
# depots at 10 s, twelve at a time, sums of costs: half an hour 2.4 % and 0.1 % above.
_SPREAD_S = 600
# Of the budget. Twelve made depots: four rounds, the first as long, 0.5 % above.
_ROUNDS = (0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
# The same where ruin and recreate is told of the traffic in the last one. Eighteen made depots at
# 10 s: without telling it 2.4 % above, with telling it from the first round on 1.0.
_TOLD = (0.3, 0.1, 0.1, 0.5)
# Of the seconds; the rest is for exact moves, of which there are fewer to find if it was told.
_SEARCHED, _SEARCHED_TOLD = 0.75, 0.9
_REPAIRED = 0.1  # of the seconds, at most, is for putting back what one search has left out
_CLOSE = 0.9
_EVEN = 1.1  # of the mean day: the longest where days are to be even
_ORTOOLS_SHARE = 0.3  # only polishes PyVRP's plan


@dataclass(frozen=True, slots=True)
class Solved:
    """Timed routes that keep every rule, the orders left out, and the cost of both."""

    routes: tuple[TimedRoute, ...]
    unserved: tuple[int, ...]
    cost: float


def plan_depot(
    problem: DepotProblem, engine: Engine, budget: Budget, seed: int, team: Team = ALONE
) -> Solved:
    """The cheapest plan found that keeps every rule under time-dependent travel.

    engine auto: the one that suits the problem, then OR-Tools from its plan where orders are left
    out under a rule that PyVRP is told of roughly only (driving time).
    """
    told = engine == "auto" and may_tell_traffic(problem)
    clock = _Clock(budget, _SEARCHED_TOLD if told else _SEARCHED)
    window_s = _window_departures(problem)
    num_views = 1 + (problem.change_cost > 0) + (problem.balance_cost > 0)
    rounds = (1.0,) if problem.travel.same_all_day else _TOLD if told else _ROUNDS
    shares = [share / num_views for share in rounds]
    plan = _search(problem, window_s, engine, clock.part(shares[0]), seed, None, team)
    best = repair(problem, plan, clock.after(_REPAIRED))
    for number, share in enumerate(shares[1:], start=1):
        if clock.over():
            break
        leaves = window_s | _plan_departures(best)
        part, start, last = clock.part(share), best.plan(), number == len(rounds) - 1
        plan = _search(
            problem, leaves, engine, part, seed + number, start, team, traffic=told and last
        )
        best = min(best, repair(problem, plan, clock.after(_REPAIRED)), key=Timetable.cost)
    for view, most_s in _views(problem, best):
        if clock.over():
            break
        leaves = window_s | _plan_departures(best)
        plan = _search(view, leaves, engine, clock.part(1 / num_views), seed, None, team, most_s)
        best = min(best, repair(problem, plan, clock.after(_REPAIRED)), key=Timetable.cost)
    if engine == "auto" and best.plan().unserved and _driving_binds(best) and not clock.over():
        leaves = window_s | _plan_departures(best)
        part, start = clock.part(_ORTOOLS_SHARE), best.plan()
        plan = _search(problem, leaves, "ortools", part, seed, start, team)
        best = min(best, repair(problem, plan, clock.after(_REPAIRED)), key=Timetable.cost)
    improve(best, clock.after(1.0))
    return Solved(best.timed(), best.plan().unserved, best.cost())


class _Clock:
    """What is left of a budget, a share of it for searching; of iterations every search has its
    share."""

    def __init__(self, budget: Budget, searched: float) -> None:
        self.budget, self.searched, self.began = budget, searched, time.monotonic()

    def part(self, share: float) -> Budget:
        """A share of the budget, less when the time for searching is nearly over."""
        if self.budget.seconds is None:
            return self.budget.part(share)
        searching_s = self.searched * self.budget.seconds
        left_s = searching_s - (time.monotonic() - self.began)
        return Budget(seconds=max(min(share * searching_s, left_s), 0.0))

    def after(self, share: float) -> Callable[[], bool]:
        """Whether this share, from now on, or the whole of the seconds is over."""
        if self.budget.seconds is None:
            return self.budget.over(share)
        left_s = self.budget.seconds - (time.monotonic() - self.began)
        return Budget(seconds=max(min(share * self.budget.seconds, left_s), 0.0)).over()

    def over(self) -> bool:
        spent_s = time.monotonic() - self.began
        return self.budget.seconds is not None and spent_s >= self.budget.seconds


def _search(
    problem: DepotProblem,
    leaves: Mapping[int, tuple[int, int]],
    engine: str,
    budget: Budget,
    seed: int,
    start: Plan | None,
    team: Team,
    most_s: int | None = None,
    traffic: bool = False,
) -> Plan:
    """The best plan found for the mean driving times of these departures, or under the traffic
    itself; most_s: of a route."""
    if not problem.crews or not problem.orders:
        return plan_of((), len(problem.orders))
    flat = flatten(problem, _duration_s(problem, leaves), most_s, traffic)
    given = None if start is None else flat.found(start)
    return flat.plan(search(flat.problem, engine, budget, seed, given, team))


def _views(problem: DepotProblem, table: Timetable) -> Iterator[tuple[DepotProblem, int | None]]:
    """What engines cannot price, told as a rule: no change of vehicle, no day far above the mean.

    Their answers stand beside the free one, and exact moves lead from one towards the other.
    """
    if problem.change_cost > 0:
        yield replace(problem, orders=tuple(_kept(problem))), None
    away_s = [timed.returns_s - timed.departs_s for timed in table.timed()]
    if problem.balance_cost > 0 and away_s:
        yield problem, round(_EVEN * sum(away_s) / len(away_s))


def _kept(problem: DepotProblem) -> Iterator[Order]:
    """The orders, locked to the vehicle that the customer knows where that may serve them."""
    crews = {crew.vehicle_id: number for number, crew in enumerate(problem.crews)}
    for index, order in enumerate(problem.orders):
        usual = order.usual_vehicle
        fits = usual in crews and problem.suits(crews[usual], index)
        yield replace(order, locked_vehicle=usual) if fits else order


def _driving_binds(table: Timetable) -> bool:
    """Whether any driver is close to the driving limit, of which PyVRP is told only roughly."""
    limits = [crew.max_drive_s for crew in table.problem.crews]
    return any(
        limit is not None and timed.drive_s > _CLOSE * limit
        for timed in table.timed()
        for limit in (limits[timed.crew],)
    )


def _window_departures(problem: DepotProblem) -> dict[int, tuple[int, int]]:
    """Node → when it may be left, by its windows and the shifts."""
    if not problem.crews:
        return {}
    opens_s = min(crew.starts_s for crew in problem.crews)
    closes_s = max(crew.ends_s for crew in problem.crews)
    bases = [problem.base(depot) for depot in range(len(problem.depots))]
    leaves = dict.fromkeys(bases, (opens_s, (opens_s + closes_s) // 2))
    for index, order in enumerate(problem.orders):
        from_s = max(order.windows[0].opens_s, opens_s) + order.service_s
        to_s = min(order.windows[-1].closes_s, closes_s) + order.service_s
        leaves[index + 1] = (from_s, max(from_s, to_s))
    return leaves


def _plan_departures(table: Timetable) -> dict[int, tuple[int, int]]:
    """Node → about when the plan leaves it; a depot once for all routes."""
    problem, timed = table.problem, table.timed()
    leaves = {
        visit.order + 1: (visit.departure_s - _SPREAD_S, visit.departure_s + _SPREAD_S)
        for route in timed
        for visit in route.visits
    }
    for depot in range(len(problem.depots)):
        starts = [r.departs_s for r in timed if problem.crews[r.crew].depot == depot]
        if starts:
            leaves[problem.base(depot)] = (min(starts), max(starts) + _SPREAD_S)
    return leaves


def _duration_s(problem: DepotProblem, leaves: Mapping[int, tuple[int, int]]) -> NDArray[np.int64]:
    """Static driving seconds (n, n): each node's arcs at its own mean pace."""
    num_nodes = len(problem.orders) + len(problem.depots)
    spans = np.array([leaves.get(node, (0, 86_400)) for node in range(num_nodes)])
    return problem.travel.mean_s(spans[:, 0], spans[:, 1])
