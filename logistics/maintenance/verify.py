"""Judges a workshop's schedule by its rules, one function each. Shares no code with the solver."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from logistics.maintenance.problem import Job, Visit, WorkOrder, WorkshopProblem


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
    for order in orders:
        if order.visit is not None and order.visit.asset_id != order.job.asset_id:
            yield Violation("one order per job", order.job.asset_id, "another asset's visit")


def within_horizon(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for _, visit in _booked(orders):
        if not 0 <= visit.day < problem.num_days:
            yield Violation("within the days planned", visit.asset_id, f"day {visit.day}")


def open_days(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for _, visit in _booked(orders):
        weekday = (problem.first_day.weekday() + visit.day) % 7
        if weekday not in problem.weekdays:
            yield Violation("open days", visit.asset_id, f"weekday {weekday}")


def opening_hours(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for job, visit in _booked(orders):
        if visit.start_s < problem.opens_s or visit.start_s + job.duration_s > problem.closes_s:
            yield Violation("opening hours", visit.asset_id, f"starts at {visit.start_s} s")


def bays_suit(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    kinds = {bay.number: bay.kinds for bay in problem.bays}
    for job, visit in _booked(orders):
        if visit.bay not in kinds:
            yield Violation("bays", visit.asset_id, f"there is no bay {visit.bay}")
        else:
            allowed = kinds[visit.bay]
            if allowed is not None and job.kind not in allowed:
                yield Violation("bays", visit.asset_id, f"no {job.kind} fits in bay {visit.bay}")


def bay_overlaps(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for first, second in _overlaps(problem, orders):
        if first.bay == second.bay:
            yield Violation("one job a bay", second.asset_id, f"with {first.asset_id}")


def technician_overlaps(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for first, second in _overlaps(problem, orders):
        if first.technician_id is not None and first.technician_id == second.technician_id:
            yield Violation("one job a technician", second.asset_id, f"with {first.asset_id}")


def shifts(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    people = {technician.technician_id: technician for technician in problem.technicians}
    for job, visit in _booked(orders):
        who = people.get(visit.technician_id)
        if who is None:
            yield Violation("shifts", visit.asset_id, f"{visit.technician_id} does not work here")
        elif visit.start_s < who.start_s or visit.start_s + job.duration_s > who.end_s:
            yield Violation("shifts", visit.asset_id, f"{who.technician_id} is off")


def skills(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    learnt = {technician.technician_id: technician.skills for technician in problem.technicians}
    for job, visit in _booked(orders):
        known = learnt.get(visit.technician_id)
        if known is not None and job.component not in known:
            detail = f"{visit.technician_id} cannot repair {job.component}"
            yield Violation("skills", job.asset_id, detail)


def parts_at_hand(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for component, part in sorted(problem.parts.items()):
        early = sorted(
            (visit.day, job.asset_id)
            for job, visit in _booked(orders)
            if job.component == component and visit.day < part.lead_days
        )
        for day, asset_id in early[part.stock :]:
            yield Violation("parts", asset_id, f"no {component} left on day {day}")


def not_too_many_away(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    coming = Counter((job.site_id, visit.day) for job, visit in _booked(orders))
    promised = Counter((booking.site_id, booking.day) for booking in problem.bookings)
    for (site_id, day), number in sorted(coming.items()):
        if site_id in problem.max_away and day < problem.num_days:
            most = problem.max_away[site_id][day]
            away = number + promised[site_id, day]
            if away > most:
                yield Violation("assets away", site_id, f"{away} of {most} on day {day}")


def every_visit_pays(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for order in orders:
        if order.visit is not None and order.saving <= 0:
            yield Violation("every visit pays", order.job.asset_id, f"saves {order.saving:.2f}")


def every_order_says_why(problem: WorkshopProblem, orders: Orders) -> Iterator[Violation]:
    for order in orders:
        due = order.job.due_day is not None and order.job.due_day < problem.num_days
        if not order.reason:
            yield Violation("every order says why", order.job.asset_id, "no reason")
        elif order.visit is None and due and "inspection" not in order.reason:
            yield Violation("every order says why", order.job.asset_id, "an inspection is missed")


RULES = (
    one_order_per_job,
    within_horizon,
    open_days,
    opening_hours,
    bays_suit,
    bay_overlaps,
    technician_overlaps,
    shifts,
    skills,
    parts_at_hand,
    not_too_many_away,
    every_visit_pays,
    every_order_says_why,
)


def _booked(orders: Orders) -> list[tuple[Job, Visit]]:
    return [(order.job, order.visit) for order in orders if order.visit is not None]


@dataclass(frozen=True, slots=True, order=True)
class _Stretch:
    day: int
    start_s: int
    asset_id: str
    end_s: int
    bay: int
    technician_id: str | None


def _overlaps(problem: WorkshopProblem, orders: Orders) -> Iterator[tuple[_Stretch, _Stretch]]:
    """Pairs of visits, promised ones among them, that are under way at the same time."""
    stretches = [
        _Stretch(v.day, v.start_s, v.asset_id, v.start_s + job.duration_s, v.bay, v.technician_id)
        for job, v in _booked(orders)
    ]
    stretches += [
        _Stretch(b.day, b.start_s, b.asset_id, b.end_s, b.bay, b.technician_id)
        for b in problem.bookings
    ]
    stretches.sort(key=lambda s: (s.day, s.start_s, s.asset_id))
    for i, first in enumerate(stretches):
        for second in stretches[i + 1 :]:
            if second.day != first.day:
                break
            if second.start_s < first.end_s:
                yield first, second
