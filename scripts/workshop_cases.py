"""Workshops of any size for benchmarks: made from a seed, and nothing in them is easy on purpose.

Capacity for 0.5 to 1.4 of the work, bays that take some kinds only, specialists, shifts that
overlap, parts that are out, promised hours, limits on absences, and inspections that are due.
"""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from logistics.maintenance.problem import (
    HORIZON_DAYS,
    Bay,
    Booking,
    Job,
    Part,
    Technician,
    WorkshopProblem,
)

COMPONENTS = ("battery", "brakes", "engine", "turbo", "tyres", "hydraulics")
HOURS = (1.0, 2.0, 3.0, 4.0)
HARD_HOURS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
HOUR_S = 3600
DAY_HOURS = 12


def made(
    seed: int, num_jobs: int = 100, num_days: int = 14, *, hard: bool = False
) -> WorkshopProblem:
    """hard: jobs of half hours, too, and 1.5 technicians a bay instead of 2."""
    rng = np.random.default_rng([seed, 60])
    hours, people_per_bay = (HARD_HOURS, 1.5) if hard else (HOURS, 2.0)
    sites = [f"S{n + 1}" for n in range(rng.integers(2, 6))]
    lengths = dict(zip(COMPONENTS, rng.choice(hours, len(COMPONENTS)), strict=True))
    jobs = tuple(_job(rng, n, sites, lengths, num_days) for n in range(num_jobs))
    work_h = sum(job.duration_s for job in jobs) / HOUR_S
    share = rng.uniform(0.5, 1.4)
    num_bays = max(round(share * work_h / (DAY_HOURS * num_days * 6 / 7)), 1)
    return WorkshopProblem(
        workshop_id=f"W{seed}",
        first_day=date(2026, 3, 2 + int(rng.integers(0, 7))),
        num_days=num_days,
        bays=_bays(rng, num_bays),
        opens_s=7 * HOUR_S,
        closes_s=(7 + DAY_HOURS) * HOUR_S,
        weekdays=frozenset(range(6)),
        technicians=_technicians(rng, round(people_per_bay * num_bays)),
        jobs=jobs,
        parts=_parts(rng, num_jobs),
        max_away={site: _away(rng, num_jobs, len(sites), num_days) for site in sites},
        bookings=_bookings(rng, num_bays, num_days, sites),
    )


def _job(
    rng: np.random.Generator, n: int, sites: list[str], lengths: dict[str, float], num_days: int
) -> Job:
    """Its remaining life is known to 20–60 %: a lognormal curve around 1 to 80 days."""
    truck = bool(rng.random() < 0.3)
    component = str(rng.choice(COMPONENTS))
    service = float((450.0 if truck else 260.0) * rng.uniform(0.8, 1.3))
    life, spread = np.exp(rng.uniform(0, np.log(80))), rng.uniform(0.2, 0.6)
    days = np.arange(HORIZON_DAYS + 1) + 1e-9
    due = int(rng.integers(0, num_days)) if rng.random() < 0.08 else None
    price = rng.uniform(60, 240)
    return Job(
        asset_id=f"A{n:03d}",
        site_id=str(rng.choice(sites)),
        kind="truck" if truck else "van",
        component=component,
        duration_s=round((lengths[component] + (1.0 if truck else 0.0)) * HOUR_S),
        p_fail=tuple(float(p) for p in normal_cdf(np.log(days / life) / spread)),
        cost_of_failure=float((3500 if truck else 1800) * rng.choice([0.8, 1.0, 1.3])),
        cost_of_service=service,
        life_day_price=service / 365,
        day_prices=tuple(float(p) for p in price * rng.uniform(0.6, 1.4, num_days)),
        due_day=due,
        overdue_price=0.0 if due is None else float(price),
    )


def normal_cdf(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """By Zelen & Severo (1964), to seven digits."""
    t = 1 / (1 + 0.2316419 * np.abs(z))
    powers = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
    tail = sum(b * t ** (k + 1) for k, b in enumerate(powers)) * np.exp(-z * z / 2) / 2.5066282746
    return np.asarray(np.where(z > 0, 1 - tail, tail))


def _bays(rng: np.random.Generator, num_bays: int) -> tuple[Bay, ...]:
    """One takes all; of the others some are too small for trucks."""
    small = frozenset({"van"})
    others = (Bay(n + 1, small if rng.random() < 0.4 else None) for n in range(1, num_bays))
    return (Bay(1), *others)


def _technicians(rng: np.random.Generator, number: int) -> tuple[Technician, ...]:
    """In four shifts of nine hours; half of them know some components only."""
    people = []
    for n in range(number):
        start_s = (7, 9, 8, 10)[n % 4] * HOUR_S
        known = rng.choice(COMPONENTS, int(rng.integers(2, 5)), replace=False)
        skills = frozenset(str(c) for c in known) if n % 2 else None
        people.append(Technician(f"T{n + 1}", start_s, start_s + 9 * HOUR_S, skills))
    return tuple(people)


def _parts(rng: np.random.Generator, num_jobs: int) -> dict[str, Part]:
    usual = num_jobs // len(COMPONENTS)
    return {
        component: Part(int(rng.integers(0, usual)), int(rng.integers(1, 9)))
        for component in COMPONENTS
        if rng.random() < 0.5
    }


def _away(rng: np.random.Generator, num_jobs: int, sites: int, num_days: int) -> tuple[int, ...]:
    usual = num_jobs / sites / num_days
    return tuple(int(n) for n in np.maximum(rng.poisson(2 * usual, num_days), 1))


def _bookings(
    rng: np.random.Generator, num_bays: int, num_days: int, sites: list[str]
) -> tuple[Booking, ...]:
    """A promised job of two hours in every third bay and day of the first week, roughly."""
    found = []
    for day in range(min(num_days, 7)):
        for bay in range(1, num_bays + 1):
            if rng.random() < 1 / 3:
                start_s = int(rng.integers(8, 16)) * HOUR_S
                site = str(rng.choice(sites))
                found.append(
                    Booking(f"B{day}-{bay}", site, day, start_s, start_s + 2 * HOUR_S, bay)
                )
    return tuple(found)
