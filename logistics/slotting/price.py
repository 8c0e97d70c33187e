"""The few moves that pay best together: a price per move, found by bisection.

Every SKU is in a group of like slots, its home. At a price per move the best assignment of all SKUs
to groups is a min-cost flow, in which chains and swaps are found as they pay; the higher the price,
the fewer the moves. An assignment that is best at some price is the best of all with as few moves
(Everett 1963, "Generalized Lagrange multiplier method"). Knows costs and groups, no walking.
"""

import numpy as np

from logistics.slotting.problem import Flags, Ints, Reals
from logistics.slotting.solve import match

_BISECTIONS = 14
_COST = 10**9  # the dearest change of place, in integer costs

Chain = tuple[tuple[int, int], ...]  # SKUs, each with the slot it goes to


def priced(
    costs_m: Reals, allowed: Flags, home: Ints, room: Ints, max_moves: int, least_m: float
) -> Ints:
    """The group (n,) of every SKU: no assignment with as few moves costs less.

    costs_m, allowed (n, g): of a SKU in a group, its home always allowed; room (g,): SKUs that a
    group takes, those at home there included. At most max_moves SKUs leave their home, none of
    them at a price below least_m; the bisection of prices may end a few moves short of the budget.
    """
    every = np.arange(home.size)
    rises_m = np.where(allowed, costs_m - costs_m[every, home][:, None], np.inf)
    rises_m[every, home] = np.inf
    arcs = _few_of_each(rises_m, home, max_moves)
    skus = np.flatnonzero(arcs.any(axis=1))
    if not skus.size or max_moves < 1 or rises_m[arcs].min() >= -least_m:
        return home.copy()
    free = room - np.bincount(np.delete(home, skus), minlength=room.size)
    problem = _Problem(rises_m[skus], arcs[skus], home[skus], free)
    low_m, high_m = least_m, float(-rises_m[arcs].min())
    group, chosen = home.copy(), home[skus]
    for _ in range(_BISECTIONS):
        price_m = (low_m + high_m) / 2
        tried = problem.solve(price_m)
        num_moves = np.count_nonzero(tried != home[skus])
        if num_moves > max_moves:
            low_m = price_m
        else:
            high_m, chosen = price_m, tried
        if num_moves == max_moves:
            break
    group[skus] = chosen
    return group


class _Problem:
    """The SKUs (k,) that may move, and what each change of group costs."""

    def __init__(self, rises_m: Reals, arcs: Flags, home: Ints, room: Ints) -> None:
        self.home, self.room, self.every = home, room, np.arange(home.size)
        self.scale = _COST / max(float(np.abs(rises_m[arcs]).max()), 1e-9)
        self.arcs = arcs.copy()
        self.arcs[self.every, home] = True
        self.rises_m = np.where(arcs, rises_m, 0.0)

    def solve(self, price_m: float) -> Ints:
        costs = np.rint((self.rises_m + price_m) * self.scale).astype(np.int64)
        costs[self.every, self.home] = 0
        # Nobody is left out: staying at home is always possible.
        return match(costs, self.arcs, np.full(self.home.size, 100 * _COST), self.room)


def _few_of_each(rises_m: Reals, home: Ints, max_moves: int) -> Flags:
    """The pairs (n, g) that matter: of all SKUs of one home the cheapest to bring to each group.

    With at most max_moves moves, one of the max_moves cheapest is always still at home, and can
    take the place of a dearer one.
    """
    arcs = np.zeros(rises_m.shape, dtype=bool)
    for group in np.unique(home):
        here = np.flatnonzero(home == group)
        few = min(max_moves, here.size)
        cheapest = np.argpartition(rises_m[here], max(few - 1, 0), axis=0)[:few]
        arcs[here[cheapest], np.arange(rises_m.shape[1])] = True
    return arcs & np.isfinite(rises_m)


def sequences(slot_of: Ints, target: Ints, empty: Ints) -> tuple[list[Chain], list[Chain]]:
    """Chains and cycles of moves from slot_of to target (n,), in each of which a SKU goes to the
    slot that the one before it has left.

    A chain begins with an empty slot and is carried out as it stands. In a cycle the first SKU goes
    to the slot that the last one leaves, who so has to make way first.
    """
    moving = np.flatnonzero(slot_of != target)
    into = dict(zip(target[moving].tolist(), moving.tolist(), strict=True))
    begins = sorted(set(into) & set(empty.tolist()))
    chains = [_chain(into, slot_of, slot) for slot in begins]
    cycles = []
    while into:
        cycles.append(_chain(into, slot_of, min(into)))
    return chains, cycles


def _chain(into: dict[int, int], slot_of: Ints, slot: int) -> Chain:
    chain = []
    while slot in into:
        sku = into.pop(slot)
        chain.append((sku, slot))
        slot = int(slot_of[sku])
    return tuple(chain)
