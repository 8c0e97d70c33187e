"""Judges a workshop's schedule by its rules, one function each. Shares no code with the solver."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from logistics.maintenance.problem import Visit, WorkOrder, WorkshopProblem


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule and the asset whose visit breaks it."""

    rule: str
    asset_id: str
    detail: str


Orders = Sequence[WorkOrder]


def verify(problem: WorkshopProblem, orders: Orders) -> list[Violation]:
    """Every violation of every rule; none means that the schedule can be worked as it is."""
    return [violation for rule in RULES for violation in rule(problem, orders)]


def one_order_per_job(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    counted = Counter(order.job.asset_id for order in orders)
    for job in problem.jobs:
        if counted[job.asset_id] != 1:
            yield Violation("one order per job", job.asset_id, f"{counted[job.asset_id]} orders")
    for asset_id in sorted(counted.keys() - {job.asset_id for job in problem.jobs}):
        yield Violation("one order per job", asset_id, "not a job")


def within_horizon(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for visit in _visits(orders):
        if not 0 <= visit.day < problem.num_days:
            yield Violation("within the days planned", visit.asset_id, f"day {visit.day}")


def open_days(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for visit in _visits(orders):
        weekday = (problem.first_day.weekday() + visit.day) % 7
        if weekday not in problem.weekdays:
            yield Violation("open days", visit.asset_id, f"weekday {weekday}")


def opening_hours(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for visit in _visits(orders):
        if visit.start_s < problem.opens_s or visit.start_s + problem.job_s > problem.closes_s:
            yield Violation("opening hours", visit.asset_id, f"starts at {visit.start_s} s")


def bays_exist(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for visit in _visits(orders):
        if not 1 <= visit.bay <= problem.bays:
            yield Violation("bays", visit.asset_id, f"bay {visit.bay} of {problem.bays}")


def bay_overlaps(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for first, second in _overlaps(problem, orders):
        if first.bay == second.bay:
            yield Violation("one job a bay", second.asset_id, f"with {first.asset_id}")


def technician_overlaps(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for first, second in _overlaps(problem, orders):
        if first.technician_id == second.technician_id:
            yield Violation("one job a technician", second.asset_id, f"with {first.asset_id}")


def shifts(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    people = {technician.technician_id: technician for technician in problem.technicians}
    for visit in _visits(orders):
        who = people.get(visit.technician_id)
        if who is None:
            yield Violation("shifts", visit.asset_id, f"{visit.technician_id} does not work here")
        elif visit.start_s < who.start_s or visit.start_s + problem.job_s > who.end_s:
            yield Violation("shifts", visit.asset_id, f"{who.technician_id} is off")


def skills(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    learnt = {technician.technician_id: technician.skills for technician in problem.technicians}
    for order in orders:
        if order.visit is not None:
            known = learnt.get(order.visit.technician_id)
            if known is not None and order.job.component not in known:
                detail = f"{order.visit.technician_id} cannot repair {order.job.component}"
                yield Violation("skills", order.job.asset_id, detail)


def parts_at_hand(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    booked = [(o.day, order.job) for order in orders if (o := order.visit) is not None]
    for component, part in sorted(problem.parts.items()):
        early = [(day, job.asset_id) for day, job in booked if job.component == component]
        early = sorted(visit for visit in early if visit[0] < part.lead_days)
        for day, asset_id in early[part.stock :]:
            yield Violation("parts", asset_id, f"no {component} left on day {day}")


def not_too_many_away(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    away = Counter((order.job.site_id, o.day) for order in orders if (o := order.visit) is not None)
    for (site_id, day), number in sorted(away.items()):
        most = problem.max_away.get(site_id, number)
        if number > most:
            yield Violation("assets away", site_id, f"{number} of {most} on day {day}")


def every_visit_pays(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for order in orders:
        if order.visit is not None and order.saving <= 0:
            yield Violation("every visit pays", order.job.asset_id, f"saves {order.saving:.2f}")


def every_order_says_why(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for order in orders:
        if not order.reason:
            yield Violation("every order says why", order.job.asset_id, "no reason")


RULES = (
    one_order_per_job,
    within_horizon,
    open_days,
    opening_hours,
    bays_exist,
    bay_overlaps,
    technician_overlaps,
    shifts,
    skills,
    parts_at_hand,
    not_too_many_away,
    every_visit_pays,
    every_order_says_why,
)


def _visits(orders: Orders) -> list[Visit]:
    return [order.visit for order in orders if order.visit is not None]


def _overlaps(problem: WorkshopProblem, orders: Orders) -> Iterator[tuple[Visit, Visit]]:
    """Pairs of visits that are under way at the same time."""
    visits = sorted(_visits(orders), key=lambda visit: (visit.day, visit.start_s, visit.asset_id))
    for i, first in enumerate(visits):
        for second in visits[i + 1 :]:
            if second.day != first.day or second.start_s >= first.start_s + problem.job_s:
                break
            yield first, second
