"""Compiled functions, what they draw at random and how they sort."""

import hashlib
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numpy as np
from numba import config, njit
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Random = NDArray[np.uint64]  # (1,): a state other than 0


def _folder() -> str:
    """Where what is compiled is kept, another one for every version of the compiled files: numba
    looks at a function's own file only, not at those whose functions are compiled into it."""
    here = Path(__file__)
    files = [here, *sorted(here.parent.glob("ruin*.py"))]
    version = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    told: str = config.CACHE_DIR  # type: ignore[attr-defined]
    return str(Path(told or here.parent / "__pycache__") / version)


_FOLDER = _folder()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function, compiled when first called, for good where there is a folder to keep it in."""
    told: str = config.CACHE_DIR  # type: ignore[attr-defined]
    config.CACHE_DIR = _FOLDER  # type: ignore[attr-defined]
    try:
        return cast(Callable[P, R], njit(cache=True)(function))
    except RuntimeError:  # neither that folder nor the user's own can be written
        return cast(Callable[P, R], njit(function))
    finally:
        config.CACHE_DIR = told  # type: ignore[attr-defined]


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
