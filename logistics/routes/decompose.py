"""The search behind every plan: small problems whole, large ones in parts that are regrouped.

Knows static problems and engines by name; who runs them at the same time (processes, Ray tasks, or
nobody) is told by a `Team`. Parts are tours of one neighbourhood, drawn anew every round with their
borders elsewhere, each warm-started, so the plan only ever gets better (after Santini et al. 2023).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

import numpy as np

from logistics.routes import solve_ortools, solve_pyvrp
from logistics.routes.construct import construct
from logistics.routes.parts import Part, Places, by_stops, by_tours, places, whole
from logistics.routes.problem import Budget
from logistics.routes.savings import savings
from logistics.routes.static import Found, Job, StaticProblem, Tour

ENGINES = {"pyvrp": solve_pyvrp.solve, "ortools": solve_ortools.solve}
# Stops of a part; a problem of less than twice as many is solved whole.
_PART = {"pyvrp": 200, "ortools": 150}
_TOURS = 5  # of a part, at least: between fewer there is little to exchange
_COUNTED, _ROUNDS = 6, 12  # at most, with iterations and with seconds
# Per stop: what a part's search needs to get anywhere. Many short rounds beat few long ones: three
# problems of 1,000 stops with windows at 40 s of one core 2.5 % above the best known with 0.008 and
# 2.3 with this; OR-Tools at 30 s, two of them, 12.6 and 10.3.
_JOB_S = 0.003
_FIRST, _LAST = 0.35, 0.15  # of the budget: a first plan where there is none, the whole at last
_HASTY_S = 0.01  # per stop
# Seconds per cubed stop: PyVRP's search from nothing is bounded by no clock, and is not begun
# with less than this. Plain problems of 1,000 stops take it 0.4 to 0.9 s until the first plan.
_COLD_S, _COLD_PLAIN_S = 5e-8, 5e-9
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
    """size workers that run jobs at the same time; the answers come in the order of the jobs."""

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

    start: tours to improve on. With seconds a larger team finds better tours; with iterations its
    size changes nothing.
    """
    if not problem.stops or not problem.fleets:
        return solve_pyvrp.NOTHING
    began = time.monotonic()
    problem = _needed(problem)
    start = start if start is not None and start.tours else None
    quick = start if start is not None else savings(problem)
    if quick is None and engine == "pyvrp" and _is_long(_COLD_S, problem, budget):
        start = quick = construct(problem, _building(problem, budget))
    if len(problem.stops) < 2 * _PART[engine]:
        starts = [start] if start is not None else _starts(problem, engine, quick, budget)
        left = _left(budget, began)
        found = _whole(_bounded(problem, quick), engine, left, seed, starts, team)
    else:
        found = _Rounds(problem, engine, budget, seed, team, began).run(start, quick)
    if found.tours or found.cost < inf:
        return found
    return construct(problem, _building(problem, budget)) or found


def _is_long(cold_s: float, problem: StaticProblem, budget: Budget) -> bool:
    """Whether a search from nothing may outlast its budget; with iterations: large ones."""
    num = len(problem.stops)
    if budget.seconds is None:
        return num >= 2 * _PART["pyvrp"]
    return budget.seconds < cold_s * num**3


def _building(problem: StaticProblem, budget: Budget) -> Callable[[], bool]:
    """The end of insertion: that of the budget, but not before it can be through."""
    if budget.seconds is None:
        return budget.over()
    return Budget(seconds=max(budget.seconds, _BUILT_S * len(problem.stops))).over()


def _starts(
    problem: StaticProblem, engine: str, quick: Found | None, budget: Budget
) -> list[Found | None]:
    """What the seeds begin with, the first of them first.

    OR-Tools gains by a quick plan always; PyVRP at first, and later by beginning with nothing.
    """
    if quick is None or engine == "ortools":
        return [quick]
    hasty = budget.seconds is not None and budget.seconds < _HASTY_S * len(problem.stops)
    return [quick, None] if hasty and not problem.timed else [None, quick]


def _left(budget: Budget, began: float) -> Budget:
    if budget.seconds is None:
        return budget
    return Budget(seconds=max(budget.seconds - (time.monotonic() - began), 0.0))


def _whole(
    problem: StaticProblem,
    engine: str,
    budget: Budget,
    seed: int,
    starts: Sequence[Found | None],
    team: Team,
) -> Found:
    """The best of a seed per worker, from the starts in turn; of one seed only with iterations."""
    num = team.size if budget.seconds is not None else 1
    jobs = [
        Job(engine, problem, budget, seed + 7919 * k, starts[k % len(starts)]) for k in range(num)
    ]
    known = [found for found in starts if found is not None]
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
    ) -> None:
        self.problem, self.engine, self.budget = problem, engine, budget
        self.seed, self.team, self.began = seed, team, began
        self.where: Places = places(problem)
        self.num = round(len(problem.stops) / _PART[engine])
        self.turns = np.random.default_rng(seed).uniform(0, np.pi, _ROUNDS + 1)

    def run(self, start: Found | None, quick: Found | None) -> Found:
        found, spent = self._first(start, quick)
        if found.cost == inf and found is not start:
            return _whole(*self._rest(1 - spent), [None], self.team)
        self.problem = _bounded(self.problem, found)
        last = _LAST if self._whole_is_worth_it() else 0.0
        rounds = self._rounds(1 - spent - last)
        for turn in range(rounds):
            share = (1 - spent - last) / (rounds - turn)
            num = self._num_parts(len(found.tours))
            parts = by_tours(self.problem, self.where, found.tours, num, self.turns[turn])
            found, spent = self._solve(parts, spent, share, turn), spent + share
        return _whole(*self._rest(last), [found], self.team) if last else found

    def _first(self, start: Found | None, quick: Found | None) -> tuple[Found, float]:
        """A plan to begin with, and the share of the budget that it took."""
        if start is not None:
            return start, 0.0
        long = self.engine == "ortools" or _is_long(_COLD_PLAIN_S, self.problem, self.budget)
        if quick is not None and long:
            return quick, 0.0
        if self.engine == "ortools" or len(self.problem.stops) > _LARGEST:
            parts = by_stops(self.problem, self.where, self.num, self.turns[-1])
            return self._solve(parts, 0.0, _FIRST, _ROUNDS), _FIRST
        budget = self.budget.part(_FIRST)
        problem = _bounded(self.problem, quick)
        found = _whole(problem, self.engine, budget, self.seed, [None, quick], self.team)
        return found, _FIRST

    def _whole_is_worth_it(self) -> bool:
        """OR-Tools gets nowhere with a large whole: R1_10_1 by 0.2 % in 2 s, a round by more."""
        num, seconds = len(self.problem.stops), self.budget.seconds
        if self.engine == "ortools":
            return False
        in_time = seconds is None or _LAST * seconds >= _SETUP_S * num**2
        return num <= _LARGEST and in_time

    def _num_parts(self, num_tours: int) -> int:
        num = min(self.num, max(num_tours // _TOURS, 1))
        if self.budget.seconds is None or num < self.team.size:
            return num
        # As many for every worker: else some wait for the last part of each round.
        return round(num / self.team.size) * self.team.size

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
        jobs = [
            Job(self.engine, part.problem, each, self.seed + 101 * turn + k, part.start)
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
