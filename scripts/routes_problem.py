"""`Case` → the problem that the night's own code solves, and its answer → `Trips`."""

from collections.abc import Iterable
from math import ceil, floor

import numpy as np
from routes_case import Case, Trips, Vehicle

from logistics.routes.problem import Crew, DepotProblem, Order, TimeWindow
from logistics.routes.slots import SlotTravel
from logistics.routes.static import Fleet, StaticProblem, Stop, Tour

_LATEST = 2**40


def static(case: Case) -> StaticProblem:
    """The case in whole numbers: lengths and costs to the nearest, times to the safe side."""
    lengths = case.distance * case.steps
    distance = np.rint(lengths).astype(np.int64)
    duration = np.ceil(lengths - 1e-6).astype(np.int64)
    # Costs are distance times cost_per_m, so a unit of money is steps × per_unit of these.
    money = _money(case)
    return StaticProblem(
        case.num_depots,
        tuple(_stop(case, node, money) for node in range(case.num_depots, len(case.demand))),
        tuple(_fleet(case, vehicle, money) for vehicle in case.vehicles),
        (distance,),
        (duration,),
    )


def _money(case: Case) -> int:
    """Whole numbers per unit of cost_per_unit that hold every vehicle's rate."""
    rates = [vehicle.cost_per_unit for vehicle in case.vehicles]
    return next(m for m in (1, 10, 100, 1000) if m == 1000 or all(r * m % 1 < 1e-9 for r in rates))


def _stop(case: Case, node: int, money: int) -> Stop:
    partner = dict(case.pairs).get(node)
    paired = {n for pair in case.pairs for n in pair}
    load, nothing = (abs(round(case.demand[node])),), (0,)
    opens, closes = case.windows[node] * case.steps
    prize = round(case.prize[node] * case.steps * money)
    return Stop(
        node=node,
        windows=(TimeWindow(ceil(opens), min(floor(closes), _LATEST)),),
        delivery=nothing if partner is not None else load,
        pickup=load if partner is not None else nothing,
        service_s=ceil(case.service[node] * case.steps),
        release_s=ceil(case.release[node] * case.steps),
        penalty=prize or None,
        goes_to=None if node not in paired or partner is None else partner - case.num_depots,
    )


def _fleet(case: Case, vehicle: Vehicle, money: int) -> Fleet:
    opens, closes = case.windows[vehicle.depot] * case.steps
    limited = np.isfinite(vehicle.max_duration)
    return Fleet(
        num=vehicle.num,
        capacity=(floor(vehicle.capacity),),
        opens_s=ceil(opens),
        closes_s=min(floor(closes), _LATEST),
        start=vehicle.depot,
        end=vehicle.depot,
        cost_fixed=round(vehicle.cost_fixed * case.steps * money),
        cost_per_m=round(vehicle.cost_per_unit * money),
        max_duration_s=floor(vehicle.max_duration * case.steps) if limited else None,
        reload_at=(vehicle.depot,) if vehicle.reloads else (),
        max_trips=case.num_clients if vehicle.reloads else 1,
    )


def depot(case: Case) -> DepotProblem:
    """A case with traffic as the night has it: paid by the hour, an hour at 3600."""
    assert case.clock is not None
    n, clock = len(case.demand), case.clock
    starts = clock.slot * np.arange(round(clock.horizon / clock.slot))
    duration = np.zeros((len(starts), n, n), dtype=np.int64)
    for (a, b), (at, to) in clock.arcs.items():
        # The arrival of whoever leaves just after a slot has begun.
        after = np.minimum(np.searchsorted(at, starts, side="right"), len(at) - 1)
        rise = (to[after] - to[after - 1]) / np.maximum(at[after] - at[after - 1], 1e-9)
        duration[:, a, b] = np.ceil(to[after - 1] + rise * (starts - at[after - 1]) - starts - 1e-6)
    orders = tuple(
        Order(
            id=str(node),
            weight_mg=round(case.demand[node]),
            volume_mm3=0,
            windows=(TimeWindow(ceil(case.windows[node, 0]), floor(case.windows[node, 1])),),
            service_s=ceil(case.service[node]),
            penalty=10.0 * clock.horizon,
        )
        for node in range(1, n)
    )
    (vehicle,) = case.vehicles
    opens, closes = (round(edge) for edge in case.windows[0])
    crews = tuple(
        Crew(f"V{k}", f"D{k}", round(vehicle.capacity), 0, opens, closes, 0.0, 0.0, 3600.0)
        for k in range(vehicle.num)
    )
    metres = duration.mean(axis=0).astype(np.int64)
    travel = SlotTravel(metres, duration, round(clock.slot))
    return DepotProblem(case.name, opens, closes, orders, crews, travel)


def trips(tours: Iterable[Tour]) -> list[Trips]:
    return [
        Trips(tour.fleet, tuple(tuple(stop + 1 for stop in trip) for trip in tour.trips))
        for tour in tours
    ]
