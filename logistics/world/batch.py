"""Puts the made company on Ray: one task per site, straight to partitioned Parquet.

Knows fsspec and Ray; what is made is in the files beside it. `_making.json` is there while the lake
is made and `_world.json` when it is whole, so a half-made lake is never taken for a whole one, and
nothing that is not a made company is ever replaced.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
import ray
from fsspec import AbstractFileSystem

from logistics.config import WorldConfig
from logistics.storage import at
from logistics.tables import CONTRACTS
from logistics.world import assets, catalogue, demand, dirt, fleet, warehouse, weather

VERSION = 2  # of the generator: another one makes other lakes
WHOLE, HALF = "_world.json", "_making.json"
SITE_COLUMN = {name: contract.site for name, contract in CONTRACTS.items() if contract.site}


class WorldError(ValueError):
    """A lake that holds something else than the company asked for."""


def exists(config: WorldConfig, lake: str, seed: int) -> bool:
    """Whether the lake holds this company, whole. Raises WorldError when it holds anything else."""
    fs, root = at(lake)
    if not _ours(fs, root, lake) or not fs.exists(f"{root}/{WHOLE}"):
        return False
    found = json.loads(fs.cat_file(f"{root}/{WHOLE}"))
    if found != _marker(config, seed):
        raise WorldError(
            f"lake={lake} holds another made company ({found.get('world', {}).get('name')}, "
            f"seed {found.get('seed')}) or one of an older version; "
            "choose another lake=, or make it anew with task=world"
        )
    return True


def generate(
    config: WorldConfig, lake: str, seed: int, progress: Callable[[str, int, int], None]
) -> None:
    """Make the company at `lake`, replacing what a made company left there.

    progress(what, done, total) is called after every site. Raises WorldError, and touches nothing,
    when the lake holds anything but a made company.
    """
    fs, root = at(lake)
    marker = json.dumps(_marker(config, seed), indent=1).encode()
    if _ours(fs, root, lake):
        fs.rm(root, recursive=True)
    fs.makedirs(root, exist_ok=True)
    fs.pipe_file(f"{root}/{HALF}", marker)
    # The longest tasks first, so that none of them is alone at the end.
    waiting = [
        _company.remote(config, lake, seed),
        *(_dc.remote(config, lake, seed, i) for i in range(config.num_dcs)),
        *(_warehouse.remote(config, lake, seed, i) for i in range(config.num_warehouses)),
        *(_assets.remote(config, lake, seed, s) for s in assets.sites(config) if s.asset_ids),
        *(_depot.remote(config, lake, seed, i) for i in range(config.num_depots)),
    ]
    total, dirty = len(waiting), [pl.DataFrame(schema=dirt.DIRTY)]
    progress("making the company", 0, total)
    while waiting:
        done, waiting = ray.wait(waiting)
        dirty += ray.get(done)
        progress("making the company", total - len(waiting), total)
    _write(f"{lake}/_truth/dirty.parquet", pl.concat(dirty).sort("table", "site_id", "key"))
    fs.pipe_file(f"{root}/{WHOLE}", marker)
    fs.rm_file(f"{root}/{HALF}")


def _ours(fs: AbstractFileSystem, root: str, lake: str) -> bool:
    """Whether a made company lies here, whole or half; False: nothing. Raises WorldError else."""
    if not fs.exists(root) or not fs.ls(root, detail=False):
        return False
    if fs.exists(f"{root}/{WHOLE}") or fs.exists(f"{root}/{HALF}"):
        return True
    raise WorldError(f"lake={lake} is not empty and not a made company; choose another lake=")


def _marker(config: WorldConfig, seed: int) -> dict[str, Any]:
    world = json.loads(json.dumps(asdict(config), default=str))
    return {"version": VERSION, "seed": seed, "world": world}


@ray.remote(num_cpus=1)
def _company(config: WorldConfig, lake: str, seed: int) -> pl.DataFrame:
    """The tables no site owns."""
    made = catalogue.catalogue(config, seed)
    depots, sites = range(config.num_depots), assets.sites(config)
    tables = {
        "items": made.items,
        "promotions": made.promotions,
        "prices": made.prices,
        "depots": fleet.depots(config, seed),
        "vehicles": pl.concat(fleet.vehicles(config, seed, depot) for depot in depots),
        "drivers": pl.concat(fleet.drivers(config, seed, depot) for depot in depots),
        "traffic": pl.concat(fleet.traffic(seed, depot) for depot in depots),
        "assets": pl.concat(assets.assets(config, seed, site) for site in sites),
        **assets.workshops(config),
    }
    return _publish(config, lake, None, tables, np.random.default_rng([seed, 50]))


@ray.remote(num_cpus=1)
def _dc(config: WorldConfig, lake: str, seed: int, index: int) -> pl.DataFrame:
    dc, rng = catalogue.dc_id(index), np.random.default_rng([seed, 51, index])
    tables = {"signals": weather.signals(config, seed, index)}
    dirty = [_publish(config, lake, dc, tables, rng)]
    company = catalogue.catalogue(config, seed)
    for part, (sales, truth) in enumerate(demand.sales(config, seed, index, company)):
        dirty.append(_publish(config, lake, dc, {"sales": sales}, rng, part))
        _write(f"{lake}/_truth/demand/dc_id={dc}/part-{part}.parquet", truth)
    return pl.concat(dirty)


@ray.remote(num_cpus=1)
def _depot(config: WorldConfig, lake: str, seed: int, index: int) -> pl.DataFrame:
    rng = np.random.default_rng([seed, 52, index])
    tables = {"orders": fleet.orders(config, seed, index)}
    at_least = int(index == 0)  # a depot has too few orders for a share of them to be one
    return _publish(config, lake, fleet.depot_id(index), tables, rng, at_least=at_least)


@ray.remote(num_cpus=1)
def _assets(config: WorldConfig, lake: str, seed: int, site: assets.Site) -> pl.DataFrame:
    tables = assets.histories(config, seed, site)
    path = f"{lake}/_truth/failures/site_id={site.site_id}/part-0.parquet"
    _write(path, tables.pop("truth"))
    rng = np.random.default_rng([seed, 53, site.index])
    return _publish(config, lake, site.site_id, tables, rng)


@ray.remote(num_cpus=1)
def _warehouse(config: WorldConfig, lake: str, seed: int, index: int) -> pl.DataFrame:
    company, rng = catalogue.catalogue(config, seed), np.random.default_rng([seed, 54, index])
    tables = warehouse.warehouse(config, seed, index, company)
    site = warehouse.warehouse_id(index)
    return _publish(config, lake, site, tables, rng, at_least=int(index == 0))


def _publish(
    config: WorldConfig,
    lake: str,
    site_id: str | None,
    tables: dict[str, pl.DataFrame],
    rng: np.random.Generator,
    part: int = 0,
    at_least: int = 0,
) -> pl.DataFrame:
    """Write the tables of one site, or of the company, with their dirty rows; returns those."""
    dirty = [pl.DataFrame(schema=dirt.DIRTY)]
    for name, rows in tables.items():
        share = config.dirty_share
        soiled, known = dirt.soil(name, site_id, rows, share, rng, at_least)
        folder = f"{name}/{SITE_COLUMN[name]}={site_id}" if name in SITE_COLUMN else name
        _write(f"{lake}/{folder}/part-{part}.parquet", soiled)
        dirty.append(known)
    return pl.concat(dirty)


def _write(url: str, rows: pl.DataFrame) -> None:
    fs, path = at(url)
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    with fs.open(path, "wb") as file:
        rows.write_parquet(file, compression="zstd")
