"""What a contract is and how a table is held against it: check(table, contract) → good, rejects.

Knows pandera and polars; knows nothing of where tables come from. Every input row ends up in
exactly one of the two results, and every rejected row carries its first reason.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache

import numpy as np
import pandera.polars as pa
import polars as pl
import pyarrow as arrow
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandera.errors import SchemaErrors


class TableError(ValueError):
    """A table that cannot be used at all: it lacks a required column, or has one twice."""


# Outside these a date is a slip: a far "end" says for ever, but nothing began before 1900.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9999, 12, 31)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, whether null or absent is allowed, and its range or choices.

    name: text that names something: not blank (an optional one is null then) and of one line.
    """

    dtype: pl.DataType
    required: bool = True  # False: may be null, and the whole column may be absent
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    name: bool = False


@dataclass(frozen=True)
class Contract:
    """A table's columns, its key, the site column it is partitioned by, and its row rules.

    rules: name → expression that is true (or null) for a good row.
    refs: column → name of the table whose key column the value must be in.
    bucket_by: the column whose hash splits a big site into buckets.
    extra: the type further columns are read as; None drops them (telemetry keeps its sensors).
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    site: str | None = None
    rules: Mapping[str, pl.Expr] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    bucket_by: str | None = None
    extra: pl.DataType | None = None

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True, slots=True)
class Checked:
    """good has the contract's columns and types; rejects has the columns of REJECTS."""

    good: pl.DataFrame
    rejects: pl.DataFrame


REJECTS = pl.Schema(
    dict.fromkeys(("table", "site_id", "key", "column", "rule", "value"), pl.String())
)
_ROW, _UNREAD = "__row__", "__unread__"
_UNREAD_TYPE = pl.Struct({"column": pl.String(), "rule": pl.String(), "value": pl.String()})
_OLD = pl.CompatLevel.oldest()


def check(
    raw: pl.DataFrame,
    contract: Contract,
    known: Mapping[str, Collection[str]] | None = None,
    site_id: str | None = None,
) -> Checked:
    """Split a table into rows that keep the contract and rejects with their reason.

    known: table name → its keys, for the contract's refs (a table not named is not checked).
    Raises TableError when a required column is absent: no row of such a table can be used.
    """
    read = raw if _UNREAD in raw.columns else read_table(raw.to_arrow(compat_level=_OLD), contract)
    absent = [n for n, c in contract.columns.items() if c.required and n not in read.columns]
    if absent:
        raise TableError(f"{contract.name}: required column {', '.join(absent)} is absent")
    typed = _complete(read, contract).with_row_index(_ROW)
    unread = read[_UNREAD].struct.unnest().with_row_index(_ROW).filter(pl.col("rule").is_not_null())
    faults = [unread.select(_ROW, "column", "rule"), _rule_faults(typed, contract)]
    faults += [
        _faults(typed, column, f"not in {table}", ~pl.col(column).is_in(list(known[table])))
        for column, table in contract.refs.items()
        if known is not None and table in known
    ]
    faulty = pl.concat(faults).unique(_ROW, keep="first", maintain_order=True)
    kept = typed.join(faulty, on=_ROW, how="anti", maintain_order="left")
    again = ~pl.struct(contract.key).is_first_distinct()
    doubled = _faults(kept, contract.key[0], "duplicate key", again)
    good = kept.join(doubled, on=_ROW, how="anti", maintain_order="left").drop(_ROW)
    rejected = pl.concat([faulty, doubled]).sort(_ROW)
    rejected = rejected.join(
        unread.select(_ROW, "value"), on=_ROW, how="left", maintain_order="left"
    )
    rejects = _describe(typed, rejected, contract, site_id)
    return Checked(good, rejects)


def read_table(found: arrow.Table, contract: Contract) -> pl.DataFrame:
    """The contract's columns of a file as found, in the contract's types.

    What cannot be read is null, and told in a further column that `check` looks for. Tables read so
    can be joined, whatever types their files had. Raises TableError for a column that is there
    twice.
    """
    wanted = _wanted(found.schema, contract)
    doubled = [name for name in wanted if found.column_names.count(name) > 1]
    if doubled:
        raise TableError(f"{contract.name}: column {', '.join(doubled)} is there more than once")
    columns, faults = {}, dict[int, dict[str, str]]()
    for name, dtype in wanted.items():
        values, lost = _as(found[name], dtype)
        if name not in (*contract.columns, contract.site) and len(lost) and lost.all():
            continue  # text throughout: a remark, not a sensor
        columns[name] = values
        for row in lost.nonzero()[0].tolist():
            if row not in faults:
                value = _shown(found[name][row])
                rule = f"not a {dtype}".lower()
                faults[row] = {"column": name, "rule": rule, "value": value}
    unread = pl.repeat(None, found.num_rows, dtype=_UNREAD_TYPE, eager=True)
    if faults:
        unread = pl.Series([faults.get(row) for row in range(found.num_rows)], dtype=_UNREAD_TYPE)
    return pl.DataFrame({**columns, _UNREAD: unread})


def _wanted(schema: arrow.Schema, contract: Contract) -> dict[str, pl.DataType]:
    """Column → type: of those found, the contract's, and with `extra` all that may be numbers."""
    columns = {name: column.dtype for name, column in contract.columns.items()}
    columns |= {contract.site: pl.String()} if contract.site else {}
    wanted = {name: dtype for name, dtype in columns.items() if name in schema.names}
    if contract.extra is not None:
        taken = {*columns, _UNREAD, _ROW}
        extra = (field for field in schema if field.name not in taken and _may_be_number(field))
        wanted |= {field.name: contract.extra for field in sorted(extra, key=lambda f: f.name)}
    return wanted


def _may_be_number(field: arrow.Field) -> bool:
    kind = field.type.value_type if arrow.types.is_dictionary(field.type) else field.type
    others = (arrow.types.is_nested, arrow.types.is_temporal, arrow.types.is_null)
    return not any(is_kind(kind) for is_kind in others)


def _complete(read: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The contract's columns in its order, then the extra ones; absent and blank ones are null."""
    columns = []
    for name, column in contract.columns.items():
        values = pl.col(name) if name in read.columns else pl.lit(None, dtype=column.dtype)
        if column.name and not column.required:
            values = pl.when(values.str.strip_chars() != "").then(values)
        columns.append(values.alias(name))
    named = {*contract.columns, contract.site, _UNREAD}
    return read.select(*columns, *sorted(name for name in read.columns if name not in named))


def _as(values: arrow.ChunkedArray, wanted: pl.DataType) -> tuple[pl.Series, NDArray[np.bool_]]:
    """The values in the type wanted, and which of them (n,) could not be read as it."""
    if wanted.is_nested():
        found = read = _lists(values, wanted)
    else:
        found = pl.Series("x", pl.from_arrow(_plain(values, wall_clock=wanted == pl.Date)))
        read = found.to_frame().with_columns(_scalar(found.dtype, wanted).alias("x"))["x"]
    there = values.is_valid().to_numpy()
    if found.dtype.is_float():
        there = there & ~found.is_nan().fill_null(value=False).to_numpy()
    return read, there & read.is_null().to_numpy()


def _plain(values: arrow.ChunkedArray, wall_clock: bool) -> arrow.ChunkedArray:
    """The values in a type polars knows; those it has none for are null.

    It panics (which is no Exception) on bytes that are no UTF-8, on days beyond the year 262000 and
    on wide decimals. wall_clock: a time with a zone is the clock's there, else the one in UTC.
    """
    kind, types = values.type, arrow.types
    if types.is_dictionary(kind):
        return _plain(values.cast(kind.value_type), wall_clock)
    if types.is_date(kind) or types.is_timestamp(kind):
        return _plain_times(values, wall_clock)
    if types.is_decimal(kind):
        return values.cast(arrow.float64())
    if not types.is_nested(kind) and ("string" in str(kind) or "binary" in str(kind)):
        return _plain_text(values)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return values
    return arrow.chunked_array([arrow.nulls(len(values))])


def _plain_text(values: arrow.ChunkedArray) -> arrow.ChunkedArray:
    try:
        text = values.cast(arrow.large_string())
        text.validate(full=True)
    except arrow.ArrowInvalid:
        raw = [b"" if v is None else v for v in values.cast(arrow.large_binary()).to_pylist()]
        good = [None if v.decode(errors="ignore").encode() != v else v.decode() for v in raw]
        text = arrow.chunked_array([arrow.array(good, arrow.large_string())])
        text = pc.if_else(values.is_valid(), text, None)
    return text


def _plain_times(values: arrow.ChunkedArray, wall_clock: bool) -> arrow.ChunkedArray:
    """Without zones and without the years that Python's dates, or 64 bits of ns, cannot hold."""
    if arrow.types.is_date64(values.type):
        values = values.cast(arrow.int64()).cast(arrow.timestamp("ms"))
    kind = values.type
    unit = "D" if arrow.types.is_date(kind) else kind.unit
    years = ("1678", "2262") if unit == "ns" else ("0002", "9999-12-31T23")
    least, most = (np.datetime64(y).astype(f"M8[{unit}]").astype(int).item() for y in years)
    number = (
        values.cast(arrow.int32()).cast(arrow.int64())
        if unit == "D"
        else values.cast(arrow.int64())
    )
    known = pc.and_(pc.greater_equal(number, least), pc.less_equal(number, most))
    values = pc.if_else(known, values, arrow.scalar(None, kind))
    if unit == "D" or kind.tz is None:
        return values
    return pc.local_timestamp(values) if wall_clock else values.cast(arrow.timestamp(unit))


def _scalar(found: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """Column x in the type wanted; null where that would change its meaning, as of 1.5 to whole."""
    values, number = pl.col("x"), found.is_numeric() or found == pl.Boolean
    of_time, time = found.is_temporal(), wanted.is_temporal()
    if found == pl.Null or (time and number) or (of_time and not time and wanted != pl.String):
        return pl.lit(None, dtype=wanted)
    if time:
        return _times(values, wanted) if found == pl.String else values.cast(wanted)
    if wanted == pl.Boolean and found != pl.Boolean:
        flags = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
        text = values.cast(pl.String).str.to_lowercase()
        return text.replace_strict(flags, default=None, return_dtype=pl.Boolean)
    if wanted.is_integer() and (found.is_float() or found == pl.String):
        real = values.cast(pl.Float64, strict=False)
        whole = pl.when(real == real.floor()).then(real).cast(wanted, strict=False)
        return whole if found.is_float() else pl.coalesce(values.cast(wanted, strict=False), whole)
    read = values.cast(wanted, strict=False)
    return read.fill_nan(None) if wanted.is_float() else read


def _times(text: pl.Expr, wanted: pl.DataType) -> pl.Expr:
    """ISO 8601 alone: 03/02 is a day in March, or one in February."""
    text = text.str.strip_chars().str.replace("T", " ", literal=True)
    if wanted == pl.Date:
        return text.str.extract(r"^(\d{4}-\d\d-\d\d)( .*)?$").str.to_date("%Y-%m-%d", strict=False)
    full = text.str.replace(r"^(\S+)$", "$1 00:00:00").str.replace(r"Z$", "+00:00")
    full = full.str.replace(r"( \d\d:\d\d)$", "$1:00").str.replace(
        r"( [\d:]+(\.\d+)?)$", "$1+00:00"
    )
    read = full.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us", strict=False)
    return read.dt.replace_time_zone(None)


def _lists(values: arrow.ChunkedArray, wanted: pl.DataType) -> pl.Series:
    """List by list where the whole column cannot be read at once."""
    kind = pl.Series([], dtype=wanted).to_arrow(compat_level=_OLD).type
    try:
        read = values.cast(kind)
        read.validate(full=True)
    except arrow.ArrowException:
        read = arrow.chunked_array([_list(value, kind) for value in values], kind)
    return pl.Series("x", pl.from_arrow(read)).cast(wanted)


def _list(value: arrow.Scalar, kind: arrow.DataType) -> arrow.Array:
    try:
        return arrow.array([value.as_py()], kind)
    except (ValueError, TypeError, NotImplementedError):
        return arrow.nulls(1, kind)


def _shown(value: arrow.Scalar) -> str:
    try:
        return str(value.as_py())
    except UnicodeDecodeError:
        return "text that is not UTF-8"
    except (ValueError, OverflowError):
        return f"{value.value} since 1970"


def _rule_faults(typed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Nulls, ranges, choices and row rules, judged by pandera."""
    try:
        _schema(contract).validate(typed, lazy=True)
    except SchemaErrors as errors:
        found: pl.DataFrame = errors.failure_cases
        return found.select(
            pl.col("index").cast(typed.schema[_ROW]).alias(_ROW),
            pl.col("column").cast(pl.String).fill_null(contract.key[0]),
            pl.col("check").cast(pl.String).replace("not_nullable", "missing").alias("rule"),
        )
    return _faults(typed, "", "", pl.lit(value=False))


@cache
def _schema(contract: Contract) -> pa.DataFrameSchema:
    columns = {
        name: pa.Column(column.dtype, _checks(column), nullable=not column.required)
        for name, column in contract.columns.items()
    }
    rules = [
        pa.Check(
            lambda data, good=good: data.lazyframe.select(good.fill_null(value=True)), error=name
        )
        for name, good in contract.rules.items()
    ]
    return pa.DataFrameSchema(columns, checks=rules)


def _checks(column: Column) -> list[pa.Check]:
    checks = []
    if column.dtype.is_float():
        finite = lambda data: data.lazyframe.select(pl.col(data.key).is_finite())  # noqa: E731
        checks.append(pa.Check(finite, error="not finite"))
    if column.dtype.is_temporal():
        span = f"not between {FIRST_DAY} and {LAST_DAY}"
        checks.append(pa.Check.in_range(FIRST_DAY, LAST_DAY, error=span))
    if column.dtype.is_nested():
        whole = lambda data: data.lazyframe.select(_is_whole(data.key, column.dtype))  # noqa: E731
        checks.append(pa.Check(whole, error="null inside"))
    if column.name:
        line = lambda data: data.lazyframe.select(_is_name(pl.col(data.key)))  # noqa: E731
        checks.append(pa.Check(line, error="blank or not of one line"))
    if column.at_least is not None:
        checks.append(pa.Check.ge(column.at_least, error=f"below {column.at_least:g}"))
    if column.at_most is not None:
        checks.append(pa.Check.le(column.at_most, error=f"above {column.at_most:g}"))
    if column.above is not None:
        checks.append(pa.Check.gt(column.above, error=f"not above {column.above:g}"))
    if column.choices:
        allowed = ", ".join(column.choices)
        checks.append(pa.Check.isin(column.choices, error=f"not one of {allowed}"))
    return checks


def _is_whole(name: str, dtype: pl.DataType) -> pl.Expr:
    """Whether no item of a list is null, nor any field of one."""
    item = pl.element()
    whole = item.is_not_null()
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct):
        for field in dtype.inner.fields:
            whole &= item.struct.field(field.name).is_not_null()
    return pl.col(name).list.eval(whole).list.all()


def _is_name(text: pl.Expr) -> pl.Expr:
    return (text.str.strip_chars() != "") & ~text.str.contains(r"[\x00-\x1f\x7f]")


def _faults(typed: pl.DataFrame, column: str, rule: str, fault: pl.Expr) -> pl.DataFrame:
    return typed.filter(fault).select(
        _ROW, pl.lit(column).alias("column"), pl.lit(rule).alias("rule")
    )


def _describe(
    typed: pl.DataFrame, faults: pl.DataFrame, contract: Contract, site_id: str | None
) -> pl.DataFrame:
    """REJECTS rows: the faulty rows' keys and offending values."""
    if faults.is_empty():
        return pl.DataFrame(schema=REJECTS)
    rows = typed[faults[_ROW]]
    key_columns = [(name, _text(rows[name])) for name in contract.key]
    keys = [
        " ".join(f"{name}={values[i]}" for name, values in key_columns) for i in range(rows.height)
    ]
    texts = {name: _text(rows[name]) for name in faults["column"].unique() if name in rows.columns}
    values = [
        texts[name][i] if unread is None and name in texts else unread
        for i, (name, unread) in enumerate(faults.select("column", "value").iter_rows())
    ]
    told = {"key": keys, "column": faults["column"], "rule": faults["rule"], "value": values}
    return pl.DataFrame({"table": contract.name, "site_id": site_id, **told}, schema=REJECTS)


def _text(values: pl.Series) -> list[str]:
    return [str(value) for value in values.to_list()]
