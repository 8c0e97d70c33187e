"""Companies to be judged: the one in a lake, and others made as it was made, with other seeds.

Knows the lake and the made world; no model.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from logistics import lake
from logistics.config import Config, WorldConfig, parse
from logistics.run import compose_config
from logistics.units import Run, Unit
from logistics.world import assets

SEEDS_APART = 1000  # of the other companies, from the lake's own on
TABLES = ("telemetry", "events")


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Everything known of the assets, and the failures that were still to come."""

    name: str
    telemetry: pl.DataFrame
    events: pl.DataFrame
    assets: pl.DataFrame
    to_come: pl.DataFrame
    night: date


def companies(folder: Path, count: int) -> Iterator[Fleet]:
    """The lake's company, then others like it: only their assets are made, without dirty rows."""
    marker = json.loads((folder / "_world.json").read_text())
    size = [f"world.{name}={value}" for name, value in marker["world"].items()]
    settings = [f"lake={folder.resolve()}", f"date={marker['world']['date']}", *size]
    config = parse(compose_config(settings))
    yield _of_lake(folder, config)
    for n in range(1, count):
        yield _made(config.world, marker["seed"] + n * SEEDS_APART)


def _of_lake(folder: Path, config: Config) -> Fleet:
    run = Run("bench", config)
    company = _good(run, lake.COMPANY, ("assets", "workshops"), {})
    units = lake.units(config.lake, TABLES, config.cluster.max_unit_mb)
    found = [_good(run, unit, TABLES, company) for unit in units]
    telemetry, events = (pl.concat([part[t] for part in found], how="diagonal") for t in TABLES)
    truth = pl.read_parquet(folder / "_truth" / "failures" / "*" / "*.parquet")
    known = company["assets"].sort("asset_id")
    return Fleet(folder.name, telemetry, events, known, _to_come(truth), config.date)


def _good(
    run: Run, unit: Unit, names: Sequence[str], dims: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    read = lake.peek(run, unit, names, dims)
    if isinstance(read, str):
        raise SystemExit(read)
    return read


def _made(world: WorldConfig, seed: int) -> Fleet:
    sites = [site for site in assets.sites(world) if site.asset_ids]
    lives = [assets.histories(world, seed, site) for site in sites]
    telemetry, events, truth = (
        pl.concat([part[name] for part in lives], how="diagonal") for name in (*TABLES, "truth")
    )
    known = pl.concat([assets.assets(world, seed, site) for site in sites]).sort("asset_id")
    return Fleet(f"seed {seed}", telemetry, events, known, _to_come(truth), world.date)


def _to_come(truth: pl.DataFrame) -> pl.DataFrame:
    return truth.drop_nulls("fails_at").select(
        "asset_id", pl.col("fails_at").alias("at"), pl.lit("failure").alias("kind"), "component"
    )
