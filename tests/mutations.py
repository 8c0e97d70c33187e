"""What can be wrong with an input table: small functions from good rows to bad ones.

A mutation touches some values of one column, gives a column another type, or changes the table's
shape. Tables are Arrow's, since some faults (bytes that are no UTF-8, two columns of one name)
cannot be said in polars.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa

from logistics.schema import Contract

Rng = np.random.Generator
DAY_US = 24 * 3600 * 1_000_000
BROKEN = (b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f")  # Latin-1, BOM, surrogate, cut off


@dataclass(frozen=True, slots=True)
class Mutated:
    """touched: at most so many rows became bad; None: any number may have."""

    table: pa.Table | pl.DataFrame
    touched: int | None = None


Mutation = Callable[[pl.DataFrame, Rng, Contract], Mutated]


@dataclass(frozen=True)
class Case:
    """One mutation of one table; column is "" where it is of the whole table."""

    table: str
    column: str
    kind: str
    mutation: Mutation

    def __str__(self) -> str:
        return f"{self.table}.{self.column} {self.kind}"

    @property
    def seed(self) -> int:
        return zlib.crc32(str(self).encode())


def mutations(rows: pl.DataFrame, contract: Contract) -> list[Case]:
    """Everything that can be done to a table."""
    return [Case(contract.name, *found) for found in _mutations(rows)]


def _mutations(rows: pl.DataFrame) -> Iterator[tuple[str, str, Mutation]]:
    for kind, shape in SHAPES.items():
        yield "", kind, shape
    for column in rows.columns:
        yield column, "dropped", _dropping(column)
        yield column, "named in capitals", _renaming(column, column.upper())
        yield column, "twice", _doubling(column)
        yield column, "broken UTF-8", _breaking(column)
        for kind, value in _values(rows.schema[column]).items():
            yield column, kind, _touching(column, value)
        for kind, retype in RETYPES.items():
            yield column, f"as {kind}", _retyping(column, retype)
    for left, right in _twins(rows):
        yield left, f"swapped with {right}", _swapping(left, right)


def arrow(rows: pl.DataFrame) -> pa.Table:
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())


# --- some values of a column ---------------------------------------------------------------------

Value = object  # a new value, or a function of the old one
NUMBERS: dict[str, Value] = {
    "NaN": np.nan,
    "infinite": np.inf,
    "minus infinite": -np.inf,
    "negative": lambda v: -1 - abs(v or 0),
    "slightly negative": -1e-9,
    "zero": 0,
    "minus zero": -0.0,
    "a fraction": 0.3,
    "tiny": 5e-324,
    "huge": 1e300,
    "beyond float32": 3.5e38,
    "large": 9.9e8,
    "a huge whole": 2**62,
    "the largest whole": 2**63 - 1,
    "the least whole": -(2**63),
    "kg as g, s as ms": lambda v: (v or 0) * 1000,
    "g as kg, ms as s": lambda v: (v or 0) / 1000,
    "percent for share": lambda v: (v or 0) * 100,
    "off the earth": 181.0,
    "at the pole": 90,
}
TEXTS: dict[str, Value] = {
    "empty": "",
    "blank": " ",
    "long": "x" * 3000,
    "a path": "../../etc/passwd",
    "NUL at the end": "a\0",
    "lines": 'a\n"b",c',
    "hive's null": "__HIVE_DEFAULT_PARTITION__",
    "an unknown key": "no such thing",
    "escaped": "a%2Fb%20=c",
    "other scripts": "Zürich 東京 \u202egnirts\u202c e\u0301",
    "NaN for text": "NaN",
    "padded": lambda v: f" {v} ",
}
DAYS: dict[str, Value] = {
    "year 1": date(1, 1, 1),
    "year 9999": date(9999, 12, 31),
    "year 1969": date(1969, 12, 31),
    "year 2261": date(2261, 1, 1),
    "the farthest day": 2**31 - 1,
    "the earliest day": -(2**31),
    "the next night": date(2026, 3, 3),
}
WINDOWS: dict[str, Value] = {
    "closes before it opens": [{"opens_s": 30000, "closes_s": 29999}],
    "one of two is backwards": [{"opens_s": 0, "closes_s": 9}, {"opens_s": 5, "closes_s": 4}],
    "before midnight": [{"opens_s": -1, "closes_s": 4}],
    "next week": [{"opens_s": 0, "closes_s": 7 * 86400}],
    "no closing": [{"opens_s": 0, "closes_s": None}],
    "no opening": [{"opens_s": None, "closes_s": 0}],
    "no window inside": [None],
    "no times": [{"opens_s": None, "closes_s": None}],
    "none": [],
    "a moment": [{"opens_s": 7, "closes_s": 7}],
    "overlapping": [{"opens_s": n, "closes_s": 40000 - n} for n in range(300)],
    "largest": [{"opens_s": -(2**63), "closes_s": 2**63 - 1}],
}
LISTS: dict[str, Value] = {
    "no items": [],
    "null inside": [None],
    "null beside": ["x", None],
    "doubled": ["x", "x"],
    "many": [f"s{n}" for n in range(500)],
}
WHOLES: dict[str, Value] = {
    "no items": [],
    "null inside": [None],
    "out of range": [7, -1],
    "huge": [2**62],
    "doubled": [1, 1],
}


def _values(dtype: pl.DataType) -> dict[str, Value]:
    kinds: dict[str, Value] = {"null": None}
    if dtype.is_numeric():
        kinds |= NUMBERS
    elif dtype == pl.String:
        kinds |= TEXTS
    elif dtype.is_temporal():
        kinds |= DAYS
    elif dtype == pl.List(pl.String):
        kinds |= LISTS
    elif dtype == pl.List(pl.Int64):
        kinds |= WHOLES
    elif dtype.is_nested():
        kinds |= WINDOWS
    return kinds


def _some(rows: pl.DataFrame, rng: Rng) -> list[int]:
    return sorted(rng.choice(rows.height, max(rows.height // 4, 1), replace=False).tolist())


def _touching(column: str, value: Value) -> Mutation:
    def mutate(rows: pl.DataFrame, rng: Rng, contract: Contract) -> Mutated:
        touched = _some(rows, rng)
        values = rows[column].to_list()
        for i in touched:
            values[i] = value(values[i]) if callable(value) else value
        return Mutated(_with(rows, column, _array(values, rows.schema[column])), len(touched))

    return mutate


def _array(values: list[object], dtype: pl.DataType) -> pa.Array:
    """The values in the column's own type, or as floats where whole numbers cannot hold them."""
    if dtype.is_temporal():
        return _days([v if v is None else _us(v) for v in values], dtype)
    if dtype.is_integer() and any(isinstance(v, float) for v in values):
        return pa.array([v if v is None else float(v) for v in values], pa.float64())
    if dtype.is_float():
        return pa.array([v if v is None else float(v) for v in values], pa.float64())
    return pa.array(values, pl.Series([], dtype=dtype).to_arrow(compat_level=_OLDEST).type)


_OLDEST = pl.CompatLevel.oldest()


def _us(value: object) -> int:
    """Microseconds since 1970; a whole number is one of days, the farthest one the farthest."""
    if isinstance(value, int):
        return min(max(value * DAY_US, -(2**63) + 1), 2**63 - 1)
    at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # type: ignore[attr-defined]
    since = at - datetime(1970, 1, 1)
    return since.days * DAY_US + since.seconds * 1_000_000 + since.microseconds


def _days(values: list[int | None], dtype: pl.DataType) -> pa.Array:
    if dtype != pl.Date:
        return pa.array(values, pa.int64()).cast(pa.timestamp("us"))
    days = [v if v is None else min(max(v // DAY_US, -(2**31)), 2**31 - 1) for v in values]
    return pa.array(days, pa.int32()).cast(pa.date32())


def _breaking(column: str) -> Mutation:
    """Bytes that are no UTF-8 in some rows of a column of text, or in lists of text."""

    def mutate(rows: pl.DataFrame, rng: Rng, contract: Contract) -> Mutated:
        touched = _some(rows, rng)
        nested = rows.schema[column].is_nested()
        values = [str(v).encode() for v in rows[column].to_list()]
        for i in touched:
            values[i] = BROKEN[int(rng.integers(len(BROKEN)))]
        found = _unchecked(values)
        if nested:
            found = pa.ListArray.from_arrays(pa.array(range(rows.height + 1), pa.int32()), found)
        return Mutated(_with(rows, column, found))

    return mutate


def _unchecked(values: list[bytes]) -> pa.Array:
    ends = np.cumsum([0, *(len(v) for v in values)]).astype(np.int32)
    return pa.StringArray.from_buffers(
        len(values), pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(values))
    )


# --- a column's type -----------------------------------------------------------------------------

Retype = Callable[[pl.Series], "pa.Array | pl.Series"]


def _each(to: Callable[[object, int], object], dtype: pa.DataType | None = None) -> Retype:
    def retype(values: pl.Series) -> pa.Array:
        found = [v if v is None else to(v, i) for i, v in enumerate(values.to_list())]
        return pa.array(found, dtype)

    return retype


def _at(value: object, i: int) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return datetime(2026, 2, 1 + i % 28)


def _number(value: object, i: int) -> float:
    return float(value) if isinstance(value, int | float) else float(i)


def _timestamps(unit: str, zone: str | None = None) -> Retype:
    return _each(_at, pa.timestamp(unit, zone))


RETYPES: dict[str, Retype] = {
    "text": _each(lambda v, i: str(v), pa.string()),
    "large text": _each(lambda v, i: str(v), pa.large_string()),
    "text views": _each(lambda v, i: str(v), pa.string_view()),
    "words": _each(lambda v, i: "many", pa.string()),
    "text with a decimal comma": _each(lambda v, i: str(v).replace(".", ","), pa.string()),
    "American dates": _each(lambda v, i: f"{_at(v, i):%m/%d/%Y}", pa.string()),
    "text with a time zone": _each(lambda v, i: f"{_at(v, i).isoformat()}+02:00", pa.string()),
    "text with a Z": _each(lambda v, i: f"{_at(v, i).isoformat()}Z", pa.string()),
    "bytes": _each(lambda v, i: str(v).encode(), pa.binary()),
    "bytes of one length": _each(lambda v, i: b"\xff\0ab", pa.binary(4)),
    "categories": lambda s: _each(lambda v, i: str(v), pa.string())(s).dictionary_encode(),
    "numbers of categories": lambda s: _each(_number, pa.float64())(s).dictionary_encode(),
    "polars categories": lambda s: pl.Series([str(v) for v in s.to_list()], dtype=pl.Categorical),
    "whole numbers": _each(lambda v, i: int(_number(v, i)), pa.int64()),
    "unsigned numbers": _each(lambda v, i: 2**64 - 1 - i, pa.uint64()),
    "small numbers": _each(lambda v, i: int(_number(v, i)) % 100, pa.int8()),
    "polars' 128 bits": lambda s: pl.Series([2**70 + i for i in range(s.len())], dtype=pl.Int128),
    "yyyymmdd": _each(lambda v, i: int(f"{_at(v, i):%Y%m%d}"), pa.int64()),
    "epoch seconds": _each(lambda v, i: int(_us(_at(v, i)) // 10**6), pa.int64()),
    "floats": _each(_number, pa.float64()),
    "half floats": _each(lambda v, i: np.float16(_number(v, i) % 1000), pa.float16()),
    "decimals": _each(lambda v, i: Decimal(f"{_number(v, i) % 1e6:.2f}"), pa.decimal128(20, 4)),
    "wide decimals": _each(lambda v, i: Decimal(int(_number(v, i) % 1e6)), pa.decimal256(50, 2)),
    "flags": _each(lambda v, i: bool(i % 2), pa.bool_()),
    "days": _each(lambda v, i: _at(v, i).date(), pa.date32()),
    "days in ms": _each(lambda v, i: _at(v, i).date(), pa.date64()),
    "timestamps in s": _timestamps("s"),
    "timestamps in ms": _timestamps("ms"),
    "timestamps in us": _timestamps("us"),
    "timestamps in ns": _timestamps("ns"),
    "Berlin time": _timestamps("us", "Europe/Berlin"),
    "UTC": _timestamps("ns", "UTC"),
    "Indian time": _timestamps("ms", "+05:30"),
    "times of day": _each(lambda v, i: _at(v, i).time(), pa.time64("us")),
    "durations": _each(lambda v, i: i * 1000, pa.duration("ms")),
    "nothing": lambda s: pa.nulls(s.len()),
    "lists": _each(lambda v, i: [str(v)], pa.list_(pa.string())),
    "lists of numbers": _each(lambda v, i: [_number(v, i), 1.0], pa.list_(pa.float64())),
    "lists of lists": _each(lambda v, i: [[i]], pa.list_(pa.list_(pa.int64()))),
    "pairs": _each(lambda v, i: [i, i + 1], pa.list_(pa.int64(), 2)),
    "records": _each(lambda v, i: {"value": str(v)}, pa.struct([("value", pa.string())])),
    "lists of records": _each(
        lambda v, i: [{"opens_s": "early", "closes_s": str(i)}],
        pa.list_(pa.struct([("opens_s", pa.string()), ("closes_s", pa.string())])),
    ),
    "lists of other records": _each(
        lambda v, i: [{"from": 1, "to": i}], pa.list_(pa.struct([("from", pa.int8())]))
    ),
    "maps": _each(lambda v, i: [("k", i)], pa.map_(pa.string(), pa.int64())),
}


def _retyping(column: str, retype: Retype) -> Mutation:
    def mutate(rows: pl.DataFrame, rng: Rng, contract: Contract) -> Mutated:
        return Mutated(_with(rows, column, retype(rows[column])))

    return mutate


def _with(
    rows: pl.DataFrame, column: str, values: "pa.Array | pl.Series"
) -> "pa.Table | pl.DataFrame":
    if isinstance(values, pl.Series):
        return rows.with_columns(values.alias(column))
    table = arrow(rows)
    return table.set_column(table.schema.get_field_index(column), column, values)


# --- the table's shape ---------------------------------------------------------------------------


def _dropping(column: str) -> Mutation:
    return lambda rows, rng, contract: Mutated(arrow(rows.drop(column)))


def _renaming(column: str, name: str) -> Mutation:
    return lambda rows, rng, contract: Mutated(arrow(rows.rename({column: name})))


def _doubling(column: str) -> Mutation:
    def mutate(rows: pl.DataFrame, rng: Rng, contract: Contract) -> Mutated:
        table = arrow(rows)
        return Mutated(table.append_column(column, table[column]))

    return mutate


def _twins(rows: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Neighbouring columns of one type: lat and lon, opens_s and closes_s, kg and m3, …"""
    for left, right in zip(rows.columns, rows.columns[1:], strict=False):
        if rows.schema[left] == rows.schema[right]:
            yield left, right


def _swapping(left: str, right: str) -> Mutation:
    return lambda rows, rng, contract: Mutated(arrow(rows.rename({left: right, right: left})))


def _again(rows: pl.DataFrame, rng: Rng, contract: Contract) -> Mutated:
    return Mutated(arrow(pl.concat([rows, rows])), rows.height)


def _same_keys(rows: pl.DataFrame, rng: Rng, contract: Contract) -> Mutated:
    keys = rows.select(contract.key)[np.zeros(rows.height, np.int64)]
    return Mutated(arrow(rows.with_columns(keys)), rows.height - 1)


def _more_columns(rows: pl.DataFrame, rng: Rng, contract: Contract) -> Mutated:
    ours = {"__row__": pl.lit(1), "__unread__": pl.lit("x"), "literal": pl.lit([1])}
    more = {"note": pl.lit("ok"), "flag": pl.lit(value=True), "row": pl.int_range(pl.len())}
    return Mutated(arrow(rows.with_columns(**ours, **more)), 0)


SHAPES: dict[str, Mutation] = {
    "as it is": lambda rows, rng, contract: Mutated(arrow(rows), 0),
    "no rows": lambda rows, rng, contract: Mutated(arrow(rows.clear()), 0),
    "no columns": lambda rows, rng, contract: Mutated(pa.table({})),
    "only a foreign column": lambda rows, rng, contract: Mutated(pa.table({"x": [1, 2]})),
    "one row": lambda rows, rng, contract: Mutated(arrow(rows.head(1)), 0),
    "every row twice": _again,
    "one key for all": _same_keys,
    "columns reversed": lambda rows, rng, contract: Mutated(arrow(rows[rows.columns[::-1]]), 0),
    "more columns": _more_columns,
    "only nulls": lambda rows, rng, contract: Mutated(
        pa.table({name: pa.nulls(rows.height) for name in rows.columns})
    ),
}
