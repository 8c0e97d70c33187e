"""Compiled functions, what they draw at random and how they sort.

Numba keeps what it has compiled until the file of the function changes, not those of the functions
that it calls: what often changes together stands in one file.
"""

from collections.abc import Callable
from math import log
from typing import ParamSpec, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Random = NDArray[np.uint64]  # (1,): a state other than 0


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function, compiled when first called, for good where there is a folder to keep it in."""
    try:
        return cast(Callable[P, R], njit(cache=True)(function))
    except RuntimeError:  # neither the folder of its file nor the user's own can be written
        return cast(Callable[P, R], njit(function))


@compiled
def chance(random: Random) -> float:
    """Uniform in [0, 1): xorshift64* (Vigna 2016)."""
    x = random[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    random[0] = x
    return float((x * np.uint64(2685821657736338717)) >> np.uint64(11)) * 2.0**-53


@compiled
def below(random: Random, num: int) -> int:
    return int(chance(random) * num)


@compiled
def until(random: Random, odds: float) -> int:
    """How often something of these odds does not happen before it does."""
    return int(log(1.0 - chance(random)) / log(1.0 - odds))


@compiled
def sort(items: Ints, ranks: Floats, num: int) -> None:
    """The first few items by their ranks, the least first, in place."""
    for at in range(1, num):
        item, rank = items[at], ranks[at]
        while at > 0 and ranks[at - 1] > rank:
            ranks[at], items[at] = ranks[at - 1], items[at - 1]
            at -= 1
        ranks[at], items[at] = rank, item
