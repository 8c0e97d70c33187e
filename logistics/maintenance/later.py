"""What lies beyond the days that a schedule plans: later visits, and later nights' jobs.

Only the first day's visits are sure to be carried out; the next night plans anew. A plan that ends
after its last day books a job that could wait and lets a cheaper one fail that cannot, and puts off
what it may to hours that others will want. Knows no solver.
"""

from dataclasses import replace

from logistics.maintenance.problem import WorkshopProblem
from logistics.maintenance.room import room_of


def with_later(problem: WorkshopProblem, waiting_day_price: float) -> WorkshopProblem:
    """The problem whose jobs may come after the days planned, too, and pay for each day they wait.

    waiting_day_price: of a workshop whose days planned are full. Of one that is less busy it is
    multiplied by busy³: an hour left free today is missed only if that day's other jobs, about
    three a bay, all come.
    """
    price = waiting_day_price * _busy(problem) ** 3
    jobs = (
        replace(job, waiting_day_price=price, later_day=problem.num_days) for job in problem.jobs
    )
    return replace(problem, jobs=tuple(jobs))


def _busy(problem: WorkshopProblem) -> float:
    """Share of the free hours that the jobs would fill, 1 at most."""
    days = (day for day in range(problem.num_days) if problem.is_open(day))
    free_s = sum(room_of(problem, day).free_s() for day in days)
    return min(sum(job.duration_s for job in problem.jobs) / max(free_s, 1), 1.0)
