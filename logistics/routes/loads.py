"""What is on board on each leg of a trip: weight, volume and parcels. Knows no clock."""

from collections.abc import Iterable, Sequence

from logistics.routes.problem import DepotProblem, Load, Route


def on_board(problem: DepotProblem, trip: Sequence[int]) -> list[Load]:
    """On each leg (stops + 1): what goes from the depot to stops still to come, and all that was
    collected but for what has reached the other stop of its pair."""
    orders = [problem.orders[order] for order in trip]
    mg = mm3 = parcels = 0
    for index, order in zip(trip, orders, strict=True):
        if not order.pickup and problem.partners[index] is None:
            mg += order.weight_mg
            mm3 += order.volume_mm3
            parcels += order.parcels
    legs = [(mg, mm3, parcels)]
    for order in orders:
        sign = 1 if order.pickup else -1
        mg += sign * order.weight_mg
        mm3 += sign * order.volume_mm3
        parcels += sign * order.parcels
        legs.append((mg, mm3, parcels))
    return legs


def most(loads: Iterable[Load]) -> Load:
    mg, mm3, parcels = map(max, zip(*loads, strict=True))
    return mg, mm3, parcels


def torn_pairs(problem: DepotProblem, route: Route) -> int:
    """Stops whose partner is not on the same trip, or on the wrong side of it."""
    torn = 0
    for trip in route.trips:
        for at, order in enumerate(trip):
            partner = problem.partners[order]
            if partner is not None:
                side = trip[at + 1 :] if problem.orders[order].pickup else trip[:at]
                torn += partner not in side
    return torn
