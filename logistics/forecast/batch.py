"""Puts forecasting on Ray, one DC (or bucket of one) at a time. Knows storage."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache, partial
from typing import cast

import polars as pl

from logistics import lake, plan, registry, stream, tasks
from logistics.forecast.holidays import place_of, with_holidays
from logistics.forecast.inputs import panel
from logistics.forecast.levels import COMPANY, Correlations, levels
from logistics.forecast.newcomers import LATE_DAYS, joined, predict_all
from logistics.forecast.panel import Panel
from logistics.forecast.parts import parts
from logistics.forecast.published import about, published
from logistics.forecast.quantiles import QuantileForecast
from logistics.forecast.reconcile import corrected
from logistics.forecast.weeks import horizon_days, weekly
from logistics.freshness import ended
from logistics.matches import matched
from logistics.outputs_forecast import (
    FORECAST_LEVELS,
    FORECAST_OVERRIDDEN,
    FORECAST_SUMS,
    TOTAL_HORIZONS_DAYS,
)
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, StagedFile, Unit

NAME = "forecast"
TABLES = ("sales", "signals")
TOP_WEIGHT = "top_weight"  # of categories over their SKUs, in a model's calibration
# Categories of the series and their panel in, the statistical forecast out.
Forecaster = Callable[[Sequence[str], Panel], QuantileForecast]


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
    options = run.config.forecast
    load = partial(forecaster, run.config.models, card.version)
    gpus = options.actors, options.num_gpus
    yield from stream.predict_each(NAME, load, _forecast, run, dims, parcels, *gpus)


@cache
def forecaster(models: str, version: str, device: str) -> Forecaster:
    """A trained model's statistical forecast: of what is new, and corrected by what categories say.

    Kept by a worker from unit to unit.
    """
    # Torch: seconds of a core that workers of other tasks are spared.
    from logistics.forecast import model

    trained = model.loads(registry.load(models, NAME, version), device)
    predict = partial(model.forecaster, trained, device)
    weight = registry.card(models, NAME, version).calibration.get(TOP_WEIGHT, [0.0])[0]

    def answer(categories: Sequence[str], series: Panel) -> QuantileForecast:
        forecast = predict_all(predict, series)
        return corrected(predict, series, forecast, categories, weight)

    return answer


def _forecast(answer: Forecaster, run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    """One unit's files in, its forecasts staged."""
    config, unit, items = run.config, parcel.unit, dims["items"]
    options = config.forecast
    entry, series = _entered(run, parcel, dims)
    told = about(series, items, options.lead_time_days)
    statistical = partial(answer, told["category"].to_list())
    since = config.date - timedelta(days=options.horizon_days)
    final, outputs = published(
        series,
        statistical(series),
        parts(statistical, series) if len(series) <= options.explain_series else None,
        told,
        dims["forecast_overrides"].filter(pl.col("sku_id").is_in(list(series.sku_ids))),
        plan.read_nights(config.plan, FORECAST_OVERRIDDEN.name, since, config.date, unit.site_id),
        unit.bucket,
        options,
    )
    files = entry.files + plan.publish(run, unit, outputs)
    figures = {"series": float(len(series)), "units_30d": float(final.total_mean[:, 0].sum())}
    return replace(entry, files=files, figures={**figures, **entry.figures})


def _entered(run: Run, parcel: Parcel, dims: Tables) -> tuple[Parcel, Panel]:
    """The unit's parcel after the door, and its series; its tables, which take more memory than all
    that follows, are gone then."""
    unit, items = parcel.unit, dims["items"]
    entry = lake.enter(run, unit, TABLES, dims)
    sellers = panel_of(run, unit, entry.tables | dims)
    series = joined(sellers, items, _launching(run, unit, items))
    figures = _matched(unit.site_id, entry.tables, dims, sellers.sku_ids)
    sold = entry.tables["sales"]["date"]
    if not sold.is_empty():
        newest = cast("date | None", sold.filter(sold < run.config.date).max())
        figures |= ended("sales", newest, run.config.date)
    return replace(parcel, counts=entry.counts, files=entry.files, figures=figures), series


def _matched(site_id: str, own: Tables, dims: Tables, sku_ids: Sequence[str]) -> dict[str, float]:
    """Whether the other tables speak of the SKUs, and of the DC, that sales have."""
    skus, sites = pl.Series(sku_ids, dtype=pl.String), pl.Series([site_id])
    told = matched("signals.dc_id", sites[: own["signals"].height], "sales", sites[: len(skus)])
    if skus.is_empty():
        return told
    told |= matched("items.sku_id", dims["items"]["sku_id"], "sales", skus, each=True)
    for name in ("promotions", "prices", "forecast_overrides"):
        rows = dims[name]
        told |= matched(f"{name}.sku_id", rows["sku_id"], "sales", skus)
        if not rows["dc_id"].has_nulls():
            told |= matched(f"{name}.dc_id", rows["dc_id"], "sales", sites)
    return told


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
