"""Keys as numbers: texts as codes, keys of several columns as one number, and keys that repeat.

Knows polars and NumPy; knows nothing of contracts. Rows of one entity mostly stand together, so
most of the work is done once per run of equal texts instead of once per row.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Codes = NDArray[np.int64]  # or of int32, where that holds them
MOST = 2**62  # different keys that one number tells apart
_STRETCH = 1000  # rows: stretches that are longer are merged sooner than their keys are counted


def encode(texts: pl.Series) -> tuple[pl.Series, Codes]:
    """The distinct texts, sorted; each row's position among them (n,), null's after the last."""
    heads, lengths = _runs(texts)
    names = heads.unique().drop_nulls().sort()
    codes = heads.cast(pl.Enum(names)).to_physical().cast(pl.Int32).fill_null(len(names))
    return names, np.repeat(codes.to_numpy(), lengths)


def distinct(texts: pl.Series) -> pl.Series:
    """The distinct texts in no order, without null."""
    heads, _ = _runs(texts)
    return heads.unique().drop_nulls()


def number(values: pl.Series) -> tuple[Codes, int]:
    """Whole numbers or times as numbers from 0 (n,), null's after the last; and how many."""
    whole = values.to_physical()
    least, most = whole.min(), whole.max()
    if not isinstance(least, int) or not isinstance(most, int):
        return np.zeros(len(values), np.int64), 1
    if most - least >= MOST or most >= MOST:
        return np.zeros(len(values), np.int64), most - least + 1
    found = whole.fill_null(most + 1) if whole.null_count() else whole
    # In the wider type where the values themselves need it.
    kind = _kind(most - least + 2 if whole.dtype == pl.Int32 else MOST)
    return np.subtract(found.to_numpy(), least, dtype=kind), most - least + 2


def repeated(keys: Sequence[tuple[Codes, int]]) -> NDArray[np.bool_]:
    """Whether another row has the same key (n,), of columns as numbers, each with how many there
    are: MOST at most, all multiplied."""
    (first, _), *others = keys
    different = prod(count for _, count in keys)
    flat: Codes = first.astype(_kind(different))
    for numbers, count in others:
        flat *= count
        flat += numbers
    falls = np.count_nonzero(flat[1:] <= flat[:-1])
    if not falls:
        return np.zeros(len(flat), np.bool_)
    few = different <= 4 * len(flat) + 1024
    if few and len(flat) < falls * _STRETCH:
        return np.asarray(np.bincount(flat)[flat] > 1)
    ordered = np.sort(flat, kind="stable")  # which merges sorted stretches
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not few:
        return np.isin(flat, again)
    twice = np.zeros(different, np.bool_)
    twice[again] = True
    return twice.take(flat)


def _kind(count: int) -> "np.dtype[Any]":
    """The type of so many numbers from 0."""
    return np.dtype(np.int32 if count < 2**31 else np.int64)


def _runs(texts: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """The first text of each run of equal ones, and how long the run is; a chunk begins a run."""
    starts, at = [], 0
    for chunk in texts.to_physical().get_chunks():  # of a Categorical, numbers
        begins = chunk.ne_missing(chunk.shift(1)).arg_true().to_numpy()
        # What stands before the first row is null, and so may the first one be.
        first = [] if len(begins) and begins[0] == 0 else [0][: len(chunk)]
        starts += [np.array(first, np.int64) + at, begins.astype(np.int64) + at]
        at += len(chunk)
    rows = np.concatenate([np.zeros(0, np.int64), *starts])
    return texts.gather(rows).cast(pl.String), np.diff(rows, append=at)
