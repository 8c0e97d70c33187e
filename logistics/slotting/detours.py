"""Moves without detours. Knows moves and what lies where; no walking, no rules."""

from collections.abc import Sequence
from dataclasses import replace

from logistics.slotting.floor import Move
from logistics.slotting.problem import NONE, Ints


def direct(holds: Ints, moves: Sequence[Move]) -> list[Move]:
    """The same layout in no more moves: a SKU that makes way twice goes at once to its last slot,
    if that is empty all the while.

    holds (s,): what lies in each slot before. The one carry saves what both did, in the step of the
    first, so that savings still add up.
    """
    kept = list(moves)
    for move in moves:
        if move not in kept:  # merged already
            continue
        late = kept.index(move)
        before = [n for n in range(late) if kept[n].sku == move.sku]
        if before and _stays_empty(holds, kept, before[-1], late):
            first = kept[before[-1]]
            saved_m = first.saving_m_per_day + move.saving_m_per_day
            kept[before[-1]] = replace(first, to_slot=move.to_slot, saving_m_per_day=saved_m)
            del kept[late]
    return kept


def _stays_empty(holds: Ints, moves: Sequence[Move], first: int, last: int) -> bool:
    """Whether the slot that the last of these moves goes to is empty from the first one on."""
    slot = moves[last].to_slot
    content = int(holds[slot])
    for move in moves[:first]:
        if move.from_slot == slot:
            content = NONE
        if move.to_slot == slot:
            content = move.sku
    touched = {place for move in moves[first:last] for place in (move.from_slot, move.to_slot)}
    return content == NONE and slot not in touched
