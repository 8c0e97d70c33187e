"""What a night remembers of every sensor, so that the next one reads only the new days.

Knows polars and NumPy; not where the rows lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa

from logistics.maintenance.features import SensorState

RECIPE = "1"  # another one for other features: what was remembered for these is no use then


@dataclass(frozen=True, slots=True)
class Memory:
    """`sensor_states` rows of an earlier night, which has seen the days before it."""

    night: date
    rows: pl.DataFrame


def begin(memory: Memory | None, asset_ids: Sequence[str], sensors: Sequence[str]) -> SensorState:
    """The state that the memory's night left; new assets and sensors have none."""
    state = SensorState(len(asset_ids), len(sensors))
    if memory is None or not asset_ids or not sensors:
        return state
    numbers = state.packed()
    ids = pl.DataFrame({"asset_id": list(asset_ids)}).with_row_index("a")
    known = memory.rows.join(ids, on="asset_id", how="inner")
    for rows in known.with_columns(of=pl.col("sensors").list.join("\t")).partition_by("of"):
        names = rows["sensors"][0].to_list()
        have = [(to, names.index(name)) for to, name in enumerate(sensors) if name in names]
        values = rows["numbers"].explode(empty_as_null=False).to_numpy()
        values = values.reshape(rows.height, len(names), numbers.shape[2])
        for to, come in have:
            numbers[rows["a"].to_numpy(), to] = values[:, come]
    return SensorState.unpacked(numbers)


def sensors_of(memory: Memory | None) -> set[str]:
    """The sensors that are remembered."""
    if memory is None:
        return set()
    return set(memory.rows["sensors"].explode(empty_as_null=False).unique())


def keep(
    state: SensorState, asset_ids: Sequence[str], sensors: Sequence[str], recipe: str
) -> pl.DataFrame:
    """`sensor_states` rows, one per asset."""
    packed = state.packed()
    offsets = np.arange(len(asset_ids) + 1) * packed[:1].size
    numbers = pa.LargeListArray.from_arrays(offsets, pa.array(packed.ravel()))
    return pl.DataFrame(
        {
            "asset_id": pl.Series(asset_ids, dtype=pl.String),
            "numbers": pl.Series(pl.from_arrow(numbers), dtype=pl.List(pl.Float32)),
        }
    ).select(
        "asset_id",
        pl.lit(recipe).alias("recipe"),
        pl.lit(pl.Series(sensors, dtype=pl.String)).implode().alias("sensors"),
        "numbers",
    )
