"""How a table is held against its contract: check(table, contract) → good, rejects.

Knows pandera and polars; knows nothing of where tables come from. Every input row ends up in
exactly one of the two results, and every rejected row carries its first reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandera.polars as pa
import polars as pl
from numpy.typing import NDArray
from pandera.errors import SchemaErrors

from logistics.reading import OLD, ROW, UNREAD, UNREAD_TYPE, read_table
from logistics.schema import FIRST_DAY, LAST_DAY, Column, Contract, TableError, spelt
from logistics.screen import ROWS, Span, apart, doubled, is_name, is_whole, suspects


@dataclass(frozen=True, slots=True)
class Checked:
    """good has the contract's columns and types; rejects has the columns of REJECTS."""

    good: pl.DataFrame
    rejects: pl.DataFrame

    def misread(self, needed: bool) -> str | None:
        """Of rows none of which is good, for what is in them, what is wrong with the first: a plan
        without them would look whole.

        Of a table that is not needed so few may all be bad by chance; without them the site is
        planned nevertheless. Rows that refer to nothing known are of another company's, and only
        rejected.
        """
        unknown = self.rejects["rule"].str.starts_with("not in ").sum()
        fewest = 1 if needed else _MANY
        if self.good.height or self.rejects.height < fewest or unknown * 2 > self.rejects.height:
            return None
        first = self.rejects.row(0, named=True)
        many = f"all {self.rejects.height:,} rows are bad, as if misread; the first"
        return (
            f"{'its only row is bad' if self.rejects.height == 1 else many} ({first['key']}): "
            f"{first['column']} {first['rule']}, it was {first['value']}"
        )


_MANY = 20  # rows, that are hardly all bad by chance
_MOST_STRETCHES = 100  # of rows: slices are free, but every column has as many chunks then
REJECTS = pl.Schema(
    dict.fromkeys(("table", "site_id", "key", "column", "rule", "value"), pl.String())
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some rows of a table: what may be wrong with them (n,), on which columns, and the spans of
    its keys. unread: ROW, column, rule and value of what could not be read."""

    rows: pl.DataFrame
    unread: pl.DataFrame
    doubtful: NDArray[np.bool_]
    broken: frozenset[str]
    spans: Mapping[str, Span]


def check(
    raw: pl.DataFrame,
    contract: Contract,
    known: Mapping[str, pl.Series] | None = None,
    site_id: str | None = None,
) -> Checked:
    """Split a table into rows that keep the contract and rejects with their reason.

    known: table name → its keys, for the contract's refs (a table not named is not checked).
    site_id: of all rows, where they have no site column of their own.
    Raises TableError when a required column is absent: no row of such a table can be used.
    """
    return check_pieces([raw], contract, known, site_id)


def check_pieces(
    pieces: Iterable[pl.DataFrame],
    contract: Contract,
    known: Mapping[str, pl.Series] | None = None,
    site_id: str | None = None,
) -> Checked:
    """`check` of a table that comes piece by piece: no more than one is worked on at a time."""
    found, there, num_rows = [], set[str](), 0
    for raw in pieces:
        read = raw
        if UNREAD not in raw.columns:
            read = read_table(raw.to_arrow(compat_level=OLD), contract)
        there |= {*read.columns}
        found.append(_screened(read, contract, known, site_id, num_rows))
        num_rows += read.height
    given = {contract.site} if site_id else set()
    required = {name for name, column in contract.columns.items() if column.required}
    absent = [name for name in contract.columns if name in required - there - given]
    if absent:
        raise TableError(f"{contract.name}: required column {', '.join(absent)} is absent")
    rows = pl.concat([piece.rows for piece in found], how="diagonal")
    doubtful = np.concatenate([piece.doubtful for piece in found])
    if not apart([piece.spans for piece in found if piece.rows.height]):
        doubtful |= doubled(rows, [name for name in contract.key if name not in given - there])
    if not doubtful.any():
        return Checked(rows, pl.DataFrame(schema=REJECTS))
    # Only these can be faulty, on these columns, and only among them does a key stand twice.
    at = np.flatnonzero(doubtful)
    ends = np.cumsum([piece.rows.height for piece in found])
    inside = zip(found, np.split(at, np.searchsorted(at, ends[:-1])), ends, strict=True)
    parts = [p.rows[i - (end - p.rows.height)] for p, i, end in inside]  # all would be copied first
    typed = pl.concat(parts, how="diagonal").cast({pl.Categorical: pl.String}).with_row_index(ROW)
    unread = pl.concat([piece.unread for piece in found])
    unread = unread.with_columns(pl.Series(ROW, np.searchsorted(at, unread[ROW]), pl.UInt32))
    broken = frozenset[str]().union(*(piece.broken for piece in found))
    rejected = _judge(typed, unread, contract, known, broken)
    good = np.ones(rows.height, np.bool_)
    good[at[rejected[ROW].to_numpy()]] = False
    return Checked(_only(rows, good), _describe(typed, rejected, contract, site_id))


def _screened(
    read: pl.DataFrame,
    contract: Contract,
    known: Mapping[str, pl.Series] | None,
    site_id: str | None,
    first: int,
) -> _Piece:
    """first: the number of the first row of the piece."""
    same = {contract.site: site_id} if contract.site and site_id else {}
    same = {name: value for name, value in same.items() if name not in read.columns}
    rows = _complete(read, contract, same)
    doubtful, broken, spans = suspects(rows, contract, known, same.keys() & contract.columns.keys())
    at = np.flatnonzero(read[UNREAD].is_not_null().to_numpy())
    doubtful[at] = True
    unread = read[UNREAD][at].cast(UNREAD_TYPE).struct.unnest()
    unread = unread.select(pl.Series(ROW, at + first, pl.UInt32), *UNREAD_TYPE.to_schema())
    return _Piece(rows, unread, doubtful, broken, spans)


def _only(rows: pl.DataFrame, wanted: NDArray[np.bool_]) -> pl.DataFrame:
    """The rows wanted; where they stand together in few stretches, as those do, without a copy."""
    edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False))
    if len(edges) > 2 * _MOST_STRETCHES:
        return rows.filter(wanted)
    stretches = [rows[a:b] for a, b in edges.reshape(-1, 2).tolist()]
    return pl.concat([rows.clear(), *stretches])


def _judge(
    typed: pl.DataFrame,
    unread: pl.DataFrame,
    contract: Contract,
    known: Mapping[str, pl.Series] | None,
    broken: frozenset[str],
) -> pl.DataFrame:
    """The rows that break the contract: ROW, column, rule, and the value where it was not read."""
    faults = [unread.select(ROW, "column", "rule"), _rule_faults(typed, contract, broken)]
    faults += [
        _faults(typed, column, f"not in {table}", ~pl.col(column).is_in(known[table].implode()))
        for column, table in contract.refs.items()
        if known is not None and table in known
    ]
    faulty = pl.concat(faults).unique(ROW, keep="first", maintain_order=True)
    kept = typed.join(faulty, on=ROW, how="anti", maintain_order="left")
    again = ~pl.struct(contract.key).is_first_distinct()
    doubled = _faults(kept, contract.key[0], "duplicate key", again)
    rejected = pl.concat([faulty, doubled]).sort(ROW)
    return rejected.join(unread.select(ROW, "value"), on=ROW, how="left", maintain_order="left")


def _complete(read: pl.DataFrame, contract: Contract, same: Mapping[str, str]) -> pl.DataFrame:
    """The contract's columns in its order, then the extra ones; absent and blank ones are null."""
    # Column by column: an expression over all of them copies what lies in several pieces, and a
    # constant takes no memory as long as nobody looks at its rows.
    rows, columns = read.select(UNREAD), []
    for name, column in contract.columns.items():
        if name not in read.columns:
            constant = pl.lit(same.get(name), dtype=column.dtype).alias(name)
            columns.append(rows.with_columns(constant).drop(UNREAD))
        elif column.name and not column.required:
            text = pl.col(name)
            columns.append(
                read[[name]].select(pl.when(text.str.strip_chars() != "").then(text).alias(name))
            )
        else:
            columns.append(read[name].to_frame())
    named = {*contract.columns, contract.site, UNREAD}
    extra = sorted(name for name in read.columns if name not in named)
    return pl.concat([*columns, *(read[name].to_frame() for name in extra)], how="horizontal")


def _rule_faults(typed: pl.DataFrame, contract: Contract, broken: frozenset[str]) -> pl.DataFrame:
    """Nulls, ranges and choices of the columns named, and row rules (ROWS), judged by pandera."""
    try:
        _schema(contract, broken).validate(typed, lazy=True)
    except SchemaErrors as errors:
        found: pl.DataFrame = errors.failure_cases
        return found.select(
            pl.col("index").cast(typed.schema[ROW]).alias(ROW),
            pl.col("column").cast(pl.String).fill_null(contract.key[0]),
            pl.col("check").cast(pl.String).replace("not_nullable", "missing").alias("rule"),
        )
    return _faults(typed, "", "", pl.lit(value=False))


@cache
def _schema(contract: Contract, judged: frozenset[str]) -> pa.DataFrameSchema:
    columns = {
        name: pa.Column(spelt(column.dtype), _checks(column), nullable=not column.required)
        for name, column in contract.columns.items()
        if name in judged
    }
    rules = [
        pa.Check(
            lambda data, good=good: data.lazyframe.select(good.fill_null(value=True)), error=name
        )
        for name, good in contract.rules.items()
        if ROWS in judged
    ]
    return pa.DataFrameSchema(columns, checks=rules)


def _checks(column: Column) -> list[pa.Check]:
    checks = []
    if column.dtype.is_temporal():
        span = f"not between {FIRST_DAY} and {LAST_DAY}"
        checks.append(pa.Check.in_range(FIRST_DAY, LAST_DAY, error=span))
    if column.dtype.is_nested():
        whole = lambda data: data.lazyframe.select(is_whole(data.key, column.dtype))  # noqa: E731
        checks.append(pa.Check(whole, error="null inside"))
    if column.name:
        line = lambda data: data.lazyframe.select(is_name(pl.col(data.key)))  # noqa: E731
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


def _faults(typed: pl.DataFrame, column: str, rule: str, fault: pl.Expr) -> pl.DataFrame:
    return typed.filter(fault).select(
        ROW, pl.lit(column).alias("column"), pl.lit(rule).alias("rule")
    )


def _describe(
    typed: pl.DataFrame, faults: pl.DataFrame, contract: Contract, site_id: str | None
) -> pl.DataFrame:
    """REJECTS rows: the faulty rows' keys and offending values."""
    if faults.is_empty():
        return pl.DataFrame(schema=REJECTS)
    rows = typed[faults[ROW]]
    of_key = [pl.lit(f"{name}=") + _text(rows[name]) for name in contract.key]
    value = pl.col("value")
    for name in faults["column"].unique():
        if name in rows.columns:
            own = pl.col("column") == name
            value = (
                pl.when(own & pl.col("value").is_null()).then(_text(rows[name])).otherwise(value)
            )
    told = faults.select(
        pl.lit(contract.name).alias("table"),
        pl.lit(site_id, dtype=pl.String).alias("site_id"),
        pl.concat_str(of_key, separator=" ").alias("key"),
        "column",
        "rule",
        value.alias("value"),
    )
    return told.match_to_schema(REJECTS)


def _text(values: pl.Series) -> pl.Series:
    """As Python writes them."""
    if values.dtype in (pl.String, pl.Date, pl.Float32) or values.dtype.is_integer():
        return values.cast(pl.String).fill_null("None")
    return pl.Series([str(value) for value in values.to_list()], dtype=pl.String)
