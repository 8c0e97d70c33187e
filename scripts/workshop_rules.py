"""How workshops are filled without a solver: rules to compare with. Each is (problem) → visits."""

from collections.abc import Callable, Iterator, Sequence

from logistics.maintenance.problem import Job, Visit, WorkshopProblem
from logistics.maintenance.room import Room, common, part_is_here, room_of, without

Rule = Callable[[WorkshopProblem], list[Visit]]


class Board:
    """A schedule that is filled job by job."""

    def __init__(self, problem: WorkshopProblem) -> None:
        self.problem = problem
        days = range(problem.num_days)
        self.rooms = {day: room_of(problem, day) for day in days if problem.is_open(day)}
        self.visits: list[tuple[Job, Visit]] = []

    def free_days(self, job: Job) -> Iterator[int]:
        return (day for day in self.rooms if self.has_room(job, day))

    def has_room(self, job: Job, day: int) -> bool:
        return self._slot(job, day) is not None

    def put(self, job: Job, day: int) -> None:
        visit = self._slot(job, day)
        assert visit is not None, "a rule puts a job on a day that has no room for it"
        self.visits.append((job, visit))

    def _slot(self, job: Job, day: int) -> Visit | None:
        """The earliest hour with a bay and a technician."""
        today = [(j, v) for j, v in self.visits if v.day == day]
        if not (self._part_is_left(job, day) and self._may_be_away(job, day, today)):
            return None
        room: Room = self.rooms[day]
        best: Visit | None = None
        for bay, bay_gaps in room.gaps_of_bays(job).items():
            for who, gaps in room.gaps_of_people(job).items():
                free = common(bay_gaps, gaps)
                for other, visit in today:
                    if str(visit.bay) == bay or visit.technician_id == who:
                        free = without(free, visit.start_s, visit.start_s + other.duration_s)
                start_s = next((a for a, b in free if b - a >= job.duration_s), None)
                if start_s is not None and (best is None or start_s < best.start_s):
                    best = Visit(job.asset_id, day, start_s, int(bay), who)
        return best

    def _part_is_left(self, job: Job, day: int) -> bool:
        part = self.problem.parts.get(job.component or "")
        if part is None or day >= part.lead_days:
            return True
        early = sum(j.component == job.component and v.day < part.lead_days for j, v in self.visits)
        return part_is_here(self.problem, job, day) and early < part.stock

    def _may_be_away(self, job: Job, day: int, today: Sequence[tuple[Job, Visit]]) -> bool:
        if job.site_id not in self.problem.max_away:
            return True
        away = sum(j.site_id == job.site_id for j, _ in today)
        promised = self.rooms[day].away.get(job.site_id, 0)
        return away + promised < self.problem.max_away[job.site_id][day]


def none_at_all(problem: WorkshopProblem) -> list[Visit]:
    return []


def by_risk(problem: WorkshopProblem) -> list[Visit]:
    """The riskiest within 7 days first, each as soon as there is room."""
    board = Board(problem)
    for job in sorted(problem.jobs, key=lambda job: (-job.p_fail[7], job.asset_id)):
        day = next((day for day in board.free_days(job) if job.saving(day) > 0), None)
        if day is not None:
            board.put(job, day)
    return [visit for _, visit in board.visits]


def by_saving_per_hour(problem: WorkshopProblem) -> list[Visit]:
    """The most saved per hour of work first, each on its best day that has room."""
    board = Board(problem)

    def worth(job: Job) -> float:
        return max(map(job.saving, board.rooms), default=0.0) / job.duration_s

    for job in sorted(problem.jobs, key=lambda job: (-worth(job), job.asset_id)):
        best = max(board.free_days(job), key=job.saving, default=None)
        if best is not None and job.saving(best) > 0:
            board.put(job, best)
    return [visit for _, visit in board.visits]


def by_regret_per_hour(problem: WorkshopProblem) -> list[Visit]:
    """Always the job that loses most per hour of work if it misses its best free day."""
    board = Board(problem)
    free = {job: {day: job.saving(day) for day in board.free_days(job)} for job in problem.jobs}

    def regret(job: Job) -> tuple[float, str]:
        best, *rest = sorted(free[job].values(), reverse=True)
        return (best - max(rest[0] if rest else 0.0, 0.0)) / job.duration_s, job.asset_id

    while free := {job: days for job, days in free.items() if max(days.values(), default=0) > 0}:
        job = max(free, key=regret)
        day = max(free[job], key=lambda day: free[job][day])
        board.put(job, day)
        del free[job]
        for other, days in free.items():
            # What a visit takes is of its own day, but for the parts that come with a later one.
            for on in {day, *(days if other.component == job.component else ())}:
                if on in days and not board.has_room(other, on):
                    del days[on]
    return [visit for _, visit in board.visits]


GREEDY: dict[str, Rule] = {
    "greedy by risk": by_risk,
    "greedy by saving per hour": by_saving_per_hour,
    "greedy by regret per hour": by_regret_per_hour,
}
