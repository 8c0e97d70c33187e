"""Dirty rows, as real tables have them: copies of good rows, each with one fault.

They are appended, so the good rows stay what they were and every fault is known. Knows nothing of
storage or Ray.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

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
}
# These are too small for a share of their rows to be one; each gets a single dirty row.
SMALL = ("items", "promotions", "vehicles", "drivers")


def soil(
    table: str, rows: pl.DataFrame, share: float, rng: np.random.Generator
) -> tuple[pl.DataFrame, list[str]]:
    """The table with dirty rows at its end, and the name of each one's fault."""
    faults = FAULTS.get(table, ())
    wanted = 1 if table in SMALL and share > 0 else int(share * rows.height + rng.random())
    if not faults or share == 0 or rows.is_empty() or wanted == 0:
        return rows, []
    # Distinct originals: two dirty copies of one row would make one fault hide behind the other.
    picked = rng.choice(rows.height, min(wanted, rows.height), replace=False)
    kinds = rng.integers(0, len(faults), picked.size)
    dirty = [rows]
    for kind, (_, values) in enumerate(faults):
        copies = rows[np.sort(picked[kinds == kind])]
        columns = [
            pl.lit(value, dtype=rows.schema[name]).alias(name) for name, value in values.items()
        ]
        dirty.append(copies.with_columns(columns))
    return pl.concat(dirty), [faults[kind][0] for kind in np.sort(kinds)]
