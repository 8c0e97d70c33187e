"""What a day of a workshop can hold: the free hours of its bays and people, and limits from them.

Knows no solver. Every limit holds for every schedule of the day, whatever its hours.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from logistics.maintenance.problem import Bay, Booking, Job, Technician, WorkshopProblem

STEP_S = 900  # jobs begin on the quarter of an hour
_MOST_SETS = 64  # of bays or people a day's limits look at
Gaps = tuple[tuple[int, int], ...]  # free from, free to: in seconds, on the quarter of an hour


@dataclass(frozen=True, slots=True)
class Limit:
    """The weights of the jobs that come add up to no more than `most`."""

    weights: tuple[tuple[int, int], ...]  # job, weight
    most: int


@dataclass(frozen=True, slots=True)
class Room:
    """A day's bays and people with their free hours; away: site → assets booked already."""

    bays: tuple[tuple[Bay, Gaps], ...]
    people: tuple[tuple[Technician, Gaps], ...]
    away: Mapping[str, int]

    def gaps_of_bays(self, job: Job) -> dict[str, Gaps]:
        """Bay → the gaps that are long enough, of those that the asset fits in."""
        fitting = {str(bay.number): gaps for bay, gaps in self.bays if bay.fits(job.kind)}
        return _long_enough(fitting, job.duration_s)

    def gaps_of_people(self, job: Job) -> dict[str, Gaps]:
        """Technician → the gaps that are long enough, of those who can do it."""
        able = {t.technician_id: gaps for t, gaps in self.people if t.can(job.component)}
        return _long_enough(able, job.duration_s)

    def takes(self, job: Job) -> bool:
        """Whether the job fits on an otherwise empty day."""
        return any(
            end - begin >= job.duration_s
            for bay in self.gaps_of_bays(job).values()
            for person in self.gaps_of_people(job).values()
            for begin, end in common(bay, person)
        )

    def with_bays_for_all(self) -> "Room":
        return replace(self, bays=tuple((replace(bay, kinds=None), g) for bay, g in self.bays))

    def with_people_for_all(self) -> "Room":
        return replace(self, people=tuple((replace(who, skills=None), g) for who, g in self.people))

    def free_s(self) -> int:
        """Hours, in seconds, in which a bay and a technician are free together."""
        at_work = _at_once(gaps for _, gaps in self.people)
        in_bays = _at_once(gaps for _, gaps in self.bays)
        return STEP_S * sum(min(n, at_work.get(step, 0)) for step, n in in_bays.items())

    def limits(self, jobs: Mapping[int, Job]) -> list[Limit]:
        """By Hall's condition: jobs that only some bays and people can do share their hours.

        A bay counts while one of those people is there, and a person while one of those bays is
        free. Where a gap holds n jobs of a length, the whole lengths in its jobs are at most n (a
        dual feasible function; Fekete & Schepers 2001).
        """
        steps = {j: -(-job.duration_s // STEP_S) for j, job in jobs.items()}
        bays = {str(bay.number): gaps for bay, gaps in self.bays}
        people = {person.technician_id: gaps for person, gaps in self.people}
        by_bay = {j: frozenset(self.gaps_of_bays(job)) for j, job in jobs.items()}
        by_person = {j: frozenset(self.gaps_of_people(job)) for j, job in jobs.items()}
        found: dict[tuple[tuple[int, int], ...], int] = {}
        for some, crew in product(_unions({*by_bay.values()}), _unions({*by_person.values()})):
            mine = [j for j in jobs if by_bay[j] <= some and by_person[j] <= crew]
            for unit, most in _most(
                [bays[bay] for bay in sorted(some)],
                [people[person] for person in sorted(crew)],
                frozenset(steps[j] for j in mine),
            ):
                weights = tuple((j, steps[j] // unit) for j in mine if steps[j] >= unit)
                found[weights] = min(most, found.get(weights, most))
        return [Limit(weights, most) for weights, most in found.items() if weights]


def room_of(problem: WorkshopProblem, day: int) -> Room:
    booked = [b for b in problem.bookings if b.day == day]
    opens, closes = problem.opens_s, problem.closes_s
    sites = [b.site_id for b in booked if b.site_id is not None]
    return Room(
        bays=tuple(
            (bay, _free(opens, closes, [b for b in booked if b.bay == bay.number]))
            for bay in problem.bays
        ),
        people=tuple(
            (
                who,
                _free(
                    *problem.hours(who), [b for b in booked if b.technician_id == who.technician_id]
                ),
            )
            for who in problem.technicians
        ),
        away={site: sites.count(site) for site in sites},
    )


def part_is_here(problem: WorkshopProblem, job: Job, day: int) -> bool:
    """Whether a part can be had on that day at all; one that is not listed always can."""
    part = problem.parts.get(job.component or "")
    return part is None or part.stock > 0 or day >= part.lead_days


def common(some: Gaps, others: Gaps) -> Gaps:
    both = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return tuple((begin, end) for begin, end in both if begin < end)


def without(gaps: Gaps, begin: int, end: int) -> Gaps:
    """The gaps less one stretch of time, what is left again on the quarter of an hour."""
    parts = (part for a, b in gaps for part in ((a, min(b, begin)), (max(a, end), b)))
    return _on_quarters(parts)


def _free(opens: int, closes: int, booked: Iterable[Booking]) -> Gaps:
    gaps = _on_quarters([(opens, closes)])
    for booking in booked:
        gaps = without(gaps, booking.start_s, booking.end_s)
    return gaps


def _on_quarters(parts: Iterable[tuple[int, int]]) -> Gaps:
    rounded = ((-(-a // STEP_S) * STEP_S, b // STEP_S * STEP_S) for a, b in parts)
    return tuple((a, b) for a, b in rounded if a < b)


def _long_enough(gaps: Mapping[str, Gaps], duration_s: int) -> dict[str, Gaps]:
    fitting = {k: tuple((a, b) for a, b in g if b - a >= duration_s) for k, g in gaps.items()}
    return {key: found for key, found in fitting.items() if found}


def _most(
    bays: Sequence[Gaps], people: Sequence[Gaps], lengths: frozenset[int]
) -> Iterator[tuple[int, int]]:
    """Unit of so many steps → how many of it these bays and people can hold together."""
    in_bays, at_work = _at_once(bays), _at_once(people)
    both = [
        [run for gaps in some for run in _runs(gaps, others)]
        for some, others in ((bays, at_work), (people, in_bays))
    ]
    hours = sum(min(n, at_work.get(step, 0)) for step, n in in_bays.items())
    yield 1, min(hours, *(sum(_filled(run, lengths) for run in runs) for runs in both))
    for unit in sorted(lengths - {1}):
        yield unit, min(hours // unit, *(sum(run // unit for run in runs) for runs in both))


@cache
def _filled(run: int, lengths: frozenset[int]) -> int:
    """The most of a stretch that jobs of these lengths can fill."""
    return max((n + _filled(run - n, lengths) for n in lengths if n <= run), default=0)


def _runs(gaps: Gaps, others: Mapping[int, int]) -> list[int]:
    """Lengths in steps of the stretches of the gaps in which there is another, too."""
    runs = [0]
    for a, b in gaps:
        for step in range(a // STEP_S, b // STEP_S):
            if step in others:
                runs[-1] += 1
            else:
                runs.append(0)
        runs.append(0)
    return runs


def _unions(sets: Collection[frozenset[str]]) -> list[frozenset[str]]:
    """The sets and all unions of them, the smallest first, as far as they are few."""
    found: list[frozenset[str]] = []
    for new in sorted(sets, key=lambda some: (len(some), sorted(some))):
        found += [u for u in dict.fromkeys([new, *(new | old for old in found)]) if u not in found]
        if len(found) > _MOST_SETS:
            break
    everything = frozenset().union(*sets)
    return [*found[:_MOST_SETS], *([] if everything in found[:_MOST_SETS] else [everything])]


def _at_once(gaps: Iterable[Gaps]) -> dict[int, int]:
    """Step of the day → how many have a gap then."""
    counted: dict[int, int] = {}
    for a, b in (gap for own in gaps for gap in own):
        for step in range(a // STEP_S, b // STEP_S):
            counted[step] = counted.get(step, 0) + 1
    return counted
