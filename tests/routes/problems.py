"""Small depot problems of every kind, for hypothesis; and Solomon's instances."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from logistics.routes.problem import Crew, Depot, DepotProblem, Order, TimeWindow
from logistics.routes.travel import Travel
from logistics.routes.zones import ZoneTravel

HOUR_S = 3600

factors = st.lists(st.sampled_from([0.4, 0.7, 1.0, 1.3]), min_size=1, max_size=96).map(tuple)


@st.composite
def windows(draw: st.DrawFn) -> tuple[TimeWindow, ...]:
    """One or two disjoint windows of the day."""
    edges = draw(st.lists(st.integers(6, 20), min_size=2, max_size=4, unique=True).map(sorted))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return tuple(TimeWindow(a * HOUR_S, b * HOUR_S) for a, b in pairs)


@st.composite
def orders(draw: st.DrawFn, index: int) -> Order:
    skills = st.frozensets(st.sampled_from(["fridge", "lift"]), max_size=1)
    return Order(
        id=f"S{index}",
        weight_mg=draw(st.integers(0, 60)) * 10**6,
        volume_mm3=draw(st.integers(0, 60)) * 10**7,
        windows=draw(windows()),
        service_s=draw(st.integers(0, 1800)),
        penalty=draw(st.sampled_from([5.0, 60.0, 500.0])),
        pickup=draw(st.booleans()),
        skills=draw(skills) if index % 3 == 0 else frozenset(),
        locked_vehicle=draw(st.sampled_from([None, None, "V0", "V9"])) if index % 4 == 1 else None,
        parcels=draw(st.integers(0, 20)),
        usual_vehicle=draw(st.sampled_from([None, "V0", "V1"])),
    )


def paired(singles: Sequence[Order], which: Sequence[bool]) -> list[Order]:
    """The orders, two and two of them pairs, as told."""
    made = list(singles)
    for first in (2 * k for k, is_pair in enumerate(which) if is_pair):
        pickup, delivery = (replace(o, pair=f"P{first}") for o in made[first : first + 2])
        made[first] = replace(pickup, pickup=True)
        made[first + 1] = replace(
            delivery,
            pickup=False,
            weight_mg=pickup.weight_mg,
            volume_mm3=pickup.volume_mm3,
            parcels=pickup.parcels,
        )
    return made


@st.composite
def crews(draw: st.DrawFn, index: int) -> Crew:
    starts_h = draw(st.integers(5, 9))
    return Crew(
        vehicle_id=f"V{index}",
        driver_id=f"W{index}",
        capacity_mg=draw(st.integers(50, 150)) * 10**6,
        capacity_mm3=draw(st.integers(50, 150)) * 10**7,
        starts_s=starts_h * HOUR_S,
        ends_s=(starts_h + draw(st.integers(3, 11))) * HOUR_S,
        cost_fixed=draw(st.sampled_from([0.0, 20.0])),
        cost_per_km=draw(st.sampled_from([0.2, 1.0])),
        cost_per_h=draw(st.sampled_from([0.0, 25.0])),
        speed_factor=draw(st.sampled_from([0.8, 1.0])),
        range_m=draw(st.sampled_from([None, 80_000])),
        max_drive_s=draw(st.sampled_from([None, 3 * HOUR_S])),
        break_after_s=draw(st.sampled_from([None, 3 * HOUR_S])),
        break_s=1800,
        skills=draw(st.frozensets(st.sampled_from(["fridge", "lift"]))),
        capacity_parcels=draw(st.sampled_from([None, 25, 40])),
        break_after_drive_s=draw(st.sampled_from([None, HOUR_S, 2 * HOUR_S])),
        overtime_from_s=draw(st.sampled_from([None, starts_h * HOUR_S + 2 * HOUR_S])),
        overtime_cost_per_h=40.0,
        max_trips=draw(st.sampled_from([1, 1, 3])),
        reload_s=draw(st.sampled_from([0, 900])),
        returns=draw(st.sampled_from([True, True, False])),
        lunch=draw(st.sampled_from([None, None, TimeWindow(11 * HOUR_S, 12 * HOUR_S)])),
    )


@st.composite
def problems(
    draw: st.DrawFn, max_orders: int = 12, max_crews: int = 3, num_mates: int = 0
) -> DepotProblem:
    num_orders = draw(st.integers(1, max_orders))
    num_crews = draw(st.integers(1, max_crews))
    points = draw(
        st.lists(
            st.tuples(st.integers(-25, 25), st.integers(-25, 25)),
            min_size=num_orders + 1 + num_mates,
            max_size=num_orders + 1 + num_mates,
        )
    )
    km = np.array(points, dtype=float)
    metres = 1000 * np.hypot(*(km[:, None, :] - km[None, :, :]).transpose(2, 0, 1))
    travel = Travel(np.rint(metres).astype(np.int64), metres / 12.5, draw(factors))
    singles = [draw(orders(index)) for index in range(num_orders)]
    return DepotProblem(
        "D1",
        opens_s=5 * HOUR_S,
        closes_s=21 * HOUR_S,
        orders=tuple(paired(singles, draw(st.lists(st.booleans(), max_size=num_orders // 2)))),
        crews=tuple(draw(crews(index)) for index in range(num_crews)),
        travel=travel,
        change_cost=draw(st.sampled_from([0.0, 8.0])),
        balance_cost=draw(st.sampled_from([0.0, 3.0])),
    )


@st.composite
def pools(draw: st.DrawFn, max_orders: int = 8, max_crews: int = 4) -> DepotProblem:
    """Two or three depots that share their vehicles, each with hours and traffic of its own."""
    num_mates = draw(st.integers(1, 2))
    alone, of_any = draw(problems(max_orders, max_crews, num_mates)), st.integers(0, num_mates)
    hours = st.tuples(st.integers(5, 9), st.integers(15, 21))
    own = [Depot(f"D{k + 2}", *(h * HOUR_S for h in draw(hours))) for k in range(num_mates)]
    orders = tuple(
        replace(order, depot=draw(of_any), own_depot_only=draw(st.integers(0, 4)) == 0)
        for order in alone.orders
    )
    crews = []
    for crew in alone.crews:
        depot = draw(of_any)
        open_ = own[depot - 1] if depot else alone.depots[0]
        ends_s = min(crew.ends_s, open_.closes_s)
        starts_s = min(max(crew.starts_s, open_.opens_s), ends_s)
        overtime_s = crew.overtime_from_s if (crew.overtime_from_s or ends_s) < ends_s else None
        shift = {"starts_s": starts_s, "ends_s": ends_s, "overtime_from_s": overtime_s}
        crews.append(replace(crew, depot=depot, **shift))
    zones = [draw(of_any) for _ in range(len(orders) + 1 + num_mates)]
    speeds = tuple(draw(factors) for _ in range(1 + num_mates))
    travel = ZoneTravel(alone.travel.distance_m, alone.travel.base_s, tuple(zones), speeds)
    return replace(alone, orders=orders, crews=tuple(crews), travel=travel, mates=tuple(own))


def one_order() -> DepotProblem:
    """5 km out and back at 10 m/s, one order, one crew, all day."""
    metres = np.array([[0, 5000], [5000, 0]])
    order = Order("S0", 10**6, 10**6, (TimeWindow(0, 80_000),), 60, penalty=100.0)
    crew = Crew("V0", "W0", 10**8, 10**9, 0, 80_000)
    return DepotProblem("D1", 0, 80_000, (order,), (crew,), Travel(metres, metres / 10))


def changed(**changes: object) -> DepotProblem:
    """one_order with fields of the order, or else of the crew, replaced."""
    problem = one_order()
    of_order = {name: value for name, value in changes.items() if name in Order.__slots__}
    of_crew = {name: value for name, value in changes.items() if name not in of_order}
    order = replace(problem.orders[0], **of_order)
    return replace(problem, orders=(order,), crews=(replace(problem.crews[0], **of_crew),))


def solomon(data_dir: Path, name: str) -> DepotProblem:
    """An instance in tenths of its unit: distance and time truncated to one decimal, × 10."""
    lines = (data_dir / "routing" / "vrptw_solomon" / f"{name}.txt").read_text().splitlines()
    num_vehicles, capacity = (int(part) for part in lines[4].split())
    rows = np.array([line.split() for line in lines[9:] if line.strip()], dtype=float)
    offsets = rows[:, None, 1:3] - rows[None, :, 1:3]
    tenths = np.floor(10 * np.hypot(offsets[..., 0], offsets[..., 1])).astype(np.int64)
    horizon = int(rows[0, 5] * 10)
    orders_ = tuple(
        Order(
            id=str(int(row[0])),
            weight_mg=int(row[3]) * 10**6,
            volume_mm3=0,
            windows=(TimeWindow(int(row[4] * 10), int(row[5] * 10)),),
            service_s=int(row[6] * 10),
            penalty=1e6,
        )
        for row in rows[1:]
    )
    crews_ = tuple(
        Crew(f"V{k}", f"W{k}", capacity * 10**6, 0, 0, horizon, cost_per_km=1000)
        for k in range(num_vehicles)
    )
    return DepotProblem(name, 0, horizon, orders_, crews_, Travel(tenths, tenths.astype(float)))


RUSH = tuple(0.45 if slot in range(14, 19) or slot in range(32, 37) else 0.95 for slot in range(48))


def night(num_orders: int, seed: int, per_crew: int = 15) -> DepotProblem:
    """A large depot's night as the made company has them: crews of many kinds, windows, rush hours.

    per_crew: orders for each crew; by load it could just carry them.
    """
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 12_000, (num_orders + 1, 2))
    points[0] = 0
    metres = 1.3 * np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    skills = rng.choice(["", "", "", "", "fridge", "lift"], num_orders)
    orders_ = tuple(
        Order(
            id=f"S{k}",
            weight_mg=int(rng.integers(5, 120)) * 10**6,
            volume_mm3=int(rng.integers(5, 120)) * 10**7,
            windows=_windows(rng),
            service_s=int(rng.integers(3, 12)) * 60,
            penalty=float(rng.choice([40.0, 80.0, 200.0])),
            pickup=bool(rng.random() < 0.1),
            skills=frozenset({str(skills[k])} - {""}),
        )
        for k in range(num_orders)
    )
    crews_ = tuple(_crew(rng, k) for k in range(max(num_orders // per_crew, 1)))
    travel = Travel(metres.astype(np.int64), metres / (50 / 3.6), RUSH)
    return DepotProblem("D1", 5 * HOUR_S, 21 * HOUR_S, orders_, crews_, travel)


def _windows(rng: np.random.Generator) -> tuple[TimeWindow, ...]:
    opens_h, kind = int(rng.integers(7, 15)), rng.random()
    if kind < 0.4:
        return (TimeWindow(6 * HOUR_S, 19 * HOUR_S),)
    if kind < 0.9:
        return (TimeWindow(opens_h * HOUR_S, (opens_h + 3) * HOUR_S),)
    return (TimeWindow(7 * HOUR_S, 9 * HOUR_S), TimeWindow(15 * HOUR_S, 18 * HOUR_S))


def _crew(rng: np.random.Generator, index: int) -> Crew:
    truck, starts_s = index % 4 == 3, int(rng.choice([12, 13, 14, 16, 18])) * 1800
    able = [skill for skill in ("fridge", "lift") if rng.random() < 0.4]
    return Crew(
        vehicle_id=f"V{index:03d}",
        driver_id=f"W{index:03d}",
        capacity_mg=(2500 if truck else 800) * 10**6,
        capacity_mm3=(2500 if truck else 800) * 10**7,
        starts_s=starts_s,
        ends_s=starts_s + 10 * HOUR_S,
        overtime_from_s=starts_s + 9 * HOUR_S,
        overtime_cost_per_h=45.0,
        cost_fixed=120.0 if truck else 70.0,
        cost_per_km=0.75 if truck else 0.42,
        cost_per_h=28.0,
        speed_factor=0.9 if truck else 1.0,
        range_m=220_000 if rng.random() < 0.2 else None,
        max_drive_s=9 * HOUR_S,
        break_after_s=5 * HOUR_S,
        break_s=1800,
        skills=frozenset(able),
    )
