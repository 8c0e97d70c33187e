"""The panel: what is known on the night, whatever the order of the rows, and nothing later."""

from dataclasses import fields
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from logistics.forecast.panel import FOREVER, Panel
from logistics.tables_forecast import ITEMS, PRICES, SIGNALS
from tests.forecast.made import NUM_DAYS, RUN_DATE, Tables, covariate, panel_of, tables


@pytest.fixture(scope="module")
def made() -> Tables:
    return tables(num_skus=6)


def same(a: Panel, b: Panel) -> bool:
    return all(
        np.array_equal(x, y, equal_nan=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f"
        else np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y
        for x, y in ((getattr(a, f.name), getattr(b, f.name)) for f in fields(Panel))
    )  # fmt: skip


def with_rows(made: Tables, table: str, *rows: dict[str, object]) -> Tables:
    more = pl.DataFrame(rows, schema=made[table].schema)
    return made | {table: pl.concat([made[table], more])}


def sale(day: date, units: float, sku: str = "S000") -> dict[str, object]:
    return {"dc_id": "DC", "sku_id": sku, "date": day, "units": units}


def test_sales_from_the_run_date_on_change_nothing(made: Tables) -> None:
    later = with_rows(made, "sales", sale(RUN_DATE, 999.0), sale(RUN_DATE + timedelta(9), 999.0))
    assert same(panel_of(later), panel_of(made))


def test_the_order_of_rows_changes_nothing(made: Tables) -> None:
    shuffled = {
        name: rows.sample(fraction=1.0, shuffle=True, seed=3) for name, rows in made.items()
    }
    assert same(panel_of(shuffled), panel_of(made))


def test_a_day_without_a_row_had_no_sale_and_days_before_the_first_are_unknown(
    made: Tables,
) -> None:
    born = RUN_DATE - timedelta(days=10)
    new = with_rows(made, "sales", sale(born, 4.0, "S999"), sale(born + timedelta(3), 2.0, "S999"))
    series = panel_of(new)
    units = series.units[series.sku_ids.index("S999")]
    assert np.isnan(units[: NUM_DAYS - 10]).all()
    assert units[-10:].tolist() == [4, 0, 0, 2, 0, 0, 0, 0, 0, 0]


def test_promotions_reach_into_the_future_and_name_their_dc(made: Tables) -> None:
    promo = {"promo_id": "x", "sku_id": "S001", "kind": "leaflet", "discount": 0.5}
    days = {"start": RUN_DATE + timedelta(80), "end": RUN_DATE + timedelta(200)}
    here = panel_of(with_rows(made, "promotions", promo | days | {"dc_id": "DC"}))
    there = panel_of(with_rows(made, "promotions", promo | days | {"dc_id": "elsewhere"}))
    assert (covariate(here, "discount")[1, NUM_DAYS + 80 :] == 0.5).all()
    assert same(there, panel_of(made))


def test_a_dcs_own_list_price_overrides_the_general_one(made: Tables) -> None:
    rows = [
        {"sku_id": "S000", "dc_id": "DC", "start": RUN_DATE + timedelta(5), "price": 7.0},
        {"sku_id": "S000", "dc_id": None, "start": RUN_DATE - timedelta(400), "price": 3.0},
    ]
    schema = {name: column.dtype for name, column in PRICES.columns.items()}
    series = panel_of(made | {"prices": pl.DataFrame(rows, schema=schema)})
    price = np.exp(covariate(series, "log_price")[0])
    assert np.allclose(price[: NUM_DAYS + 5], 3.0)
    assert np.allclose(price[NUM_DAYS + 5 :], 7.0)


def test_of_overlapping_promotions_the_deepest_discount_holds(made: Tables) -> None:
    promo = {"sku_id": "S001", "kind": "leaflet"}
    rows = [
        promo | {"promo_id": "x", "start": RUN_DATE, "end": RUN_DATE + timedelta(9)}
        | {"discount": 0.4},
        promo | {"promo_id": "y", "start": RUN_DATE + timedelta(5), "end": date(2030, 1, 1)}
        | {"discount": 0.6},
        promo | {"promo_id": "z", "start": date(2001, 1, 1), "end": date(2001, 1, 2)}
        | {"discount": 0.9},
    ]  # fmt: skip
    none = made | {"promotions": made["promotions"].clear()}
    discount = covariate(panel_of(with_rows(none, "promotions", *rows)), "discount")[1]
    assert discount[:NUM_DAYS].max() == 0
    assert np.allclose(discount[NUM_DAYS : NUM_DAYS + 5], 0.4)
    assert np.allclose(discount[NUM_DAYS + 5 :], 0.6)


def test_a_price_that_was_paid_is_not_a_list_price(made: Tables) -> None:
    paid = made | {"sales": made["sales"].with_columns(price=pl.lit(2.0))}
    row = {"sku_id": "S000", "dc_id": None, "start": RUN_DATE - timedelta(400), "price": 3.0}
    schema = {name: column.dtype for name, column in PRICES.columns.items()}
    series = panel_of(paid | {"prices": pl.DataFrame([row], schema=schema)})
    assert series.known_ahead[:, 1].tolist() == [True, *[False] * 5]
    assert np.allclose(np.exp(covariate(series, "log_price")[:, 0]), [3.0, *[2.0] * 5])


def test_a_rewound_panel_is_the_panel_of_that_night(made: Tables) -> None:
    then = panel_of(made, RUN_DATE - timedelta(50))
    now = panel_of(made).rewind(50)
    assert then.run_date == now.run_date
    for name in ("units", "in_stock", "covariates", "age", "left"):
        assert np.array_equal(getattr(then, name), getattr(now, name), equal_nan=True), name


def test_signals_and_end_of_life_are_placed_by_date(made: Tables) -> None:
    signal = {"dc_id": "DC", "date": RUN_DATE + timedelta(2), "name": "holiday", "value": 1.0}
    item = {"sku_id": "S002", "category": "toys", "end_of_life": RUN_DATE + timedelta(30)}
    series = panel_of(
        made
        | {
            "signals": pl.DataFrame(
                [signal], schema={n: c.dtype for n, c in SIGNALS.columns.items()}
            ),
            "items": pl.DataFrame([item], schema={n: c.dtype for n, c in ITEMS.columns.items()}),
        }
    )
    assert np.flatnonzero(series.signals[0, :, 0] == 1).tolist() == [NUM_DAYS + 2]
    assert series.lead == (3,)
    assert series.left.tolist() == [FOREVER, FOREVER, 30, *[FOREVER] * 3]
    assert series.codes[2, 0] > 0
