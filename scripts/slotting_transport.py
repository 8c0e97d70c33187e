"""The cheapest places for many SKUs, proven: min-cost flow over few arcs, and a bound over all.

Slots of equal cost are one group, so a warehouse has far fewer groups than slots. Of all pairs of
SKU and group the flow first gets those of like rank (fast SKUs, cheap groups). The prices of the
groups at its optimum bound the cost over all pairs from below; pairs that undercut the prices join
the flow until bound and cost meet. Source: Dantzig's column generation on Hitchcock's transport
problem. Knows costs only.
"""

from dataclasses import dataclass

import numpy as np

from logistics.slotting.problem import NONE, Flags, Ints, Reals
from logistics.slotting.solve import match

_WINDOW = 8  # groups of like rank that a SKU may choose among at first
_JOINING = 8  # of the pairs of one SKU that undercut the prices, in one round
_ROUNDS = 30
_STEPS = 1e9  # the dearest place, or none, in integer costs


@dataclass(frozen=True, slots=True, eq=False)
class Transport:
    """The group of each SKU (n,), -1 for those left out; its cost, and a bound none can beat."""

    group: Ints
    cost: float
    bound: float

    @property
    def gap(self) -> float:
        return (self.cost - self.bound) / max(abs(self.cost), 1e-12)


def transport(
    costs: Reals, allowed: Flags, left_out: Reals, room: Ints, max_gap: float = 1e-5
) -> Transport:
    """costs, allowed (n, g); left_out (n,) the cost of no group; room (g,) SKUs a group takes."""
    arcs = allowed & _of_like_rank(costs, room)
    found = _Solution(costs, left_out, room)
    for _ in range(_ROUNDS):
        found.solve(arcs)
        prices = found.prices(arcs)
        reduced = np.where(allowed, costs + prices, np.inf)
        found.bound = max(found.bound, found.bound_by(reduced, prices))
        if found.cost - found.bound <= max_gap * abs(found.cost):
            break
        joining = _undercutting(reduced, found.paid(prices)) & ~arcs
        if not joining.any():
            break
        arcs |= joining
    return Transport(found.group, found.cost, found.bound)


class _Solution:
    """The best flow over the arcs so far."""

    def __init__(self, costs: Reals, left_out: Reals, room: Ints) -> None:
        self.costs, self.left_out, self.room = costs, left_out, room
        dearest = max(float(costs.max(initial=0)), float(left_out.max(initial=0)), 1e-9)
        self.scale = _STEPS / dearest
        self.group = np.full(len(costs), NONE, dtype=np.int64)
        self.cost, self.bound = np.inf, -np.inf

    def solve(self, arcs: Flags) -> None:
        self.group = match(self._whole(self.costs), arcs, self._whole(self.left_out), self.room)
        self.cost = float(self.paid(np.zeros(self.room.size)).sum())

    def paid(self, prices: Reals) -> Reals:
        """What each SKU (n,) costs where it is, the price of its group included."""
        placed = np.flatnonzero(self.group != NONE)
        paid = self.left_out.copy()
        paid[placed] = self.costs[placed, self.group[placed]] + prices[self.group[placed]]
        return paid

    def prices(self, arcs: Flags) -> Reals:
        """The price of a place (g,): what a SKU there would save by the cheapest chain of changes
        that ends in a free place or with a SKU left out."""
        num_groups = self.room.size
        placed = np.flatnonzero(self.group != NONE)
        here = self.group[placed]
        stay = self.costs[placed, here]
        sku, group = np.nonzero(arcs[placed])
        pairs, pair = np.unique(here[sku] * num_groups + group, return_inverse=True)
        change = np.full(pairs.size, np.inf)
        np.minimum.at(change, pair, self.costs[placed[sku], group] - stay[sku])
        source, target = np.divmod(pairs, num_groups)
        sources, first = np.unique(source, return_index=True)
        prices = np.full(num_groups, np.inf)
        np.minimum.at(prices, here, self.left_out[placed] - stay)
        full = np.bincount(here, minlength=num_groups) >= self.room
        prices[~full] = 0.0
        for _ in range(num_groups if sources.size else 0):
            through = np.minimum.reduceat(change + prices[target], first)
            if (through >= prices[sources] * (1 - 1e-12)).all():
                break
            prices[sources] = np.minimum(prices[sources], through)
        if full.all():  # only differences count
            prices = prices - prices.min()
        floored: Reals = np.maximum(prices, 0.0)
        return floored

    def bound_by(self, reduced: Reals, prices: Reals) -> float:
        least = np.minimum(reduced.min(axis=1, initial=np.inf), self.left_out)
        return float(least.sum() - prices @ self.room)

    def _whole(self, costs: Reals) -> Ints:
        return np.rint(costs * self.scale).astype(np.int64)


def _of_like_rank(costs: Reals, room: Ints) -> Flags:
    """The pairs (n, g) whose SKU and group are about as far up in their orders."""
    num_skus, num_groups = costs.shape
    arcs = np.zeros(costs.shape, dtype=bool)
    if not costs.size:
        return arcs
    spread = costs.max(axis=1) - costs.min(axis=1)
    by_speed = np.argsort(-spread, kind="stable")
    by_cost = np.argsort(costs.mean(axis=0), kind="stable")
    place = np.searchsorted(np.cumsum(room[by_cost]), np.arange(num_skus), side="right")
    nearby = np.clip(place, 0, num_groups - 1)[:, None] + np.arange(-_WINDOW, _WINDOW + 1)
    arcs[by_speed[:, None], by_cost[np.clip(nearby, 0, num_groups - 1)]] = True
    return arcs


def _undercutting(reduced: Reals, paid: Reals) -> Flags:
    """Of every SKU the few pairs (n, g) that undercut most what it pays now."""
    few = min(_JOINING, reduced.shape[1])
    best = np.argpartition(reduced, few - 1, axis=1)[:, :few]
    arcs = np.zeros(reduced.shape, dtype=bool)
    np.put_along_axis(arcs, best, True, axis=1)
    cheaper: Flags = arcs & (reduced < paid[:, None] - 1e-9 * np.abs(paid[:, None]))
    return cheaper
