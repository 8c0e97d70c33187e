"""Solves on Ray: one plain task per unit, in a worker of its own while it runs.

A solver is foreign code that may crash its process or never return. Neither may cost more than its
own unit: a crash is tried again, on whatever machine is left, and a solve past its limit is
killed from within, since nothing in Python can interrupt it.
"""

import faulthandler
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

import polars as pl
import pyarrow as pa
import ray

from logistics import records
from logistics.units import Parcel, Run, on_unit

Tables = dict[str, pl.DataFrame]
Dims = ray.ObjectRef[Tables]  # the company's tables, checked, in the object store
Solve = Callable[[Run, Tables, Parcel], Parcel]


Given = Mapping[str, pa.Table]


def solve_each(
    workload: str,
    solve: Solve,
    run: Run,
    dims: Dims,
    parcels: Sequence[Parcel],
    given: "Iterator[ray.ObjectRef[Given]] | None" = None,
) -> Iterator[Parcel]:
    """Each unit's parcel as it is done; the tasks start in the order given.

    given: tables for each parcel, that one task has read for all of them.
    """
    tables = [ray.put({})] * len(parcels) if given is None else list(given)
    if len(tables) < len(parcels):
        ray.get(tables[-1])  # raises what the task that reads them has raised
    waiting = {
        _solve.options(name=f"{workload} {parcel.unit.id}").remote(
            workload, solve, run, dims, parcel, own
        ): parcel
        for parcel, own in zip(parcels, tables, strict=True)
    }
    while waiting:
        (ended,), _ = ray.wait(list(waiting), num_returns=1)
        parcel = waiting.pop(ended)
        try:
            yield cast(Parcel, ray.get(ended))
        except ray.exceptions.RayError as fault:
            died = isinstance(fault, ray.exceptions.WorkerCrashedError)
            reason = records.CRASHED if died else f"solve: {reason_of(fault)}"
            yield Parcel(parcel.unit, failure=reason)


def reason_of(fault: Exception) -> str:
    """The last line of what Ray tells: the exception itself, without the way it took."""
    return str(fault).strip().splitlines()[-1]


@ray.remote(num_cpus=1, max_retries=records.MAX_TRIES - 1)
def _solve(
    workload: str, solve: Solve, run: Run, dims: Tables, parcel: Parcel, given: Given
) -> Parcel:
    limit_s = run.config.cluster.kill_after_s

    def within_limit(parcel: Parcel) -> Parcel:
        records.unless_stopped(run)
        records.attempt(run, workload, parcel.unit, limit_s)
        # A C thread that ends the process even while a solver holds the interpreter.
        faulthandler.dump_traceback_later(limit_s, exit=True, file=2)
        try:
            done = solve(run, dims, parcel)
            # What has failed in part is tried again by the next run.
            return records.finish(run, workload, done) if done.failure is None else done.tally()
        finally:
            faulthandler.cancel_dump_traceback_later()

    return on_unit("solve", within_limit, replace(parcel, tables=given))
