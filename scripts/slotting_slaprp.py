"""SLAPRP: which SKU lies where, and how the given orders are walked, decided together.

Instances of Prunet, Absi and Cattaruzza (arXiv 2407.13570): aisles, rows, distances, slots, orders,
and SKUs whose place is fixed. A location has two slots, one on each side. Here the depot is the
front of the first aisle and every order is its shortest tour, so values compare with our own runs.
Simulated annealing by the heat bath: SKU after SKU draws one of all places, the likelier the less
all orders then walk (Geman and Geman 1984, "Stochastic relaxation, Gibbs distributions, and the
Bayesian restoration of images"). What an order walks with one SKU in any other place comes from one
pass over its aisles, and all exchanges of a SKU are sums of these.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from slotting_insertions import Insertions

from logistics.slotting.problem import NONE, Flags, Ints, Reals
from logistics.slotting.travel import Layout

SIDES = 2
HOT, COLD = 1.2, 0.8  # bays: a change that walks so much more is e times less likely


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """Orders are arrays of SKUs; fixed (n,): the slot of a SKU that must stay, else -1."""

    layout: Layout
    orders: tuple[Ints, ...]
    fixed: Ints


def run(
    folder: Path, seconds: float, seed: int, longer_s: float = 0.0, seeds: Sequence[int] = ()
) -> dict[str, Any]:
    """Metres of every instance after so many seconds; gap: above the best of it and longer runs."""
    files = sorted(folder.rglob("*.txt"))
    if not files:
        raise ValueError(f"{folder}: no instance (*.txt)")
    found = {}
    for file in files:
        instance = read(file)
        metres = _solve(instance, seconds, np.random.default_rng(seed))
        longer = [_solve(instance, longer_s, np.random.default_rng(other)) for other in seeds]
        best = min([metres, *longer])
        found[file.stem] = {
            "metres": metres,
            "seconds": seconds,
            "longer_s": longer_s,
            "longer": longer,
            "gap": metres / best - 1,
        }
        others = " ".join(f"{value:10.1f}" for value in longer)
        print(f"{file.stem:45s} {metres:10.1f} {others} {metres / best - 1:8.2%}", flush=True)
    return {"slaprp": found}


def read(file: Path) -> Instance:
    """Raises ValueError for a file of another form."""
    rows = [[int(word) for word in line.split()] for line in file.read_text().splitlines()]
    try:
        (aisles, bays), distances, (num_slots,), (num_orders,), sizes = rows[:5]
        numbers = [number for row in rows[5:] for number in row]
        ends = np.cumsum(sizes)
        orders = tuple(np.array(part) - 1 for part in np.split(numbers[: ends[-1]], ends[:-1]))
        pairs = np.array(numbers[ends[-1] :], dtype=np.int64).reshape(-1, 2)
        if len(orders) != num_orders or num_slots != SIDES * aisles * bays:
            raise ValueError("its counts contradict each other")
    except (ValueError, IndexError) as fault:
        raise ValueError(f"{file} is no SLAPRP instance: {fault}") from None
    fixed = np.full(num_slots, NONE)
    for sku, location in pairs:
        taken = np.count_nonzero(fixed // SIDES == location - 1)
        fixed[sku - 1] = (location - 1) * SIDES + taken
    return Instance(_layout(aisles, bays, float(distances[-1]), float(distances[0])), orders, fixed)


def _layout(aisles: int, bays: int, aisle_m: float, bay_m: float) -> Layout:
    location = np.repeat(np.arange(aisles * bays), SIDES)
    return Layout(
        aisle=location // bays,
        depth_m=(location % bays + 1).astype(np.float64) * bay_m,
        aisle_x_m=np.arange(aisles, dtype=np.float64) * aisle_m,
        length_m=(bays + 1) * bay_m,
        depot_x_m=0.0,
    )


def _solve(instance: Instance, seconds: float, rng: np.random.Generator) -> float:
    """The least metres seen while the search cools down."""
    begins = time.perf_counter()
    search = _Search(instance)
    metres = least_m = search.metres()
    bay_m = float(search.insertions.depth_m[0])
    while search.skus and (passed := (time.perf_counter() - begins) / seconds) < 1:
        heat_m = bay_m * HOT * (COLD / HOT) ** passed
        for sku in rng.permutation(search.skus).tolist():
            metres += search.draw(sku, heat_m, rng.random())
            least_m = min(least_m, metres)
    return least_m


class _Search:
    """Which SKU lies where, and what any exchange of two would bring.

    SKUs (n,) are those that are not fixed, the most ordered first; the first `skus` are ordered at
    all. A row (r,) is an order and one SKU of it; rises_m (r, l): what the order walks more if the
    SKU lies elsewhere and all others stay.
    """

    def __init__(self, instance: Instance) -> None:
        layout, fixed = instance.layout, instance.fixed
        orders = Counter(tuple(np.unique(order).tolist()) for order in instance.orders)
        self.times = np.array(list(orders.values()), dtype=np.float64)
        ordered = np.zeros((len(orders), fixed.size), dtype=bool)
        for number, order in enumerate(orders):
            ordered[number, list(order)] = True
        bays = int(np.count_nonzero(layout.aisle == 0)) // SIDES
        self.aisles = layout.aisle_x_m.size, bays
        self.insertions = Insertions(layout, layout.depth_m[: SIDES * bays : SIDES])

        popularity = self.times @ ordered
        movable = np.flatnonzero(fixed == NONE)
        movable = movable[np.argsort(-popularity[movable], kind="stable")]
        self.skus = int(np.count_nonzero(popularity[movable]))
        self.asks: Flags = ordered[:, movable]
        self.row_sku, self.row_order = np.nonzero(self.asks.T)
        self.first_row = np.searchsorted(self.row_sku, np.arange(self.skus + 1))
        same = self.row_order[:, None] == self.row_order
        np.fill_diagonal(same, False)
        self.fellows = [np.nonzero(same[self._rows(sku)]) for sku in range(self.skus)]

        far_m = layout.aisle_x_m[layout.aisle] + layout.depth_m
        free = np.setdiff1d(np.arange(fixed.size), fixed)
        self.location = free[np.argsort(far_m[free], kind="stable")] // SIDES
        self.picks = np.zeros((len(orders), fixed.size // SIDES), dtype=np.int64)
        placed = fixed.copy()
        placed[movable] = self.location * SIDES
        asking, sku = np.nonzero(ordered)
        np.add.at(self.picks, (asking, placed[sku] // SIDES), 1)
        self.rises_m = np.empty((self.row_sku.size, fixed.size // SIDES))
        self._ask(np.arange(self.row_sku.size))

    def metres(self) -> float:
        """One more pick where one is already walks nothing more."""
        picked = self.picks > 0
        metres = self.insertions.metres(picked.reshape(-1, *self.aisles))
        return float(self.times @ metres[np.arange(len(picked)), picked.argmax(axis=1)])

    def draw(self, sku: int, heat_m: float, chance: float) -> float:
        """Exchange the SKU with one drawn, maybe itself; what all orders walk more from then on."""
        rises_m = self._exchanges(sku)
        likely = np.exp(np.minimum(rises_m / -heat_m, 500.0)).cumsum()
        other = int(np.searchsorted(likely, chance * likely[-1], side="right"))
        if self.location[other] != self.location[sku]:
            self._exchange(sku, other)
        return float(rises_m[other])

    def _exchanges(self, sku: int) -> Reals:
        """What all orders walk more when the SKU has changed places with each of the SKUs (n,)."""
        rows, here = self._rows(sku), self.location[sku]
        rises_m: Reals = self.rises_m[rows].sum(axis=0)[self.location]
        rises_m[: self.skus] += np.add.reduceat(self.rises_m[:, here], self.first_row[:-1])
        # An order that asks for both walks the same as before.
        mine, theirs = self.fellows[sku]
        other = self.row_sku[theirs]
        same_m = self.rises_m[rows][mine, self.location[other]] + self.rises_m[theirs, here]
        rises_m -= np.bincount(other, same_m, minlength=rises_m.size)
        return rises_m

    def _exchange(self, sku: int, other: int) -> None:
        here, there = self.location[sku], self.location[other]
        change = self.asks[:, sku].astype(np.int64) - self.asks[:, other]
        self.picks[:, here] -= change
        self.picks[:, there] += change
        self.location[sku], self.location[other] = there, here
        of_pair = (self.row_sku == sku) | (self.row_sku == other)
        self._ask(np.flatnonzero(of_pair | (change[self.row_order] != 0)))

    def _ask(self, rows: Ints) -> None:
        order, here, every = self.row_order[rows], self.location[self.row_sku[rows]], len(rows)
        rest = self.picks[order]
        rest[np.arange(every), here] -= 1
        metres = self.insertions.metres((rest > 0).reshape(-1, *self.aisles))
        rises_m = metres - metres[np.arange(every), here][:, None]
        self.rises_m[rows] = self.times[order, None] * rises_m

    def _rows(self, sku: int) -> slice:
        return slice(self.first_row[sku], self.first_row[sku + 1])
