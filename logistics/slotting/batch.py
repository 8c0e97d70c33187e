"""Slotting on Ray Data: one task per warehouse reads, solves and publishes. Knows storage."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import polars as pl
import pyarrow as pa
import ray

from logistics import lake
from logistics.outputs import FORECAST_TOTALS
from logistics.slotting import inputs, outputs
from logistics.slotting.plan import plan_warehouse
from logistics.units import Parcel, Run, Unit, from_rows, map_rows, to_rows

Tables = dict[str, pl.DataFrame]


def units(run: Run) -> list[Unit]:
    """The warehouses. One is solved whole, however large."""
    return lake.units(run.config.lake, "slots", run.config.cluster.max_unit_mb)


def run(run: Run, dims: "ray.ObjectRef[Tables]", units: Sequence[Unit]) -> Iterator[Parcel]:
    """Each warehouse's parcel as it is done."""
    rows = ray.data.from_arrow([to_rows([Parcel(unit)]) for unit in units])
    done = rows.map_batches(
        partial(_plan_rows, run, dims), batch_format="pyarrow", batch_size=1, num_cpus=1
    )
    for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from from_rows(batch)


def _plan_rows(run: Run, dims: "ray.ObjectRef[Tables]", rows: pa.Table) -> pa.Table:
    company = ray.get(dims)
    read = map_rows("read", partial(_read, run, company), rows)
    return map_rows("solve", partial(_solve, run, company), read)


def _read(run: Run, company: Tables, parcel: Parcel) -> Parcel:
    entry = lake.enter(run, parcel.unit, ("slots", "order_lines"), company)
    tables = {name: rows.to_arrow() for name, rows in entry.tables.items()}
    return replace(parcel, tables=tables, counts=entry.counts, files=entry.files)


def _solve(run: Run, company: Tables, parcel: Parcel) -> Parcel:
    config, unit = run.config, parcel.unit
    read = {name: cast(pl.DataFrame, pl.from_arrow(rows)) for name, rows in parcel.tables.items()}
    if read["slots"].is_empty():  # the door has rejected them all, and said so
        return parcel.tally()
    tables = {"items": company["items"], **read}
    totals = lake.read_plan(config.plan, FORECAST_TOTALS.name, config.date, unit.site_id)
    seed = run.seed_of(unit.site_id)
    warehouse, demand, tours = inputs.read(
        tables, totals, unit.site_id, config.date, config.slotting, seed
    )
    night, ideal, walking = plan_warehouse(warehouse, demand, tours, config.slotting)
    files = lake.publish(
        run,
        unit,
        {
            "slots_plan": outputs.slots_plan_rows(warehouse, demand, night.slot_of, ideal),
            "moves": outputs.moves_rows(warehouse, demand, night),
            "unplaced": outputs.unplaced_rows(demand, night),
        },
    )
    figures = outputs.figures(warehouse, demand, walking.layout, tours, night, ideal)
    return replace(parcel, files=parcel.files + files, figures=figures).tally()
