"""Which of tonight's steps earn back their labour in time, by what they are promised to save.

Steps are chosen by what a pick adds in each aisle, and promised less (see effect.py): some turn out
to be worth nothing. What has to be moved is moved whatever it saves: SKUs without a slot, and those
that lie where they may not. Knows moves and what they save; no solver, no tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from logistics.slotting.effect import Prospect, promised
from logistics.slotting.floor import Floor, Move
from logistics.slotting.moves import Night
from logistics.slotting.problem import NONE, Demand, fits

Step = tuple[Move, ...]


def paying(prospect: Prospect, night: Night, least_m: float) -> Night:
    """The night as promised: each step saves least_m a day for each of its moves, or is urgent.

    A step without which others cannot be made, or save so much less that it is worth its labour,
    is judged with them: they become one step.
    """
    while True:
        night = promised(prospect, night)
        steps = by_step(night)
        poor = [
            step for step in steps if per_move_m(step) < least_m and not is_urgent(prospect, step)
        ]
        if not poor:
            return night
        made = _without_or_joined(prospect, night, steps, min(poor, key=per_move_m), least_m)
        night = only(prospect.demand, night, made)


def per_move_m(step: Step) -> float:
    """Metres a day that it saves for each of its moves."""
    return _saved_m(step) / len(step)


def is_urgent(prospect: Prospect, step: Step) -> bool:
    """Whether it gives a SKU its first slot, or takes one from where it may not lie."""
    return any(_must_be_made(prospect, move) for move in step)


def by_step(night: Night) -> list[Step]:
    """The night's moves step by step, in order."""
    numbers = sorted({move.step for move in night.moves})
    return [tuple(move for move in night.moves if move.step == step) for step in numbers]


def only(demand: Demand, night: Night, steps: Sequence[Step]) -> Night:
    """The night with these steps alone, numbered anew."""
    slot_of = demand.face.copy()
    moves = [replace(m, step=number) for number, step in enumerate(steps, 1) for m in step]
    for move in moves:
        slot_of[move.sku] = move.to_slot
    return replace(night, moves=tuple(moves), slot_of=slot_of)


def _must_be_made(prospect: Prospect, move: Move) -> bool:
    if move.from_slot == NONE:
        return not move.opens_face
    return not fits(prospect.warehouse, prospect.demand, move.sku, move.from_slot)


def _without_or_joined(
    prospect: Prospect, night: Night, steps: Sequence[Step], poor: Step, least_m: float
) -> list[Step]:
    """The night's steps without a poor one, or with those that it pays with made one; in an order
    in which all can be made."""
    made = list(_possible(prospect, [step for step in steps if step != poor]))
    gone = [step for step in steps if step not in made]
    fewer = by_step(promised(prospect, only(prospect.demand, night, made)))
    lost_m = [_saved_m(step) - _saved_m(alone) for step, alone in zip(made, fewer, strict=True)]
    free = [number for number, step in enumerate(made) if not is_urgent(prospect, step)]
    worth_m = sum(map(_saved_m, gone)) + sum(lost_m)
    if worth_m < least_m * len(_joined(gone)) or (len(gone) == 1 and not free):
        return made
    if len(gone) == 1:
        gone.append(made[max(free, key=lost_m.__getitem__)])
    at = sorted(map(steps.index, gone))
    apart = [step for step in steps[: at[-1]] if step not in gone]
    better = [*apart, _joined([steps[number] for number in at]), *steps[at[-1] + 1 :]]
    if len(list(_possible(prospect, better))) == len(better):
        return better
    between = slice(at[0], at[-1] + 1)
    return [*steps[: at[0]], _joined(steps[between]), *steps[between.stop :]]


def _saved_m(step: Step) -> float:
    return sum(move.saving_m_per_day for move in step)


def _joined(steps: Sequence[Step]) -> Step:
    return tuple(chain.from_iterable(steps))


def _possible(prospect: Prospect, steps: Sequence[Step]) -> Iterator[Step]:
    """Those of the steps that can be made in turn without the others."""
    demand = prospect.demand
    floor = Floor(prospect.warehouse, demand, prospect.walking, demand.face)
    for step in steps:
        carries = tuple((move.sku, move.to_slot) for move in step)
        if _clear(floor, step) and np.isfinite(floor.savings([carries])[0]):
            floor.make(carries)
            yield step


def _clear(floor: Floor, step: Step) -> bool:
    """Whether each SKU is where its move begins, and its slot is empty by then."""
    slot_of, holds = floor.slot_of.copy(), floor.holds.copy()
    for move in step:
        if slot_of[move.sku] != move.from_slot or holds[move.to_slot] != NONE:
            return False
        if move.from_slot != NONE:
            holds[move.from_slot] = NONE
        slot_of[move.sku], holds[move.to_slot] = move.to_slot, move.sku
    return True
