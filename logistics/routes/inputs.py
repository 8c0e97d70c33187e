"""A depot's checked tables → its `DepotProblem`. Knows polars and the tables; no solver.

A driver takes one vehicle out for one round (max_trips above 1 counts as 1 for now). A vehicle's
shift is its driver's within the depot's hours; overtime is not planned.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from math import ceil, floor

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.config import RoutesConfig
from logistics.routes.fit import SLOTS, Pace, fit
from logistics.routes.problem import Crew, DepotProblem, Order, TimeWindow
from logistics.routes.travel import Roads, Travel, haversine_m

Row = Mapping[str, object]


def problem(
    tables: Mapping[str, pl.DataFrame],
    depot_id: str,
    kept_back: Collection[str],
    run_date: date,
    config: RoutesConfig,
    roads: Roads | None = None,
) -> DepotProblem:
    """The routing problem of one depot on run_date; orders of other days are not in it.

    tables: orders, depots, vehicles, drivers, traffic, trips and travel_times, of this or of all
    depots. kept_back: ids of vehicles that must stay. roads: between `places_of` the depot, from a
    routing service. Raises ValueError for a depot that is not in depots.
    """
    mine = {name: frame.filter(depot_id=depot_id) for name, frame in tables.items()}
    depot, rows = _depot(tables, depot_id), _orders_of(tables, depot_id, run_date)
    orders = tuple(_order(row, depot, config) for row in rows.iter_rows(named=True))
    vehicles = mine["vehicles"].filter(~pl.col("vehicle_id").is_in(sorted(kept_back)))
    return DepotProblem(
        depot_id=depot_id,
        opens_s=_whole(depot["opens_s"]),
        closes_s=_whole(depot["closes_s"]),
        orders=orders,
        crews=_crews(vehicles, mine["drivers"], depot, orders),
        travel=_travel(rows, depot, mine, run_date, config, roads),
        kept_back=frozenset(kept_back),
    )


def places_of(
    tables: Mapping[str, pl.DataFrame], depot_id: str, run_date: date
) -> list[tuple[float, float]]:
    """(lat, lon) of the depot and of its orders of the day, as the problem has them."""
    lat, lon = _places(_orders_of(tables, depot_id, run_date), _depot(tables, depot_id))
    return list(zip(lat.tolist(), lon.tolist(), strict=True))


def _places(orders: pl.DataFrame, depot: Row) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lat, lon = (np.array([depot[name], *orders[name]], dtype=np.float64) for name in ("lat", "lon"))
    return lat, lon


def _depot(tables: Mapping[str, pl.DataFrame], depot_id: str) -> Row:
    found = tables["depots"].filter(depot_id=depot_id)
    if found.is_empty():
        raise ValueError(f"orders: depot {depot_id} is not in the depots table; add its row")
    return found.row(0, named=True)


def _orders_of(tables: Mapping[str, pl.DataFrame], depot_id: str, run_date: date) -> pl.DataFrame:
    return tables["orders"].filter(depot_id=depot_id, service_date=run_date).sort("order_id")


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
    rows: pl.DataFrame,
    depot: Row,
    mine: Mapping[str, pl.DataFrame],
    run_date: date,
    config: RoutesConfig,
    roads: Roads | None,
) -> Travel:
    """Road lengths and free-flow times, and the speeds of the run date's weekday.

    What a service knows replaces the great circle, and a given matrix both, arc by arc; the
    traffic, of the table or of past trips, slows them all. After midnight the same day's slots are
    used again.
    """
    day = mine["traffic"].filter(pl.col("weekday") == run_date.weekday())
    given = np.ones(SLOTS)
    given[day["slot"].to_numpy()] = day["speed_factor"].to_numpy()
    default = Pace(config.circuity, config.speed_kmh, tuple(given.tolist()))
    pace = fit(mine["trips"], run_date, default, None if day.is_empty() else given)
    metres = haversine_m(*_places(rows, depot)) * pace.circuity
    base_s = metres / (pace.speed_kmh / 3.6)
    if roads is not None:
        known = np.isfinite(roads.distance_m) & np.isfinite(roads.duration_s)
        metres = np.where(known, roads.distance_m, metres)
        base_s = np.where(known, roads.duration_s, base_s)
    _lay(mine["travel_times"], rows, depot, metres, base_s)
    np.fill_diagonal(metres, 0.0)
    np.fill_diagonal(base_s, 0.0)
    return Travel(np.rint(metres).astype(np.int64), base_s, pace.factors * 2)


def _lay(
    given: pl.DataFrame,
    rows: pl.DataFrame,
    depot: Row,
    metres: NDArray[np.float64],
    base_s: NDArray[np.float64],
) -> None:
    """Put the given arcs into the matrices."""
    nodes = pl.DataFrame(
        {
            "id": ["", str(depot["depot_id"]), *rows["order_id"]],
            "node": [0, 0, *range(1, rows.height + 1)],
        },
        schema={"id": pl.String, "node": pl.Int64},
    ).unique("id", keep="first", maintain_order=True)
    arcs = given.join(nodes.rename({"id": "from_id", "node": "start"}), on="from_id").join(
        nodes.rename({"id": "to_id", "node": "end"}), on="to_id"
    )
    start, end = arcs["start"].to_numpy(), arcs["end"].to_numpy()
    metres[start, end], base_s[start, end] = arcs["distance_m"], arcs["duration_s"]


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
