"""Holidays of a DC's country are known ahead, and a company's own signal comes before them."""

from datetime import date

import polars as pl
import pytest

from logistics.forecast.holidays import fault, place_of, with_holidays
from logistics.tables_forecast import SIGNALS
from tests.forecast.made import RUN_DATE, empty, panel_of, tables


def told(place: str | None, signals: pl.DataFrame | None = None) -> pl.DataFrame:
    rows = empty(SIGNALS) if signals is None else signals
    return with_holidays(rows, "DC", place, date(2025, 5, 1), date(2026, 6, 30))


def test_a_country_and_its_region_have_their_own() -> None:
    found = told("DE").filter(pl.col("value") == 1)["date"].to_list()
    bavarian = told("DE-BY").filter(pl.col("value") == 1)["date"].to_list()
    assert date(2025, 10, 3) in found
    assert date(2026, 5, 1) in found  # after the run date
    assert set(bavarian) - set(found) >= {date(2026, 1, 6)}


def test_they_are_a_signal_known_ahead() -> None:
    made = tables(num_skus=2)
    series = panel_of(made | {"signals": told("NL")})
    assert series.signal_names == ("holiday",)
    assert series.lead == (series.horizon,)
    kings_day = (date(2026, 4, 27) - RUN_DATE).days
    assert series.signals[0, series.num_periods + kings_day, 0] == 1


def test_signals_of_ones_own_come_first_and_no_place_adds_nothing() -> None:
    row = {"dc_id": "DC", "date": RUN_DATE, "name": "holiday", "value": 1.0}
    own = pl.DataFrame([row], schema=empty(SIGNALS).schema)
    assert told("DE", own).equals(own)
    assert told(None).is_empty()
    other = own.with_columns(name=pl.lit("rain"))
    assert set(told("DE", other)["name"]) == {"rain", "holiday"}


@pytest.mark.parametrize(("place", "said"), [("XX", "no country"), ("DE-ZZ", "no region")])
def test_a_place_nobody_knows_is_named(place: str, said: str) -> None:
    assert said in str(fault(place))
    assert fault("DE") is fault("US-CA") is None


def test_a_dc_may_lie_elsewhere() -> None:
    own = ("DC01:NL", "B:1:DE-BY")
    assert [place_of(dc, "FR", own) for dc in ("DC01", "B:1", "DC02")] == ["NL", "DE-BY", "FR"]
    assert place_of("DC02", None, own) is None
