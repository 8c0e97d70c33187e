"""Every rule of the checker sees its own violation, and only that."""

from dataclasses import replace

import pytest

from logistics.maintenance.problem import (
    Booking,
    Part,
    Technician,
    Visit,
    WorkOrder,
    WorkshopProblem,
)
from logistics.maintenance.verify import verify
from tests.maintenance.shops import HOUR, bays, job, shop

FIRST, SECOND = job("A"), job("B", site_id="S2")
GOOD = Visit("A", 0, 8 * HOUR, 1, "T1")
LATER = Visit("B", 0, 11 * HOUR, 1, "T1")
TWO = (Technician("T1", 8 * HOUR, 17 * HOUR), Technician("T2", 11 * HOUR, 17 * HOUR))
PROMISED = Booking("C", "S2", 0, 11 * HOUR, 13 * HOUR, 2)
NOBODYS = replace(PROMISED, site_id=None)
SHOP = shop(FIRST, SECOND, bays=bays(2), technicians=TWO, max_away={"S1": (1,) * 5, "S2": (1,) * 5})


def broken(problem: WorkshopProblem, first: Visit | None, second: Visit | None) -> set[str]:
    orders = [WorkOrder(j, v, "why") for j, v in zip(problem.jobs, (first, second), strict=True)]
    return {violation.rule for violation in verify(problem, orders)}


def test_a_lawful_schedule_has_no_violation() -> None:
    assert broken(SHOP, GOOD, LATER) == set()


@pytest.mark.parametrize(
    ("problem", "second", "rule"),
    [
        (SHOP, replace(LATER, day=9), "within the days planned"),
        (replace(SHOP, weekdays=frozenset({1})), replace(LATER, day=1), "open days"),
        (replace(SHOP, opens_s=9 * HOUR), LATER, "opening hours"),
        (SHOP, replace(LATER, bay=3), "bays"),
        (SHOP, replace(LATER, start_s=10 * HOUR, bay=2), "one job a technician"),
        (SHOP, replace(LATER, technician_id="T9"), "shifts"),
        (replace(SHOP, parts={"brakes": Part(1, 4)}), LATER, "parts"),
        (replace(SHOP, jobs=(FIRST, job("B"))), LATER, "assets away"),
        (
            replace(SHOP, jobs=(FIRST, replace(SECOND, life_day_price=999.0))),
            LATER,
            "every visit pays",
        ),
        (replace(SHOP, bays=bays(2, b1="truck")), replace(LATER, bay=2), "bays"),
        (replace(SHOP, bookings=(NOBODYS,)), replace(LATER, bay=2), "one job a bay"),
        (replace(SHOP, bookings=(PROMISED,)), replace(LATER, start_s=14 * HOUR), "assets away"),
    ],
)
def test_a_broken_rule_is_named(problem: WorkshopProblem, second: Visit, rule: str) -> None:
    assert broken(problem, GOOD, second) == {rule}


def test_two_jobs_in_one_bay_are_seen() -> None:
    both = replace(SHOP, technicians=(TWO[0], replace(TWO[1], start_s=8 * HOUR)))
    clash = replace(LATER, start_s=9 * HOUR, technician_id="T2")
    assert broken(both, GOOD, clash) == {"one job a bay"}


def test_a_shift_and_a_skill_are_seen() -> None:
    assert broken(SHOP, GOOD, replace(LATER, start_s=8 * HOUR, bay=2, technician_id="T2")) == {
        "shifts"
    }
    learner = replace(TWO[1], skills=frozenset({"motor"}))
    rookies = replace(SHOP, technicians=(TWO[0], learner))
    assert broken(rookies, GOOD, replace(LATER, bay=2, technician_id="T2")) == {"skills"}


def test_a_job_without_an_order_or_a_reason_is_seen() -> None:
    orders = [WorkOrder(FIRST, GOOD, "")]
    rules = {violation.rule for violation in verify(SHOP, orders)}
    assert rules == {"one order per job", "every order says why"}
