"""Laws of what a schedule counts beyond the days it plans."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.maintenance.budget import Budget
from logistics.maintenance.later import with_later
from logistics.maintenance.problem import HORIZON_DAYS, WorkshopProblem
from logistics.maintenance.verify import verify
from logistics.maintenance.workshop import schedule
from tests.maintenance.shops import HOUR, job, shop, shops

BUDGET = Budget(deterministic_time=5)


def step(day: int) -> tuple[float, ...]:
    """Fails on that day, surely."""
    return tuple(float(d >= day) for d in range(HORIZON_DAYS + 1))


def test_who_can_wait_leaves_the_only_place_to_who_cannot() -> None:
    patient = job("patient", p_fail=step(20), cost_of_failure=5000.0)
    urgent = job("urgent", p_fail=step(1))
    alone = shop(patient, urgent, num_days=1, closes_s=11 * HOUR)

    def comes(problem: WorkshopProblem) -> list[str]:
        return [o.job.asset_id for o in schedule(problem, BUDGET, 7).orders if o.visit]

    assert comes(alone) == ["patient"]
    assert comes(with_later(alone, 0.0)) == ["urgent"]


def test_waiting_has_its_price_where_the_days_are_full() -> None:
    idle = with_later(shop(job("A")), 8.0)
    full = with_later(shop(*(job(f"A{n}") for n in range(80))), 8.0)
    assert idle.jobs[0].waiting_day_price == pytest.approx(
        8.0 * (3 * idle.jobs[0].p_fail[5] / 45) ** 3
    )
    assert full.jobs[0].waiting_day_price == 8.0


@given(problem=shops())
@settings(max_examples=20, deadline=None)
def test_a_job_that_may_come_later_still_gets_no_visit_that_does_not_pay(
    problem: WorkshopProblem,
) -> None:
    task = with_later(problem, 5.0)
    found = schedule(task, BUDGET, 7)
    assert verify(task, found.orders) == []
    assert found.cost >= found.bound - 0.05 * len(task.jobs) - 1e-4 * abs(found.cost)


@given(problem=shops())
@settings(max_examples=20, deadline=None)
def test_without_a_later_day_a_visit_gains_what_it_saves(problem: WorkshopProblem) -> None:
    for one in problem.jobs:
        assert one.gain(1) == one.saving(1)
        assert replace(one, later_day=2).gain(1) <= one.gain(1)


@given(p7=st.floats(0, 1), more=st.floats(0, 1))
def test_what_nobody_foresees_is_part_of_what_fails_and_all_of_what_fails_tomorrow(
    p7: float, more: float
) -> None:
    (one,) = with_later(shop(job("A", p7, p7 + (1 - p7) * more)), 5.0).jobs
    assert one.p_unforeseen[:2] == pytest.approx(one.p_fail[:2])
    assert all(u <= p + 1e-9 for u, p in zip(one.p_unforeseen, one.p_fail, strict=True))
    assert list(one.p_unforeseen) == pytest.approx(sorted(one.p_unforeseen))
