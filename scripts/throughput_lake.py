"""The lakes that bench_throughput.py forecasts: a made company's sales and what goes with them."""

import multiprocessing as mp
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from logistics.config import Config, WorldConfig
from logistics.world import catalogue, demand, dirt, weather

COMPANY = ("items", "promotions", "prices")
CORES = len(os.sched_getaffinity(0))


def processes() -> ProcessPoolExecutor:
    """One per core, none of them a fork."""
    return ProcessPoolExecutor(CORES, mp.get_context("spawn"))


def make(config: Config, series: int) -> None:
    """The forecast's part of a world in as many DCs as that takes, unless it is there."""
    root, world = Path(config.lake), config.world
    whole = root / "_whole"
    if whole.exists():
        return
    print(f"making {series:,} series under {root} …", file=sys.stderr)
    company = catalogue.catalogue(world, config.seed)
    rng = np.random.default_rng([config.seed, 50])
    for name in COMPANY:
        _write(root / name / "part-0.parquet", name, None, getattr(company, name), world, rng)
    with processes() as pool:
        list(pool.map(partial(_make_dc, config), range(-(-series // world.skus_per_dc))))
    whole.touch()


def _make_dc(config: Config, index: int) -> None:
    world, site, root = config.world, catalogue.dc_id(index), Path(config.lake)
    rng = np.random.default_rng([config.seed, 51, index])
    folder = f"dc_id={site}"
    signals = weather.signals(world, config.seed, index)
    _write(root / "signals" / folder / "part-0.parquet", "signals", site, signals, world, rng)
    company = catalogue.catalogue(world, config.seed)
    for part, (sales, _) in enumerate(demand.sales(world, config.seed, index, company)):
        file = root / "sales" / folder / f"part-{part:03d}.parquet"
        _write(file, "sales", site, sales, world, rng)


def _write(
    file: Path,
    table: str,
    site: str | None,
    rows: pl.DataFrame,
    world: WorldConfig,
    rng: np.random.Generator,
) -> None:
    soiled, _ = dirt.soil(table, site, rows, world.dirty_share, rng)
    soiled.write_parquet(file, compression="zstd", mkdir=True)


def link(full: Path, part: Path, num_files: int) -> None:
    """A lake of the first files of sales, and of all else, of the full one."""
    shutil.rmtree(part, ignore_errors=True)
    sales = sorted((full / "sales").rglob("*.parquet"))[:num_files]
    sites = {file.parent.name for file in sales}
    signals = [file for site in sites for file in (full / "signals" / site).glob("*.parquet")]
    company = chain.from_iterable((full / name).glob("*.parquet") for name in COMPANY)
    for file in chain(sales, signals, company):
        link = part / file.relative_to(full)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(file)
