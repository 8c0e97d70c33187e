"""Risks on Ray. Knows storage and Ray; how a risk comes about is in the files beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import cast

import polars as pl
import pyarrow as pa
import ray

from logistics import lake, plan, records, registry
from logistics.maintenance import inputs
from logistics.maintenance.inputs import Outcomes
from logistics.maintenance.risk import Risk
from logistics.outputs import RISKS
from logistics.registry import Card
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, Unit, from_rows, map_rows, to_rows

WORKLOAD = "maintenance"
_TABLES = ("telemetry", "events")


# --- risks ---------------------------------------------------------------------------------------


def units(run: Run, dims: Dims) -> list[Unit]:
    """Every site with telemetry or events, big ones in buckets of assets; and the sites without
    either that are home to assets, which get the base rate of their kind."""
    heard = _heard(run)
    homes = ray.get(_homes.remote(dims)) - {unit.site_id for unit in heard}
    return sorted([*heard, *(Unit(site_id) for site_id in homes)])


def _heard(run: Run) -> list[Unit]:
    return lake.units(run.config.lake, _TABLES, run.config.cluster.max_unit_mb)


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
        partial(_read_telemetry, run=run, dims=dims),
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


def _read_telemetry(rows: pa.Table, run: Run, dims: Dims) -> pa.Table:
    return map_rows("read", partial(_read_unit, run, ray.get(dims)), rows)


def _read_unit(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    config, unit = run.config, parcel.unit
    records.unless_stopped(run)
    entry = lake.enter(run, unit, _TABLES, dims)
    assets = _assets_of(dims["assets"], unit)
    if assets.is_empty():  # a site of telemetry where no asset is at home
        return replace(parcel, counts=entry.counts, files=entry.files)
    telemetry, events = (_before(entry.tables[t], config.date) for t in _TABLES)
    window_days = config.maintenance.window_days
    found = inputs.windows(telemetry, events, assets, [config.date], window_days)
    last_seen = telemetry.group_by("asset_id").agg(last_seen=pl.col("at").max())
    about = assets.select("asset_id", "kind", "workshop_id").sort("asset_id")
    about = about.join(last_seen, on="asset_id", how="left", maintain_order="left")
    tables = {"windows": inputs.to_table(found), "assets": about.to_arrow()}
    return replace(parcel, tables=tables, counts=entry.counts, files=entry.files)


def _assets_of(assets: pl.DataFrame, unit: Unit) -> pl.DataFrame:
    """The assets at home in a unit; buckets split them as the lake splits their telemetry."""
    here = assets.filter(site_id=unit.site_id).sort("asset_id")
    mine = [lake.in_bucket(asset_id, unit) for asset_id in here["asset_id"]]
    return here.filter(pl.Series(mine, dtype=pl.Boolean))


def _before(rows: pl.DataFrame, day: date) -> pl.DataFrame:
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
        found = inputs.from_table(parcel.tables["windows"])
        about = cast(pl.DataFrame, pl.from_arrow(parcel.tables["assets"]))
        risks = _risk_rows(about, self.predict(found))
        files = plan.publish(self.run, parcel.unit, {"risks": risks})
        at_risk = risks["p_fail_7d"] >= self.run.config.maintenance.at_risk_p7
        figures = {"assets": float(risks.height), "at_risk": float(at_risk.sum())}
        scored = replace(parcel, files=parcel.files + files, figures=figures)
        return records.finish(self.run, WORKLOAD, scored)


def _risk_rows(about: pl.DataFrame, risk: Risk) -> pl.DataFrame:
    """RISKS rows; about: asset_id, kind, workshop_id, last_seen in the risk's order."""
    component = pl.Series(risk.component.tolist(), dtype=pl.String)
    return about.with_columns(
        p_fail_7d=pl.Series(risk.p_fail_7d),
        p_fail_30d=pl.Series(risk.p_fail_30d),
        rul_days_q10=pl.Series(risk.rul_days[:, 0]),
        rul_days_q50=pl.Series(risk.rul_days[:, 1]),
        rul_days_q90=pl.Series(risk.rul_days[:, 2]),
        component=component.replace("", None),
        leading_sensors=pl.Series(
            [list(names) for names in risk.leading_sensors], dtype=pl.List(pl.String)
        ),
    ).select(list(RISKS.columns))


# --- training ------------------------------------------------------------------------------------


def train(run: Run, dims: Dims) -> Card:
    """Windows of every unit, read where they lie; one task fits them all."""
    config = run.config
    found = _heard(run)
    share = -(-config.maintenance.max_train_windows // max(len(found), 1))
    parts = [
        _examples.options(name=f"maintenance sample {unit.id}").remote(run, dims, unit, share)
        for unit in found
    ]
    fitted, blob = ray.get(_fit.options(name="maintenance training").remote(run, *parts))
    card = Card(
        workload=WORKLOAD,
        trained_to=str(config.date),
        seed=config.seed,
        scores=fitted[0],
        settings={
            "window_days": config.maintenance.window_days,
            "train_steps": config.maintenance.train_steps,
            "hidden": config.maintenance.hidden,
            "remark": fitted[1],
        },
    )
    return registry.save(config.models, card, blob)


Examples = tuple[pa.Table, Outcomes]


@ray.remote(num_cpus=0.5)
def _examples(run: Run, dims: Tables, unit: Unit, at_most: int) -> Examples | None:
    """One unit's windows with their outcomes, at most so many; None where there are none."""
    config = run.config
    read = lake.peek(run, unit, _TABLES, dims)
    assets = _assets_of(dims["assets"], unit)
    if read is None or assets.is_empty():
        return None
    telemetry, events = (_before(read[t], config.date) for t in _TABLES)
    seed = run.seed_of(unit.id)
    examples, known = inputs.examples(
        telemetry, events, assets, config.date, config.maintenance.window_days, at_most, seed
    )
    return inputs.to_table(examples), known


@ray.remote(num_cpus=1)
def _fit(run: Run, *parts: Examples | None) -> tuple[tuple[dict[str, float], str], bytes]:
    from logistics.maintenance.model import dumps
    from logistics.maintenance.train import fit

    usable = [part for part in parts if part is not None]
    if not usable:
        raise ValueError("no site has both assets and readable telemetry")
    windows = inputs.concat([inputs.from_table(table) for table, _ in usable])
    known = inputs.concat_outcomes([outcomes for _, outcomes in usable])
    fitted = fit(windows, known, run.config.maintenance, run.config.seed)
    return (fitted.scores, fitted.remark), dumps(fitted.model)
