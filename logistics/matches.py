"""Whether two tables speak of the same things. Ids that two feeds write differently, as 7 and 0007,
match nothing, and a plan without items, promotions or prices looks like any other. Told by figures,
which add up over units. Knows polars alone.
"""

from collections.abc import Iterator, Mapping

import polars as pl

_NONE, _SOME, _EXAMPLE = "unmatched:", "matched:", "; such as "
_FIRST = 1000  # of millions, among which there is a match where there is any, as a rule


def matched(
    column: str, its: pl.Series, others: str, theirs: pl.Series, each: bool = False
) -> dict[str, float]:
    """The figure of a unit: whether any of its is among theirs; none where there are none of its.

    column, others: how they are called, as items.sku_id and sales. each: every unit should have a
    match; else one of all units is enough.
    """
    its, theirs = its.drop_nulls(), theirs.drop_nulls()
    if its.is_empty():
        return {}
    what = f"{column}: not one is in {others}"
    known = theirs.implode()
    if any(some.is_in(known).any() for some in (its[:_FIRST], its)):
        return {} if each else {_SOME + what: 1.0}
    example = " beside ".join(str(ids.min()) for ids in (its, theirs) if len(ids))
    return {_NONE + what + _EXAMPLE + example: 1.0}


def told(figures: Mapping[str, float]) -> Iterator[str]:
    """A line for each pair of tables that does not match, with an example."""
    lines: dict[str, tuple[float, str]] = {}
    for name in sorted(name for name in figures if name.startswith(_NONE)):
        what, _, example = name.removeprefix(_NONE).partition(_EXAMPLE)
        units, first = lines.get(what, (0.0, example))
        lines[what] = units + figures[name], first
    for what, (units, example) in lines.items():
        if _SOME + what not in figures:
            yield f"{what}, in {units:,.0f} unit{'' if units == 1 else 's'}{_EXAMPLE}{example}"
