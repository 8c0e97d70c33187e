"""Which rows of a table may break its contract, and on which columns, in a pass or two over each:
most break nothing, and pandera's way is many times as long. Knows polars and contracts; tells
neither the rule nor the reason.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.codes import MOST, Codes, distinct, encode, number, repeated
from logistics.schema import FIRST_DAY, LAST_DAY, Column, Contract

Rows = NDArray[np.bool_]
ROWS = ""  # in place of a column: the rules on rows


class Suspects(NamedTuple):
    """rows: those that break a rule or whose key stands twice (n,); columns: those whose rules some
    row breaks, ROWS among them. Both perhaps more, never fewer."""

    rows: Rows
    columns: frozenset[str]


class _Rule(NamedTuple):
    """kept: whether all rows keep the rule, null for yes; good: whether a row does, likewise."""

    column: str
    kept: pl.Expr
    good: pl.Expr


def suspects(
    typed: pl.DataFrame,
    contract: Contract,
    known: Mapping[str, pl.Series] | None,
    same: Collection[str] = (),
) -> Suspects:
    """What may break the contract.

    typed: the contract's columns in its types. known: table → its keys, for the contract's refs.
    same: the columns that have one value in all rows.
    """
    if typed.is_empty():
        return Suspects(np.zeros(0, np.bool_), frozenset())
    if same and (first := _breaking(typed[:1], contract, known, same, {})).rows.any():
        varying = _breaking(typed, contract, known, contract.columns.keys() - {*same}, {})
        return Suspects(np.ones(typed.height, np.bool_), first.columns | varying.columns)
    keys = [typed[name] for name in contract.key if name not in same]
    coded = {key.name: encode(key) for key in keys if key.dtype == pl.String}
    found = _breaking(typed, contract, known, contract.columns.keys() - {*same}, coded)
    return Suspects(found.rows | _doubled(keys, coded), found.columns)


def _breaking(
    typed: pl.DataFrame,
    contract: Contract,
    known: Mapping[str, pl.Series] | None,
    columns: Collection[str],
    coded: Mapping[str, tuple[pl.Series, Codes]],
) -> Suspects:
    """The rows that break a rule on one of the columns, or one on rows."""
    rules = [rule for name in columns for rule in _rules(name, contract.columns[name])]
    rules += [_Rule(ROWS, good.all(), good) for good in contract.rules.values()]
    kept = typed.select(rule.kept.alias(str(n)) for n, rule in enumerate(rules)).row(0)
    broken = [(rule.column, rule.good) for rule, k in zip(rules, kept, strict=True) if k is False]
    for name, good in _text_rules(contract, known):
        if name in columns:
            texts = coded[name][0] if name in coded else distinct(typed[name])
            bad = texts.filter(~texts.to_frame(name).select(good).to_series())
            broken += [(name, ~pl.col(name).is_in(bad.implode()))] if len(bad) else []
    found = np.zeros(typed.height, np.bool_)
    for _, good in broken:
        found |= ~typed.select(good.fill_null(value=True)).to_series().to_numpy()
    return Suspects(found, frozenset(column for column, _ in broken))


def _doubled(keys: Sequence[pl.Series], coded: Mapping[str, tuple[pl.Series, Codes]]) -> Rows:
    numbers = []
    for key in keys:
        if key.name in coded:
            names, codes = coded[key.name]
            numbers.append((codes, len(names) + 1))
        else:
            numbers.append(number(key))
    if prod(count for _, count in numbers) > MOST:
        return pl.DataFrame(keys).is_duplicated().to_numpy()
    return repeated(numbers)


def _rules(name: str, column: Column) -> Iterator[_Rule]:
    """The rules that a column's extremes and its number of nulls can tell, and those on lists."""
    values = pl.col(name)
    least, most = values.min(), values.max()
    if column.required:
        yield _Rule(name, values.null_count() == 0, values.is_not_null())
    if column.dtype.is_float():
        yield _Rule(name, least.is_finite() & most.is_finite(), values.is_finite())
    if column.dtype.is_temporal():
        span = (FIRST_DAY, LAST_DAY)
        yield _Rule(
            name, least.is_between(*span) & most.is_between(*span), values.is_between(*span)
        )
    if column.dtype.is_nested():
        whole = is_whole(name, column.dtype)
        yield _Rule(name, whole.all(), whole)
    if column.at_least is not None:
        yield _Rule(name, least >= column.at_least, values >= column.at_least)
    if column.at_most is not None:
        yield _Rule(name, most <= column.at_most, values <= column.at_most)
    if column.above is not None:
        yield _Rule(name, least > column.above, values > column.above)


def _text_rules(
    contract: Contract, known: Mapping[str, pl.Series] | None
) -> Iterator[tuple[str, pl.Expr]]:
    """Rules on text: judged once per text, of which there are far fewer than rows."""
    for name, column in contract.columns.items():
        if column.name:
            yield name, is_name(pl.col(name))
        if column.choices:
            yield name, pl.col(name).is_in(column.choices)
    for name, table in contract.refs.items():
        if known is not None and table in known:
            yield name, pl.col(name).is_in(known[table].implode())


def is_whole(name: str, dtype: pl.DataType) -> pl.Expr:
    """Whether no item of a list is null, nor any field of one."""
    item = pl.element()
    whole = item.is_not_null()
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct):
        for field in dtype.inner.fields:
            whole &= item.struct.field(field.name).is_not_null()
    return pl.col(name).list.eval(whole).list.all()


def is_name(text: pl.Expr) -> pl.Expr:
    return (text.str.strip_chars() != "") & ~text.str.contains(r"[\x00-\x1f\x7f]")
