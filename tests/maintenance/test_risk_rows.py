"""The risks that are published have the same types, whatever leads them."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from logistics.maintenance.batch import risk_rows
from logistics.maintenance.risk import Leads, Risk
from logistics.outputs import RISKS


@pytest.mark.parametrize("sensors", [["", ""], ["heat", ""], ["heat", "load"]])
def test_risks_are_of_the_tables_types_whatever_leads_them(sensors: list[str]) -> None:
    one, lives = np.ones(1), np.ones((1, 3))
    leads = Leads(np.array([sensors], dtype=object), np.array([[True, False]]), np.array([[3, 0]]))
    risk = Risk(
        one, one, lives, lives, (0.8,), ("pump",), lives[:, :1], lives[:, :1],
        np.array([""]), leads,
    )  # fmt: skip
    about = pl.DataFrame(
        {
            "asset_id": ["a"],
            "kind": ["van"],
            "workshop_id": ["w"],
            "last_seen": [datetime(2026, 3, 1)],
        }
    )
    rows = risk_rows(about, risk, date(2026, 3, 2))
    assert dict(rows.schema) == RISKS.columns
    assert rows["leading_sensors"][0].to_list() == [name for name in sensors if name]
    assert rows["leading_since"][0].to_list() == [date(2026, 2, 27)] * (sensors[0] != "") + [
        date(2026, 3, 2)
    ] * (sensors[1] != "")
