"""Puts forecasting on Ray: read → predict → write, one DC (or bucket of one) at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import cast

import polars as pl
import pyarrow as pa
import ray

from logistics import lake, plan, records, registry, tasks
from logistics.forecast.holidays import place_of, with_holidays
from logistics.forecast.inputs import panel
from logistics.forecast.levels import COMPANY, Correlations, levels
from logistics.forecast.newcomers import LATE_DAYS, joined, predict_all
from logistics.forecast.panel import Panel
from logistics.forecast.parts import from_table as parts_from_table
from logistics.forecast.parts import parts
from logistics.forecast.parts import to_table as parts_to_table
from logistics.forecast.published import about, published
from logistics.forecast.quantiles import QuantileForecast
from logistics.forecast.reconcile import corrected
from logistics.forecast.totals import from_table as forecast_from_table
from logistics.forecast.totals import to_table as forecast_to_table
from logistics.forecast.transfer import from_table as panel_from_table
from logistics.forecast.transfer import to_table as panel_to_table
from logistics.forecast.weeks import horizon_days, weekly
from logistics.outputs_forecast import (
    FORECAST_LEVELS,
    FORECAST_OVERRIDDEN,
    FORECAST_SUMS,
    TOTAL_HORIZONS_DAYS,
)
from logistics.tasks import Dims, Tables
from logistics.units import (
    Parcel,
    Run,
    StagedFile,
    Unit,
    from_rows,
    map_rows,
    to_rows,
)

NAME = "forecast"
TABLES = ("sales", "signals")
TOP_WEIGHT = "top_weight"  # of categories over their SKUs, in a model's calibration


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
    card = registry.champion(run.config.models, NAME)
    assert card is not None, "the night trains a champion before it forecasts"
    rows = ray.data.from_arrow([to_rows([parcel]) for parcel in parcels])
    rows.set_name(f"forecast {run.config.date}")
    config = run.config.forecast
    # Reading and writing are tasks of their own: who holds a GPU waits for no file.
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
        # Torch: seconds of a core that tasks which only read or write are spared.
        from logistics.forecast.model import forecaster, loads

        self.run = run
        device = "cuda" if run.config.forecast.num_gpus else "cpu"
        model = loads(registry.load(run.config.models, NAME, version), device)
        self.predict = partial(forecaster, model, device)
        card = registry.card(run.config.models, NAME, version)
        self.weight = card.calibration.get(TOP_WEIGHT, [0.0])[0]

    def __call__(self, rows: pa.Table) -> pa.Table:
        return map_rows("predict", self.step, rows)

    def step(self, parcel: Parcel) -> Parcel:
        records.attempt(self.run, NAME, parcel.unit)
        series = panel_from_table(parcel.tables["panel"])
        answer = partial(self.answer, parcel.tables["about"]["category"].to_pylist())
        tables = {
            **parcel.tables,
            "forecast": forecast_to_table(answer(series)),
            # No override that is judged tonight is of an earlier day.
            "panel": panel_to_table(series.latest(series.horizon)),
        }
        if len(series) <= self.run.config.forecast.explain_series:
            tables["parts"] = parts_to_table(parts(answer, series))
        return replace(parcel, tables=tables)

    def answer(self, categories: Sequence[str], series: Panel) -> QuantileForecast:
        """The statistical forecast: of what is new, and corrected by what categories say."""
        forecast = predict_all(self.predict, series)
        return corrected(self.predict, series, forecast, categories, self.weight)


def _read_series(run: Run, dims: Dims, rows: pa.Table) -> pa.Table:
    return map_rows("read", partial(_read, run, ray.get(dims)), rows)


def _read(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    records.unless_stopped(run)
    entry = lake.enter(run, parcel.unit, TABLES, dims)
    series = panel_of(run, parcel.unit, entry.tables | dims)
    series = joined(series, dims["items"], _launching(run, parcel.unit, dims["items"]))
    changes = dims["forecast_overrides"].filter(pl.col("sku_id").is_in(list(series.sku_ids)))
    tables = {
        "panel": panel_to_table(series),
        "overrides": changes.to_arrow(),
        "about": about(series, dims["items"], run.config.forecast.lead_time_days).to_arrow(),
    }
    return replace(parcel, tables=tables, counts=entry.counts, files=entry.files)


def panel_of(run: Run, unit: Unit, tables: Tables) -> Panel:
    """What the night knows of a unit's series, from its own and the company's checked tables."""
    config = run.config
    by_week = config.forecast.period == "week"
    horizon = config.forecast.horizon_days
    signals = with_holidays(
        tables["signals"],
        unit.site_id,
        place_of(unit.site_id, config.forecast.holidays, config.forecast.holidays_of),
        config.date - timedelta(days=config.forecast.context_days),
        config.date + timedelta(days=horizon),
    )
    daily = panel(
        tables["sales"],
        tables["promotions"],
        tables["prices"],
        signals,
        tables["items"],
        config.date,
        horizon_days(horizon) if by_week else horizon,
        config.forecast.context_days,
    )
    return weekly(daily) if by_week else daily


def _write_forecasts(run: Run, rows: pa.Table) -> pa.Table:
    return map_rows("write", partial(_publish, run), rows)


def _publish(run: Run, parcel: Parcel) -> Parcel:
    config, unit, tables = run.config, parcel.unit, parcel.tables
    series = panel_from_table(tables["panel"])
    since = config.date - timedelta(days=config.forecast.horizon_days)
    final, outputs = published(
        series,
        forecast_from_table(tables["forecast"], series.horizon),
        parts_from_table(tables["parts"]) if "parts" in tables else None,
        _frame(tables["about"]),
        _frame(tables["overrides"]),
        plan.read_nights(config.plan, FORECAST_OVERRIDDEN.name, since, config.date, unit.site_id),
        unit.bucket,
        config.forecast,
    )
    files = parcel.files + plan.publish(run, unit, outputs)
    figures = {"series": float(len(series)), "units_30d": float(final.total_mean[:, 0].sum())}
    return records.finish(run, NAME, replace(parcel, files=files, figures=figures))


def _frame(table: pa.Table) -> pl.DataFrame:
    return cast(pl.DataFrame, pl.from_arrow(table))


def _launching(run: Run, unit: Unit, items: pl.DataFrame) -> list[str]:
    """The unit's SKUs that are launched about now: the few that newcomers can be among."""
    last = run.config.date + timedelta(days=run.config.forecast.horizon_days)
    first = run.config.date - timedelta(days=LATE_DAYS)
    now = items.filter(pl.col("launch").is_between(first, last))["sku_id"]
    return [sku for sku in now if lake.in_bucket(sku, unit)]


def level_units(run: Run, dims: Dims) -> list[Unit]:
    """The company: one task adds up what the units of all DCs have summed."""
    return [Unit(COMPANY)]


def levels_upstream(run: Run, dims: Dims) -> dict[str, str]:
    """The company's digest of tonight's sums, and of the model whose errors were measured."""
    digests = plan.file_digests(run.config.plan, FORECAST_SUMS.name, run.config.date)
    card = registry.champion(run.config.models, NAME)
    return {COMPANY: f"{card.version if card else ''} {sorted(digests.items())}"}


def run_levels(run: Run, dims: Dims, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
    """The company's parcel, once its levels are staged."""
    yield from tasks.solve_each("levels", _publish_levels, run, dims, parcels)


def _publish_levels(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    config = run.config
    partial_sums = plan.read_plan(config.plan, FORECAST_SUMS.name, config.date)
    if partial_sums is None:
        return parcel
    card = registry.champion(config.models, NAME)
    found = levels(partial_sums, Correlations.of(card.calibration if card else {}))
    files: tuple[StagedFile, ...] = ()
    for (site_id,), rows in found.partition_by("dc_id", as_dict=True).items():
        files += plan.publish(run, Unit(str(site_id)), {FORECAST_LEVELS.name: rows.drop("dc_id")})
    whole = found.filter(level="company").filter(pl.col("days") == min(TOTAL_HORIZONS_DAYS))
    figures = {name: float(whole[name].sum()) for name in ("mean", "q10", "q90", "series")}
    return replace(parcel, files=parcel.files + files, figures=figures)
