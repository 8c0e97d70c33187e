"""Workshops for tests: small ones made by hand, and random ones."""

from datetime import date

from hypothesis import strategies as st

from logistics.maintenance.problem import (
    Bay,
    Booking,
    Job,
    Part,
    Technician,
    WorkshopProblem,
    failing_by,
)

MONDAY = date(2026, 3, 2)
HOUR = 3600
COMPONENTS = ("brakes", "battery", "motor")


def job(asset_id: str, p7: float = 0.4, p30: float = 0.8, **changed: object) -> Job:
    values: dict[str, object] = {
        "asset_id": asset_id,
        "site_id": "S1",
        "kind": "van",
        "component": "brakes",
        "duration_s": 3 * HOUR,
        "p_fail": failing_by(p7, p30),
        "cost_of_failure": 2000.0,
        "cost_of_service": 300.0,
    }
    return Job(**(values | changed))  # type: ignore[arg-type]


def bays(number: int, **kinds: str) -> tuple[Bay, ...]:
    """kinds: b2="van" makes the second bay one for vans only."""
    only = {name: frozenset({kind}) for name, kind in kinds.items()}
    return tuple(Bay(n + 1, only.get(f"b{n + 1}")) for n in range(number))


def shop(*jobs: Job, **changed: object) -> WorkshopProblem:
    values: dict[str, object] = {
        "workshop_id": "W1",
        "first_day": MONDAY,
        "num_days": 5,
        "bays": bays(1),
        "opens_s": 8 * HOUR,
        "closes_s": 17 * HOUR,
        "weekdays": frozenset(range(5)),
        "technicians": (Technician("T1", 8 * HOUR, 17 * HOUR),),
        "jobs": jobs,
    }
    return WorkshopProblem(**(values | changed))  # type: ignore[arg-type]


@st.composite
def jobs(draw: st.DrawFn, most: int) -> tuple[Job, ...]:
    found = []
    for n in range(draw(st.integers(0, most))):
        p7 = draw(st.floats(0.0, 1.0))
        found.append(
            job(
                f"A{n}",
                p7,
                draw(st.floats(p7, 1.0)),
                site_id=draw(st.sampled_from(["S1", "S2"])),
                kind=draw(st.sampled_from(["van", "truck"])),
                component=draw(st.sampled_from([*COMPONENTS, None])),
                duration_s=draw(st.sampled_from([1, 2, 3, 4])) * HOUR,
                life_day_price=draw(st.sampled_from([0.0, 2.0])),
                due_day=draw(st.sampled_from([None, None, 0, 2])),
                overdue_price=50.0,
                cost_of_failure=draw(st.sampled_from([500.0, 1000.0, 5000.0])),
            )
        )
    return tuple(found)


@st.composite
def technicians(draw: st.DrawFn, most: int) -> tuple[Technician, ...]:
    found = []
    for n in range(draw(st.integers(0, most))):
        start = draw(st.integers(5, 14))
        skills = draw(st.none() | st.frozensets(st.sampled_from(COMPONENTS), min_size=1))
        found.append(Technician(f"T{n}", start * HOUR, (start + 8) * HOUR, skills))
    return tuple(found)


@st.composite
def shops(
    draw: st.DrawFn, most_jobs: int = 12, most_days: int = 5, most_people: int = 3
) -> WorkshopProblem:
    num_days = draw(st.integers(1, most_days))
    most = st.integers(1, 3)
    promised = st.builds(
        Booking,
        asset_id=st.just("B"),
        site_id=st.sampled_from(["S1", None]),
        day=st.integers(0, num_days - 1),
        start_s=st.just(9 * HOUR),
        end_s=st.just(11 * HOUR),
        bay=st.just(1),
        technician_id=st.sampled_from(["T0", None]),
    )
    parts = st.builds(Part, stock=st.integers(0, 2), lead_days=st.integers(0, 6))
    return shop(
        *draw(jobs(most_jobs)),
        num_days=num_days,
        bays=bays(draw(st.integers(1, 3)), **draw(st.sampled_from([{}, {"b1": "van"}]))),
        closes_s=draw(st.sampled_from([12, 17, 19])) * HOUR,
        weekdays=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        technicians=draw(technicians(most_people)),
        parts=draw(st.dictionaries(st.sampled_from(COMPONENTS), parts)),
        max_away={"S1": tuple(draw(most) for _ in range(num_days)), "S2": (1,) * num_days},
        bookings=tuple(draw(st.lists(promised, max_size=1))),
    )
