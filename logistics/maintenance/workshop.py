"""A workshop's schedule by CP-SAT: which asset comes on which day, and at what hour to whom.

Two stages. First every job gets a day or is deferred, under what any day can hold at most: hours
and jobs of each length by bays and by technicians (room.py). That relaxes the hours of the day, so
its bound holds for every schedule. Then the jobs of each day get their hours, bays and technicians
exactly; where a day cannot hold them after all, it and its neighbours are planned once more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ortools.sat.python import cp_model

from logistics.maintenance.problem import Job, Schedule, Visit, WorkOrder, WorkshopProblem
from logistics.maintenance.reasons import why_booked, why_deferred
from logistics.maintenance.room import STEP_S, Gaps, Room, common, part_is_here, room_of, without

CENTS = 100
_ROUNDS = 8
_FIRST_SHARE, _LEAST_SHARE, _LATE = 0.6, 0.05, 0.25  # of the budget
_MOST_TO_SIFT = 8  # jobs of a crowded day: each is a small solve
_NEAR_DAYS = 2  # of a crowded day, whose bookings may change with it
Var = cp_model.IntVar


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds, or CP-SAT's deterministic time where a run must repeat to the letter."""

    seconds: float | None = None
    deterministic_time: float | None = None

    def part(self, share: float) -> "Budget":
        seconds, steps = self.seconds, self.deterministic_time
        return Budget(
            None if seconds is None else seconds * share, None if steps is None else steps * share
        )

    def share_left(self, spent: "Budget") -> float:
        pairs = ((self.seconds, spent.seconds), (self.deterministic_time, spent.deterministic_time))
        return min((1 - (used or 0) / all_ for all_, used in pairs if all_ is not None), default=1)


_DAY_BUDGET = Budget(deterministic_time=0.3)  # of one day's hours


def schedule(problem: WorkshopProblem, budget: Budget, seed: int) -> Schedule:
    """A work order for every job, in their order: booked at least expected cost, or deferred."""
    days = {day: room_of(problem, day) for day in range(problem.num_days) if problem.is_open(day)}
    model = _Days(problem, days)
    booked = model.solve(budget.part(_FIRST_SHARE), seed)
    best: dict[int, Visit] = {}
    known: dict[tuple[int, ...], _Handed] = {}
    for _ in range(_ROUNDS):
        handed = _hand_out_all(problem, days, booked, seed, known)
        visits = {j: visit for day in handed.values() for j, visit in day.visits.items()}
        if _gain(problem, visits) > _gain(problem, best):
            best = visits
        crowded = [day for day, found in handed.items() if len(found.visits) < found.num_jobs]
        left = budget.share_left(model.spent)
        if not crowded or left <= 0:
            break
        for day in crowded:
            mine = [j for j, on in booked.items() if on == day]
            core = _too_many(problem, days[day], day, mine, seed)
            model.forbid(day, core, handed[day].proven)
        # Near the end only crowded days and their neighbours are planned anew.
        settled = _settled(days, booked, crowded) if left < _LATE else {}
        booked = model.solve(budget.part(max(left / 2, _LEAST_SHARE)), seed, settled, booked)
    return _schedule(problem, days, best, model.bound)


def _settled(
    days: Mapping[int, Room], booked: Mapping[int, int], crowded: Sequence[int]
) -> dict[int, int]:
    """The bookings that stay while crowded days are relieved: those of days further away."""
    open_days = sorted(days)
    place = {day: n for n, day in enumerate(open_days)}
    return {
        j: day
        for j, day in booked.items()
        if all(abs(place[day] - place[full]) > _NEAR_DAYS for full in crowded)
    }


@dataclass(frozen=True, slots=True)
class _Handed:
    """A day's visits. proven: that the day cannot hold more of its jobs' worth."""

    visits: Mapping[int, Visit]
    num_jobs: int
    proven: bool


def _hand_out_all(
    problem: WorkshopProblem,
    days: Mapping[int, Room],
    booked: Mapping[int, int],
    seed: int,
    known: dict[tuple[int, ...], _Handed],
) -> dict[int, _Handed]:
    """Every day's visits. known: day and jobs → visits, of the rounds before."""
    handed = {}
    for day in sorted(set(booked.values())):
        mine = [j for j, on in booked.items() if on == day]
        found = known.get((day, *mine))
        if found is None:
            found = known[day, *mine] = _hand_out(problem, days[day], day, mine, seed)
        handed[day] = found
    return handed


def _gain(problem: WorkshopProblem, visits: Mapping[int, Visit]) -> float:
    return sum(problem.jobs[j].gain(visit.day) for j, visit in visits.items())


def _schedule(
    problem: WorkshopProblem, days: Mapping[int, Room], visits: Mapping[int, Visit], most: float
) -> Schedule:
    """most: what any schedule gains at most."""
    orders = tuple(
        WorkOrder(job, visits[j], why_booked(job, visits[j]))
        if j in visits
        else WorkOrder(job, None, why_deferred(problem, days, job, tuple(visits.values())))
        for j, job in enumerate(problem.jobs)
    )
    return Schedule(orders, sum(job.left_out() for job in problem.jobs) - most)


# --- first stage: days ---------------------------------------------------------------------------


class _Days:
    """The model that gives each job its day, and what it has learnt of days that are too full."""

    def __init__(self, problem: WorkshopProblem, days: Mapping[int, Room]) -> None:
        self.model = cp_model.CpModel()
        self.days = days
        self.spent = Budget()
        self.exact = True  # whether all that is forbidden is proven to be impossible
        self._class = {
            j: (
                job.duration_s,
                frozenset(bay.number for bay in problem.bays if bay.fits(job.kind)),
                frozenset(p.technician_id for p in problem.technicians if p.can(job.component)),
            )
            for j, job in enumerate(problem.jobs)
        }
        self.gain: dict[tuple[int, int], int] = {}
        for j, job in enumerate(problem.jobs):
            left_out = job.left_out()
            for day, room in days.items():
                cents = round(CENTS * (left_out - job.planned(day)))
                pays = cents > 0 and job.saving(day) > 0
                if pays and part_is_here(problem, job, day) and room.takes(job):
                    self.gain[j, day] = cents
        self.comes = {key: self.model.new_bool_var("") for key in self.gain}
        for j in sorted({j for j, _ in self.comes}):
            self.model.add_at_most_one(var for key, var in self.comes.items() if key[0] == j)
        for day, room in days.items():
            today = {j: var for (j, on), var in self.comes.items() if on == day}
            self._limit_room(problem, room, today)
            self._limit_away(problem, day, room, today)
        self._limit_parts(problem)
        self.model.maximize(sum(self.gain[key] * var for key, var in self.comes.items()))
        best = {j: max(c for (k, _), c in self.gain.items() if k == j) for j, _ in self.gain}
        self.bound = sum(best.values()) / CENTS  # no schedule gains more

    def solve(
        self,
        budget: Budget,
        seed: int,
        settled: Mapping[int, int] | None = None,
        like: Mapping[int, int] | None = None,
    ) -> dict[int, int]:
        """job → day of every booked job. settled: bookings that stay; like: those to begin with."""
        model = self.model.clone()
        for j, day in (settled or {}).items():
            model.add(self.comes[j, day] == 1)
        if like is not None:
            for (j, day), var in self.comes.items():
                model.add_hint(var, like.get(j) == day)
        solver = _solver(budget, seed)
        solver.parameters.relative_gap_limit = 1e-4  # of what is gained
        status = solver.solve(model)
        self._spend(solver)
        # Booking nothing is always feasible, so anything else is a fault of the budget.
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return dict(settled or {})
        if not settled and self.exact:
            self.bound = min(self.bound, solver.best_objective_bound / CENTS)
        return {j: day for (j, day), var in self.comes.items() if solver.value(var)}

    def _spend(self, solver: cp_model.CpSolver) -> None:
        seconds = (self.spent.seconds or 0) + solver.wall_time
        steps = (self.spent.deterministic_time or 0) + solver.response_proto.deterministic_time
        self.spent = Budget(seconds, steps)

    def forbid(self, full: int, jobs: Sequence[int], proven: bool) -> None:
        """That day cannot hold these jobs: no day like it holds as many of as long ones each."""
        self.exact &= proven
        needs = {self._class[j]: (j, len(self._alike(j, jobs))) for j in jobs}
        for day, room in self.days.items():
            if (room.bays, room.people) != (self.days[full].bays, self.days[full].people):
                continue
            fewer = []
            today = sorted(j for j, on in self.comes if on == day)
            for j, need in needs.values():
                is_less = self.model.new_bool_var("")
                as_long = sum(self.comes[k, day] for k in self._alike(j, today))
                self.model.add(as_long <= need - 1).only_enforce_if(is_less)
                fewer.append(is_less)
            self.model.add_bool_or(fewer)

    def _alike(self, j: int, among: Sequence[int]) -> list[int]:
        """The jobs as long as j or longer that the same bays and people can do."""
        length, *same = self._class[j]
        return [k for k in among if self._class[k][0] >= length and [*self._class[k][1:]] == same]

    def _limit_room(self, problem: WorkshopProblem, room: Room, today: Mapping[int, Var]) -> None:
        jobs = {j: problem.jobs[j] for j in today}
        for limit in room.limits(jobs):
            self.model.add(sum(weight * today[j] for j, weight in limit.weights) <= limit.most)

    def _limit_away(
        self, problem: WorkshopProblem, day: int, room: Room, today: Mapping[int, Var]
    ) -> None:
        for site_id, most in sorted(problem.max_away.items()):
            away = [var for j, var in today.items() if problem.jobs[j].site_id == site_id]
            if away:
                self.model.add(sum(away) <= max(most[day] - room.away.get(site_id, 0), 0))

    def _limit_parts(self, problem: WorkshopProblem) -> None:
        """Before new ones arrive, no more of a component is fitted than is in stock."""
        for component, part in sorted(problem.parts.items()):
            early = [
                var
                for (j, day), var in self.comes.items()
                if problem.jobs[j].component == component and day < part.lead_days
            ]
            if early:
                self.model.add(sum(early) <= part.stock)


def _solver(budget: Budget, seed: int) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    # The whole relaxation: 93 jobs over 12 days are proven optimal in 0.6 s, without it not in 10.
    solver.parameters.linearization_level = 2
    solver.parameters.random_seed = seed % 2**31
    if budget.deterministic_time is not None:
        solver.parameters.max_deterministic_time = budget.deterministic_time
    if budget.seconds is not None:
        solver.parameters.max_time_in_seconds = budget.seconds
    return solver


# --- second stage: hours, technicians, bays ------------------------------------------------------


def _hand_out(
    problem: WorkshopProblem, room: Room, day: int, jobs: Sequence[int], seed: int
) -> _Handed:
    """The visits of the day: of all the jobs if they fit, else of those that save most."""
    model = cp_model.CpModel()
    busy: dict[str, list[cp_model.IntervalVar]] = {}
    comes = {j: model.new_bool_var("") for j in jobs}
    begins, bays, people = {}, {}, {}
    for j in jobs:
        job = problem.jobs[j]
        last = problem.closes_s - job.duration_s
        begin = begins[j] = model.new_int_var(0, max(last, 0) // STEP_S, "")
        who, where = room.gaps_of_people(job), room.gaps_of_bays(job)
        people[j] = {name: _take(model, job, begin, who[name], busy, f"T{name}") for name in who}
        bays[j] = {name: _take(model, job, begin, where[name], busy, f"B{name}") for name in where}
        for chosen in (people[j], bays[j]):
            model.add(sum(chosen.values()) == comes[j])
    for intervals in busy.values():
        model.add_no_overlap(intervals)
    worth = {j: max(round(CENTS * problem.jobs[j].gain(day)), 1) for j in jobs}
    model.maximize(sum(worth[j] * var for j, var in comes.items()))
    solver = _solver(_DAY_BUDGET, seed)
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return _Handed({}, len(jobs), proven=False)
    visits = {
        j: Visit(
            problem.jobs[j].asset_id,
            day,
            solver.value(begins[j]) * STEP_S,
            int(next(name for name, var in bays[j].items() if solver.value(var))),
            next(name for name, var in people[j].items() if solver.value(var)),
        )
        for j in jobs
        if solver.value(comes[j])
    }
    early = _as_early_as_possible(problem, room, visits)
    return _Handed(early, len(jobs), proven=status == cp_model.OPTIMAL)


def _too_many(
    problem: WorkshopProblem, room: Room, day: int, jobs: Sequence[int], seed: int
) -> list[int]:
    """Of jobs that do not fit into the day together, a few that do not, either."""
    core = list(jobs)
    if len(core) > _MOST_TO_SIFT:
        return core
    for j in jobs:
        fewer = [k for k in core if k != j]
        found = _hand_out(problem, room, day, fewer, seed)
        if found.proven and len(found.visits) < len(fewer):
            core = fewer
    return core


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
