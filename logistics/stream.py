"""Models on Ray: Ray Data streams units through workers that keep a model, one unit at a time.

Reading, features, model and staging are one step of a whole core: to hand arrays from readers to a
model's actors through the object store took twice as long as all of it, and two units at once on a
core nearly as much. Without GPUs the workers are those of plain tasks, warm already. With GPUs they
are actors that keep their share of one; a share below one lets some read while others compute.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pyarrow as pa
import ray

from logistics import records
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, from_rows, map_rows, to_rows

Model = TypeVar("Model")
Load = Callable[[str], Model]  # on a device of Torch's
Predict = Callable[[Model, Run, Tables, Parcel], Parcel]


def predict_each(
    workload: str,
    load: Load[Model],
    predict: Predict[Model],
    run: Run,
    dims: Dims,
    parcels: Sequence[Parcel],
    num_actors: int,
    num_gpus: float,
) -> Iterator[Parcel]:
    """Each unit's tally as it is done.

    load is called for every unit and must keep what it has loaded; the ValueError of a model that
    cannot be used fails the units. num_actors counts only where num_gpus, each actor's, is above 0.
    """
    rows = ray.data.from_arrow([to_rows([parcel]) for parcel in parcels])
    rows.set_name(f"{workload} {run.config.date}")
    loaded = partial(load, "cuda" if num_gpus else "cpu")
    step = partial(_predict_rows, workload, loaded, predict, run, dims)
    if num_gpus:
        done = rows.map_batches(
            OnGpu,
            fn_constructor_args=(step,),
            compute=ray.data.ActorPoolStrategy(size=min(num_actors, len(parcels))),
            batch_format="pyarrow",
            batch_size=1,
            num_cpus=1,
            num_gpus=num_gpus,
        )
    else:
        done = rows.map_batches(step, batch_format="pyarrow", batch_size=1, num_cpus=1)
    for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from from_rows(batch)


class OnGpu:
    """Ray Data actor: keeps the GPU that a task's worker would give back after every unit."""

    def __init__(self, step: Callable[[pa.Table], pa.Table]) -> None:
        self.step = step

    def __call__(self, rows: pa.Table) -> pa.Table:
        return self.step(rows)


def _predict_rows(
    workload: str,
    load: Callable[[], Model],
    predict: Predict[Model],
    run: Run,
    dims: Dims,
    rows: pa.Table,
) -> pa.Table:
    # Outside of the unit's own faults: Ray Data tries again what the model store has cost, but a
    # model of another version stays one.
    try:
        model = load()
    except ValueError as unusable:
        failure = f"model: {unusable}"
        return to_rows([replace(parcel, tables={}, failure=failure) for parcel in from_rows(rows)])
    tables = ray.get(dims)

    def recorded(parcel: Parcel) -> Parcel:
        records.unless_stopped(run)
        records.attempt(run, workload, parcel.unit)
        return records.finish(run, workload, predict(model, run, tables, parcel))

    return map_rows("predict", recorded, rows)
