"""The tables that no site owns, checked once by one task; they stay in Ray's object store.

A file of its own, because the worker that runs the task imports no more than this.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import ray

from logistics import lake
from logistics.outcome import Outcome
from logistics.publish import outcome_of
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, Unit, on_unit


def enter(run: Run, names: Sequence[str]) -> tuple[Dims, Outcome]:
    """The tables, those that others refer to first, and how reading each went."""
    started, clock = datetime.now(UTC), time.perf_counter()
    task = _read.options(name="read the company's tables").remote(run, names)
    dims, tally = cast("tuple[Dims, ray.ObjectRef[Sequence[Parcel]]]", task)
    return dims, outcome_of("company", started, clock, ray.get(tally))


@ray.remote(num_cpus=0.5, num_returns=2)  # the tables stay in the store, the tally comes here
def _read(run: Run, names: Sequence[str]) -> tuple[Tables, list[Parcel]]:
    tables: Tables = {}

    def read(parcel: Parcel) -> Parcel:
        entry = lake.enter(run, lake.COMPANY, [parcel.unit.site_id], tables)
        tables.update(entry.tables)
        return Parcel(parcel.unit, counts=entry.counts, files=entry.files)

    return tables, [on_unit("read", read, Parcel(Unit(name))) for name in names]
