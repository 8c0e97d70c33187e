"""Ids that two feeds write differently are told; a match in one unit is a match of the feeds."""

import polars as pl

from logistics.matches import matched, told
from logistics.units import Parcel, Unit, add_figures

ITEMS = pl.Series(["7", "8"])
DCS = {"DC1": pl.Series(["0007", "0009"]), "DC2": pl.Series(["0008"])}


def lines(each: bool, **of_dc: pl.Series) -> list[str]:
    found = [
        Parcel(Unit(dc), figures=matched("items.sku_id", ITEMS, "sales", skus, each))
        for dc, skus in of_dc.items()
    ]
    return list(told(add_figures(found)))


def test_ids_that_match_nothing_are_told_once_with_an_example() -> None:
    said = "items.sku_id: not one is in sales, in 2 units; such as 7 beside 0007"
    assert lines(False, **DCS) == lines(True, **DCS) == [said]
    assert lines(False, DC1=pl.Series([], dtype=pl.String)) != []


def test_a_match_in_one_unit_is_enough_unless_each_should_have_one() -> None:
    mended = DCS | {"DC2": pl.Series(["8", "9"])}
    assert lines(False, **mended) == []
    assert lines(True, **mended) == [
        "items.sku_id: not one is in sales, in 1 unit; such as 7 beside 0007"
    ]


def test_a_table_without_ids_misses_nothing() -> None:
    assert matched("items.sku_id", pl.Series([None], dtype=pl.String), "sales", ITEMS) == {}
