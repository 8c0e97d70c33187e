"""Training on Ray: every site's windows, read where they lie, and one task that fits them all."""

import polars as pl
import pyarrow as pa
import ray

from logistics import lake, registry
from logistics.maintenance import inputs, regimes, windows
from logistics.maintenance.batch import TABLES, WORKLOAD, assets_of, before, heard
from logistics.maintenance.regimes import Regimes
from logistics.maintenance.windows import Outcomes
from logistics.registry import Card
from logistics.tasks import Dims, Tables
from logistics.units import Run, Unit


def train(run: Run, dims: Dims) -> Card:
    """Windows of every unit, read where they lie; one task fits them all."""
    config = run.config
    units = heard(run)
    share = -(-config.maintenance.max_train_windows // max(len(units), 1))
    readings = -(-regimes.SAMPLE // max(len(units), 1))
    conditions = _find_regimes.options(name="maintenance regimes").remote(
        *(_readings.remote(run, dims, unit, readings) for unit in units)
    )
    parts = [
        _examples.options(name=f"maintenance sample {unit.id}").remote(
            run, dims, unit, share, conditions
        )
        for unit in units
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
        calibration=regimes.to_numbers(ray.get(conditions)),
    )
    return registry.save(config.models, card, blob)


Examples = tuple[pa.Table, Outcomes]


@ray.remote(num_cpus=0.5)
def _readings(run: Run, dims: Tables, unit: Unit, at_most: int) -> pl.DataFrame | None:
    """Some of a unit's readings with the settings they were made under; None without settings."""
    read = lake.peek(run, unit, ("telemetry",), dims)
    if isinstance(read, str) or not regimes.settings_of(read["telemetry"]):
        return None
    known = before(read["telemetry"], run.config.date)
    return regimes.sample(known, at_most, run.seed_of(unit.id))


@ray.remote(num_cpus=0.5)
def _find_regimes(*parts: pl.DataFrame | None) -> Regimes | None:
    readings = [part for part in parts if part is not None]
    return regimes.find(pl.concat(readings, how="diagonal")) if readings else None


@ray.remote(num_cpus=0.5)
def _examples(
    run: Run, dims: Tables, unit: Unit, at_most: int, conditions: Regimes | None
) -> Examples | str:
    """One unit's windows with their outcomes, at most so many; why, where there are none."""
    config, options = run.config, run.config.maintenance
    read = lake.peek(run, unit, TABLES, dims)
    assets = assets_of(dims["assets"], unit)
    if isinstance(read, str):
        return read
    if assets.is_empty():
        return f"{unit.site_id} has no assets"
    telemetry, events = (before(read[t], config.date) for t in TABLES)
    seed = run.seed_of(unit.id)
    examples, known = inputs.examples(
        telemetry, events, assets, config.date, options.window_days, at_most, seed, conditions
    )
    return windows.to_table(examples), known


@ray.remote(num_cpus=1)
def _fit(run: Run, *parts: Examples | str) -> tuple[tuple[dict[str, float], str], bytes]:
    # Torch: seconds of a core that neither the driver nor tasks that only read have to spend.
    from logistics.maintenance.model import dumps
    from logistics.maintenance.train import fit

    usable = [part for part in parts if not isinstance(part, str)]
    if not usable:
        raise ValueError(f"no site has both assets and readable telemetry; the first: {parts[0]}")
    examples = windows.concat([windows.from_table(table) for table, _ in usable])
    known = windows.concat_outcomes([outcomes for _, outcomes in usable])
    fitted = fit(examples, known, run.config.maintenance, run.config.seed)
    return (fitted.scores, fitted.remark), dumps(fitted.model)
