"""When to leave: the departure that makes a route's day cheapest under traffic.

Knows travel, windows and a crew's price of time; breaks are left to retime. All departures of the
shift, a quarter of a slot of traffic apart, are driven at once.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from logistics.routes.problem import Crew, DepotProblem, Order

_PER_SLOT = 4
_NEVER_S = 10**9

Times = NDArray[np.int64]


def cheapest_departure(
    problem: DepotProblem, crew: Crew, orders: Sequence[Order], nodes: Sequence[int]
) -> int | None:
    """The cheapest departure that is in time everywhere; None: there is none among those tried."""
    travel, speed = problem.travel, crew.speed_factor
    departs: Times = np.arange(crew.starts_s, crew.ends_s + 1, travel.slot_s // _PER_SLOT)
    clock, here = departs, problem.base(crew.depot)
    for order, node in zip(orders, nodes, strict=True):
        clock = _starts(order, travel.arrive_all(here, node, clock, speed)) + order.service_s
        here = node
    if crew.returns:
        clock = travel.arrive_all(here, problem.base(crew.depot), clock, speed)
    away_s = clock - departs
    price = crew.cost_per_h * away_s + problem.balance_cost * away_s.astype(float) ** 2 / 3600
    price = price + crew.overtime_cost_per_h * np.maximum(clock - crew.regular_ends_s, 0)
    price[clock > crew.ends_s] = np.inf
    best = int(price.argmin())
    return None if price[best] == np.inf else int(departs[best])


def _starts(order: Order, ready: Times) -> Times:
    """When service begins; far in the future where every window has closed."""
    starts = np.full_like(ready, _NEVER_S)
    for window in reversed(order.windows):
        starts = np.where(ready <= window.closes_s, np.maximum(ready, window.opens_s), starts)
    return starts
