"""Which rows of a table may break its contract, and on which columns, in a pass or two over each:
most break nothing, and pandera's way is many times as long. Knows polars and contracts; tells
neither the rule nor the reason.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.codes import MOST, Codes, distinct, encode, number, repeated
from logistics.schema import FIRST_DAY, LAST_DAY, Column, Contract

Rows = NDArray[np.bool_]
Span = tuple[Any, Any]
TEXTS = (pl.String, pl.Categorical)
ROWS = ""  # in place of a column: the rules on rows


class Suspects(NamedTuple):
    """rows: those that break a rule or whose key stands twice (n,); columns: those whose rules some
    row breaks, ROWS among them. Both perhaps more, never fewer.

    spans: of the columns of the key that tell rows apart, the least and the greatest value."""

    rows: Rows
    columns: frozenset[str]
    spans: Mapping[str, Span]


def suspects(
    typed: pl.DataFrame,
    contract: Contract,
    known: Mapping[str, pl.Series] | None,
    same: Collection[str],
) -> Suspects:
    """What may break the contract.

    typed: the contract's columns in its types. known: table → its keys, for the contract's refs.
    same: the columns that have one value in all rows.
    """
    if typed.is_empty():
        return Suspects(np.zeros(0, np.bool_), frozenset(), {})
    if same:
        rows, columns = _breaking(typed[:1], contract, known, same, {})
        if rows.any():
            more = _breaking(typed, contract, known, contract.columns.keys() - {*same}, {})[1]
            return Suspects(np.ones(typed.height, np.bool_), columns | more, {})
    keys = [typed[name] for name in contract.key if name not in same]
    coded = {key.name: encode(key) for key in keys if key.dtype in TEXTS}
    rows, columns = _breaking(typed, contract, known, contract.columns.keys() - {*same}, coded)
    needed = [key for key in keys if contract.columns[key.name].required]
    values = {key.name: coded[key.name][0] if key.name in coded else key for key in needed}
    spans = {name: (found.min(), found.max()) for name, found in values.items()}
    return Suspects(rows | _doubled(keys, coded), columns, spans)


def apart(pieces: Sequence[Mapping[str, Span]]) -> bool:
    """Whether some column of the key tells that no key of one piece stands in another.

    Of a table in pieces, by their spans; rows without a value in it are rejected anyway.
    """
    names = set[str]().union(*pieces[:1]).intersection(*pieces[1:])
    return len(pieces) <= 1 or any(
        all(a[1] < b[0] for a, b in pairwise(sorted(piece[name] for piece in pieces)))
        for name in names
        if all(None not in piece[name] for piece in pieces)
    )


def doubled(typed: pl.DataFrame, key: Sequence[str]) -> Rows:
    """Rows whose key stands twice (n,)."""
    keys = [typed[name] for name in key]
    return _doubled(keys, {key.name: encode(key) for key in keys if key.dtype in TEXTS})


def _breaking(
    typed: pl.DataFrame,
    contract: Contract,
    known: Mapping[str, pl.Series] | None,
    columns: Collection[str],
    coded: Mapping[str, tuple[pl.Series, Codes]],
) -> tuple[Rows, frozenset[str]]:
    """The rows that break a rule on one of the columns, or one on rows; and those columns."""
    # Single columns are looked at as such: of a frame in pieces an expression copies each first.
    chosen = {name: contract.columns[name] for name in columns}
    rules = [(name, rule) for name, column in chosen.items() for rule in _rules(name, column)]
    ends = pl.DataFrame([_ends(typed[name]) for name in dict(rules)])
    kept = ends.select(rule.all().alias(str(n)) for n, (_, rule) in enumerate(rules)).rows()
    broken = [rule for row in kept for rule, k in zip(rules, row, strict=True) if not k]
    for name, column in chosen.items():
        whole = pl.col(name).is_not_null()
        if column.required and typed[name].null_count():
            broken.append((name, whole))
        if column.dtype.is_nested():
            broken.append((name, is_whole(name, column.dtype)))
    broken += [(ROWS, rule) for rule in contract.rules.values()]
    for name, good in _text_rules(contract, known):
        if name in columns:
            texts = coded[name][0] if name in coded else distinct(typed[name])
            bad = texts.filter(~texts.to_frame(name).select(good).to_series())
            broken += [(name, ~pl.col(name).is_in(bad.implode()))] if len(bad) else []
    found, named = np.zeros(typed.height, np.bool_), set[str]()
    for name, good in broken:
        looked_at = typed[name].to_frame() if name else typed
        bad_rows = ~looked_at.select(good.fill_null(value=True)).to_series().to_numpy()
        found |= bad_rows
        named |= {name} if bad_rows.any() else set()
    return found, frozenset(named)


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


def _ends(values: pl.Series) -> pl.Series:
    """The least and the greatest value: if they keep the rules of `_rules`, all do."""
    return pl.Series(values.name, [values.min(), values.max()], values.dtype)


def _rules(name: str, column: Column) -> list[pl.Expr]:
    """What a number or a time has to be."""
    values = pl.col(name)
    rules = [values.is_between(FIRST_DAY, LAST_DAY)] if column.dtype.is_temporal() else []
    rules += [values >= column.at_least] if column.at_least is not None else []
    rules += [values <= column.at_most] if column.at_most is not None else []
    rules += [values > column.above] if column.above is not None else []
    return rules


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
