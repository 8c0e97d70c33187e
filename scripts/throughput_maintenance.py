"""Sensor windows a second of a night that goes on from the one before, against a bare loop.

What bench_throughput.py does for workload=maintenance. The lake is a made fleet's daily telemetry
by site: HISTORY_DAYS days in one file and tonight's new day in another, with the events of all.
The night before, not counted, reads the history and remembers every sensor.

  night      task=maintenance: door, states of the night before, features, nets, explanations,
             risks and new states staged safely on disk, recorded, committed to Delta
  bare loop  the same features, nets and tables between pyarrow's Parquet reader and writer, in one
             process per core, without checks, records, Ray or Delta

One window is one asset on one day.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import bench_throughput as bench
import numpy as np
import polars as pl
import pyarrow.parquet as pq
from throughput_lake import CORES, processes

from logistics import registry
from logistics.config import Config, parse
from logistics.maintenance import batch, inputs
from logistics.maintenance.memory import Memory
from logistics.maintenance.model import loads, predict
from logistics.run import compose_config
from logistics.world.wear import COMPONENTS, NONE, SENSORS, live

EVE = date(2026, 3, 2)  # the night before the one that counts
HISTORY_DAYS = 60
ASSETS_PER_SITE = 2000


def main(options: argparse.Namespace, overrides: Sequence[str]) -> int:
    folder = Path(options.dir).resolve() / "maintenance"
    scales = sorted(int(n) for n in options.scale.split(","))
    settings = [f"models={folder / 'models'}", "cluster.dashboard=false", *overrides]
    config = partial(_config, folder, settings)
    for assets in scales:
        make(Path(config(assets, EVE).lake), assets)
    if registry.champion(config(scales[0], EVE).models, batch.WORKLOAD) is None:
        _train(folder, settings, config(scales[0], EVE))
    tonight = EVE + timedelta(days=1)
    nights = [bench.measured(config(n, tonight), config(n, EVE)) for n in scales]
    full = config(scales[-1], tonight)
    bare = _bare_loop(full)
    last = nights[-1]
    for night in nights:
        speed = night.series / night.seconds
        print(
            f"{night.series:,} windows in {night.seconds:.1f} s: {60 * speed:,.0f} a minute, "
            f"{1e6 * night.cpu_s / night.series:.1f} µs on a core each, peak of all processes "
            f"{night.peak_mib:,.0f} MiB, of the largest {night.largest_mib:,.0f}"
        )
        steps = ", ".join(f"{k} {1e6 * s / night.series:.1f}" for k, s in night.step_s.items())
        print(f"  µs by step: {steps}; commits {1e6 * night.commit_s / night.series:.1f}")
    print(
        f"bare loop: {60 * last.series / bare[0]:,.0f} a minute, {1e6 * bare[1] / last.series:.1f} "
        f"µs on a core each; of its speed per core the night has {bare[0] / last.seconds:.0%} by "
        f"the clock, {bare[1] / last.cpu_s:.0%} by time on a core ({CORES} cores, load "
        f"{os.getloadavg()[0]:.1f})"
    )
    if options.out:
        told = {"cores": CORES, "load": os.getloadavg(), "bare_loop_s": bare}
        report = told | {"nights": [asdict(night) for night in nights]}
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _config(folder: Path, settings: Sequence[str], assets: int, night: date) -> Config:
    places = [f"lake={folder / str(assets)}", f"plan={folder / f'{assets}_plan'}"]
    fixed = ["task=maintenance", f"date={night}", f"cluster.num_cpus={CORES}"]
    return parse(compose_config([*fixed, *places, *settings]))


def _train(folder: Path, settings: Sequence[str], config: Config) -> None:
    """For a moment, on the eve: what the model has learned costs no time."""
    brief = ["maintenance.train_steps=50", "maintenance.max_train_windows=5000"]
    places = [f"lake={config.lake}", f"plan={folder / 'train'}", f"date={EVE}"]
    told = ["task=train", "workload=maintenance", *places, *brief, *settings]
    subprocess.run([sys.executable, "-m", "logistics.run", *told], check=True)


# --- the lake ------------------------------------------------------------------------------------


def make(root: Path, assets: int) -> None:
    """A fleet's assets, daily telemetry and events, unless they are there."""
    if (root / "_whole").exists():
        return
    print(f"making {assets:,} assets under {root} …", file=sys.stderr)
    found = []
    for site, first in enumerate(range(0, assets, ASSETS_PER_SITE)):
        kind = list(COMPONENTS)[site % len(COMPONENTS)]
        found.append(_make_site(root, f"S{site:04d}", kind, min(ASSETS_PER_SITE, assets - first)))
    (root / "assets").mkdir()
    pl.concat(found).write_parquet(root / "assets" / "part-0.parquet")
    (root / "_whole").touch()


def _make_site(root: Path, site: str, kind: str, count: int) -> pl.DataFrame:
    rng = np.random.default_rng(int(site[1:]))
    days = HISTORY_DAYS + 1
    lives = live(rng, kind, count, np.arange(days) % 7)
    ids = np.array([f"A-{site}-{i:05d}" for i in range(count)])
    start = np.datetime64(EVE - timedelta(days=HISTORY_DAYS), "us")
    at = start + np.arange(days) * np.timedelta64(1, "D") + np.timedelta64(12, "h")
    columns = {
        "asset_id": np.repeat(ids, days),
        "at": np.tile(at, count),
        "load": lives.load.ravel(),
    }
    for row, component in enumerate(COMPONENTS[kind].values()):
        sensor = SENSORS[component.sensor]
        worn = sensor.new + sensor.worn * lives.wear[:, row] ** 1.6
        columns[component.sensor] = (
            worn + sensor.noise / 5 * rng.standard_normal(worn.shape)
        ).ravel()
    telemetry = pl.DataFrame(columns).with_columns(pl.col(pl.Float64).cast(pl.Float32))
    new = pl.col("at") >= pl.lit(EVE).cast(pl.Datetime("us"))
    for part, rows in enumerate((telemetry.filter(~new), telemetry.filter(new))):
        file = root / "telemetry" / f"site_id={site}" / f"part-{part}.parquet"
        rows.write_parquet(file, compression="zstd", mkdir=True)
    asset, day = (lives.failed[:, :-1] != NONE).nonzero()
    names = np.array(list(COMPONENTS[kind]))
    pl.DataFrame(
        {
            "asset_id": ids[asset],
            "at": at[day],
            "kind": ["failure"] * len(asset),
            "component": names[lives.failed[asset, day]],
        },
        schema_overrides={"kind": pl.String},
    ).write_parquet(root / "events" / f"site_id={site}" / "part-0.parquet", mkdir=True)
    return pl.DataFrame({"asset_id": ids}).with_columns(
        site_id=pl.lit(site),
        kind=pl.lit(kind),
        in_service=pl.lit(EVE - timedelta(days=900)),
        cost_of_failure=pl.lit(2000.0),
        cost_of_service=pl.lit(300.0),
    )


# --- the bare loop -------------------------------------------------------------------------------


def _bare_loop(config: Config) -> tuple[float, float]:
    """Seconds, and those on a core, for all assets of the lake, in one process per core."""
    print("bare loop …", file=sys.stderr)
    out = Path(config.plan).with_name("bare")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    sites = sorted((Path(config.lake) / "telemetry").iterdir())
    with processes() as pool:
        for started in [pool.submit(bare_site, config, sites[0].name, out) for _ in range(CORES)]:
            started.result()
        clock = time.perf_counter()
        work = [pool.submit(bare_site, config, site.name, out) for site in sites]
        cpu_s = sum(done.result() for done in work)
        return time.perf_counter() - clock, cpu_s


def bare_site(config: Config, site: str, out: Path) -> float:
    """Score one site's assets; the seconds on a core."""
    started = time.process_time()
    lake, options = Path(config.lake), config.maintenance
    telemetry = pl.DataFrame(
        pq.read_table(lake / "telemetry" / site / "part-1.parquet", partitioning=None)
    )
    events = pl.DataFrame(pq.read_table(lake / "events" / site, partitioning=None))
    assets = pl.read_parquet(lake / "assets" / "part-0.parquet").filter(site_id=site.split("=")[1])
    eve = Path(config.plan) / "sensor_states" / f"run_date={EVE}" / site
    states = pl.DataFrame(pq.read_table(eve, partitioning=None))
    memory, recipe = Memory(EVE, states), states["recipe"][0]
    given = (telemetry, events, assets, config.date, options.window_days, None, memory, recipe)
    found, kept = inputs.tonight(*given)
    card = registry.champion(config.models, batch.WORKLOAD)
    assert card is not None
    model = loads(registry.load(config.models, batch.WORKLOAD, card.version))
    seen = telemetry.group_by("asset_id").agg(last_seen=pl.col("at").max())
    about = assets.select("asset_id", "kind", pl.lit(None, pl.String).alias("workshop_id"))
    about = about.sort("asset_id").join(seen, on="asset_id", how="left", maintain_order="left")
    risks = batch.risk_rows(about, predict(model, found), config.date)
    for name, rows in (("risks", risks), ("sensor_states", kept)):
        pq.write_table(rows.to_arrow(), out / f"{site}-{os.getpid()}-{name}.parquet")
    return time.process_time() - started
