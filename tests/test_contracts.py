"""The door: every row in is a good row or a reject with its reason."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics import contracts
from logistics.contracts import check, check_pieces
from logistics.reading import read_table
from logistics.schema import TableError
from logistics.screen import ROWS
from logistics.tables import CONTRACTS, ORDERS, TELEMETRY
from logistics.tables_forecast import PROMOTIONS, SALES

SALE = {"dc_id": "dc", "sku_id": "a", "date": date(2026, 1, 1), "units": 1.0}
values = st.one_of(
    st.none(),
    st.floats(width=32),
    st.integers(-(2**40), 2**40),
    st.text(max_size=5),
    st.dates(),
    st.booleans(),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, pl.DataFrame]:
    """Any contract's columns, filled with anything of one type per column."""
    name = draw(st.sampled_from(sorted(CONTRACTS)))
    height = draw(st.integers(0, 6))
    columns = {}
    for column in CONTRACTS[name].columns:
        kind = draw(values)
        same = st.just(kind) | st.none() if kind is None else st.sampled_from([kind, None])
        columns[column] = draw(st.lists(same, min_size=height, max_size=height))
    return name, pl.DataFrame(columns, strict=False)


@given(tables())
@settings(max_examples=150, deadline=None)
def test_rows_in_are_rows_out_plus_rejects_whatever_comes(table: tuple[str, pl.DataFrame]) -> None:
    name, raw = table
    checked = check(raw, CONTRACTS[name], {"depots": pl.Series(["x"])})
    assert raw.height == checked.good.height + checked.rejects.height
    wanted = {c: column.dtype for c, column in CONTRACTS[name].columns.items()}
    assert dict(checked.good.schema) == wanted
    assert checked.rejects["rule"].null_count() == 0


@given(tables(), st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_look_at_suspects_alone_finds_what_a_look_at_every_row_does(
    table: tuple[str, pl.DataFrame], again: bool
) -> None:
    name, raw = table
    raw = pl.concat([raw, raw]) if again else raw
    quick = check(raw, CONTRACTS[name], {"depots": pl.Series(["x"])})
    with pytest.MonkeyPatch.context() as patch:
        columns = frozenset({ROWS, *CONTRACTS[name].columns})
        patch.setattr(
            contracts, "suspects", lambda typed, *_: (np.ones(typed.height, np.bool_), columns, {})
        )
        slow = check(raw, CONTRACTS[name], {"depots": pl.Series(["x"])})
    assert quick.good.equals(slow.good)
    assert quick.rejects.equals(slow.rejects)


def test_a_site_that_no_column_names_is_that_of_every_row() -> None:
    rows = pl.DataFrame([SALE, SALE | {"units": -1.0}]).drop("dc_id")
    checked = check(rows, SALES, site_id="here")
    assert checked.good["dc_id"].to_list() == ["here"]
    assert checked.rejects["key"].to_list() == ["dc_id=here sku_id=a date=2026-01-01"]


@pytest.mark.parametrize(
    ("fault", "column", "rule"),
    [
        ({"units": -1.0}, "units", "below 0"),
        ({"units": None}, "units", "missing"),
        ({"units": float("nan")}, "units", "missing"),
        ({"units": float("inf")}, "units", "above 1e+09"),
        ({"units": float("-inf")}, "units", "below 0"),
        ({"units": 1e300}, "units", "above 1e+09"),
        ({"in_stock": 1.5}, "in_stock", "above 1"),
        ({"sku_id": None}, "sku_id", "missing"),
        ({"date": None}, "date", "missing"),
        ({"date": date(1899, 12, 31)}, "date", "not between 1900-01-01 and 9999-12-31"),
        ({"units": 1e30}, "units", "above 1e+09"),
        ({"sku_id": " "}, "sku_id", "blank or not of one line"),
        ({"sku_id": "a\n"}, "sku_id", "blank or not of one line"),
        ({"units": "1,5"}, "units", "not a number"),
        ({"date": 20260302}, "date", "not a date as 2026-03-02"),
        ({"date": "03/02/2026"}, "date", "not a date as 2026-03-02"),
    ],
)
def test_a_fault_is_named(fault: dict[str, object], column: str, rule: str) -> None:
    rejects = check(pl.DataFrame([SALE | fault]), SALES).rejects
    assert rejects.select("column", "rule").rows() == [(column, rule)]


def test_every_real_number_has_limits_so_that_an_infinite_one_is_beyond_them() -> None:
    for contract in CONTRACTS.values():
        for name, column in contract.columns.items():
            limits = (column.at_most, column.above if column.at_least is None else column.at_least)
            assert not column.dtype.is_float() or None not in limits, f"{contract.name}.{name}"


def test_of_two_rows_with_one_key_the_first_is_kept() -> None:
    raw = pl.DataFrame([SALE, SALE | {"units": 5.0}])
    checked = check(raw, SALES)
    assert checked.good["units"].to_list() == [1.0]
    assert checked.rejects["rule"].to_list() == ["duplicate key"]


def test_text_that_is_no_date_is_rejected_and_text_that_is_one_is_read() -> None:
    raw = pl.DataFrame([SALE | {"date": "2026-01-01"}, SALE | {"date": "yesterday"}])
    checked = check(raw, SALES)
    assert checked.good["date"].to_list() == [date(2026, 1, 1)]
    assert checked.rejects["value"].to_list() == ["yesterday"]


def test_an_unknown_foreign_key_is_rejected_and_a_null_one_is_not() -> None:
    row = dict.fromkeys(ORDERS.columns) | {
        "order_id": "o",
        "depot_id": "x",
        "service_date": date(2026, 1, 1),
        "lat": 1.0,
        "lon": 1.0,
        "kind": "delivery",
        "weight_kg": 1.0,
        "volume_m3": 0.0,
        "service_s": 60,
        "windows": [{"opens_s": 0, "closes_s": 10}],
    }
    backwards = [{"opens_s": 5, "closes_s": 4}]
    rows = [row, row | {"order_id": "p", "depot_id": "y"}, row | {"windows": backwards}]
    checked = check(
        pl.DataFrame(rows, schema_overrides={"locked_vehicle": pl.String}),
        ORDERS,
        {"depots": pl.Series(["x"])},
    )
    assert checked.good["order_id"].to_list() == ["o"]
    assert checked.rejects["rule"].to_list() == ["not in depots", "window closes before it opens"]


def test_a_missing_column_refuses_the_table_and_an_optional_one_is_null() -> None:
    with pytest.raises(TableError, match="sales: required column units is absent"):
        check(pl.DataFrame([SALE]).drop("units"), SALES)
    assert check(pl.DataFrame([SALE]), SALES).good["price"].to_list() == [None]


def test_telemetry_keeps_its_sensors_as_numbers() -> None:
    raw = pl.DataFrame({"asset_id": ["a"], "at": [date(2026, 1, 1)], "oil_c": [7]})
    assert check(raw, TELEMETRY).good.schema["oil_c"] == pl.Float32


def test_bytes_that_are_no_text_cost_their_row_alone() -> None:
    skus = pa.chunked_array([pa.array([b"a", b"caf\xe9", None])])
    raw = pa.table(pl.DataFrame([SALE] * 3).drop("sku_id").to_arrow())
    checked = check(read_table(raw.append_column("sku_id", skus), SALES), SALES)
    assert checked.good["sku_id"].to_list() == ["a"]
    assert checked.rejects["rule"].to_list() == ["not text", "missing"]


def test_a_day_is_that_of_the_clock_there_and_a_timestamp_is_utc() -> None:
    midnight = pa.array([datetime(2026, 3, 1, 23)], pa.timestamp("us", "UTC"))
    berlin = midnight.cast(pa.timestamp("us", "Europe/Berlin"))
    sale = pa.table({"dc_id": ["dc"], "sku_id": ["a"], "date": berlin, "units": [1]})
    assert check(read_table(sale, SALES), SALES).good["date"].to_list() == [date(2026, 3, 2)]
    seen = pa.table({"asset_id": ["a"], "at": berlin})
    read = check(read_table(seen, TELEMETRY), TELEMETRY).good
    assert read["at"].to_list() == [datetime(2026, 3, 1, 23)]


def test_a_blank_name_that_may_be_absent_is_absent() -> None:
    row = {"promo_id": "p", "sku_id": "a", "dc_id": "", "start": "2026-01-01", "end": "9999-12-31"}
    good = check(pl.DataFrame([row | {"kind": "leaflet", "discount": 0.1}]), PROMOTIONS).good
    assert good["dc_id"].to_list() == [None]


def test_text_among_the_sensors_costs_no_row() -> None:
    raw = pl.DataFrame({"asset_id": ["a"], "at": [date(2026, 1, 1)], "oil_c": [7], "note": ["ok"]})
    assert check(raw, TELEMETRY).good.columns == ["asset_id", "at", "oil_c"]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [0, 3, 1, 4, 2, 5]])
def test_a_table_in_pieces_is_judged_as_a_whole(order: list[int]) -> None:
    sold = [("a", 1.0), ("a", 1.0), ("a", -1.0), ("b", 2.0), (None, 2.0), ("c", 3.0)]
    rows = pl.DataFrame([SALE | {"sku_id": sku, "units": units} for sku, units in sold])[order]
    whole = check(rows, SALES)
    for cut in range(1, rows.height):
        checked = check_pieces([rows[:cut], rows[cut:]], SALES)
        assert checked.good.equals(whole.good)
        assert checked.rejects.equals(whole.rejects)
