"""Risks and alerts on Ray. Knows storage and Ray; how they come about is in the files beside it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import ray
from numpy.typing import NDArray

from logistics import lake, plan, records, registry, tasks
from logistics.maintenance import alerts, inputs, regimes, windows
from logistics.maintenance.memory import RECIPE, Memory
from logistics.maintenance.regimes import Regimes
from logistics.maintenance.risk import Risk
from logistics.outputs import ALERT_OUTCOMES, ALERTS, RISKS, SENSOR_STATES
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, Unit, from_rows, map_rows, to_rows

WORKLOAD = "maintenance"
TABLES = ("telemetry", "events")


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
    config = run.config
    card = registry.champion(config.models, WORKLOAD)
    if card is None:
        raise registry.RegistryError(f"{WORKLOAD} has no model in {config.models}; train one first")
    options = config.maintenance
    rows = ray.data.from_arrow([to_rows([parcel]) for parcel in parcels])
    rows.set_name(f"maintenance {config.date}")
    done = rows.map_batches(
        partial(
            _read_telemetry,
            run=run,
            dims=dims,
            conditions=regimes.from_numbers(card.calibration),
        ),
        batch_format="pyarrow",
        batch_size=1,
        num_cpus=0.5,
    ).map_batches(
        ScoreAssets,
        fn_constructor_kwargs={"run": run, "version": card.version},
        compute=ray.data.ActorPoolStrategy(size=min(options.actors, len(parcels))),
        batch_format="pyarrow",
        batch_size=1,
        num_cpus=0.25,
        num_gpus=options.num_gpus,
    )
    for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from from_rows(batch)


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


def _read_telemetry(rows: pa.Table, run: Run, dims: Dims, conditions: Regimes | None) -> pa.Table:
    return map_rows("read", partial(_read_unit, run, ray.get(dims), conditions), rows)


def _read_unit(run: Run, dims: Tables, conditions: Regimes | None, parcel: Parcel) -> Parcel:
    config, unit = run.config, parcel.unit
    records.unless_stopped(run)
    memory = _memory(run, unit, conditions)
    since = {} if memory is None else {"telemetry": memory.night}
    entry = lake.enter(run, unit, TABLES, dims, since)
    assets = assets_of(dims["assets"], unit)
    if assets.is_empty():  # a site of telemetry where no asset is at home
        return replace(parcel, counts=entry.counts, files=entry.files)
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
    last_seen = _last_seen(telemetry, memory)
    about = assets.select("asset_id", "kind", "workshop_id").sort("asset_id")
    about = about.join(last_seen, on="asset_id", how="left", maintain_order="left")
    tables = {"windows": windows.to_table(found), "assets": about.to_arrow()}
    kept = kept.join(about.select("asset_id", "last_seen"), on="asset_id", maintain_order="left")
    tables[SENSOR_STATES.name] = kept.to_arrow()
    if (told := _earlier_alerts(run, unit, about, events)) is not None:
        tables["alert_outcomes"] = told.to_arrow()
    return replace(parcel, tables=tables, counts=entry.counts, files=entry.files)


def _memory(run: Run, unit: Unit, conditions: Regimes | None) -> Memory | None:
    """What the newest of the last nights has remembered, if tonight may go on from it."""
    night = run.config.date
    for days in range(1, night.toordinal() % run.config.maintenance.memory_days + 1):
        earlier = night - timedelta(days=days)
        rows = plan.read_plan(run.config.plan, SENSOR_STATES.name, earlier, unit.site_id)
        if rows is not None:
            same = (rows["recipe"] == _recipe(conditions)).all()
            return Memory(earlier, rows) if same else None
    return None


def _recipe(conditions: Regimes | None) -> str:
    numbers = json.dumps(regimes.to_numbers(conditions), sort_keys=True)
    return f"{RECIPE} {hashlib.sha256(numbers.encode()).hexdigest()[:12]}"


def _last_seen(telemetry: pl.DataFrame, memory: Memory | None) -> pl.DataFrame:
    """Asset → its newest reading."""
    seen = [telemetry.select("asset_id", last_seen="at")]
    seen += [] if memory is None else [memory.rows.select("asset_id", "last_seen")]
    return pl.concat(seen).group_by("asset_id").agg(pl.col("last_seen").max())


def _earlier_alerts(
    run: Run, unit: Unit, about: pl.DataFrame, events: pl.DataFrame
) -> pl.DataFrame | None:
    """What became of the alerts of the last month's nights; None where there were none."""
    night = run.config.date
    since = night - timedelta(days=alerts.FOLLOWED_DAYS)
    earlier = plan.read_nights(run.config.plan, ALERTS.name, since, night, unit.site_id)
    if earlier is None:
        return None
    return alerts.became(earlier.join(about, on="asset_id", how="semi"), events, night)


def assets_of(assets: pl.DataFrame, unit: Unit) -> pl.DataFrame:
    """The assets at home in a unit; buckets split them as the lake splits their telemetry."""
    here = assets.filter(site_id=unit.site_id).sort("asset_id")
    if unit.buckets == 1:
        return here
    mine = [lake.in_bucket(asset_id, unit) for asset_id in here["asset_id"]]
    return here.filter(pl.Series(mine, dtype=pl.Boolean))


def before(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    return rows.filter(pl.col("at") < pl.lit(day).cast(pl.Datetime("us")))


class ScoreAssets:
    """Ray Data actor: one unit's windows in, its risks published."""

    def __init__(self, run: Run, version: str) -> None:
        # Torch: seconds of a core that tasks which only read or write are spared.
        from logistics.maintenance.model import loads, predict

        self.run = run
        device = "cuda" if run.config.maintenance.num_gpus > 0 else "cpu"
        model = loads(registry.load(run.config.models, WORKLOAD, version))
        self.predict = partial(predict, model, device=device)

    def __call__(self, rows: pa.Table) -> pa.Table:
        return map_rows("score", self._score, rows)

    def _score(self, parcel: Parcel) -> Parcel:
        if not parcel.tables:
            return records.finish(self.run, WORKLOAD, parcel)
        records.attempt(self.run, WORKLOAD, parcel.unit)
        found = windows.from_table(parcel.tables["windows"])
        about = _frame(parcel.tables["assets"])
        risks = risk_rows(about, self.predict(found), self.run.config.date)
        others = (SENSOR_STATES.name, ALERT_OUTCOMES.name)
        made = {name: _frame(parcel.tables[name]) for name in others if name in parcel.tables}
        outputs = {RISKS.name: risks, **made}
        files = plan.publish(self.run, parcel.unit, outputs)
        at_risk = risks["p_fail_7d"] >= self.run.config.maintenance.at_risk_p7
        figures = {"assets": float(risks.height), "at_risk": float(at_risk.sum())}
        if ALERT_OUTCOMES.name in outputs:
            figures |= alerts.figures(outputs[ALERT_OUTCOMES.name])
        scored = replace(parcel, files=parcel.files + files, figures=figures)
        return records.finish(self.run, WORKLOAD, scored)


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
    risks = plan.read_plan(run.config.plan, RISKS.name, run.config.date)
    if risks is None:
        return parcel
    costs = options.cost_of_failure, options.cost_of_service
    found = alerts.ranked(risks, dims["assets"], options.max_alerts, *costs)
    files = parcel.files
    for (site_id,), rows in found.partition_by("site_id", as_dict=True).items():
        files += plan.publish(run, Unit(str(site_id)), {ALERTS.name: rows.drop("site_id")})
    figures = {"alerts": float(found.height), "expected_cost": float(found["expected_cost"].sum())}
    return replace(parcel, files=files, figures=figures)
