"""The policies of the slotting benchmark: each gives every SKU a slot, and the places an order.

All but the oracle know the lines before a day, and no more. Whoever judges by past sales alone
takes a SKU to come for an average one; we for half of one, as it is there for half of the days:
on four earlier origins that brought 1.5 points more of the oracle's gain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import slotting_case as cases
from slotting_case import Case

from logistics.slotting import affinity, velocity
from logistics.slotting.exchanges import Slopes
from logistics.slotting.problem import NONE, Ints, Reals
from logistics.slotting.solve import assign
from logistics.slotting.travel import Tours, Walking, expect

RECENT_DAYS = 28
CLASSES = (0.2, 0.5)  # A: the first fifth of the SKUs; B: up to the half; C: the rest
PRESENT = 0.5  # share of the days on which a SKU to come is there
GATE_DAYS = 60  # of the past, on which affinity must have helped


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The slot of every SKU (n,), -1 for none, and the empty slots as newcomers take them."""

    slot_of: Ints
    empty: Ints


def random(case: Case, day: int) -> Layout:
    skus = cases.known(case, day)
    slots = np.random.default_rng(case.seed).permutation(len(case.warehouse.slot_ids))
    return _dealt(case, skus, slots)


def abc(case: Case, day: int) -> Layout:
    """Zones by the way from the depot, at random within each."""
    skus = cases.known(case, day)
    rate = _with_places(cases.counts(case, day)[skus].sum(axis=1))
    ranked = np.argsort(-rate, kind="stable")
    rng = np.random.default_rng(case.seed)
    classes = np.split(ranked, [round(share * ranked.size) for share in CLASSES])
    return _filled(case, skus, [rng.permutation(c) for c in classes], _nearest(case))


def turnover(case: Case, day: int) -> Layout:
    """The most lines of the whole history nearest to the depot."""
    skus = cases.known(case, day)
    rate = _with_places(cases.counts(case, day)[skus].sum(axis=1))
    return _filled(case, skus, [np.argsort(-rate, kind="stable")], _nearest(case))


def recent28(case: Case, day: int) -> Layout:
    """Aisle by aisle, by the lines of the last 28 days."""
    skus = cases.known(case, day)
    rate = _with_places(cases.counts(case, day, max(day - RECENT_DAYS, 0))[skus].sum(axis=1))
    return _filled(case, skus, [np.argsort(-rate, kind="stable")], _aisle_by_aisle(case))


def oracle(case: Case, day: int) -> Layout:
    """Aisle by aisle, by the lines from the day on."""
    rate = cases.counts(case, case.days, day).sum(axis=1)
    skus = np.argsort(-rate, kind="stable")[: len(case.warehouse.slot_ids)]
    slots = _aisle_by_aisle(case)
    slot_of = np.full(rate.size, NONE)
    slot_of[skus] = slots[: skus.size]
    return Layout(slot_of, slots[-1:])


@cache  # of the first day it is asked for again and again, and each is a solve of seconds
def forecast(case: Case, day: int) -> Layout:
    """The night's assignment by what is expected of the next days."""
    skus, rate = _expected(case, day)
    demand = cases.demand(case, skus, rate)
    slots = assign(case.warehouse, demand, walking(case, day, float(rate.sum())))
    return _dealt(case, skus, slots)


def promised(case: Case, day: int) -> float:
    """The saving over ABC that the forecast's layout is expected to bring."""
    skus, rate = _expected(case, day)
    ahead = walking(case, day, float(rate.sum()))
    metres = []
    for layout in (abc(case, day), forecast(case, day)):
        slots = np.concatenate((layout.slot_of[skus], layout.empty[: cases.PLACES]))
        metres.append(float(ahead.metres(*ahead.picks_by_aisle(rate, slots))))
    return 1 - metres[1] / metres[0]


def expected(case: Case, day: int) -> Reals:
    """Picks per day (n,)."""
    return velocity.expect(cases.counts(case, day))


def walking(case: Case, day: int, picks_per_day: float, newcomer_picks: float = 0.0) -> Walking:
    """So many picks a day in tours like those of late."""
    lately = case.tours(max(day - RECENT_DAYS, 0), day)
    return expect(case.layout, lately, picks_per_day, newcomer_picks)


def with_affinity(case: Case, day: int) -> Layout:
    """The forecast's layout, gathered; the same where the gate says no."""
    layout = forecast(case, day)
    return gathered(case, day, layout) if affinity_helps(case, day) else layout


def gathered(case: Case, day: int, layout: Layout) -> Layout:
    slot_of = affinity.gather(
        case.warehouse,
        case.layout,
        affinity.slopes(case.layout, case.tours(0, day), layout.slot_of.size),
        expected(case, day),
        layout.slot_of,
        seed=case.seed,
    )
    return Layout(slot_of, layout.empty)


def slopes(case: Case, day: int, skus: Ints) -> Slopes | None:
    """What picks of the SKUs (n,) add in each aisle, by past tours, if they tell."""
    if not affinity_helps(case, case.start):
        return None
    return affinity.slopes(case.layout, tours(case, day, skus), skus.size)


def tours(case: Case, day: int, skus: Ints) -> Tours:
    """All before the day, of the SKUs (n,) by their place among these."""
    past, number = case.tours(0, day), np.full(len(case.sku_ids), NONE)
    number[skus] = np.arange(skus.size)
    known = number[past.sku] != NONE
    return Tours(past.tour[known], number[past.sku[known]], past.age_days)


@cache
def affinity_helps(case: Case, day: int) -> bool:
    """Whether it would have, had it been done GATE_DAYS ago; no, where the history is too short."""
    then = day - GATE_DAYS
    if then < GATE_DAYS:
        return False
    before = forecast(case, then)
    after = gathered(case, then, before)
    later = case.tours(then, day)
    return affinity.helps(case.layout, later, before.slot_of, after.slot_of)


POLICIES: dict[str, Callable[[Case, int], Layout]] = {
    "random": random,
    "abc": abc,
    "turnover": turnover,
    "recent28": recent28,
    "forecast": forecast,
    "affinity": with_affinity,
    "oracle": oracle,
}


def _expected(case: Case, day: int) -> tuple[Ints, Reals]:
    """The SKUs with a slot, and picks per day of them and of the places."""
    skus = cases.known(case, day)
    rate = expected(case, day)[skus]
    return skus, np.concatenate((rate, np.full(cases.PLACES, PRESENT * rate.mean())))


def _with_places(rate: Reals) -> Reals:
    return np.concatenate((rate, np.full(cases.PLACES, rate.mean())))


def _filled(case: Case, skus: Ints, ranked: list[Ints], slots: Ints) -> Layout:
    """SKUs and places, as ranked, into the slots in their order."""
    order = np.concatenate(ranked)
    slot_of = np.empty(order.size, dtype=np.int64)
    slot_of[order] = slots[: order.size]
    return _dealt(case, skus, slot_of)


def _dealt(case: Case, skus: Ints, slots: Ints) -> Layout:
    """Slots of the SKUs first, then of the places; slots of neither come last."""
    slot_of = np.full(len(case.sku_ids), NONE)
    slot_of[skus] = slots[: skus.size]
    left = np.setdiff1d(np.arange(len(case.warehouse.slot_ids)), slots)
    return Layout(slot_of, np.concatenate((slots[skus.size :], left)))


def _nearest(case: Case) -> Ints:
    return np.argsort(case.layout.distance_m, kind="stable")


def _aisle_by_aisle(case: Case) -> Ints:
    return np.lexsort((case.layout.depth_m, case.layout.aisle))
