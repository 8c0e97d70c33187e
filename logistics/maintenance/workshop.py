"""A workshop's schedule by CP-SAT: which asset comes on which day, and at what hour to whom.

Two stages. First every job gets a day or is deferred, under what any day can hold at most: hours
and jobs of each length by bays and by technicians (room.py). That relaxes the hours of the day, so
its bound holds for every schedule. Then the jobs of each day get their hours, bays and technicians
exactly; where a day cannot hold them after all, it and its neighbours are planned once more.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from ortools.sat.python import cp_model

from logistics.maintenance import hull
from logistics.maintenance.budget import Budget, Clock, solver_of
from logistics.maintenance.hours import CENTS, Crowd, Handed, hand_out, too_many
from logistics.maintenance.hull import Key, Row
from logistics.maintenance.problem import Schedule, Visit, WorkOrder, WorkshopProblem
from logistics.maintenance.reasons import why_booked, why_deferred
from logistics.maintenance.room import Room, part_is_here, room_of

_CLOSE = 1e-4  # of what is gained: near enough to what no schedule gains more than
_ROUNDS = 16
_FIRST_SHARE, _SWEEP_SHARE, _NEAR_SHARE, _AGAIN_SHARE = 0.2, 0.06, 0.3, 0.9  # of the budget left
_SWEPT_DAYS = 5
_NEAR_DAYS = 2  # of a crowded day, whose bookings may change with it


def schedule(problem: WorkshopProblem, budget: Budget, seed: int) -> Schedule:
    """A work order for every job, in their order: booked at least expected cost, or deferred."""
    clock = Clock(budget)
    days = {day: room_of(problem, day) for day in range(problem.num_days) if problem.is_open(day)}
    model = _Days(problem, days, clock)
    best: dict[int, Visit] = {}
    known: dict[tuple[int, ...], Handed] = {}
    settled: dict[int, int] = {}
    booked = model.solve(_FIRST_SHARE, seed)
    if not model.is_proven:
        booked = _swept(model, booked, seed)
    for _ in range(_ROUNDS):
        handed = _hand_out_all(problem, days, booked, seed, known)
        visits = {j: visit for day in handed.values() for j, visit in day.visits.items()}
        best = max(best, visits, key=partial(_gain, problem))
        crowded = [day for day, found in handed.items() if len(found.visits) < found.num_jobs]
        is_done = not (crowded or settled) and model.is_proven
        if is_done or model.is_close(_gain(problem, best)) or clock.is_over():
            break
        for day in crowded:
            mine = [j for j, on in booked.items() if on == day]
            model.forbid(day, too_many(problem, days[day], mine, seed), handed[day].proven)
        # First only crowded days and their neighbours are planned anew, then all of them.
        settled = _settled(days, booked, crowded) if crowded else {}
        share, like = (_NEAR_SHARE, visits) if crowded else (_AGAIN_SHARE, best)
        booked = model.solve(share, seed, settled, {j: v.day for j, v in like.items()})
    return _schedule(problem, days, best, model.bound)


def _swept(model: "_Days", booked: dict[int, int], seed: int) -> dict[int, int]:
    """Better bookings, some days after the other planned anew while those of the others stay."""
    days = sorted(model.days)
    for first in range(0, max(len(days) - _SWEPT_DAYS, 0) + 1, _SWEPT_DAYS // 2):
        anew = days[first : first + _SWEPT_DAYS]
        settled = {j: day for j, day in booked.items() if day not in anew}
        booked = model.solve(_SWEEP_SHARE, seed, settled, booked)
    model.is_proven = False
    return booked


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


def _hand_out_all(
    problem: WorkshopProblem,
    days: Mapping[int, Room],
    booked: Mapping[int, int],
    seed: int,
    known: dict[tuple[int, ...], Handed],
) -> dict[int, Handed]:
    """Every day's visits. known: day and jobs → visits, of the rounds before."""
    handed = {}
    for day in sorted(set(booked.values())):
        mine = [j for j, on in booked.items() if on == day]
        found = known.get((day, *mine))
        if found is None:
            found = known[day, *mine] = hand_out(problem, days[day], day, mine, seed)
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

    def __init__(self, problem: WorkshopProblem, days: Mapping[int, Room], clock: Clock) -> None:
        self.model = cp_model.CpModel()
        self.days = days
        self.clock = clock
        self.exact = True  # whether all that is forbidden is proven to be impossible
        self.is_proven = False  # whether nothing better was left by the last solve
        self._needs = {
            j: (
                job.duration_s,
                frozenset(bay.number for bay in problem.bays if bay.fits(job.kind)),
                frozenset(p.technician_id for p in problem.technicians if p.can(job.component)),
            )
            for j, job in enumerate(problem.jobs)
        }
        self.gain: dict[Key, int] = {}
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
        of_days = {day: _rows_of_room(problem, day, room, self.gain) for day, room in days.items()}
        others = [*_rows_of_sites(problem, days, self.gain), *_rows_of_parts(problem, self.gain)]
        for day, cut in hull.cuts(self.gain, of_days, others).items():
            of_days[day].append(cut)
        for day, rows in of_days.items():
            self._limit(day, rows)
        for row in others:
            self.model.add(sum(w * self.comes[key] for key, w in row.weights.items()) <= row.most)
        self.model.maximize(sum(self.gain[key] * var for key, var in self.comes.items()))
        best = {j: max(c for (k, _), c in self.gain.items() if k == j) for j, _ in self.gain}
        self.bound = sum(best.values()) / CENTS  # no schedule gains more

    def _limit(self, day: int, rows: Sequence[Row]) -> None:
        """A day's rows, over how many jobs of each weight come: ten terms instead of a hundred, and
        numbers that are better to branch on than single jobs."""
        alike: dict[tuple[int, ...], list[cp_model.IntVar]] = {}
        for key, var in self.comes.items():
            if key[1] == day:
                alike.setdefault(tuple(r.weights.get(key, 0) for r in rows), []).append(var)
        counts = []
        for jobs in alike.values():
            counts.append(self.model.new_int_var(0, len(jobs), ""))
            self.model.add(sum(jobs) == counts[-1])
        for row, weights in zip(rows, zip(*alike, strict=True), strict=True):
            self.model.add(cp_model.LinearExpr.weighted_sum(counts, weights) <= row.most)

    def solve(
        self,
        share: float,
        seed: int,
        settled: Mapping[int, int] | None = None,
        like: Mapping[int, int] | None = None,
    ) -> dict[int, int]:
        """job → day of every booked job. share: of the budget left; settled: bookings that stay;
        like: those to begin with."""
        model = self.model.clone()
        for j, day in (settled or {}).items():
            model.add(self.comes[j, day] == 1)
        if like is not None:
            for (j, day), var in self.comes.items():
                model.add_hint(var, like.get(j) == day)
        solver = solver_of(self.clock.left().part(share), seed)
        # The whole relaxation: 93 jobs over 12 days proven in 0.6 s, without it not in 10.
        solver.parameters.linearization_level = 2
        solver.parameters.relative_gap_limit = _CLOSE
        status = solver.solve(model)
        self.clock.count(solver)
        self.is_proven = status == cp_model.OPTIMAL
        # Booking nothing is always feasible, so anything else is a fault of the budget.
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return dict(like or {})
        if not settled and self.exact:
            self.bound = min(self.bound, solver.best_objective_bound / CENTS)
        return {j: day for (j, day), var in self.comes.items() if solver.value(var)}

    def is_close(self, gain: float) -> bool:
        return self.bound - gain <= _CLOSE * self.bound

    def forbid(self, full: int, crowd: Crowd, proven: bool) -> None:
        """That day cannot hold the crowd: no day like it holds as many of as long ones each."""
        self.exact &= proven
        needs = {
            self._class(j, crowd): (j, len(self._alike(j, crowd.jobs, crowd))) for j in crowd.jobs
        }
        for day, room in self.days.items():
            if (room.bays, room.people) != (self.days[full].bays, self.days[full].people):
                continue
            fewer = []
            today = sorted(j for j, on in self.comes if on == day)
            for j, need in needs.values():
                is_less = self.model.new_bool_var("")
                as_long = sum(self.comes[k, day] for k in self._alike(j, today, crowd))
                self.model.add(as_long <= need - 1).only_enforce_if(is_less)
                fewer.append(is_less)
            self.model.add_bool_or(fewer)

    def _alike(self, j: int, among: Sequence[int], crowd: Crowd) -> list[int]:
        """The jobs as long as j or longer that the same bays and people can do."""
        length, *same = self._class(j, crowd)
        found = ((k, self._class(k, crowd)) for k in among)
        return [k for k, (its, *other) in found if its >= length and other == same]

    def _class(self, j: int, crowd: Crowd) -> tuple[int, frozenset[int], frozenset[str]]:
        """Length, bays and people, both empty where they do not matter."""
        length, bays, people = self._needs[j]
        return (
            length,
            bays if crowd.bays_matter else frozenset(),
            people if crowd.skills_matter else frozenset(),
        )


def _rows_of_room(
    problem: WorkshopProblem, day: int, room: Room, gain: Mapping[Key, int]
) -> list[Row]:
    limits = room.limits({j: problem.jobs[j] for j, on in gain if on == day})
    return [Row({(j, day): w for j, w in limit.weights}, limit.most) for limit in limits]


def _rows_of_sites(
    problem: WorkshopProblem, days: Mapping[int, Room], gain: Mapping[Key, int]
) -> Iterator[Row]:
    for site_id, most in sorted(problem.max_away.items()):
        for day, room in days.items():
            away = {
                (j, on): 1 for j, on in gain if on == day and problem.jobs[j].site_id == site_id
            }
            if away:
                yield Row(away, max(most[day] - room.away.get(site_id, 0), 0))


def _rows_of_parts(problem: WorkshopProblem, gain: Mapping[Key, int]) -> Iterator[Row]:
    """Before new ones arrive, no more of a component is fitted than is in stock."""
    for component, part in sorted(problem.parts.items()):
        early = {
            (j, day): 1
            for j, day in gain
            if problem.jobs[j].component == component and day < part.lead_days
        }
        if early:
            yield Row(early, part.stock)
