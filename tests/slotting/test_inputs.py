"""From tables to warehouse, demand and tours."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from logistics.contracts import check
from logistics.slotting import inputs
from logistics.slotting.problem import NONE
from logistics.slotting.travel import MAX_TOUR_LINES
from logistics.tables import CONTRACTS
from tests.settings import config

NIGHT = date(2026, 3, 2)
CONFIG = replace(
    config(Path("nowhere")).slotting,
    max_moves=5,
    history_days=10,
    affinity_days=10,
)


def good(table: str, rows: list[dict]) -> pl.DataFrame:
    """Rows as they come through the door."""
    return check(pl.DataFrame(rows), CONTRACTS[table]).good


def slot(number: int, sku_id: str | None, frozen: bool | None = None) -> dict:
    place = {"slot_id": f"p{number}", "aisle": number, "bay": 0, "level": 0}
    room = {"capacity_m3": 1.0, "capacity_kg": 100.0, "storage_class": "ambient"}
    where = {"warehouse_id": "w", "x_m": 5.0 * number, "y_m": 0.75}
    return {**place, **room, **where, "sku_id": sku_id, "frozen": frozen}


def line(order_id: str, sku_id: str, days_ago: int, qty: float = 1.0) -> dict:
    at = datetime.combine(NIGHT, datetime.min.time()) - timedelta(days=days_ago)
    return {"warehouse_id": "w", "order_id": order_id, "sku_id": sku_id, "at": at, "qty": qty}


SLOTS = good("slots", [slot(0, None), slot(1, "a"), slot(2, "b"), slot(3, "a"), slot(4, "c", True)])
LINES = good(
    "order_lines",
    [
        line("1", "a", 10, 4.0),
        line("2", "a", 5, 2.0),
        line("3", "b", 1),
        line("4", "new", 2),
        line("5", "b", 0),
        line("6", "b", 11),
    ],
)
ITEMS = good("items", [{"sku_id": "a", "unit_m3": 0.1, "unit_kg": 2.0, "storage_class": "ambient"}])


def totals(**units: float) -> pl.DataFrame:
    rows = [
        {"sku_id": sku, "horizon_days": days, "mean": units_per_day * days}
        for sku, units_per_day in units.items()
        for days in (30, 60)
    ]
    return pl.DataFrame(rows, schema_overrides={"mean": pl.Float32})


def read(forecast: pl.DataFrame | None = None, items: pl.DataFrame = ITEMS):  # noqa: ANN201
    tables = {"slots": SLOTS, "order_lines": LINES, "items": items}
    return inputs.read(tables, forecast, "w", NIGHT, CONFIG, seed=1)


def test_without_a_forecast_demand_follows_the_lines_lately_seen() -> None:
    _, demand, _ = read()
    assert demand.sku_ids == ("a", "b", "c", "new")
    a, b, c, new = demand.picks_per_day
    assert a > b == new > c > 0
    assert demand.picks_per_day.sum() == pytest.approx(0.4)
    assert not demand.forecast.any()


def test_a_forecast_in_units_becomes_lines_by_the_units_per_line() -> None:
    _, demand, _ = read(totals(a=0.6, b=0.1, new=0.1))  # a: 3 units per line
    assert demand.picks_per_day.tolist() == pytest.approx([0.2, 0.1, 0.0, 0.1])
    assert demand.forecast.tolist() == [True, True, False, True]


def test_a_forecast_is_believed_as_far_as_the_lines_bear_it_out() -> None:
    _, demand, _ = read(totals(a=6.0, c=4.0, later=4.0))
    a, _, c, _, later = demand.picks_per_day
    assert 0.1 < a < 2.0
    # c lies in a slot and was not picked; later has no slot, so that tells nothing of it.
    assert 0.0 < c < later < 4.0


def test_a_sku_that_nobody_will_pick_this_month_is_not_the_warehouses() -> None:
    _, demand, _ = read(totals(seldom=0.01, soon=0.5))
    assert demand.sku_ids == ("a", "b", "c", "new", "soon")


def test_nothing_from_the_night_on_or_before_the_history_counts() -> None:
    _, demand, tours = read()
    assert demand.picks_per_day.sum() == pytest.approx(0.4)
    assert tours.sku.tolist() == [0, 0, 3, 1]  # in the order of time


def test_the_nearest_slot_is_the_face_and_further_ones_are_locked() -> None:
    warehouse, demand, _ = read()
    assert demand.face.tolist() == [1, 2, 4, NONE]
    assert warehouse.locked.tolist() == [False, False, False, True, True]
    assert warehouse.holds.tolist() == [NONE, 0, 1, 0, 2]


def test_a_slot_should_hold_the_days_between_replenishments() -> None:
    _, demand, _ = read(totals(a=3.0))
    assert demand.stock_m3.tolist() == pytest.approx([0.1 * 3 * 3, 0, 0, 0])
    assert demand.stock_kg.tolist() == pytest.approx([2.0 * 3 * 3, 0, 0, 0])


def test_no_slot_need_hold_more_than_the_roomiest() -> None:
    _, demand, _ = read(totals(a=60.0))
    assert demand.stock_m3[0] == pytest.approx(1.0)


def test_levels_above_the_last_named_are_like_it() -> None:
    high = SLOTS.with_columns(level=pl.Series([0, 1, 2, 3, 7]))
    options = replace(CONFIG, reach_m_by_level=(1.0, 0.0, 2.0), lift_kg_by_level=(None, 15.0))
    tables = {"slots": high, "order_lines": LINES, "items": ITEMS}
    warehouse, _, _ = inputs.read(tables, None, "w", NIGHT, options, seed=1)
    assert warehouse.reach_m.tolist() == [1.0, 0.0, 2.0, 2.0, 2.0]
    assert warehouse.lift_kg.tolist() == [np.inf, 15.0, 15.0, 15.0, 15.0]


def test_items_and_order_lines_may_be_absent() -> None:
    nothing = {name: frame.clear() for name, frame in (("order_lines", LINES), ("items", ITEMS))}
    tables = {"slots": SLOTS, **nothing}
    warehouse, demand, tours = inputs.read(tables, None, "w", NIGHT, CONFIG, seed=1)
    assert demand.picks_per_day.tolist() == [0.0, 0.0, 0.0]
    assert tours.tour.size == 0
    assert len(warehouse.slot_ids) == 5


def test_a_large_order_is_dealt_into_equal_tours_by_its_seed() -> None:
    rows = [
        {"order_id": o, "at": NIGHT, "sku_id": f"{i}"}
        for o, n in (("x", 70), ("y", 3))
        for i in range(n)
    ]
    lines = pl.DataFrame(rows).with_columns(sku=pl.col("sku_id").cast(pl.Int64))
    tours = inputs.tours(lines, seed=1)
    sizes = np.bincount(tours.tour)
    assert sorted(sizes.tolist()) == [3, 23, 23, 24]
    assert sizes.max() <= MAX_TOUR_LINES
    assert inputs.tours(lines, seed=1).sku.tolist() == tours.sku.tolist()
    assert inputs.tours(lines, seed=2).sku.tolist() != tours.sku.tolist()


def test_families_are_of_one_storage_class_and_pairs_named_by_the_manager_lie_apart() -> None:
    alike = {"storage_class": "ambient", "family": "toys"}
    items = [
        {"sku_id": "a", **alike, "segregation_group": "food"},
        {"sku_id": "b", **alike, "segregation_group": "hazmat"},
        {"sku_id": "c", "storage_class": "chilled", "family": "toys", "segregation_group": "soap"},
    ]
    tables = {"slots": SLOTS, "order_lines": LINES, "items": good("items", items)}
    options = replace(CONFIG, keep_apart=(("hazmat", "food"),))
    relations = inputs.read(tables, None, "w", NIGHT, options, seed=1)[1].relations
    assert relations is not None
    a, b, c, new = 0, 1, 2, 3
    assert relations.family[a] == relations.family[b] != NONE
    assert relations.family[[c, new]].tolist() == relations.group[[c, new]].tolist() == [NONE, NONE]
    assert relations.clash(a, np.array([a, b, c, NONE])).tolist() == [False, True, False, False]
    none = replace(CONFIG, families_together=False)
    assert inputs.read(tables, None, "w", NIGHT, none, seed=1)[1].relations is None


def test_a_group_cannot_be_kept_apart_from_itself() -> None:
    with pytest.raises(ValueError, match="two different groups"):
        replace(CONFIG, keep_apart=(("food", "food"),))
