"""What lies beyond tomorrow: later visits, later nights' jobs, and what those nights will know.

Only the first day's visits are sure to be carried out; the next night plans anew. A plan that knows
nothing of that gives a place to an expensive job that could wait, and lets a cheap one fail that
cannot. In 60 nights of one workshop of the demo world, 280 assets and a bay, jobs assigned to days
by a flow: 26 failures, with later visits 10, with what later nights will see 7. Knows no solver.
"""

from dataclasses import replace

from logistics.maintenance.problem import HORIZON_DAYS, Job, WorkshopProblem
from logistics.maintenance.room import room_of

# How many times narrower a life is known when its visit must be settled. In two crowded worlds 6
# costs 1.6 % less than 3 (12: .2 %), in four others 1.0 %; in half empty ones it is all one.
_FORESIGHT = 6.0


def with_later(problem: WorkshopProblem, waiting_day_price: float) -> WorkshopProblem:
    """The problem whose jobs may come after the days planned, too, and pay for each day they wait.

    waiting_day_price: of a workshop whose days planned are full. Of one that is less busy it is
    multiplied by busy³: an hour left free today is missed only if that day's other jobs, about
    three a bay, all come.
    """
    price = waiting_day_price * _busy(problem) ** 3
    jobs = (
        replace(
            job,
            waiting_day_price=price,
            later_day=problem.num_days,
            p_unforeseen=_unforeseen(job),
        )
        for job in problem.jobs
    )
    return replace(problem, jobs=tuple(jobs))


def _unforeseen(job: Job) -> tuple[float, ...]:
    """What fails before tomorrow's end nobody can prevent any more. Of the rest the odds sharpen:
    a life that is told to a third of its length is told to a day or less when few are left."""
    soon = job.p_fail[1]
    found = []
    for p in job.p_fail:
        then = max(p - soon, 0.0) / max(1 - soon, 1e-9)
        sure = then**_FORESIGHT
        sharp = sure / (sure + (1 - then) ** _FORESIGHT)
        found.append(min(soon, p) + (1 - soon) * min(then, sharp))
    return tuple(found)


def _busy(problem: WorkshopProblem) -> float:
    """Share of the free hours taken by jobs that would fail on the days planned, 1 at most: each
    day brings about as many new ones."""
    days = (day for day in range(problem.num_days) if problem.is_open(day))
    free_s = sum(room_of(problem, day).free_s() for day in days)
    end = min(problem.num_days, HORIZON_DAYS)
    asked_s = sum(job.duration_s * job.p_fail[end] for job in problem.jobs)
    return min(asked_s / max(free_s, 1), 1.0)
