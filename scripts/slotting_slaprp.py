"""SLAPRP: which SKU lies where, and how the given orders are walked, decided together.

Instances of Prunet, Absi and Cattaruzza (arXiv 2407.13570): aisles, rows, distances, slots, orders,
and SKUs whose place is fixed. A location has two slots, one on each side. Here the depot is the
front of the first aisle and every order is its shortest tour, so values compare with our own runs.
Iterated local search: the best exchange of one SKU with any slot, SKU after SKU, until none helps;
then a few random exchanges, and again from the best so far, only where these have changed orders.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from logistics.slotting.problem import NONE, Ints
from logistics.slotting.shortest import shortest
from logistics.slotting.travel import Layout, Tours

SIDES = 2
KICKS = 3  # random exchanges between two descents, at most
WARMTH = 0.01  # of all metres: how much worse may be kept, on average, at first

Visits = frozenset[int]  # locations


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
    begins = time.perf_counter()
    ends = begins + seconds
    search = _Search(instance)
    search.descend(search.free, rng, ends)
    settled, settled_m = list(search.sku_at), search.metres
    least_m = settled_m
    while (now := time.perf_counter()) < ends and search.free:
        kicked: set[int] = set()
        for sku in rng.choice(search.free, int(rng.integers(1, KICKS + 1))).tolist():
            kicked |= search.exchange(sku, int(rng.choice(search.slots_of(sku))))
        search.descend(sorted(kicked), rng, ends)
        warmth_m = WARMTH * least_m * (ends - now) / seconds
        if search.metres <= settled_m + warmth_m * rng.exponential():
            settled, settled_m = list(search.sku_at), search.metres
            least_m = min(least_m, settled_m)
        else:
            search.place(settled)
    return least_m


class _Walks:
    """Metres of orders by the locations they visit; each set of locations is walked once."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.known: dict[Visits, float] = {}

    def metres(self, orders: Sequence[Visits]) -> list[float]:
        new = list({visits for visits in orders if visits not in self.known})
        if new:
            slots = np.array([SIDES * location for visits in new for location in visits])
            tour = np.repeat(np.arange(len(new)), [len(visits) for visits in new])
            metres = shortest(self.layout, Tours(tour, slots), np.arange(self.layout.aisle.size))
            self.known.update(zip(new, metres.tolist(), strict=True))
        return [self.known[visits] for visits in orders]


class _Search:
    """A SKU in every slot; as many SKUs as slots, those that nobody orders included."""

    def __init__(self, instance: Instance) -> None:
        self.orders = [np.unique(order).tolist() for order in instance.orders]
        self.walks = _Walks(instance.layout)
        num_skus = instance.fixed.size
        self.orders_of: list[set[int]] = [set() for _ in range(num_skus)]
        for number, order in enumerate(self.orders):
            for sku in order:
                self.orders_of[sku].add(number)
        popularity = np.array([len(orders) for orders in self.orders_of])
        self.free = np.flatnonzero((instance.fixed == NONE) & (popularity > 0)).tolist()
        self.open_slots = np.setdiff1d(np.arange(num_skus), instance.fixed)
        layout = instance.layout
        far_m = layout.aisle_x_m[layout.aisle] + layout.depth_m
        loose = np.flatnonzero(instance.fixed == NONE)
        loose = loose[np.argsort(-popularity[loose], kind="stable")]
        slot_of = instance.fixed.copy()
        slot_of[loose] = self.open_slots[np.argsort(far_m[self.open_slots], kind="stable")]
        self.place(np.argsort(slot_of).tolist())

    def place(self, sku_at: list[int]) -> None:
        """One SKU in every slot."""
        self.sku_at = list(sku_at)
        self.location = (np.argsort(sku_at) // SIDES).tolist()
        self.walked_m = self.walks.metres([self._visits(order) for order in self.orders])

    @property
    def metres(self) -> float:
        return sum(self.walked_m)

    def slots_of(self, sku: int) -> Ints:
        """The slots of every other location that the SKU may change to."""
        elsewhere: Ints = self.open_slots[self.open_slots // SIDES != self.location[sku]]
        return elsewhere

    def descend(self, skus: Sequence[int], rng: np.random.Generator, ends: float) -> None:
        """The best exchange of one SKU after another; who shares an order with it comes again."""
        waiting = dict.fromkeys(rng.permutation(np.array(skus, dtype=np.int64)).tolist())
        while waiting and time.perf_counter() < ends:
            sku = next(iter(waiting))
            del waiting[sku]
            waiting |= dict.fromkeys(sorted(self._improve(sku)))

    def _improve(self, sku: int) -> set[int]:
        """The SKUs whose orders have changed by the best exchange; none if nothing is better."""
        here, mine = self.location[sku], self.orders_of[sku]
        rest = {order: self._visits(self.orders[order], sku) for order in mine}
        visits: list[Visits] = []
        owner: list[int] = []
        slots = self.slots_of(sku)
        saved_m = np.zeros(slots.size)
        for number, slot in enumerate(slots.tolist()):
            other, there = self.sku_at[slot], slot // SIDES
            theirs = self.orders_of[other]
            changed = [rest[order] | {there} for order in mine - theirs]
            changed += [self._visits(self.orders[o], other) | {here} for o in theirs - mine]
            saved_m[number] = sum(self.walked_m[order] for order in mine ^ theirs)
            visits += changed
            owner += [number] * len(changed)
        saved_m -= np.bincount(owner, self.walks.metres(visits), minlength=slots.size)
        if not slots.size or saved_m.max() <= 1e-9:
            return set()
        return self.exchange(sku, int(slots[np.argmax(saved_m)]))

    def exchange(self, sku: int, slot: int) -> set[int]:
        """The free SKUs of the orders that it touches."""
        other, here = self.sku_at[slot], self.sku_at.index(sku)
        self.sku_at[here], self.sku_at[slot] = other, sku
        self.location[sku], self.location[other] = slot // SIDES, here // SIDES
        touched = sorted(self.orders_of[sku] ^ self.orders_of[other])
        metres = self.walks.metres([self._visits(self.orders[order]) for order in touched])
        for order, walked_m in zip(touched, metres, strict=True):
            self.walked_m[order] = walked_m
        return {one for order in touched for one in self.orders[order]} & set(self.free)

    def _visits(self, order: Sequence[int], without: int = NONE) -> Visits:
        return frozenset([self.location[sku] for sku in order if sku != without])
