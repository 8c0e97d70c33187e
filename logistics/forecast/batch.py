"""Puts forecasting on Ray: read → predict → write, one DC (or bucket of one) at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import cast

import polars as pl
import pyarrow as pa
import ray

from logistics import lake, plan, records, registry
from logistics.forecast.inputs import from_table as panel_from_table
from logistics.forecast.inputs import panel
from logistics.forecast.inputs import to_table as panel_to_table
from logistics.forecast.model import loads, predict
from logistics.forecast.overrides import finished, overridden, overrides, value_added
from logistics.forecast.panel import Panel
from logistics.forecast.totals import days, totals
from logistics.forecast.totals import from_table as forecast_from_table
from logistics.forecast.totals import to_table as forecast_to_table
from logistics.outputs import FORECAST_OVERRIDDEN, FORECAST_VALUE_ADDED
from logistics.units import Parcel, Run, Unit, from_rows, map_rows, to_rows

Tables = dict[str, pl.DataFrame]
Dims = ray.ObjectRef[Tables]
NAME = "forecast"
TABLES = ("sales", "signals")


def units(run: Run, dims: Dims) -> list[Unit]:
    """The DCs, big ones in buckets of SKUs."""
    return lake.units(run.config.lake, TABLES, run.config.cluster.max_unit_mb)


def upstream(run: Run, dims: Dims) -> dict[str, str]:
    """DC → digest of what planners had changed on the nights whose days are being sold now."""
    config = run.config
    since = config.date - timedelta(days=config.forecast.horizon_days)
    return plan.digests_between(config.plan, FORECAST_OVERRIDDEN.name, since, config.date)


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
    return map_rows("read", partial(_read, run, ray.get(dims)), rows)


def _read(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    records.unless_stopped(run)
    entry = lake.enter(run, parcel.unit, TABLES, dims)
    series = panel_of(run, parcel.unit, entry.tables | dims)
    changes = dims["forecast_overrides"].filter(pl.col("sku_id").is_in(list(series.sku_ids)))
    tables = {"panel": panel_to_table(series), "overrides": changes.to_arrow()}
    return replace(parcel, tables=tables, counts=entry.counts, files=entry.files)


def panel_of(run: Run, unit: Unit, tables: Tables) -> Panel:
    """What the night knows of a unit's series, from its own and the company's checked tables."""
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
    config = run.config.forecast
    series = panel_from_table(parcel.tables["panel"])
    statistical = forecast_from_table(parcel.tables["forecast"], series.horizon)
    told = cast(pl.DataFrame, pl.from_arrow(parcel.tables["overrides"]))
    changes = overrides(series, statistical.mean, told)
    final = finished(statistical, changes, series.period_days)
    outputs = {
        "forecasts": days(series, final),
        "forecast_totals": totals(series, final, config.service_level),
        "forecast_overridden": overridden(series, statistical, changes),
        **_value_added(run, parcel.unit, series),
    }
    files = parcel.files + plan.publish(run, parcel.unit, outputs)
    figures = {"series": float(len(series)), "units_30d": float(final.total_mean[:, 0].sum())}
    return records.finish(run, NAME, replace(parcel, files=files, figures=figures))


def _value_added(run: Run, unit: Unit, series: Panel) -> dict[str, pl.DataFrame]:
    config = run.config
    since = config.date - timedelta(days=config.forecast.horizon_days)
    earlier = plan.read_nights(
        config.plan, FORECAST_OVERRIDDEN.name, since, config.date, unit.site_id
    )
    return {} if earlier is None else {FORECAST_VALUE_ADDED.name: value_added(series, earlier)}
