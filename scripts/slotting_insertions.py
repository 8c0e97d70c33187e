"""Shortest tours with one more pick, for every place the pick may be at, by one forward and one
backward pass of Ratliff and Rosenthal's programme (see `slotting_shortest`).
"""

import numpy as np
from slotting_shortest import ACROSS, BEGIN, ENDS, WAYS

from logistics.slotting.problem import Flags, Reals
from logistics.slotting.travel import Layout

STATES = 7
KNOWN = 100_000  # sets of picks whose insertions are kept


class Insertions:
    """Metres of tours with one more pick; those of the last KNOWN sets of picks are kept.

    The aisles' picks lie at depth_m (b,); the depot is at the front of the first aisle.
    """

    def __init__(self, layout: Layout, depth_m: Reals) -> None:
        self.depth_m, self.length_m = depth_m, layout.length_m
        steps_m = np.diff(layout.aisle_x_m, prepend=layout.depot_x_m)
        across = np.array([_across(step_m) for step_m in steps_m.tolist()])
        ways = np.array([_metres(0.0, after) for after in WAYS])
        # (a, w, 7, 7): from each state left of an aisle to each behind it, by each way through it.
        self.through = (across[:, None, :, :, None] + ways[:, None, :, :]).min(axis=3)
        self.known: dict[bytes, Reals] = {}

    def metres(self, picked: Flags) -> Reals:
        """Metres (r, a·b) with one more pick at every place; picked (r, a, b): where picks are."""
        keys = [row.tobytes() for row in np.packbits(picked.reshape(len(picked), -1), axis=1)]
        new = [row for row, key in enumerate(keys) if key not in self.known]
        if new:
            if len(self.known) > KNOWN:
                self.known = {k: self.known[k] for k in keys if k in self.known}
            found = self._inserted(picked[new])
            self.known.update(zip([keys[row] for row in new], found, strict=True))
        return np.array([self.known[key] for key in keys])

    def _inserted(self, picked: Flags) -> Reals:
        num_tours, num_aisles, num_bays = picked.shape
        ways_m = self._ways(picked)
        states_m = (ways_m[..., None, None] + self.through).min(axis=2)
        before = np.full((num_tours, num_aisles, STATES), np.inf)
        after = np.full((num_tours, num_aisles, STATES), np.inf)
        before[:, 0, BEGIN] = 0.0
        after[:, -1, ENDS] = 0.0
        for aisle in range(num_aisles - 1):
            before[:, aisle + 1] = (before[:, aisle, :, None] + states_m[:, aisle]).min(axis=1)
            last = num_aisles - 1 - aisle
            after[:, last - 1] = (states_m[:, last] + after[:, last, None, :]).min(axis=2)
        rest_m = before[:, :, None, :, None] + self.through + after[:, :, None, None, :]
        one_more = picked[:, :, None, :] | np.eye(num_bays, dtype=bool)
        metres = rest_m.min(axis=(-1, -2))[:, :, None, :] + self._ways(one_more)
        return np.asarray(metres.min(axis=-1).reshape(num_tours, -1))

    def _ways(self, picked: Flags) -> Reals:
        """Metres (..., w) of each way through an aisle with these picks (..., b)."""
        depth_m, length_m = self.depth_m, self.length_m
        nearest_m = np.where(picked, depth_m, np.inf).min(axis=-1)
        reached_m = np.maximum.accumulate(np.where(picked, depth_m, -np.inf), axis=-1)
        gaps_m = np.where(picked[..., 1:], depth_m[1:] - reached_m[..., :-1], 0.0)
        gap_m = np.where(np.isfinite(gaps_m), gaps_m, 0.0).max(axis=-1, initial=0.0)
        ways_m = np.empty((*nearest_m.shape, len(WAYS)))
        ways_m[..., 0], ways_m[..., 4], ways_m[..., 5] = length_m, 2 * length_m, np.inf
        ways_m[..., 1] = 2 * (length_m - nearest_m)
        ways_m[..., 2] = 2 * reached_m[..., -1]
        ways_m[..., 3] = 2 * (length_m - gap_m)
        empty = ~picked.any(axis=-1)
        ways_m[empty, 1:4], ways_m[empty, 5] = np.inf, 0.0
        return ways_m


def _across(step_m: float) -> Reals:
    metres: Reals = np.min([_metres(times * step_m, after) for times, after in ACROSS], axis=0)
    return metres


def _metres(metres: float, after: tuple[int, ...]) -> Reals:
    """Metres (7, 7) from each state to each; inf where it does not lead."""
    table = np.full((STATES, STATES), np.inf)
    for before, state in enumerate(after):
        if state >= 0:
            table[before, state] = metres
    return table
