"""Risks and alerts on Ray. Knows storage and Ray; how they come about is in the files beside it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import ray
from numpy.typing import NDArray

from logistics import lake, plan, registry, stream, tasks
from logistics.freshness import ended
from logistics.maintenance import alerts, inputs, regimes
from logistics.maintenance.memory import RECIPE, Memory
from logistics.maintenance.regimes import Regimes
from logistics.maintenance.risk import Risk
from logistics.maintenance.windows import SensorWindows
from logistics.outputs import ALERT_OUTCOMES, ALERTS, RISKS, SENSOR_STATES
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, Unit

WORKLOAD = "maintenance"
TABLES = ("telemetry", "events")
PredictRisk = Callable[[SensorWindows], Risk]


# --- risks ---------------------------------------------------------------------------------------


def units(run: Run, dims: Dims) -> list[Unit]:
    """The sites that were heard; and those that were not but are home to assets, which get the base
    rate of their kind."""
    found = heard(run)
    homes = ray.get(_homes.remote(dims)) - {unit.site_id for unit in found}
    return sorted([*found, *(Unit(site_id) for site_id in homes)])


def heard(run: Run) -> list[Unit]:
    """Every site with telemetry or events, big ones in buckets of assets."""
    return lake.units(run.config.lake, TABLES, run.config.cluster.max_unit_mb)


def run(run: Run, dims: Dims, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
    """The risk of every asset, each at its home site."""
    config, options = run.config, run.config.maintenance
    card = registry.champion(config.models, WORKLOAD)
    if card is None:
        raise registry.RegistryError(f"{WORKLOAD} has no model in {config.models}; train one first")
    conditions = regimes.from_numbers(card.calibration)
    load = partial(_predictor, config.models, card.version)
    score = partial(_score, conditions)
    earlier = list(_with_earlier(run, parcels))
    gpus = options.actors, options.num_gpus
    yield from stream.predict_each(WORKLOAD, load, score, run, dims, earlier, *gpus)


def _with_earlier(run: Run, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
    """The parcels with what they take from nights before: rows of the last alerts, of which there
    are few, and the names of the files of what was remembered. Looked up once: each look reads the
    whole log of a table."""
    config, night = run.config, run.config.date
    since = night - timedelta(days=alerts.FOLLOWED_DAYS)
    told = plan.read_nights(config.plan, ALERTS.name, since, night)
    by_site = {} if told is None else told.partition_by(ALERTS.site, as_dict=True)
    since = night - timedelta(days=night.toordinal() % config.maintenance.memory_days)
    states = plan.files_between(config.plan, SENSOR_STATES.name, since, night)
    for parcel in parcels:
        site_id = parcel.unit.site_id
        own = {ALERTS.name: by_site.get((site_id,)), SENSOR_STATES.name: states.get(site_id)}
        tables = {name: rows.to_arrow() for name, rows in own.items() if rows is not None}
        yield replace(parcel, tables=tables)


@ray.remote(num_cpus=0.5)
def _homes(dims: Tables) -> set[str]:
    """The sites of all assets, found where the tables lie: the driver never holds them."""
    return set(dims["assets"]["site_id"])


def upstream(run: Run, dims: Dims) -> dict[str, str]:
    """Site → digest of what tonight takes from nights before: alerts, whose outcomes are told, and
    what was remembered."""
    night, most = run.config.date, run.config.maintenance.memory_days
    found: dict[str, str] = {}
    for table, days in ((ALERTS, alerts.FOLLOWED_DAYS), (SENSOR_STATES, most)):
        since = night - timedelta(days=days)
        for site_id, digest in plan.digests_between(
            run.config.plan, table.name, since, night
        ).items():
            found[site_id] = f"{found.get(site_id, '')} {digest}"
    return found


@cache
def _predictor(models: str, version: str, device: str) -> PredictRisk:
    """Kept by a worker from unit to unit."""
    # Torch: seconds of a core that workers of other tasks are spared.
    from logistics.maintenance.model import loads, predict

    return partial(predict, loads(registry.load(models, WORKLOAD, version)), device=device)


def _score(
    conditions: Regimes | None, predict_risk: PredictRisk, run: Run, dims: Tables, parcel: Parcel
) -> Parcel:
    """One unit's files in, its risks published."""
    config, unit = run.config, parcel.unit
    earlier = {table: _frame(files) for table, files in parcel.tables.items()}
    memory = _memory(run, earlier, conditions)
    since = {} if memory is None else {"telemetry": memory.night}
    entry = lake.enter(run, unit, TABLES, dims, since)
    parcel = replace(parcel, counts=entry.counts, files=entry.files)
    assets = assets_of(dims["assets"], unit)
    if assets.is_empty():  # a site of telemetry where no asset is at home
        return parcel
    telemetry, events = (before(entry.tables[t], config.date) for t in TABLES)
    found, kept = inputs.tonight(
        telemetry,
        events,
        assets,
        config.date,
        config.maintenance.window_days,
        conditions,
        memory,
        _recipe(conditions),
    )
    about = assets.select("asset_id", "kind", "workshop_id").sort("asset_id")
    last_seen = _last_seen(telemetry, memory)
    about = about.join(last_seen, on="asset_id", how="left", maintain_order="left")
    risks = risk_rows(about, predict_risk(found), config.date)
    kept = kept.join(last_seen, on="asset_id", how="left", maintain_order="left")
    outputs = {RISKS.name: risks, SENSOR_STATES.name: kept}
    at_risk = risks["p_fail_7d"] >= config.maintenance.at_risk_p7
    figures = {"assets": float(risks.height), "at_risk": float(at_risk.sum())}
    newest = cast("datetime | None", last_seen["last_seen"].max())
    if newest is not None:  # a site that was never heard has base rates, and no feed
        figures |= ended("telemetry", newest.date(), config.date)
    if ALERTS.name in earlier:
        mine = earlier[ALERTS.name].join(about, on="asset_id", how="semi")
        outputs[ALERT_OUTCOMES.name] = outcomes = alerts.became(mine, events, config.date)
        figures |= alerts.figures(outcomes)
    files = plan.publish(run, unit, outputs)
    return replace(parcel, files=parcel.files + files, figures=figures)


def _memory(run: Run, earlier: Tables, conditions: Regimes | None) -> Memory | None:
    """What the newest of the last nights has remembered, if tonight may go on from it."""
    files = earlier.get(SENSOR_STATES.name)
    if files is None:
        return None
    newest = files.filter(pl.col("run_date") == pl.col("run_date").max())
    rows = plan.read_files(run.config.plan, SENSOR_STATES.name, newest)
    same = (rows["recipe"] == _recipe(conditions)).all()
    return Memory(newest["run_date"][0], rows) if same else None


def _recipe(conditions: Regimes | None) -> str:
    numbers = json.dumps(regimes.to_numbers(conditions), sort_keys=True)
    return f"{RECIPE} {hashlib.sha256(numbers.encode()).hexdigest()[:12]}"


def _last_seen(telemetry: pl.DataFrame, memory: Memory | None) -> pl.DataFrame:
    """Asset → its newest reading."""
    seen = [telemetry.select("asset_id", last_seen="at")]
    seen += [] if memory is None else [memory.rows.select("asset_id", "last_seen")]
    return pl.concat(seen).group_by("asset_id").agg(pl.col("last_seen").max())


def assets_of(assets: pl.DataFrame, unit: Unit) -> pl.DataFrame:
    """The assets at home in a unit; buckets split them as the lake splits their telemetry."""
    here = assets.filter(site_id=unit.site_id).sort("asset_id")
    if unit.buckets == 1:
        return here
    mine = [lake.in_bucket(asset_id, unit) for asset_id in here["asset_id"]]
    return here.filter(pl.Series(mine, dtype=pl.Boolean))


def before(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    return rows.filter(pl.col("at") < pl.lit(day).cast(pl.Datetime("us")))


def _frame(table: pa.Table) -> pl.DataFrame:
    return cast(pl.DataFrame, pl.from_arrow(table))


def risk_rows(about: pl.DataFrame, risk: Risk, night: date) -> pl.DataFrame:
    """RISKS rows; about: asset_id, kind, workshop_id, last_seen in the risk's order."""
    component = pl.Series(risk.component.tolist(), dtype=pl.String)
    leads, there = risk.leads, risk.leads.sensor != ""
    since = np.datetime64(night, "D") - leads.days.astype("timedelta64[D]")
    return about.with_columns(
        p_fail_7d=pl.Series(risk.p_fail_7d),
        p_fail_30d=pl.Series(risk.p_fail_30d),
        rul_days_q10=pl.Series(risk.rul_days[:, 0]),
        rul_days_q50=pl.Series(risk.rul_days[:, 1]),
        rul_days_q90=pl.Series(risk.rul_days[:, 2]),
        component=component.replace("", None),
        leading_sensors=_lists(there, leads.sensor, pa.string()),
        leading_directions=_lists(there, np.where(leads.rising, "up", "down"), pa.string()),
        leading_since=_lists(there, since, pa.date32()),
    ).select(list(RISKS.columns))


def _lists(there: NDArray[np.bool_], values: NDArray[Any], kind: pa.DataType) -> pl.Series:
    """A list per row of those values (n, k) that are there."""
    offsets = np.concatenate([[0], there.sum(axis=1).cumsum()]).astype(np.int32)
    # The type is told: where no asset leads with any sensor the values do not show it.
    flat = pa.array(values[there], kind)
    return pl.Series(pl.from_arrow(pa.ListArray.from_arrays(offsets, flat)))


# --- alerts --------------------------------------------------------------------------------------


def alert_units(run: Run, dims: Dims) -> list[Unit]:
    """The company: one budget of alerts for all its sites."""
    return [lake.COMPANY]


def alerts_upstream(run: Run, dims: Dims) -> dict[str, str]:
    """The company's digest of tonight's risks."""
    digests = plan.file_digests(run.config.plan, RISKS.name, run.config.date)
    return {lake.COMPANY.site_id: str(sorted(digests.items()))}


def run_alerts(run: Run, dims: Dims, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
    """The company's parcel, once its alerts are staged."""
    yield from tasks.solve_each("alerts", _alert, run, dims, parcels)


def _alert(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    options = run.config.maintenance
    risks = plan.read_plan(run.config.plan, RISKS.name, run.config.date, columns=alerts.OF_RISKS)
    if risks is None:
        return parcel
    costs = options.cost_of_failure, options.cost_of_service
    found = alerts.ranked(risks, dims["assets"], options.max_alerts, *costs)
    files = parcel.files
    for (site_id,), rows in found.partition_by("site_id", as_dict=True).items():
        files += plan.publish(run, Unit(str(site_id)), {ALERTS.name: rows.drop("site_id")})
    figures = {"alerts": float(found.height), "expected_cost": float(found["expected_cost"].sum())}
    return replace(parcel, files=files, figures=figures)
