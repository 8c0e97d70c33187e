"""Night after night: the day's orders are walked, then a few SKUs move, by what is known by then.

Goods that come in take an empty slot and dead stock goes out; neither is a move, whoever plans.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import slotting_case as cases
import slotting_policies as policies
from slotting_case import Case
from slotting_policies import Layout

from logistics.slotting import velocity
from logistics.slotting.effect import look_ahead
from logistics.slotting.moves import plan_moves
from logistics.slotting.payback import paying
from logistics.slotting.problem import NONE, Ints, Reals
from logistics.slotting.travel import walk

MOVES = 30
MOVE_M = 240.0  # of walking that a move is as much work as: four minutes

Night = Callable[[Layout, int], Layout]


def walk_forward(case: Case, start: Layout, night: Night) -> float:
    """S-shape metres from case.start on, each day in the layout that the night before has left."""
    layout, metres = start, 0.0
    for day in range(case.start, case.days):
        if day > case.start:
            layout = night(layout, day)
        tours = case.tours(day, day + 1)
        picked = case.picked(day, day + 1)
        if not picked.size:
            continue
        settled = cases.settle(case, layout.slot_of, layout.empty, picked)
        metres += float(walk(case.layout, tours, settled).sum())
        layout = _stayed(layout, settled)
    return metres


def resettle(ideals: dict[int, Layout]) -> Night:
    """Everything moves into the night's best layout."""
    return lambda _, day: ideals[day]


def few_moves(case: Case, ideals: dict[int, Layout], max_moves: int, payback_days: float) -> Night:
    def night(layout: Layout, day: int) -> Layout:
        return moved(case, layout, day, ideals[day], max_moves, payback_days)[0]

    return night


def moved(
    case: Case,
    layout: Layout,
    day: int,
    ideal: Layout,
    max_moves: int,
    payback_days: float,
    days_to_next: int = 1,
) -> tuple[Layout, float]:
    """The layout after the night's moves towards the ideal one, the next ones so many days away,
    and the metres a day that they are promised to save."""
    skus = cases.known(case, day)
    rate = policies.expected(case, day)[skus]
    face = layout.slot_of[skus]
    demand = replace(cases.demand(case, skus, rate), face=face)
    holds = np.full(len(case.warehouse.slot_ids), NONE)
    holds[face[face != NONE]] = np.flatnonzero(face != NONE)
    warehouse = replace(case.warehouse, holds=holds)
    coming = velocity.of_newcomers(case.tours(0, day), days_to_next)
    night = plan_moves(
        warehouse,
        demand,
        policies.walking(
            case, day, float(rate.sum()) + coming, coming / max(np.sum(holds == NONE), 1)
        ),
        ideal.slot_of[skus],
        max_moves,
        MOVE_M / payback_days,
        policies.slopes(case, day, skus),
    )
    walking = policies.walking(case, day, float(rate.sum()))
    prospect = look_ahead(warehouse, demand, walking, policies.tours(case, day, skus))
    night = paying(prospect, night, MOVE_M / payback_days)
    slot_of = np.full(len(case.sku_ids), NONE)
    slot_of[skus] = night.slot_of
    saved_m = sum(move.saving_m_per_day for move in night.moves)
    return Layout(slot_of, _like_places(case, slot_of, ideal.empty)), saved_m


def brought_in(case: Case, old: Layout, then: int, day: int, ideal: Layout) -> Layout:
    """An old layout on a later day: newcomers have taken its empty slots, dead stock is out."""
    later = _stayed(old, cases.settle(case, old.slot_of, old.empty, case.picked(then, day)))
    slot_of = np.full(len(case.sku_ids), NONE)
    skus = cases.known(case, day)
    slot_of[skus] = later.slot_of[skus]
    return Layout(slot_of, _like_places(case, slot_of, ideal.empty))


def _stayed(layout: Layout, settled: Ints) -> Layout:
    """Newcomers keep the slot they took, unless they share it."""
    new = np.flatnonzero((layout.slot_of == NONE) & (settled != NONE))
    alone = new[np.unique(settled[new], return_index=True)[1]]
    slot_of = layout.slot_of.copy()
    slot_of[alone] = settled[alone]
    empty = layout.empty[~np.isin(layout.empty, settled[alone])]
    return Layout(slot_of, empty if empty.size else layout.empty[-1:])


def _like_places(case: Case, slot_of: Ints, places: Ints) -> Ints:
    """The empty slots, those first that are about as far as the ideal layout's places."""
    far_m: Reals = case.layout.distance_m
    empty = np.setdiff1d(np.arange(far_m.size), slot_of)
    apart_m = np.abs(far_m[empty] - np.median(far_m[places]))
    return empty[np.argsort(apart_m, kind="stable")] if empty.size else places[-1:]
