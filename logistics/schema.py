"""What a contract is: the columns of a table, its key, its site and its rules. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import polars as pl


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


def spelt(dtype: pl.DataType) -> pl.DataType:
    """The type of single values: texts that a column holds as codes are texts."""
    return pl.String() if dtype == pl.Categorical else dtype


def unlike(dtype: pl.DataType) -> str:
    """What a value is not that cannot be read as that type, to whoever fills the table in."""
    if isinstance(dtype, pl.List):
        of = dtype.inner
        fields = [field.name for field in of.fields] if isinstance(of, pl.Struct) else []
        plain = "texts" if of == pl.String else "whole numbers"
        return f"not a list of {' and '.join(fields) or plain}"
    if dtype.is_integer():
        return "not a whole number of 64 bits"
    return {
        pl.Boolean: "not true or false",
        pl.Date: "not a date as 2026-03-02",
        pl.Datetime: "not a time as 2026-03-02 08:30",
        pl.String: "not text",
        pl.Categorical: "not text",
    }.get(dtype.base_type(), "not a number")


TEXT, REAL, WHOLE, SMALL = pl.String(), pl.Float64(), pl.Int64(), pl.Float32()


@dataclass(frozen=True)
class Output:
    """columns in order, without the partition columns run_date and (where named) the site."""

    name: str
    site: str
    columns: dict[str, pl.DataType]
    key: tuple[str, ...]

    @property
    def partitions(self) -> tuple[str, str]:
        return "run_date", self.site

    @property
    def schema(self) -> pl.Schema:
        """All columns, the partition's first."""
        return pl.Schema({"run_date": pl.Date(), self.site: pl.String(), **self.columns})
