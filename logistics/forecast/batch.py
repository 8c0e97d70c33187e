"""Puts forecasting on Ray: read → predict → write, one DC (or bucket of one) at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import polars as pl
import pyarrow as pa
import ray

from logistics import lake, plan, records, registry
from logistics.forecast.inputs import panel
from logistics.forecast.model import dumps, loads, predict
from logistics.forecast.panel import Panel
from logistics.forecast.totals import days, totals
from logistics.forecast.totals import from_table as forecast_from_table
from logistics.forecast.totals import to_table as forecast_to_table
from logistics.forecast.train import fit, rows_of_sample
from logistics.forecast.transfer import from_table as panel_from_table
from logistics.forecast.transfer import to_table as panel_to_table
from logistics.registry import Card
from logistics.units import Parcel, Run, Unit, from_rows, map_rows, to_rows

Tables = dict[str, pl.DataFrame]
Dims = ray.ObjectRef[Tables]
NAME = "forecast"
TABLES = ("sales", "signals")
MAX_TRAIN_UNITS = 32


def units(run: Run, dims: Dims) -> list[Unit]:
    """The DCs, big ones in buckets of SKUs."""
    return lake.units(run.config.lake, TABLES, run.config.cluster.max_unit_mb)


def run(run: Run, dims: Dims, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
    """Forecast every unit; yields their tallies as they finish."""
    config = run.config.forecast
    card = registry.champion(run.config.models, NAME)
    assert card is not None, "the night trains a champion before it forecasts"
    rows = ray.data.from_arrow([to_rows([parcel]) for parcel in parcels])
    rows.set_name(f"forecast {run.config.date}")
    done = (
        rows.map_batches(
            partial(_read_series, run, dims), batch_format="pyarrow", batch_size=1, num_cpus=0.5
        )
        .map_batches(
            PredictDemand,
            fn_constructor_args=(run, card.version),
            compute=ray.data.ActorPoolStrategy(size=config.actors),
            batch_format="pyarrow",
            batch_size=1,
            num_cpus=0.25,
            num_gpus=config.num_gpus,
        )
        .map_batches(
            partial(_write_forecasts, run), batch_format="pyarrow", batch_size=1, num_cpus=0.5
        )
    )
    for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from from_rows(batch)


def train(run: Run, dims: Dims) -> Card:
    """Train on a bounded sample of series, back-test, and save; returns the card."""
    config = run.config.forecast
    every = units(run, dims)
    chosen = every[:: -(-len(every) // MAX_TRAIN_UNITS)]
    each = -(-config.max_train_series // len(chosen))
    panels = [
        _sample.options(name=f"forecast sample {unit.id}").remote(run, dims, unit, each)
        for unit in chosen
    ]
    fitting = _fit.options(name="forecast training", num_cpus=1, num_gpus=config.num_gpus)
    return ray.get(fitting.remote(run, *panels))  # type: ignore[no-any-return]


class PredictDemand:
    """Ray Data actor: a unit's panel in, its forecasts out."""

    def __init__(self, run: Run, version: str) -> None:
        self.run = run
        self.device = "cuda" if run.config.forecast.num_gpus else "cpu"
        self.model = loads(registry.load(run.config.models, NAME, version), self.device)

    def __call__(self, rows: pa.Table) -> pa.Table:
        return map_rows("predict", self.step, rows)

    def step(self, parcel: Parcel) -> Parcel:
        records.attempt(self.run, NAME, parcel.unit)
        series = panel_from_table(parcel.tables["panel"])
        forecast = predict(self.model, series, self.device)
        return replace(parcel, tables={**parcel.tables, "forecast": forecast_to_table(forecast)})


def _read_series(run: Run, dims: Dims, rows: pa.Table) -> pa.Table:
    return map_rows("read", partial(_panel_of, run, ray.get(dims)), rows)


def _panel_of(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    records.unless_stopped(run)
    entry = lake.enter(run, parcel.unit, TABLES, dims)
    tables = {"panel": panel_to_table(_panel(run, entry.tables | dims))}
    return replace(parcel, tables=tables, counts=entry.counts, files=entry.files)


def _panel(run: Run, tables: Tables) -> Panel:
    config = run.config
    return panel(
        tables["sales"],
        tables["promotions"],
        tables["prices"],
        tables["signals"],
        tables["items"],
        config.date,
        config.forecast.horizon_days,
        config.forecast.context_days,
    )


def _write_forecasts(run: Run, rows: pa.Table) -> pa.Table:
    return map_rows("write", partial(_publish, run), rows)


def _publish(run: Run, parcel: Parcel) -> Parcel:
    series = panel_from_table(parcel.tables["panel"])
    forecast = forecast_from_table(parcel.tables["forecast"], series.horizon)
    of_totals = totals(series, forecast, run.config.forecast.service_level)
    outputs = {"forecasts": days(series, forecast), "forecast_totals": of_totals}
    files = parcel.files + plan.publish(run, parcel.unit, outputs)
    figures = {"series": float(len(series)), "units_30d": float(forecast.total_mean[:, 0].sum())}
    return records.finish(run, NAME, replace(parcel, files=files, figures=figures))


@ray.remote(num_cpus=0.5)
def _sample(run: Run, dims: Tables, unit: Unit, most: int) -> Panel | None:
    """A bounded sample of a unit's series; None when the unit cannot be read."""
    read = lake.peek(run, unit, TABLES, dims)
    if read is None:
        return None
    series = _panel(run, read | dims)
    return series.take(rows_of_sample(len(series), most, np.random.default_rng(run.config.seed)))


@ray.remote
def _fit(run: Run, *panels: Panel | None) -> Card:
    config = run.config
    device = "cuda" if config.forecast.num_gpus else "cpu"
    usable = [series for series in panels if series is not None]
    fitted = fit(usable, config.forecast, config.seed, device)
    settings = asdict(config.forecast)
    card = Card(NAME, str(config.date), config.seed, fitted.scores, settings)
    return registry.save(config.models, card, dumps(fitted.model))
