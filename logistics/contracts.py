"""What a contract is and how a table is held against it: check(table, contract) → good, rejects.

Knows pandera and polars; knows nothing of where tables come from. Every input row ends up in
exactly one of the two results, and every rejected row carries its first reason.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors


class TableError(ValueError):
    """A table that cannot be used at all: it lacks a required column."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, whether null or absent is allowed, and its range or choices."""

    dtype: pl.DataType
    required: bool = True  # False: may be null, and the whole column may be absent
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()


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
    {
        "table": pl.String(),
        "site_id": pl.String(),
        "key": pl.String(),
        "column": pl.String(),
        "rule": pl.String(),
        "value": pl.String(),
    }
)
_ROW = "__row__"


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
    absent = [n for n, c in contract.columns.items() if c.required and n not in raw.columns]
    if absent:
        raise TableError(f"{contract.name}: required column {', '.join(absent)} is absent")
    typed = _cast(raw, contract).with_row_index(_ROW)
    faults = [_type_faults(raw, typed, contract), _rule_faults(typed, contract)]
    faults += [
        _faults(typed, column, f"not in {table}", ~pl.col(column).is_in(list(known[table])))
        for column, table in contract.refs.items()
        if known is not None and table in known
    ]
    faulty = pl.concat(faults).unique(_ROW, keep="first", maintain_order=True)
    kept = typed.join(faulty, on=_ROW, how="anti", maintain_order="left")
    doubled = _faults(kept, contract.key[0], "duplicate key", ~_first_of_key(contract))
    good = kept.join(doubled, on=_ROW, how="anti", maintain_order="left").drop(_ROW)
    rejects = _describe(raw, pl.concat([faulty, doubled]).sort(_ROW), contract, site_id)
    return Checked(good, rejects)


def _cast(raw: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The contract's columns in its order and types; what cannot be read becomes null."""
    columns = []
    for name, column in contract.columns.items():
        if name not in raw.columns:
            columns.append(pl.lit(None, dtype=column.dtype).alias(name))
        else:
            columns.append(_as(name, raw.schema[name], column.dtype))
    if contract.extra is not None:
        named = {*contract.columns, contract.site}
        extra = [name for name in raw.columns if name not in named]
        columns += [_as(name, raw.schema[name], contract.extra) for name in sorted(extra)]
    return raw.select(columns) if columns else raw


def _as(name: str, found: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if wanted == found:
        return column.fill_nan(None) if wanted.is_float() else column
    if found == pl.String and wanted == pl.Date:
        return column.str.to_date(strict=False)
    if found == pl.String and wanted.is_temporal():
        return column.str.to_datetime(time_unit="us", time_zone="UTC", strict=False).cast(wanted)
    if isinstance(found, pl.Datetime) and found.time_zone not in (None, "UTC"):
        column = column.dt.convert_time_zone("UTC")
    if isinstance(found, pl.Datetime):
        return column.dt.replace_time_zone(None).cast(wanted, strict=False)
    if found.is_nested() != wanted.is_nested():
        return pl.lit(None, dtype=wanted).alias(name)
    cast = column.cast(wanted, strict=False)
    return cast.fill_nan(None) if wanted.is_float() else cast


def _type_faults(raw: pl.DataFrame, typed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Values that were there and could not be read as the column's type."""
    faults = [_faults(typed, "", "", pl.lit(value=False))]
    for name in typed.columns:
        if name == _ROW or name not in raw.columns:
            continue
        found = raw[name]
        lost = typed[name].is_null() & found.is_not_null()
        if found.dtype.is_float():
            lost &= found.is_not_nan()
        if lost.any():
            wanted = contract.columns[name].dtype if name in contract.columns else contract.extra
            faults.append(_faults(typed, name, f"not a {wanted}".lower(), pl.lit(lost)))
    return pl.concat(faults)


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
        _ROW, pl.lit(column).alias("column"), pl.lit(rule).alias("rule")
    )


def _first_of_key(contract: Contract) -> pl.Expr:
    return pl.struct(contract.key).is_first_distinct()


def _describe(
    raw: pl.DataFrame, faults: pl.DataFrame, contract: Contract, site_id: str | None
) -> pl.DataFrame:
    """REJECTS rows: the faulty rows' keys and offending values as they came in."""
    if faults.is_empty():
        return pl.DataFrame(schema=REJECTS)
    rows = raw[faults[_ROW]]
    key_columns = [(name, _text(rows[name])) for name in contract.key if name in rows.columns]
    keys = [
        " ".join(f"{name}={values[i]}" for name, values in key_columns) for i in range(rows.height)
    ]
    texts = {name: _text(rows[name]) for name in faults["column"].unique() if name in rows.columns}
    values = [texts[n][i] if n in texts else None for i, n in enumerate(faults["column"])]
    return pl.DataFrame(
        {
            "table": [contract.name] * rows.height,
            "site_id": [site_id] * rows.height,
            "key": keys,
            "column": faults["column"],
            "rule": faults["rule"],
            "value": values,
        },
        schema=REJECTS,
    )


def _text(values: pl.Series) -> list[str]:
    return [str(value) for value in values.to_list()]
