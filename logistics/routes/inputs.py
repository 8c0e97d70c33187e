"""A depot's checked tables → its `DepotProblem`. Knows polars and the tables; no solver.

A driver takes one vehicle out for one round (max_trips above 1 counts as 1 for now). A vehicle's
shift is its driver's within the depot's hours; overtime is not planned.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from math import ceil, floor

import numpy as np
import polars as pl

from logistics.config import RoutesConfig
from logistics.routes.problem import Crew, DepotProblem, Order, TimeWindow
from logistics.routes.travel import Travel, haversine_m

Row = Mapping[str, object]


def problem(
    tables: Mapping[str, pl.DataFrame],
    depot_id: str,
    kept_back: Collection[str],
    run_date: date,
    config: RoutesConfig,
) -> DepotProblem:
    """The routing problem of one depot on run_date; orders of other days are not in it.

    tables: orders, depots, vehicles, drivers, traffic and travel_times, of this or of all depots.
    kept_back: ids of vehicles that must stay. Raises ValueError for a depot that is not in depots.
    """
    mine = {name: frame.filter(depot_id=depot_id) for name, frame in tables.items()}
    if mine["depots"].is_empty():
        raise ValueError(f"orders: depot {depot_id} is not in the depots table; add its row")
    depot = mine["depots"].row(0, named=True)
    rows = mine["orders"].filter(pl.col("service_date") == run_date).sort("order_id")
    orders = tuple(_order(row, depot, config) for row in rows.iter_rows(named=True))
    vehicles = mine["vehicles"].filter(~pl.col("vehicle_id").is_in(sorted(kept_back)))
    return DepotProblem(
        depot_id=depot_id,
        opens_s=depot["opens_s"],
        closes_s=depot["closes_s"],
        orders=orders,
        crews=_crews(vehicles, mine["drivers"], depot, orders),
        travel=_travel(rows, depot, mine["traffic"], mine["travel_times"], run_date, config),
        kept_back=frozenset(kept_back),
    )


def _order(row: Mapping[str, object], depot: Row, config: RoutesConfig) -> Order:
    priority = _whole(row["priority"])
    return Order(
        id=str(row["order_id"]),
        weight_mg=_ceil(row["weight_kg"], 1e6),
        volume_mm3=_ceil(row["volume_m3"], 1e9),
        windows=_windows(row["windows"], depot),
        service_s=_whole(row["service_s"]),
        penalty=config.drop_penalty + priority * config.drop_penalty_per_priority,
        priority=priority,
        pickup=row["kind"] == "pickup",
        skills=_skills(row["skills"]),
        locked_vehicle=None if row["locked_vehicle"] is None else str(row["locked_vehicle"]),
    )


def _windows(windows: object, depot: Row) -> tuple[TimeWindow, ...]:
    """Disjoint and in order; without any, the depot's hours."""
    if not windows:
        return (TimeWindow(_whole(depot["opens_s"]), _whole(depot["closes_s"])),)
    assert isinstance(windows, list)
    merged: list[TimeWindow] = []
    for window in sorted(TimeWindow(w["opens_s"], w["closes_s"]) for w in windows):
        if merged and window.opens_s <= merged[-1].closes_s:
            last = merged.pop()
            window = TimeWindow(last.opens_s, max(last.closes_s, window.closes_s))
        merged.append(window)
    return tuple(merged)


def _crews(
    vehicles: pl.DataFrame, drivers: pl.DataFrame, depot: Row, orders: Sequence[Order]
) -> tuple[Crew, ...]:
    """min(vehicles, drivers) pairs, the vehicles that matter most first.

    Vehicles go by the orders locked to them, the skills asked for, then room. Each
    takes the driver with whom it can serve most orders by skills, then the one who works longest
    while the depot is open.
    """
    locked = [order.locked_vehicle for order in orders]
    asked = frozenset(skill for order in orders for skill in order.skills)
    wanted = sorted(
        vehicles.iter_rows(named=True),
        key=lambda v: (
            -locked.count(v["vehicle_id"]),
            -len(_skills(v["skills"]) & asked),
            -v["capacity_kg"],
            v["vehicle_id"],
        ),
    )
    free = [d for d in drivers.sort("driver_id").iter_rows(named=True) if _hours(d, depot) > 0]
    demands = [order.skills for order in orders if order.skills]
    crews = []
    for vehicle in wanted[: len(free)]:
        able = [_skills(vehicle["skills"]) | _skills(driver["skills"]) for driver in free]
        best = max(
            range(len(free)),
            key=lambda d: (
                sum(skills <= able[d] for skills in demands),
                _hours(free[d], depot),
                -len(able[d]),  # a skill that nobody asks for here may be of use on another vehicle
                -d,
            ),
        )
        crews.append(_crew(vehicle, free.pop(best), depot))
    return tuple(sorted(crews, key=lambda crew: crew.vehicle_id))


def _hours(driver: Row, depot: Row) -> int:
    """Seconds at work while the depot is open."""
    ends_s = min(_whole(driver["shift_end_s"]), _whole(depot["closes_s"]))
    return ends_s - max(_whole(driver["shift_start_s"]), _whole(depot["opens_s"]))


def _crew(vehicle: Mapping[str, object], driver: Row, depot: Row) -> Crew:
    range_km, break_after_s = vehicle["range_km"], driver["break_after_s"]
    break_s = _whole(driver["break_s"])
    return Crew(
        vehicle_id=str(vehicle["vehicle_id"]),
        driver_id=str(driver["driver_id"]),
        capacity_mg=floor(_real(vehicle["capacity_kg"]) * 1e6 + 1e-3),
        capacity_mm3=floor(_real(vehicle["capacity_m3"]) * 1e9 + 1e-3),
        starts_s=max(_whole(driver["shift_start_s"]), _whole(depot["opens_s"])),
        ends_s=min(_whole(driver["shift_end_s"]), _whole(depot["closes_s"])),
        cost_fixed=_real(vehicle["cost_fixed"]),
        cost_per_km=_real(vehicle["cost_per_km"]),
        cost_per_h=_real(vehicle["cost_per_h"]),
        speed_factor=_real(vehicle["speed_factor"], 1.0),
        range_m=None if range_km is None else floor(_real(range_km) * 1000),
        max_drive_s=None if driver["max_drive_s"] is None else _whole(driver["max_drive_s"]),
        break_after_s=_whole(break_after_s) if break_after_s is not None and break_s else None,
        break_s=break_s,
        skills=_skills(vehicle["skills"]) | _skills(driver["skills"]),
    )


def _travel(
    orders: pl.DataFrame,
    depot: Row,
    traffic: pl.DataFrame,
    given: pl.DataFrame,
    run_date: date,
    config: RoutesConfig,
) -> Travel:
    """Road lengths and free-flow times, and the speeds of the run date's weekday.

    A given matrix replaces the great circle arc by arc; the traffic table, where the depot has
    one, slows both. After midnight the same day's slots are used again.
    """
    lat = np.array([depot["lat"], *orders["lat"]], dtype=float)
    lon = np.array([depot["lon"], *orders["lon"]], dtype=float)
    metres = haversine_m(lat, lon) * config.circuity
    base_s = metres / (config.speed_kmh / 3.6)
    nodes = pl.DataFrame(
        {
            "id": ["", str(depot["depot_id"]), *orders["order_id"]],
            "node": [0, 0, *range(1, orders.height + 1)],
        },
        schema={"id": pl.String, "node": pl.Int64},
    ).unique("id", keep="first", maintain_order=True)
    arcs = given.join(nodes.rename({"id": "from_id", "node": "start"}), on="from_id").join(
        nodes.rename({"id": "to_id", "node": "end"}), on="to_id"
    )
    start, end = arcs["start"].to_numpy(), arcs["end"].to_numpy()
    metres[start, end], base_s[start, end] = arcs["distance_m"], arcs["duration_s"]
    np.fill_diagonal(metres, 0.0)
    np.fill_diagonal(base_s, 0.0)
    factors = np.ones(48)
    day = traffic.filter(pl.col("weekday") == run_date.weekday())
    factors[day["slot"].to_numpy()] = day["speed_factor"].to_numpy()
    return Travel(np.rint(metres).astype(np.int64), base_s, tuple(np.tile(factors, 2).tolist()))


def _skills(skills: object) -> frozenset[str]:
    assert skills is None or isinstance(skills, list)
    return frozenset(skill for skill in skills or () if skill is not None)


def _whole(value: object, default: int = 0) -> int:
    assert value is None or isinstance(value, int)
    return default if value is None else value


def _real(value: object, default: float = 0.0) -> float:
    assert value is None or isinstance(value, float)
    return default if value is None else value


def _ceil(value: object, scale: float) -> int:
    """Rounded up, but for the noise of decimal fractions."""
    return ceil(_real(value) * scale - 1e-3)
