"""The arrays that `ruin` works on: a problem, its tours, and what it keeps in between."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Records: TypeAlias = Any  # arrays with fields, which compiled code may write as attributes

NEVER = 2**60


def _fields(names: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.int64) for name in names.split()])


STOP = _fields("node service release penalty opens num_windows")
KIND = _fields(
    "start end opens closes fixed per_m per_s max_m max_s max_drive profile rest_after rest_s"
)
VISIT = _fields(
    "after before node place tour window leg_m leg_s"  # the leg from here on
    " head_s head_early head_late tail_s tail_early tail_late"
    # Under traffic; slot: when it is left; soonest: when it is reached if the tour begins at once;
    # due: when service has to begin; rest: before it.
    " comes leaves slot soonest due rest"
)
TOUR = _fields("kind size cost metres drive released touched stamp")
SAVED = _fields("tour kind size")
COUNT = _fields("out touched saved top missed stamp best")


class Traffic(NamedTuple):
    """What driving takes at which time of day. there: without it all else is of no meaning."""

    there: bool
    work: NDArray[np.float64]  # (profiles, nodes, nodes): seconds of free flow
    work_to: NDArray[np.float64]
    zone: Ints  # (nodes,): in whose traffic a leg from there is driven
    pace: NDArray[np.float64]  # (zones, slots): speed over that of free flow
    slowness: NDArray[np.float64]  # its inverse
    worked: NDArray[np.float64]  # seconds of free flow from midnight to the slot's beginning
    slot_s: int


class Tables(NamedTuple):
    """What does not change; n stops, k kinds of vehicle, l loads.

    near: stops by distance, the stop itself first. keys: in what order stops are put back; odds:
    the rules' chances, added up. alone (k, n, 2): cost and window of a tour of one stop.
    """

    distance: NDArray[np.int32]  # (profiles, nodes, nodes)
    duration: NDArray[np.int32]
    distance_to: NDArray[np.int32]  # from the second node to the first: one stop's lie together
    duration_to: NDArray[np.int32]
    stops: Records
    windows: Ints  # (n, windows, 2)
    loads: Ints  # (n, 2, l): delivered, fetched
    kinds: Records
    capacity: Ints  # (k, l)
    allowed: NDArray[np.bool_]  # (k, n)
    alone: Ints
    near: NDArray[np.int32]
    keys: NDArray[np.float64]  # (rules, n), the first rule being chance
    odds: NDArray[np.float64]
    timed: bool
    mixed: bool  # some stops bring, others fetch
    traffic: Traffic


class State(NamedTuple):
    """Tours as they are, what was touched as it was before this step, and the best tours."""

    visits: Records
    peaks: Ints  # (indexes, 2, l): most on board on the legs up to and from here on
    tours: Records
    loads: Ints  # (tours, 2, l)
    left: Ints  # vehicles of each kind
    saved: Records
    saved_stops: Ints  # (n, 2): stop, window
    out: Ints
    ranks: NDArray[np.float64]
    best_after: Ints
    best_tours: Ints  # (tours, 2): kind, size
    count: Records  # of one
    random: NDArray[np.uint64]  # of one
