"""A day of a workshop by CP-SAT: hours, bays and technicians of the jobs that have come to it, or
which few of them it cannot hold together. Knows nothing of other days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ortools.sat.python import cp_model

from logistics.maintenance.budget import Budget, solver_of
from logistics.maintenance.problem import Job, Visit, WorkshopProblem
from logistics.maintenance.room import STEP_S, Gaps, Room, common, without

CENTS = 100
_BUDGET = Budget(deterministic_time=0.3)
_MOST_TO_SIFT = 16  # jobs of a crowded day: each is a small solve
Var = cp_model.IntVar


@dataclass(frozen=True, slots=True)
class Handed:
    """A day's visits. proven: that the day cannot hold more of its jobs' worth."""

    visits: Mapping[int, Visit]
    num_jobs: int
    proven: bool


@dataclass(frozen=True, slots=True)
class Crowd:
    """Jobs that a day cannot hold together, whatever bays take and technicians can where that does
    not matter."""

    jobs: tuple[int, ...]
    bays_matter: bool = True
    skills_matter: bool = True


def hand_out(
    problem: WorkshopProblem, room: Room, day: int, jobs: Sequence[int], seed: int
) -> Handed:
    """The visits of the day: of all the jobs if they fit, else of those that save most."""
    hours = _Hours(problem, room, jobs)
    worth = {j: max(round(CENTS * problem.jobs[j].gain(day)), 1) for j in jobs}
    hours.model.maximize(sum(worth[j] * var for j, var in hours.comes.items()))
    solver = solver_of(_BUDGET, seed)
    status = solver.solve(hours.model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Handed({}, len(jobs), proven=False)
    visits = {j: hours.visit(solver, j, day) for j in jobs if solver.value(hours.comes[j])}
    early = _as_early_as_possible(problem, room, visits)
    return Handed(early, len(jobs), proven=status == cp_model.OPTIMAL)


def too_many(problem: WorkshopProblem, room: Room, jobs: Sequence[int], seed: int) -> Crowd:
    """Of jobs that do not fit into the day together, a few that do not, either: if possible not
    even if every bay took them and everybody could do them, so that it holds for the more jobs."""
    for bays_matter, skills_matter in ((False, False), (True, False), (False, True), (True, True)):
        if len(jobs) > _MOST_TO_SIFT:
            break
        kinder = room if bays_matter else room.with_bays_for_all()
        kinder = kinder if skills_matter else kinder.with_people_for_all()
        if _cannot_hold(problem, kinder, jobs, seed):
            return Crowd(_sifted(problem, kinder, jobs, seed), bays_matter, skills_matter)
    return Crowd(tuple(jobs))


def _sifted(
    problem: WorkshopProblem, room: Room, jobs: Sequence[int], seed: int
) -> tuple[int, ...]:
    """Without those that the others do not fit without, the longest are kept if possible."""
    core = list(jobs)
    for j in sorted(jobs, key=lambda j: (problem.jobs[j].duration_s, j)):
        fewer = [k for k in core if k != j]
        if _cannot_hold(problem, room, fewer, seed):
            core = fewer
    return tuple(core)


def _cannot_hold(problem: WorkshopProblem, room: Room, jobs: Sequence[int], seed: int) -> bool:
    """Whether it is proven that not all of the jobs fit."""
    hours = _Hours(problem, room, jobs)
    hours.model.add_bool_and(hours.comes.values())
    return solver_of(_BUDGET, seed).solve(hours.model) == cp_model.INFEASIBLE


class _Hours:
    """The model of a day whose jobs may each come, and take a bay and a technician if they do."""

    def __init__(self, problem: WorkshopProblem, room: Room, jobs: Sequence[int]) -> None:
        self.model = cp_model.CpModel()
        self.comes = {j: self.model.new_bool_var("") for j in jobs}
        self._problem = problem
        self._begins: dict[int, Var] = {}
        self._bays: dict[int, dict[str, Var]] = {}
        self._people: dict[int, dict[str, Var]] = {}
        busy: dict[str, list[cp_model.IntervalVar]] = {}
        for j in jobs:
            self._place(j, room, busy)
        for intervals in busy.values():
            self.model.add_no_overlap(intervals)

    def _place(self, j: int, room: Room, busy: dict[str, list[cp_model.IntervalVar]]) -> None:
        model, job = self.model, self._problem.jobs[j]
        last = self._problem.closes_s - job.duration_s
        begin = self._begins[j] = model.new_int_var(0, max(last, 0) // STEP_S, "")
        who, where = room.gaps_of_people(job), room.gaps_of_bays(job)
        self._people[j] = {n: _take(model, job, begin, who[n], busy, f"T{n}") for n in who}
        self._bays[j] = {n: _take(model, job, begin, where[n], busy, f"B{n}") for n in where}
        for chosen in (self._people[j], self._bays[j]):
            model.add(sum(chosen.values()) == self.comes[j])

    def visit(self, solver: cp_model.CpSolver, j: int, day: int) -> Visit:
        return Visit(
            self._problem.jobs[j].asset_id,
            day,
            solver.value(self._begins[j]) * STEP_S,
            int(next(name for name, var in self._bays[j].items() if solver.value(var))),
            next(name for name, var in self._people[j].items() if solver.value(var)),
        )


def _take(
    model: cp_model.CpModel,
    job: Job,
    begin: Var,
    gaps: Gaps,
    busy: dict[str, list[cp_model.IntervalVar]],
    name: str,
) -> Var:
    """Whether the job takes this bay or technician, which is busy with it then."""
    taken = model.new_bool_var("")
    starts = [[a // STEP_S, (b - job.duration_s) // STEP_S] for a, b in gaps]
    domain = cp_model.Domain.from_intervals(starts)
    model.add_linear_expression_in_domain(begin, domain).only_enforce_if(taken)
    steps = -(-job.duration_s // STEP_S)
    interval = model.new_optional_fixed_size_interval_var(begin, steps, taken, "")
    busy.setdefault(name, []).append(interval)
    return taken


def _as_early_as_possible(
    problem: WorkshopProblem, room: Room, visits: Mapping[int, Visit]
) -> dict[int, Visit]:
    """The same bays and technicians in the same order, without waits that nobody needs."""
    moved: dict[int, Visit] = {}
    for j in sorted(visits, key=lambda j: (visits[j].start_s, visits[j].asset_id)):
        job, visit = problem.jobs[j], visits[j]
        busy = [
            (other.start_s, other.start_s + problem.jobs[k].duration_s)
            for k, other in moved.items()
            if other.bay == visit.bay or other.technician_id == visit.technician_id
        ]
        free = common(
            room.gaps_of_bays(job)[str(visit.bay)], room.gaps_of_people(job)[visit.technician_id]
        )
        for begin, end in busy:
            free = without(free, begin, end)
        start_s = next(a for a, b in free if b - a >= job.duration_s)
        moved[j] = replace(visit, start_s=start_s)
    return moved
