"""Puts the made company on Ray: one task per site, straight to partitioned Parquet.

Knows fsspec and Ray; what is made is in the files beside it. `_world.json` is written last, so a
half-made lake is never taken for a whole one.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import fsspec
import numpy as np
import polars as pl
import ray

from logistics.config import WorldConfig
from logistics.world import assets, demand, dirt, fleet, warehouse

VERSION = 1  # of the generator: another one makes other lakes
Tables = dict[str, pl.DataFrame]
SITE_COLUMN = {
    "sales": "dc_id",
    "signals": "dc_id",
    "orders": "depot_id",
    "telemetry": "site_id",
    "events": "site_id",
    "slots": "warehouse_id",
    "order_lines": "warehouse_id",
}


class WorldError(ValueError):
    """A lake that holds something else than the company asked for."""


def exists(config: WorldConfig, lake: str, seed: int) -> bool:
    """Whether the lake holds this company, whole. Raises WorldError when it holds another."""
    fs, root = fsspec.core.url_to_fs(lake)
    if not fs.exists(f"{root}/_world.json"):
        return False
    found = json.loads(fs.cat_file(f"{root}/_world.json"))
    wanted = _marker(config, seed)
    if found != wanted:
        raise WorldError(
            f"lake={lake} holds another made company ({found.get('world', {}).get('name')}, "
            f"seed {found.get('seed')}) or one of an older version; "
            "choose another lake=, or make it anew with task=world"
        )
    return True


def generate(
    config: WorldConfig, lake: str, seed: int, progress: Callable[[str, int, int], None]
) -> None:
    """Make the company at `lake`, replacing what a made company left there."""
    fs, root = fsspec.core.url_to_fs(lake)
    if fs.exists(root) and fs.ls(root) and not fs.exists(f"{root}/_world.json"):
        _refuse_foreign(fs.ls(root, detail=False), lake)
    if fs.exists(root):
        fs.rm(root, recursive=True)
    jobs = [
        _company.remote(config, lake, seed),
        *(_dc.remote(config, lake, seed, i) for i in range(config.num_dcs)),
        *(_depot.remote(config, lake, seed, i) for i in range(config.num_depots)),
        *(_assets.remote(config, lake, seed, site) for site in assets.sites(config)),
        *(_warehouse.remote(config, lake, seed, i) for i in range(config.num_warehouses)),
    ]
    total, dirty, waiting = len(jobs), [], jobs
    progress("making the company", 0, total)
    while waiting:
        done, waiting = ray.wait(waiting)
        dirty += [row for rows in ray.get(done) for row in rows]
        progress("making the company", total - len(waiting), total)
    schema = {"table": pl.String, "site": pl.String, "fault": pl.String}
    _write(lake, "_truth/dirty", "", pl.DataFrame(sorted(dirty), schema=schema, orient="row"))
    fs.pipe_file(f"{root}/_world.json", json.dumps(_marker(config, seed), indent=1).encode())


def _marker(config: WorldConfig, seed: int) -> dict[str, Any]:
    world = json.loads(json.dumps(asdict(config), default=str))
    return {"version": VERSION, "seed": seed, "world": world}


def _refuse_foreign(paths: Sequence[str], lake: str) -> None:
    """A lake that was interrupted while being made has `_truth`; anything else is not ours."""
    if not any(path.rstrip("/").endswith("/_truth") for path in paths):
        raise WorldError(f"lake={lake} is not empty and not a made company; choose another lake=")


Dirty = list[tuple[str, str, str]]


@ray.remote(num_cpus=1)
def _company(config: WorldConfig, lake: str, seed: int) -> Dirty:
    """The tables no site owns."""
    _write(lake, "_truth/company", "", pl.DataFrame({"seed": [seed]}))
    depots = range(config.num_depots)
    sites = assets.sites(config)
    tables = {
        "items": demand.items(config, seed),
        "promotions": demand.promotions(config, seed),
        "prices": demand.prices(config, seed),
        "depots": fleet.depots(config, seed),
        "vehicles": pl.concat([fleet.vehicles(config, seed, depot) for depot in depots]),
        "drivers": pl.concat([fleet.drivers(config, seed, depot) for depot in depots]),
        "traffic": pl.concat([fleet.traffic(config, seed, depot) for depot in depots]),
        "assets": pl.concat([assets.assets(config, seed, site) for site in sites]),
        **assets.workshops(config),
    }
    return _write_soiled(config, lake, "", tables, np.random.default_rng([seed, 50]))


@ray.remote(num_cpus=1)
def _dc(config: WorldConfig, lake: str, seed: int, index: int) -> Dirty:
    dc, rng = demand.dc_id(index), np.random.default_rng([seed, 51, index])
    tables = {"signals": demand.signals(config, seed, index)}
    dirty = _write_soiled(config, lake, dc, tables, rng)
    for part, (sales, truth) in enumerate(demand.sales(config, seed, index)):
        dirty += _write_soiled(config, lake, dc, {"sales": sales}, rng, part)
        _write(lake, "_truth/demand", f"dc_id={dc}", truth, part)
    return dirty


@ray.remote(num_cpus=1)
def _depot(config: WorldConfig, lake: str, seed: int, index: int) -> Dirty:
    rng = np.random.default_rng([seed, 52, index])
    tables = {"orders": fleet.orders(config, seed, index)}
    return _write_soiled(config, lake, fleet.depot_id(index), tables, rng)


@ray.remote(num_cpus=1)
def _assets(config: WorldConfig, lake: str, seed: int, site: assets.Site) -> Dirty:
    if not site.asset_ids:
        return []
    tables = assets.histories(config, seed, site)
    _write(lake, "_truth/failures", f"site_id={site.site_id}", tables.pop("truth"))
    rng = np.random.default_rng([seed, 53, site.index])
    return _write_soiled(config, lake, site.site_id, tables, rng)


@ray.remote(num_cpus=1)
def _warehouse(config: WorldConfig, lake: str, seed: int, index: int) -> Dirty:
    tables = {
        "slots": warehouse.slots(config, seed, index),
        "order_lines": warehouse.order_lines(config, seed, index),
    }
    rng = np.random.default_rng([seed, 54, index])
    return _write_soiled(config, lake, warehouse.warehouse_id(index), tables, rng)


def _write_soiled(
    config: WorldConfig,
    lake: str,
    site: str,
    tables: Tables,
    rng: np.random.Generator,
    part: int = 0,
) -> Dirty:
    """Write the tables of one site with their dirty rows; returns those."""
    dirty = []
    for name, rows in tables.items():
        soiled, faults = dirt.soil(name, rows, config.dirty_share, rng)
        _write(
            lake, name, f"{SITE_COLUMN[name]}={site}" if name in SITE_COLUMN else "", soiled, part
        )
        dirty += [(name, site, fault) for fault in faults]
    return dirty


def _write(lake: str, table: str, folder: str, rows: pl.DataFrame, part: int = 0) -> None:
    fs, root = fsspec.core.url_to_fs("/".join(p for p in (lake, table, folder) if p))
    fs.makedirs(root, exist_ok=True)
    with fs.open(f"{root}/part-{part}.parquet", "wb") as file:
        rows.write_parquet(file, compression="zstd")
