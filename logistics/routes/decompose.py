"""The search behind every plan: small problems whole, large ones in parts that are regrouped.

Knows static problems and engines by name; who runs them at the same time (processes, Ray tasks, or
nobody) is told by a `Team`. Parts are tours of one neighbourhood, drawn anew every round with their
borders elsewhere, each warm-started, so the plan only ever gets better (after Santini et al. 2023).
Over all rounds the search cools down once.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

import numpy as np

from logistics.routes import solve_ortools, solve_pyvrp, solve_ruin
from logistics.routes.construct import construct
from logistics.routes.parts import Part, Places, by_stops, by_tours, places, whole
from logistics.routes.problem import Budget
from logistics.routes.savings import savings
from logistics.routes.solve_ruin_model import supports
from logistics.routes.static import NOTHING, Found, Job, StaticProblem, Tour

ENGINES = {
    "pyvrp": solve_pyvrp.solve,
    "ruin": solve_ruin.solve,
    "ortools": solve_ortools.solve,
}
# Stops of a part, the least and the most. Made problems, two workers, one seed, costs in % above
# the best of these: 450 stops at 20 s whole 0.0, two parts 0.3; 600 and 800 at 5 s whole 1.0 and
# 0.2, two parts 0.0; 980 at 5 s whole 1.2, four parts 0.8, two 0.0.
_PART = {"pyvrp": (300, 500), "ruin": (300, 500), "ortools": (150, 150)}
_TOURS = 5  # of a part, at least: between fewer there is little to exchange
_COUNTED, _ROUNDS = 6, 12  # at most, with iterations and with seconds
# Per stop: what a part's search needs to get anywhere. Many short rounds beat few long ones: three
# problems of 1,000 stops with windows at 40 s of one core 2.5 % above the best known with 0.008 and
# 2.3 with this; OR-Tools at 30 s, two of them, 12.6 and 10.3.
_JOB_S = 0.003
_FIRST, _LAST = 0.35, 0.15  # of the budget: a first plan where there is none, the whole at last
# Seconds per cubed stop: PyVRP's search from nothing is bounded by no clock, and is not begun
# with less than this.
_COLD_S = 5e-8
_GIVEN = 0.5  # of the cooling is over when the start is a plan of a search before: it is kept
_BUILT_S = 0.005  # per stop, three times what insertion takes: rather late than without a plan
_LARGEST = 4000  # stops that are still worth a last search as a whole
_SETUP_S = 1e-6  # per squared stop: twice what it takes before the whole's search begins


def run_job(job: Job) -> Found:
    """One call of an engine; a top-level function, so that processes and tasks can be given it."""
    return ENGINES[job.engine](job)


def _in_turn(jobs: Sequence[Job]) -> list[Found]:
    return [run_job(job) for job in jobs]


@dataclass(frozen=True, slots=True)
class Team:
    """size workers that run jobs at the same time; the answers come in the order of the jobs.

    `NOTHING` is an answer too: that of a worker that died.
    """

    size: int = 1
    run: Callable[[Sequence[Job]], list[Found]] = _in_turn


ALONE = Team()


def search(
    problem: StaticProblem,
    engine: str,
    budget: Budget,
    seed: int,
    start: Found | None = None,
    team: Team = ALONE,
) -> Found:
    """The cheapest tours found; none at infinite cost where none keep the rules.

    engine: one of ENGINES, or auto: the one that suits the problem. start: tours to improve on.
    With seconds a larger team finds better tours; with iterations its size changes nothing.
    """
    if not problem.stops or not problem.fleets:
        return NOTHING
    began = time.monotonic()
    problem = _needed(problem)
    start = start if start is not None and start.tours else None
    engine = _suited(problem, start) if engine == "auto" else engine
    begins, start = (0.0, savings(problem)) if start is None else (_GIVEN, start)
    if start is None and engine != "ortools" and _is_long(problem, budget):
        start = construct(problem, _building(problem, budget))
    num = _num_parts(len(problem.stops), engine, budget, team)
    if num < 2:
        left, cooling = _left(budget, began), (begins, 1.0)
        found = _whole(_bounded(problem, start), engine, left, seed, start, team, cooling)
    else:
        found = _Rounds(problem, engine, budget, seed, team, began, begins, num).run(start)
    if found.tours or found.cost < inf:
        return found
    return construct(problem, _building(problem, budget)) or found


def _suited(problem: StaticProblem, start: Found | None) -> str:
    """Ruin and recreate where it is told of the traffic, or where a plan is still to be found,
    there are windows and vehicles differ in more than their depots; else PyVRP.

    Without traffic, twelve made depots at 10 s: PyVRP 1.9 % above both, ruin and recreate in all
    rounds 0.3; four at 60 s: the latter 1.5. Without windows they were level on four made problems
    (0.9 % below to 0.4 above), and three mixed fleets at 30 s were 1.5 % above the best known
    instead of 0.3.
    """
    if not supports(problem):
        return "pyvrp"
    apart = {replace(f, num=0, start=0, end=0, reload_at=()) for f in problem.fleets}
    first = start is None and problem.timed and len(apart) > 1
    return "ruin" if first or problem.traffic is not None else "pyvrp"


def _is_long(problem: StaticProblem, budget: Budget) -> bool:
    """Whether a search from nothing may outlast its budget; with iterations: large ones."""
    num = len(problem.stops)
    if budget.seconds is None:
        return num >= _PART["pyvrp"][0]
    return budget.seconds < _COLD_S * num**3


def _num_parts(num_stops: int, engine: str, budget: Budget, team: Team) -> int:
    """As many for every worker, else some wait for the last part of each round; with iterations
    the team's size changes nothing."""
    least, most = _PART[engine]
    size = 1 if budget.seconds is None else team.size
    return min(ceil(num_stops / (most * size)) * size, num_stops // least)


def _building(problem: StaticProblem, budget: Budget) -> Callable[[], bool]:
    """The end of insertion: that of the budget, but not before it can be through."""
    if budget.seconds is None:
        return budget.over()
    return Budget(seconds=max(budget.seconds, _BUILT_S * len(problem.stops))).over()


def _left(budget: Budget, began: float) -> Budget:
    if budget.seconds is None:
        return budget
    return Budget(seconds=max(budget.seconds - (time.monotonic() - began), 0.0))


def _whole(
    problem: StaticProblem,
    engine: str,
    budget: Budget,
    seed: int,
    start: Found | None,
    team: Team,
    cooling: tuple[float, float],
) -> Found:
    """The best of a seed per worker; of one seed only with iterations."""
    num = team.size if budget.seconds is not None else 1
    jobs = [Job(engine, problem, budget, seed + 7919 * k, start, cooling) for k in range(num)]
    known = [] if start is None else [start]
    return min(team.run(jobs) + known, key=lambda found: (found.cost, -len(found.tours)))


def _needed(problem: StaticProblem) -> StaticProblem:
    """No more vehicles of a kind than would carry everything, where only loads matter."""
    fleets = problem.fleets
    if problem.timed or any(f.max_duration_s or f.max_distance_m or f.max_drive_s for f in fleets):
        return problem
    total = np.array([np.maximum(s.delivery, s.pickup) for s in problem.stops]).sum(axis=0)
    needed = [ceil((total / np.maximum(fleet.capacity, 1)).max()) for fleet in fleets]
    return _at_most(problem, needed)


def _bounded(problem: StaticProblem, quick: Found | None) -> StaticProblem:
    """Fewer empty vehicles: they are tried at every step of a search and never used.

    A tenth and three more than a quick plan uses are as good as any number.
    """
    if quick is None:
        return problem
    used = [sum(t.fleet == f for t in quick.tours) for f in range(len(problem.fleets))]
    return _at_most(problem, used)


def _at_most(problem: StaticProblem, used: Sequence[int]) -> StaticProblem:
    fleets = tuple(
        replace(fleet, num=min(fleet.num, ceil(1.1 * num) + 3))
        for fleet, num in zip(problem.fleets, used, strict=True)
    )
    return replace(problem, fleets=fleets)


class _Rounds:
    """One search in parts: what stays the same over its rounds."""

    def __init__(
        self,
        problem: StaticProblem,
        engine: str,
        budget: Budget,
        seed: int,
        team: Team,
        began: float,
        begins: float,
        num: int,
    ) -> None:
        self.problem, self.engine, self.budget = problem, engine, budget
        self.seed, self.team, self.began, self.begins = seed, team, began, begins
        self.where: Places = places(problem)
        self.num = num
        self.turns = np.random.default_rng(seed).uniform(0, np.pi, _ROUNDS + 1)

    def run(self, start: Found | None) -> Found:
        found, spent = self._first() if start is None else (start, 0.0)
        if found.cost == inf and found is not start:
            return _whole(*self._rest(1 - spent), None, self.team, self._cooling(spent, 1.0))
        self.problem = _bounded(self.problem, found)
        last = _LAST if self._whole_is_worth_it() else 0.0
        rounds = self._rounds(1 - spent - last)
        for turn in range(rounds):
            share = (1 - spent - last) / (rounds - turn)
            num = min(self.num, max(len(found.tours) // _TOURS, 1))
            parts = by_tours(self.problem, self.where, found.tours, num, self.turns[turn])
            found, spent = self._solve(parts, spent, share, turn), spent + share
        if not last:
            return found
        return _whole(*self._rest(last), found, self.team, self._cooling(1 - last, 1.0))

    def _cooling(self, spent: float, until: float) -> tuple[float, float]:
        """All rounds are one cooling: what part of it are these shares of the budget."""
        left = 1 - self.begins
        return self.begins + left * spent, self.begins + left * until

    def _first(self) -> tuple[Found, float]:
        """A plan to begin with, and the share of the budget that it took."""
        if self.engine == "ortools" or len(self.problem.stops) > _LARGEST:
            parts = by_stops(self.problem, self.where, self.num, self.turns[-1])
            return self._solve(parts, 0.0, _FIRST, _ROUNDS), _FIRST
        budget, cooling = self.budget.part(_FIRST), self._cooling(0.0, _FIRST)
        whole = _whole(self.problem, self.engine, budget, self.seed, None, self.team, cooling)
        return whole, _FIRST

    def _whole_is_worth_it(self) -> bool:
        """OR-Tools gets nowhere with a large whole: R1_10_1 by 0.2 % in 2 s, a round by more."""
        num, seconds = len(self.problem.stops), self.budget.seconds
        if self.engine == "ortools":
            return False
        in_time = seconds is None or _LAST * seconds >= _SETUP_S * num**2
        return num <= _LARGEST and in_time

    def _rounds(self, share: float) -> int:
        """As many as leave every part its seconds to get anywhere."""
        if self.budget.seconds is None:
            return _COUNTED
        worked_s = share * self.budget.seconds * self.team.size
        return int(np.clip(worked_s / (_JOB_S * len(self.problem.stops)), 1, _ROUNDS))

    def _until(self, share: float) -> float:
        """Seconds from now to this share of the budget; not used with iterations."""
        if self.budget.seconds is None:
            return 0.0
        return max(self.budget.seconds * share - (time.monotonic() - self.began), 0.0)

    def _rest(self, share: float) -> tuple[StaticProblem, str, Budget, int]:
        budget = self.budget.part(share)
        if self.budget.seconds is not None:
            budget = Budget(seconds=self._until(1.0))
        return self.problem, self.engine, budget, self.seed

    def _solve(self, parts: Sequence[Part], spent: float, share: float, turn: int) -> Found:
        """All parts within a share of the budget, of which `spent` is over."""
        if self.budget.seconds is None:
            each = self.budget.part(share / len(parts))
        else:
            waves = ceil(len(parts) / self.team.size)
            each = Budget(seconds=self._until(spent + share) / waves)
        cooling = self._cooling(spent, spent + share)
        jobs = [
            Job(self.engine, part.problem, each, self.seed + 101 * turn + k, part.start, cooling)
            for k, part in enumerate(parts)
        ]
        tours: list[Tour] = []
        cost = 0.0
        for part, found in zip(parts, self.team.run(jobs), strict=True):
            if found.cost == inf and part.start is not None:
                found = part.start
            tours += whole(part, found.tours)
            cost += found.cost
        return Found(tuple(sorted(tours)), cost)
