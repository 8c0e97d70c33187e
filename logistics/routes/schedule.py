"""How many seconds each depot's search may take, so that all are done at the night's deadline.

Pure: knows sizes and elapsed time; no solver and no machine. A depot's share goes by its size. What
depots leave over because they have stopped improving is given to those that start later, and what
the night is behind by is taken from them.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

_LEAST = 0.2  # of its share, however late a depot starts: every depot gets a plan


@dataclass(frozen=True, slots=True)
class Share:
    """seconds: a depot's own; starts_s: when it starts if all take theirs; after_s: those of all
    that do not start before it, itself included. workers, ends_s: of the whole night."""

    seconds: float
    starts_s: float
    after_s: float
    workers: int
    ends_s: float


def shares(sizes: Sequence[int], seconds_each: float, workers: int) -> list[Share]:
    """A share per depot, in the order in which they start; seconds_each: the mean of them."""
    total_s = seconds_each * len(sizes)
    ends_s = total_s / workers
    weights = [max(size, 1) for size in sizes]
    # Nobody's search is longer than the night: the last ones would not be done.
    seconds = [min(total_s * weight / sum(weights), ends_s) for weight in weights]
    free, starts = [0.0] * workers, []
    for own_s in seconds:
        starts.append(free[0])
        heapq.heapreplace(free, free[0] + own_s)
    after = [sum(seconds[k:]) for k in range(len(seconds))]
    return [
        Share(own_s, starts_s, after_s, workers, ends_s)
        for own_s, starts_s, after_s in zip(seconds, starts, after, strict=True)
    ]


def seconds(share: Share, elapsed_s: float) -> float:
    """What a depot that starts elapsed_s after the night began may take."""
    ahead_s = (share.starts_s - elapsed_s) * share.workers
    fair_s = share.seconds * (1 + ahead_s / share.after_s)
    return max(min(fair_s, share.ends_s - elapsed_s), _LEAST * share.seconds)
