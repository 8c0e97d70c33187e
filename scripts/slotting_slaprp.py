"""SLAPRP: which SKU lies where, and how the given orders are walked, decided together.

Instances of Prunet, Absi and Cattaruzza (arXiv 2407.13570): aisles, rows, distances, slots, orders,
and SKUs whose place is fixed. A location has two slots, one on each side. Here the depot is the
front of the first aisle and every order is its shortest tour, so values compare with our own runs.
Iterated local search: the best exchange of one SKU with any slot, SKU after SKU, until none helps;
then a few random exchanges, and again from the best so far.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from logistics.slotting.problem import NONE, Ints, Reals
from logistics.slotting.shortest import shortest
from logistics.slotting.travel import Layout, Tours

SIDES = 2
KICKS = 3  # random exchanges between two descents


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
    ends = time.perf_counter() + seconds
    search = _Search(instance)
    best, least_m = search.slot_of.copy(), search.walked_m.sum()
    while time.perf_counter() < ends:
        search.descend(rng, ends)
        if search.walked_m.sum() <= least_m + 1e-9:
            best, least_m = search.slot_of.copy(), search.walked_m.sum()
        search.place(best)
        if not search.free.size:
            break
        for sku in rng.choice(search.free, KICKS):
            search.exchange(int(sku), int(rng.choice(search.slots_of(int(sku)))))
    return float(least_m)


class _Search:
    """The SKUs (n,) in their slots; n is the number of slots, SKUs that nobody orders included."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        num_skus = instance.fixed.size
        self.orders_of: list[list[int]] = [[] for _ in range(num_skus)]
        for number, order in enumerate(instance.orders):
            for sku in np.unique(order).tolist():
                self.orders_of[sku].append(number)
        popularity = np.array([len(orders) for orders in self.orders_of])
        self.free = np.flatnonzero((instance.fixed == NONE) & (popularity > 0))
        open_slots = np.setdiff1d(np.arange(num_skus), instance.fixed)
        layout = instance.layout
        far_m = layout.aisle_x_m[layout.aisle] + layout.depth_m
        by_popularity = np.flatnonzero(instance.fixed == NONE)
        by_popularity = by_popularity[np.argsort(-popularity[by_popularity], kind="stable")]
        slot_of = instance.fixed.copy()
        slot_of[by_popularity] = open_slots[np.argsort(far_m[open_slots], kind="stable")]
        self.open_slots = open_slots
        self.place(slot_of)

    def place(self, slot_of: Ints) -> None:
        self.slot_of = slot_of.copy()
        self.sku_at = np.argsort(slot_of)
        self.walked_m = self._walk([(order, slot_of) for order in self.instance.orders])

    def slots_of(self, sku: int) -> Ints:
        """One slot of every location that the SKU may change to."""
        here = self.slot_of[sku] // SIDES
        elsewhere: Ints = self.open_slots[self.open_slots // SIDES != here]
        return elsewhere

    def descend(self, rng: np.random.Generator, ends: float) -> None:
        waiting = rng.permutation(self.free).tolist()
        since = 0
        while waiting and since < len(waiting) and time.perf_counter() < ends:
            sku = waiting.pop(0)
            waiting.append(sku)
            since = 0 if self._improve(sku) else since + 1

    def _improve(self, sku: int) -> bool:
        slots = self.slots_of(sku)
        tours, owner, before_m = [], [], np.zeros(slots.size)
        for number, slot in enumerate(slots.tolist()):
            slot_of = self._exchanged(sku, slot)
            touched = self._touched(sku, slot)
            before_m[number] = self.walked_m[touched].sum()
            tours += [(self.instance.orders[order], slot_of) for order in touched]
            owner += [number] * len(touched)
        after_m = np.bincount(owner, self._walk(tours), minlength=slots.size)
        if not slots.size or (before_m - after_m).max() <= 1e-9:
            return False
        self.exchange(sku, int(slots[np.argmax(before_m - after_m)]))
        return True

    def exchange(self, sku: int, slot: int) -> None:
        touched = self._touched(sku, slot)
        self.slot_of = self._exchanged(sku, slot)
        self.sku_at = np.argsort(self.slot_of)
        orders = [(self.instance.orders[order], self.slot_of) for order in touched]
        self.walked_m[touched] = self._walk(orders)

    def _exchanged(self, sku: int, slot: int) -> Ints:
        slot_of = self.slot_of.copy()
        slot_of[self.sku_at[slot]], slot_of[sku] = slot_of[sku], slot
        return slot_of

    def _touched(self, sku: int, slot: int) -> list[int]:
        return sorted({*self.orders_of[sku], *self.orders_of[self.sku_at[slot]]})

    def _walk(self, orders: list[tuple[Ints, Ints]]) -> Reals:
        if not orders:
            return np.zeros(0)
        slots = np.concatenate([slot_of[skus] for skus, slot_of in orders])
        tour = np.repeat(np.arange(len(orders)), [skus.size for skus, _ in orders])
        return shortest(self.instance.layout, Tours(tour, slots), np.arange(self.slot_of.size))
