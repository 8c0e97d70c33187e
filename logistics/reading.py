"""Columns as files have them → the contract's types. Knows Arrow and polars, no files and no rules.

Whatever is in a column, reading it raises nothing: what has no meaning in the type wanted is null,
and told.
"""

from datetime import date, datetime

import numpy as np
import polars as pl
import pyarrow as arrow
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from logistics.schema import Contract, TableError, unlike

ROW, UNREAD = "__row__", "__unread__"
OLD = pl.CompatLevel.oldest()
UNREAD_TYPE = pl.Struct({"column": pl.String(), "rule": pl.String(), "value": pl.String()})


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
        if name not in (*contract.columns, contract.site) and 0 < len(lost) == found.num_rows:
            continue  # text throughout: a remark, not a sensor
        columns[name] = values
        rule = unlike(dtype)
        for row in lost.tolist():
            if row not in faults:
                value = _shown(found[name][row])
                faults[row] = {"column": name, "rule": rule, "value": value}
    # Without faults it is of polars' type for nothing at all, which takes no memory.
    unread = pl.repeat(None, found.num_rows, dtype=pl.Null, eager=True)
    if faults:
        unread = pl.Series([faults.get(row) for row in range(found.num_rows)], dtype=UNREAD_TYPE)
    return pl.DataFrame({**columns, UNREAD: unread})


def row_groups(file: parquet.FileMetaData, since: date | None) -> list[int]:
    """Those that may hold a time (`at`) of that day or later; all of them where nothing tells."""
    every = range(file.num_row_groups)
    paths = [file.schema.column(i).path for i in range(file.num_columns)]
    if since is None or "at" not in paths:
        return [*every]
    column = paths.index("at")
    told = (file.row_group(i).column(column).statistics for i in every)
    return [i for i, s in zip(every, told, strict=True) if not (s and _ended(s, since))]


def _ended(statistics: parquet.Statistics, since: date) -> bool:
    """Whether a row group has times, and all of them lie before a day."""
    if not statistics.has_min_max or statistics.null_count:
        return False
    newest = statistics.max
    return isinstance(newest, datetime) and newest.replace(tzinfo=None).date() < since


def _wanted(schema: arrow.Schema, contract: Contract) -> dict[str, pl.DataType]:
    """Column → type: of those found, the contract's, and with `extra` all that may be numbers."""
    columns = {name: column.dtype for name, column in contract.columns.items()}
    columns |= {contract.site: pl.String()} if contract.site else {}
    wanted = {name: dtype for name, dtype in columns.items() if name in schema.names}
    if contract.extra is not None:
        taken = {*columns, UNREAD, ROW}
        extra = (field for field in schema if field.name not in taken and _may_be_number(field))
        wanted |= {field.name: contract.extra for field in sorted(extra, key=lambda f: f.name)}
    return wanted


def _may_be_number(field: arrow.Field) -> bool:
    kind = field.type.value_type if arrow.types.is_dictionary(field.type) else field.type
    others = (arrow.types.is_nested, arrow.types.is_temporal, arrow.types.is_null)
    return not any(is_kind(kind) for is_kind in others)


def _as(values: arrow.ChunkedArray, wanted: pl.DataType) -> tuple[pl.Series, NDArray[np.int64]]:
    """The values in the type wanted, and the rows that could not be read as it."""
    if wanted.is_nested():
        found = read = _lists(values, wanted)
    elif wanted in (pl.String, pl.Categorical) and arrow.types.is_dictionary(values.type):
        found = read = _of_codes(values, wanted)
    else:
        plain = _plain(values, wall_clock=wanted == pl.Date)
        if wanted == pl.Float32 and arrow.types.is_float64(plain.type):
            plain = plain.cast(arrow.float32())  # eight times as fast as polars
        found = pl.Series("x", pl.from_arrow(plain))
        read = found.to_frame().with_columns(_scalar(found.dtype, wanted).alias("x"))["x"]
    if wanted.is_float() and read.is_nan().any():
        read = read.fill_nan(None)
    if read.null_count() == values.null_count:
        return read, np.empty(0, np.int64)
    there = values.is_valid().to_numpy()
    if found.dtype.is_float():
        there = there & ~found.is_nan().fill_null(value=False).to_numpy()
    return read, np.flatnonzero(there & read.is_null().to_numpy())


def _of_codes(values: arrow.ChunkedArray, kind: pl.DataType) -> pl.Series:
    """The texts of a dictionary's codes: each text is looked at once, however often it is there.

    In one piece: what lies in other pieces than its neighbours is copied with every use.
    """
    parts = [pl.Series("x", [], kind)]
    for chunk in values.chunks:
        texts = pl.Series(
            "x", pl.from_arrow(_plain(arrow.chunked_array([chunk.dictionary]), False))
        )
        parts.append(
            texts.cast(pl.String).cast(kind).gather(pl.Series(pl.from_arrow(chunk.indices)))
        )
    return pl.concat(parts, rechunk=True)


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
    number = values.cast(arrow.int32() if unit == "D" else arrow.int64())
    ends = pc.min_max(number).as_py()
    if ends["min"] is not None and (ends["min"] < least or ends["max"] > most):
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
    if wanted == pl.Categorical:
        return values.cast(pl.String, strict=False).cast(wanted)
    if wanted == pl.Boolean and found != pl.Boolean:
        flags = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
        text = values.cast(pl.String).str.to_lowercase()
        return text.replace_strict(flags, default=None, return_dtype=pl.Boolean)
    if wanted.is_integer() and (found.is_float() or found == pl.String):
        real = values.cast(pl.Float64, strict=False)
        whole = pl.when(real == real.floor()).then(real).cast(wanted, strict=False)
        return whole if found.is_float() else pl.coalesce(values.cast(wanted, strict=False), whole)
    return values.cast(wanted, strict=False)


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
    kind = pl.Series([], dtype=wanted).to_arrow(compat_level=OLD).type
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
