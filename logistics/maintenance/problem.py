"""A workshop's problem and its answer as values, and what each choice costs. Knows no table.

Days are counted from the first day planned; times of day are seconds after midnight there; money is
in cost units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import exp, log
from statistics import median

NO_WORKSHOP = "none"  # the work_orders partition of assets that no workshop looks after
INSPECTION = "inspection"  # the component of a visit that the law asks for
HORIZON_DAYS = 30
# A certain failure has no finite hazard; this is as good as certain.
_ALMOST_CERTAIN = 0.9999


@dataclass(frozen=True, slots=True)
class Bay:
    """kinds: of the assets that fit in; None: all."""

    number: int  # from 1
    kinds: frozenset[str] | None = None

    def fits(self, kind: str) -> bool:
        return self.kinds is None or kind in self.kinds


@dataclass(frozen=True, slots=True)
class Technician:
    """skills: the components they repair; None: all of them."""

    technician_id: str
    start_s: int
    end_s: int
    skills: frozenset[str] | None = None

    def can(self, component: str | None) -> bool:
        return self.skills is None or component in self.skills


@dataclass(frozen=True, slots=True)
class Part:
    """stock pieces are here tonight; after lead_days more have come than are needed."""

    stock: int
    lead_days: int


@dataclass(frozen=True, slots=True)
class Booking:
    """A bay, and a technician if one is named, that somebody has promised to an asset."""

    asset_id: str
    site_id: str | None
    day: int
    start_s: int
    end_s: int
    bay: int
    technician_id: str | None = None


def failing_by(p_fail_7d: float, p_fail_30d: float) -> tuple[float, ...]:
    """Chance to fail before the morning of each day to HORIZON_DAYS: the hazard is constant to day
    7, and from there on."""
    week, month = (-log(1 - min(p, _ALMOST_CERTAIN)) for p in (p_fail_7d, p_fail_30d))
    later = max(month - week, 0.0) / (HORIZON_DAYS - 7)
    days = range(HORIZON_DAYS + 1)
    return tuple(1 - exp(-week * min(d, 7) / 7 - later * max(d - 7, 0)) for d in days)


@dataclass(frozen=True, slots=True)
class Job:
    """An asset that may be worth a visit, and what leaving it alone may cost.

    p_fail: chance that the component fails before the morning of each day, to HORIZON_DAYS.
    cost_of_failure: with the days that the asset then stands. life_day_price: what a day of the
    component's life is worth that a service wastes. day_prices: of the asset's absence on each day
    planned; empty: nothing. due_day: the last one on which the law lets it drive uninspected; each
    day after it costs overdue_price. waiting_day_price: of each day before its visit. later_day:
    the first one after those planned on which it may still come; None: who is left out does not
    come before the horizon's end. p_unforeseen: p_fail less what the nights until then will have
    foreseen in time; empty: nothing.
    """

    asset_id: str
    site_id: str
    kind: str
    component: str | None
    duration_s: int
    p_fail: tuple[float, ...]
    cost_of_failure: float
    cost_of_service: float
    life_day_price: float = 0.0
    day_prices: tuple[float, ...] = ()
    due_day: int | None = None
    overdue_price: float = 0.0
    waiting_day_price: float = 0.0
    later_day: int | None = None
    p_unforeseen: tuple[float, ...] = ()

    def cost(self, day: int) -> float:
        """Expected cost of a visit on `day` at the latest, sooner if it fails before.

        Beside the repair or service it counts the days to the horizon that the component could not
        live: a service today brings the next one nearer (renewal reward: a visit pays as soon as
        the hazard times what a failure costs more is above the price of a day of life; Barlow &
        Proschan 1965, age replacement).
        """
        return self._cost(day, self.p_fail)

    def saving(self, day: int) -> float:
        """What a visit on `day` saves against none before the horizon's end."""
        return self.cost(HORIZON_DAYS) - self.cost(day)

    def planned(self, day: int) -> float:
        """What the schedule counts for a visit on `day`: its cost, if the nights until then bring
        it forward where they see that it must be, and the price of waiting."""
        return self._cost(day, self.p_unforeseen or self.p_fail) + day * self.waiting_day_price

    def left_out(self) -> float:
        """What the schedule counts for no visit on the days planned: the cheapest thereafter."""
        first = HORIZON_DAYS if self.later_day is None else self.later_day
        later = (self.planned(day) for day in range(first, HORIZON_DAYS))
        return min([self.cost(HORIZON_DAYS), *later])

    def gain(self, day: int) -> float:
        """What the schedule counts a visit on `day` for against leaving the asset out."""
        return self.left_out() - self.planned(day)

    def _cost(self, day: int, p_fail: tuple[float, ...]) -> float:
        fails = p_fail[day]
        service = self.cost_of_service + self._day_price(day)
        late = 0 if self.due_day is None else max(day - self.due_day, 0)
        lost_days = HORIZON_DAYS - sum(1 - p for p in p_fail[:day])
        paid = fails * self.cost_of_failure + (1 - fails) * service
        return paid + late * self.overdue_price + lost_days * self.life_day_price

    def _day_price(self, day: int) -> float:
        """Beyond the days planned: the median of theirs."""
        if day < len(self.day_prices):
            return self.day_prices[day]
        return median(self.day_prices) if self.day_prices else 0.0


@dataclass(frozen=True, slots=True)
class WorkshopProblem:
    """One workshop, its people, parts and jobs.

    weekdays: open days, 0 = Monday. max_away: site → assets that may be away on each day.
    bookings: promised already; an asset that has one is none of the jobs.
    """

    workshop_id: str
    first_day: date
    num_days: int
    bays: tuple[Bay, ...]
    opens_s: int
    closes_s: int
    weekdays: frozenset[int]
    technicians: tuple[Technician, ...]
    jobs: tuple[Job, ...]
    parts: Mapping[str, Part] = field(default_factory=dict)
    max_away: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    bookings: tuple[Booking, ...] = ()

    def date_of(self, day: int) -> date:
        return self.first_day + timedelta(days=day)

    def is_open(self, day: int) -> bool:
        return self.date_of(day).weekday() in self.weekdays

    def hours(self, technician: Technician) -> tuple[int, int]:
        """When this technician can work here: the shift within the opening hours."""
        return max(technician.start_s, self.opens_s), min(technician.end_s, self.closes_s)


@dataclass(frozen=True, slots=True)
class Visit:
    """A booked job: day counted from the first one, start in seconds after its midnight."""

    asset_id: str
    day: int
    start_s: int
    bay: int
    technician_id: str


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """What becomes of a job: its visit, or None and the reason."""

    job: Job
    visit: Visit | None
    reason: str

    @property
    def saving(self) -> float:
        return 0.0 if self.visit is None else self.job.saving(self.visit.day)

    @property
    def cost(self) -> float:
        """As the schedule counts it."""
        return self.job.left_out() if self.visit is None else self.job.planned(self.visit.day)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every job's order, what they cost together, and what they cannot cost less than."""

    orders: tuple[WorkOrder, ...]
    bound: float

    @property
    def cost(self) -> float:
        return sum(order.cost for order in self.orders)

    @property
    def gap(self) -> float:
        """How far above the bound the cost is at most, as a share of it."""
        return max(self.cost - self.bound, 0.0) / max(abs(self.cost), 1e-9)
