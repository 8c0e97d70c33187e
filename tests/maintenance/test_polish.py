"""Laws of planning some days anew, judged by verify and by the schedule of all days."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from logistics.maintenance.budget import Budget, solver_of
from logistics.maintenance.hours import CENTS
from logistics.maintenance.polish import plan_anew
from logistics.maintenance.problem import WorkOrder, WorkshopProblem
from logistics.maintenance.room import room_of
from logistics.maintenance.verify import verify
from logistics.maintenance.workshop import schedule
from tests.maintenance.shops import shops

BUDGET = Budget(deterministic_time=5)


@given(problem=shops(most_jobs=4, most_days=2, most_people=2))
@settings(max_examples=15, deadline=None)
def test_all_days_planned_anew_gain_what_the_schedule_gains(problem: WorkshopProblem) -> None:
    jobs = tuple(replace(job, due_day=None) for job in problem.jobs)
    problem = replace(problem, jobs=jobs, parts={}, max_away={})
    rooms = {day: room_of(problem, day) for day in range(problem.num_days) if problem.is_open(day)}
    gain = {
        (j, day): cents
        for j, job in enumerate(problem.jobs)
        for day, room in rooms.items()
        if (cents := round(CENTS * job.gain(day))) > 0 and job.saving(day) > 0 and room.takes(job)
    }
    visits = plan_anew(problem, rooms, gain, (), {}, solver_of(BUDGET, seed=7))
    orders = [WorkOrder(job, visits.get(j), "a test") for j, job in enumerate(problem.jobs)]
    assert verify(problem, orders) == []
    best = schedule(problem, BUDGET, 7).orders
    gained = sum(o.job.gain(o.visit.day) for o in best if o.visit is not None)
    found = sum(problem.jobs[j].gain(visit.day) for j, visit in visits.items())
    assert found == pytest.approx(gained, rel=2e-4, abs=0.05)
