"""The values of a table's row, typed; null is the default. And which rows are of one place."""

from collections.abc import Mapping

import polars as pl

Row = Mapping[str, object]
# Addresses are the same when their coordinates are, to about a metre: five decimals of a degree.
PLACE = (pl.col("lat").round(5), pl.col("lon").round(5))


def skills(names: object) -> frozenset[str]:
    assert names is None or isinstance(names, list)
    return frozenset(name for name in names or () if name is not None)


def whole(value: object, default: int = 0) -> int:
    assert value is None or isinstance(value, int)
    return default if value is None else value


def real(value: object, default: float = 0.0) -> float:
    assert value is None or isinstance(value, float)
    return default if value is None else value
