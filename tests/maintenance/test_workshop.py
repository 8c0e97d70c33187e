"""Laws of the workshop's schedule, judged by verify and by trying everything."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.maintenance.budget import Budget
from logistics.maintenance.problem import (
    NO_WORKSHOP,
    Bay,
    Job,
    Part,
    Technician,
    WorkOrder,
    WorkshopProblem,
)
from logistics.maintenance.verify import verify
from logistics.maintenance.workshop import schedule
from tests.maintenance.shops import HOUR, bays, job, shop, shops

BUDGET = Budget(deterministic_time=5)


def plan(problem: WorkshopProblem, seed: int = 7) -> list[WorkOrder]:
    return list(schedule(problem, BUDGET, seed).orders)


def total(orders: list[WorkOrder]) -> float:
    return sum(order.saving for order in orders)


def booked(orders: list[WorkOrder]) -> list[str]:
    return [order.job.asset_id for order in orders if order.visit is not None]


@given(problem=shops())
@settings(max_examples=60, deadline=None)
def test_no_schedule_breaks_a_rule(problem: WorkshopProblem) -> None:
    assert verify(problem, plan(problem)) == []


@given(problem=shops(most_jobs=4, most_days=2, most_people=2))
@settings(max_examples=40, deadline=None)
def test_nothing_better_is_found_by_trying_everything(problem: WorkshopProblem) -> None:
    assert total(plan(problem)) == pytest.approx(best_of_all(problem), rel=2e-4, abs=0.05)


@given(problem=shops(), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_the_same_seed_gives_the_same_schedule(problem: WorkshopProblem, seed: int) -> None:
    assert plan(problem, seed) == plan(problem, seed)


@given(problem=shops(), costlier=st.integers(1, 3000))
@settings(max_examples=30, deadline=None)
def test_a_costlier_twin_is_never_deferred_for_a_cheaper_one(
    problem: WorkshopProblem, costlier: int
) -> None:
    twins = [
        replace(j, asset_id=f"{j.asset_id}-twin", cost_of_failure=j.cost_of_failure + costlier)
        for j in problem.jobs
    ]
    orders = plan(replace(problem, jobs=(*problem.jobs, *twins)))
    comes = {o.job.asset_id: o.visit for o in orders}
    for order in orders[: len(problem.jobs)]:
        twin = comes[f"{order.job.asset_id}-twin"]
        assert order.visit is None or twin is not None


def test_the_riskier_of_two_gets_the_only_place() -> None:
    orders = plan(
        shop(job("calm", 0.3, 0.6), job("shaky", 0.5, 0.9), num_days=1, closes_s=11 * HOUR)
    )
    assert booked(orders) == ["shaky"]


@given(problem=shops(), extra=st.integers(1, 2))
@settings(max_examples=25, deadline=None)
def test_another_bay_never_saves_less(problem: WorkshopProblem, extra: int) -> None:
    more = replace(problem, bays=(*problem.bays, *(Bay(9 + n) for n in range(extra))))
    assert total(plan(more)) >= total(plan(problem)) - 0.05


def test_two_shifts_share_one_bay_without_a_gap() -> None:
    early, late = Technician("T1", 6 * HOUR, 12 * HOUR), Technician("T2", 12 * HOUR, 18 * HOUR)
    jobs = [job(f"A{n}") for n in range(4)]
    day = shop(*jobs, num_days=1, opens_s=6 * HOUR, closes_s=18 * HOUR, technicians=(early, late))
    orders = plan(day)
    hours = sorted(order.visit.start_s // HOUR for order in orders if order.visit)
    assert hours == [6, 9, 12, 15]


def test_a_job_waits_for_its_part() -> None:
    (order,) = plan(shop(job("A"), parts={"brakes": Part(stock=0, lead_days=3)}))
    assert order.visit is not None
    assert order.visit.day == 3


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (shop(job("A", 0.0, 0.0, life_day_price=1.0)), "not worth a visit"),
        (shop(job("A", 0.0, 0.5, life_day_price=1.0, later_day=5)), "can wait until after"),
        (shop(job("A"), technicians=()), "no technician repairs brakes"),
        (shop(job("A", component=None), bays=()), "is not known"),
        (shop(job("A"), bays=(), workshop_id=NO_WORKSHOP), "no workshop looks after it"),
        (shop(job("A"), parts={"brakes": Part(0, 9)}), "on 2026-03-11, too late to pay"),
        (
            shop(job("A"), job("B"), num_days=1, max_away={"S1": (1,)}),
            "of S1 are away on 2026-03-02",
        ),
        (shop(*(job(f"A{n}") for n in range(4)), num_days=1), "no free bay or technician"),
    ],
)
def test_every_deferral_says_why(problem: WorkshopProblem, reason: str) -> None:
    reasons = [order.reason for order in plan(problem) if order.visit is None]
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_what_is_late_or_lacking_is_named() -> None:
    due = job("A", 0.0, 0.0, due_day=1, overdue_price=50.0)
    (order,) = plan(shop(due, bays=bays(1, b1="truck")))
    assert order.reason == "its inspection is due on 2026-03-03, but no bay takes a van"
    (order,) = plan(shop(due, parts={"brakes": Part(0, 3)}))
    assert order.visit is not None
    assert "2 days overdue" in order.reason


def test_waiting_costs_what_the_hazard_says() -> None:
    waiting = job("A", p7=0.5, p30=0.75)
    assert waiting.p_fail[0] == 0.0
    assert waiting.p_fail[7] == pytest.approx(0.5)
    assert waiting.p_fail[30] == pytest.approx(0.75)
    assert waiting.saving(0) == pytest.approx((2000 - 300) * 0.75)


@given(p7=st.floats(0, 0.9), price=st.floats(0, 20))
def test_a_day_of_waiting_pays_while_the_hazard_is_below_the_price_of_a_day(
    p7: float, price: float
) -> None:
    """Age replacement: hazard × (failure − service) against the price of a day of life."""
    waiting = job("A", p7=p7, p30=p7, life_day_price=price)
    hazard = waiting.p_fail[1]
    assert waiting.cost(1) - waiting.cost(0) == pytest.approx(hazard * (2000 - 300) - price)


@given(problem=shops())
@settings(max_examples=30, deadline=None)
def test_no_schedule_costs_less_than_its_bound(problem: WorkshopProblem) -> None:
    found = schedule(problem, BUDGET, 7)
    assert found.cost >= found.bound - 0.05 * len(problem.jobs) - 1e-4 * abs(found.cost)


# --- everything, tried ---------------------------------------------------------------------------


def best_of_all(problem: WorkshopProblem) -> float:
    """The most that any assignment of jobs to days or to none can save."""
    options = [
        [None, *(day for day in range(problem.num_days) if problem.is_open(day))]
        for _ in problem.jobs
    ]
    best = 0.0
    for choice in product(*options):
        chosen = [(j, d) for j, d in zip(problem.jobs, choice, strict=True) if d is not None]
        saving = sum(j.saving(d) for j, d in chosen if d is not None)
        if saving > best and all(j.saving(d) > 0 for j, d in chosen) and feasible(problem, chosen):
            best = saving
    return best


def feasible(problem: WorkshopProblem, chosen: list[tuple[Job, int]]) -> bool:
    for component, part in problem.parts.items():
        early = [j for j, d in chosen if j.component == component and d < part.lead_days]
        if len(early) > part.stock:
            return False
    for day in range(problem.num_days):
        today = [j for j, d in chosen if d == day]
        away = [b.site_id for b in problem.bookings if b.day == day]
        for site, most in problem.max_away.items():
            coming = sum(j.site_id == site for j in today)
            if coming and coming + away.count(site) > most[day]:
                return False
        if not fits(problem, day, today, []):
            return False
    return True


Placed = list[tuple[int, int, int, str | None]]  # start, end, bay, technician


def fits(problem: WorkshopProblem, day: int, jobs: list[Job], placed: Placed) -> bool:
    """Whether the jobs have a start on the hour, a bay and a technician each, one after another."""
    if not jobs:
        return True
    if not placed:
        placed = [
            (b.start_s, b.end_s, b.bay, b.technician_id) for b in problem.bookings if b.day == day
        ]
    first, *others = jobs
    for technician in problem.technicians:
        opens, closes = problem.hours(technician)
        if not technician.can(first.component):
            continue
        for start in range(opens, closes - first.duration_s + 1, HOUR):
            end, who = start + first.duration_s, technician.technician_id
            now = [p for p in placed if p[0] < end and start < p[1]]
            if who in [p[3] for p in now]:
                continue
            for bay in problem.bays:
                if bay.fits(first.kind) and bay.number not in [p[2] for p in now]:
                    here = [*placed, (start, end, bay.number, who)]
                    if fits(problem, day, others, here):
                        return True
    return False
