"""Who goes out: a depot's vehicles with its drivers. Knows the tables' columns; no solver.

A driver takes one vehicle out, for as many trips as it may make. A vehicle's shift is its driver's
within the depot's hours, and the overtime that is allowed.
"""

from collections.abc import Sequence
from math import floor

import polars as pl

from logistics.routes.problem import Crew, Order, TimeWindow
from logistics.routes.rows import Row, real, skills, whole

# Regulation (EC) 561/2006, articles 6 and 7: 45 minutes after 4.5 hours at the wheel, 9 hours in a
# day. Directive 2002/15/EC, article 5: no more than 6 hours of work without a break.
_EU561 = {"max_drive_s": 32_400, "break_after_drive_s": 16_200, "break_after_s": 21_600}
_EU561_BREAK_S = 2_700


def crews_of(
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
            -len(skills(v["skills"]) & asked),
            -v["capacity_kg"],
            v["vehicle_id"],
        ),
    )
    free = [d for d in drivers.sort("driver_id").iter_rows(named=True) if _hours(d, depot) > 0]
    demands = [order.skills for order in orders if order.skills]
    crews = []
    for vehicle in wanted[: len(free)]:
        able = [skills(vehicle["skills"]) | skills(driver["skills"]) for driver in free]
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
    ends_s = min(whole(driver["shift_end_s"]), whole(depot["closes_s"]))
    return ends_s - max(whole(driver["shift_start_s"]), whole(depot["opens_s"]))


def _crew(vehicle: Row, driver: Row, depot: Row) -> Crew:
    range_km, parcels = vehicle["range_km"], vehicle["capacity_parcels"]
    starts_s = max(whole(driver["shift_start_s"]), whole(depot["opens_s"]))
    shift_end_s, overtime_s = whole(driver["shift_end_s"]), whole(driver["max_overtime_s"])
    ends_s = min(shift_end_s + overtime_s, whole(depot["closes_s"]))
    limits, break_s = _work_limits(driver)
    return Crew(
        vehicle_id=str(vehicle["vehicle_id"]),
        driver_id=str(driver["driver_id"]),
        capacity_mg=floor(real(vehicle["capacity_kg"]) * 1e6 + 1e-3),
        capacity_mm3=floor(real(vehicle["capacity_m3"]) * 1e9 + 1e-3),
        capacity_parcels=None if parcels is None else whole(parcels),
        starts_s=starts_s,
        ends_s=ends_s,
        overtime_from_s=shift_end_s if shift_end_s < ends_s else None,
        overtime_cost_per_h=real(driver["overtime_cost_per_h"]),
        cost_fixed=real(vehicle["cost_fixed"]),
        cost_per_km=real(vehicle["cost_per_km"]),
        cost_per_h=real(vehicle["cost_per_h"]),
        speed_factor=real(vehicle["speed_factor"], 1.0),
        range_m=None if range_km is None else floor(real(range_km) * 1000),
        max_drive_s=limits["max_drive_s"],
        break_after_s=limits["break_after_s"] if break_s else None,
        break_after_drive_s=limits["break_after_drive_s"] if break_s else None,
        break_s=break_s,
        lunch=_lunch(driver) if break_s else None,
        skills=skills(vehicle["skills"]) | skills(driver["skills"]),
        max_trips=whole(vehicle["max_trips"], 1),
        reload_s=whole(vehicle["reload_s"]),
        returns=vehicle["returns"] is not False,
    )


def _lunch(driver: Row) -> TimeWindow | None:
    """When a break must begin; with one end given it is that moment."""
    ends = [whole(driver[n]) for n in ("break_from_s", "break_until_s") if driver[n] is not None]
    return TimeWindow(ends[0], ends[-1]) if ends else None


def _work_limits(driver: Row) -> tuple[dict[str, int | None], int]:
    """The driver's own limits and those of the rules, the tighter of each; and the break."""
    limits: dict[str, int | None] = dict.fromkeys(_EU561)
    for name in ("max_drive_s", "break_after_s"):
        limits[name] = None if driver[name] is None else whole(driver[name])
    break_s = whole(driver["break_s"])
    if driver["rules"] != "eu561":
        return limits, break_s
    own = {name: limit for name, limit in limits.items() if limit is not None}
    if not break_s:
        own.pop("break_after_s", None)
    tighter = {name: min(own.get(name, limit), limit) for name, limit in _EU561.items()}
    return {**tighter}, max(break_s, _EU561_BREAK_S)
