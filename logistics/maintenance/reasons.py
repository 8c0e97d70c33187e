"""Why an asset comes to the workshop, or does not: what stood against it, and what is lacking."""

from collections.abc import Mapping, Sequence

from logistics.maintenance.problem import (
    HORIZON_DAYS,
    NO_WORKSHOP,
    Job,
    Visit,
    WorkshopProblem,
)
from logistics.maintenance.room import Gaps, Room, part_is_here, without

NOBODY = "no workshop looks after it"
DUE = "its inspection is due on {}, but {}"  # the day, the reason


def why_booked(job: Job, visit: Visit) -> str:
    parts = [f"{job.p_fail[HORIZON_DAYS]:.0%} to fail within {HORIZON_DAYS} days"]
    if job.due_day is not None:
        late = visit.day - job.due_day
        parts.append(f"inspection {f'{late} days overdue' if late > 0 else 'due'}")
    return f"{', '.join(parts)}; this visit saves {job.saving(visit.day):,.0f}"


def why_deferred(
    problem: WorkshopProblem, days: Mapping[int, Room], job: Job, visits: Sequence[Visit]
) -> str:
    """The first thing that stood against a visit, from what cannot change to what was full."""
    reason = _why(problem, days, job, visits)
    if job.due_day is None or job.due_day >= problem.num_days:
        return reason
    return DUE.format(problem.date_of(job.due_day), reason)


def _why(
    problem: WorkshopProblem, days: Mapping[int, Room], job: Job, visits: Sequence[Visit]
) -> str:
    what = job.component or "an unknown component"
    if problem.workshop_id == NO_WORKSHOP:
        return NOBODY
    if not problem.bays:
        return f"workshop {problem.workshop_id} is not known"
    if not any(bay.fits(job.kind) for bay in problem.bays):
        return f"no bay takes a {job.kind}"
    if not any(person.can(job.component) for person in problem.technicians):
        return f"no technician repairs {what}"
    pays = [day for day in days if job.saving(day) > 0]
    left_out = job.left_out()
    worthwhile = [day for day in pays if job.planned(day) < left_out]
    if pays and not worthwhile:
        return f"it can wait until after {problem.date_of(problem.num_days - 1)}"
    if not worthwhile:
        return (
            f"not worth a visit: it would cost {min(map(job.cost, days), default=0):,.0f}, waiting "
            f"{HORIZON_DAYS} days costs {job.cost(HORIZON_DAYS):,.0f} on average"
        )
    open_days = [day for day in worthwhile if days[day].takes(job)]
    if not open_days:
        return (
            f"no bay and technician for {what} are there together for {job.duration_s / 3600:g} h"
        )
    fitting = [day for day in open_days if _part_is_left(problem, job, day, visits)]
    if not fitting:
        part = problem.parts[job.component or ""]
        then = "it can wait until then" if pays[-1] >= part.lead_days else "too late to pay"
        return f"part {what} arrives on {problem.date_of(part.lead_days)}, {then}"
    last = problem.date_of(fitting[-1])
    when = f"until {last}" if len(fitting) > 1 else f"on {last}"
    when += "; after that it can wait" if fitting[-1] < pays[-1] else ""
    at_home = [day for day in fitting if _may_be_away(problem, days[day], job, day, visits)]
    if not at_home:
        return f"enough assets of {job.site_id} are away {when}"
    return f"no free {_lacking(problem, days, job, at_home, visits)} {when}"


def _part_is_left(problem: WorkshopProblem, job: Job, day: int, visits: Sequence[Visit]) -> bool:
    part = problem.parts.get(job.component or "")
    if part is None or day >= part.lead_days:
        return True
    component = {other.asset_id: other.component for other in problem.jobs}
    taken = [v for v in visits if component[v.asset_id] == job.component]
    return part_is_here(problem, job, day) and (
        sum(visit.day < part.lead_days for visit in taken) < part.stock
    )


def _may_be_away(
    problem: WorkshopProblem, room: Room, job: Job, day: int, visits: Sequence[Visit]
) -> bool:
    if job.site_id not in problem.max_away:
        return True
    site = {other.asset_id: other.site_id for other in problem.jobs}
    away = sum(visit.day == day and site[visit.asset_id] == job.site_id for visit in visits)
    return away + room.away.get(job.site_id, 0) < problem.max_away[job.site_id][day]


def _lacking(
    problem: WorkshopProblem,
    days: Mapping[int, Room],
    job: Job,
    fitting: Sequence[int],
    visits: Sequence[Visit],
) -> str:
    """What was taken on all the days that would do: bays, technicians, or now one and now both."""
    lengths = {other.asset_id: other.duration_s for other in problem.jobs}

    def is_free(gaps: Gaps, taken: Sequence[Visit]) -> bool:
        for v in taken:
            gaps = without(gaps, v.start_s, v.start_s + lengths[v.asset_id])
        return any(end - begin >= job.duration_s for begin, end in gaps)

    bay = person = False
    for day in fitting:
        room, today = days[day], [v for v in visits if v.day == day]
        bay |= any(
            is_free(gaps, [v for v in today if str(v.bay) == number])
            for number, gaps in room.gaps_of_bays(job).items()
        )
        person |= any(
            is_free(gaps, [v for v in today if v.technician_id == who])
            for who, gaps in room.gaps_of_people(job).items()
        )
    able = f"technician for {job.component or 'an unknown component'}"
    if bay != person:
        return able if bay else f"bay for a {job.kind}"
    return f"bay or {able}"
