"""Panels on their way between two steps: Arrow tables of one row per series, and back.

What series share (names, dates, signals) goes into the table's metadata.
"""

import json
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from logistics.forecast.panel import Panel

LISTS = ("units", "in_stock", "covariates", "known_ahead", "codes", "attributes")
COLUMNS = ("site", "age", "left")
NAMES = ("site_ids", "covariate_names", "signal_names", "code_names", "attribute_names", "lead")
SIZES = ("period_days", "horizon")


def to_table(panel: Panel) -> pa.Table:
    """One row per series."""
    columns = {"sku_id": pa.array(panel.sku_ids, pa.string())}
    for name in LISTS:
        values = getattr(panel, name)
        width = int(np.prod(values.shape[1:]))
        if width:
            flat = pa.array(np.ascontiguousarray(values).ravel())
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, width)
    for name in COLUMNS:
        columns[name] = pa.array(getattr(panel, name))
    about = {name: getattr(panel, name) for name in (*NAMES, *SIZES)}
    about |= {"run_date": str(panel.run_date), "num_periods": panel.num_periods}
    signals = np.ascontiguousarray(panel.signals, np.float32).tobytes()
    return pa.table(columns).replace_schema_metadata(
        {"about": json.dumps(about), "signals": signals}
    )


def from_table(table: pa.Table) -> Panel:
    """The inverse of `to_table`."""
    n = table.num_rows
    about = json.loads(table.schema.metadata[b"about"])
    names: dict[str, Any] = {name: tuple(about[name]) for name in NAMES}
    sizes: dict[str, Any] = {name: int(about[name]) for name in SIZES}
    t = int(about["num_periods"])
    total, num_covariates = t + sizes["horizon"], len(names["covariate_names"])
    lists: dict[str, Any] = {
        "units": _list(table, "units", (n, t), np.float32),
        "in_stock": _list(table, "in_stock", (n, t), np.float32),
        "covariates": _list(table, "covariates", (n, total, num_covariates), np.float32),
        "known_ahead": _list(table, "known_ahead", (n, num_covariates), np.bool_),
        "codes": _list(table, "codes", (n, len(names["code_names"])), np.int64),
        "attributes": _list(table, "attributes", (n, len(names["attribute_names"])), np.float32),
    }
    flat = np.frombuffer(table.schema.metadata[b"signals"], np.float32)
    shape = (len(names["site_ids"]), total, len(names["signal_names"]))
    return Panel(
        run_date=date.fromisoformat(about["run_date"]),
        sku_ids=tuple(table["sku_id"].to_pylist()),
        signals=flat.reshape(shape),
        **names,
        **sizes,
        **lists,
        **{name: table[name].to_numpy() for name in COLUMNS},
    )


def _list(
    table: pa.Table, name: str, shape: tuple[int, ...], dtype: type[np.generic]
) -> NDArray[np.generic]:
    if name not in table.column_names:
        return np.zeros(shape, dtype)
    column = table[name]
    # Combining copies, though it be a single chunk.
    flat = (column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()).flatten()
    return flat.to_numpy(zero_copy_only=dtype is not np.bool_).reshape(shape)  # type: ignore[no-any-return]
