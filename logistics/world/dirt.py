"""Dirty rows, as real tables have them: copies of good rows, each with one fault.

They are appended, so the good rows stay what they were and every fault is known: `_truth/dirty`
names the table, site, key and fault of each. Knows nothing of storage or Ray.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from logistics.tables import CONTRACTS

# table → faults: name, and the columns that make the row dirty ({}: the key stands twice)
FAULTS: dict[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "sales": (
        ("negative units", {"units": -3.0}),
        ("no sku", {"sku_id": None}),
        ("no date", {"date": None}),
        ("share over 1", {"in_stock": 1.7}),
        ("repeated", {}),
    ),
    "orders": (
        ("off the earth", {"lat": 123.4}),
        ("window inverted", {"windows": [{"opens_s": 50000, "closes_s": 40000}]}),
        ("negative weight", {"weight_kg": -5.0}),
        ("no date", {"service_date": None}),
        ("repeated", {}),
    ),
    "telemetry": (
        ("no asset", {"asset_id": None}),
        ("unknown asset", {"asset_id": "A-nobody"}),
        ("no time", {"at": None}),
        ("repeated", {}),
    ),
    "events": (
        ("unknown asset", {"asset_id": "A-nobody"}),
        ("unknown kind", {"kind": "explosion"}),
    ),
    "order_lines": (
        ("nothing picked", {"qty": 0.0}),
        ("no sku", {"sku_id": None}),
        ("repeated", {}),
    ),
    "slots": (("no room", {"capacity_m3": 0.0}), ("repeated", {})),
    "signals": (("no value", {"value": None}), ("no date", {"date": None})),
    "items": (("repeated", {}), ("unknown class", {"storage_class": "magic"})),
    "promotions": (("share over 1", {"discount": 20.0}),),
    "vehicles": (("no capacity", {"capacity_kg": 0.0}),),
    "drivers": (("unknown depot", {"depot_id": "D-nowhere"}),),
    "assets": (("unknown workshop", {"workshop_id": "W-nowhere"}),),
}
# These are too small for a share of their rows to be one; each gets a single dirty row.
SMALL = ("items", "promotions", "vehicles", "drivers", "assets")
DIRTY = pl.Schema({"table": pl.String, "site_id": pl.String, "key": pl.String, "fault": pl.String})


def soil(
    table: str,
    site_id: str | None,
    rows: pl.DataFrame,
    share: float,
    rng: np.random.Generator,
    at_least: int = 0,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table with dirty rows at its end, and those rows as DIRTY: keys as the door writes them.

    rows: without the site column. at_least: dirty rows, however small the table.
    """
    wanted = 1 if table in SMALL else max(int(share * rows.height + rng.random()), at_least)
    faults = FAULTS.get(table, ())
    if not faults or share == 0 or rows.is_empty():
        return rows, pl.DataFrame(schema=DIRTY)
    # Distinct originals: two dirty copies of one row would make one fault hide behind the other.
    picked = rng.choice(rows.height, min(wanted, rows.height), replace=False)
    kinds = rng.integers(0, len(faults), picked.size)
    soiled, known = [rows], [pl.DataFrame(schema=DIRTY)]
    for kind, (fault, values) in enumerate(faults):
        copies = rows[np.sort(picked[kinds == kind])].with_columns(
            pl.lit(value, dtype=rows.schema[name]).alias(name) for name, value in values.items()
        )
        soiled.append(copies)
        known.append(_name(table, site_id, copies, fault))
    return pl.concat(soiled), pl.concat(known)


def _name(table: str, site_id: str | None, rows: pl.DataFrame, fault: str) -> pl.DataFrame:
    contract = CONTRACTS[table]
    columns = {
        name: [site_id] * rows.height if name == contract.site else rows[name].to_list()
        for name in contract.key
    }
    keys = [
        " ".join(f"{name}={value}" for name, value in zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    n = rows.height
    named = {"table": [table] * n, "site_id": [site_id] * n, "key": keys, "fault": [fault] * n}
    return pl.DataFrame(named, schema=DIRTY)
