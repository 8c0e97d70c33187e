#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); "$d/setup" && exec "$d/../.venv/bin/python" "$0" "$@"'
"""Many depots in one night: how long, how far from plans with much more time, how well on 2 cores.

    scripts/bench_depots.py [--depots 50] [--orders 200] [--seconds 10] [--cores 2] [--sample 4]
        [--long 60] [--dir DIR] [--out FILE]

Makes a company under --dir and runs its routes: every depot with --seconds of a core each; the
first --sample of them again with --long seconds each, for the gap; and those with a fixed count of
iterations on one core and on --cores, for the efficiency. Costs are those of `route_kpis`,
penalties of dropped orders included. Seconds are the run's own, without Ray's start.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from logistics.plan import read_plan, read_runs
from logistics.run import compose_config

ITERATIONS = 3000  # some ten seconds of a depot: what starting workers takes is little beside


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("depots", 50), ("orders", 200), ("cores", 2), ("sample", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--long", type=float, default=60.0)
    parser.add_argument("--dir", type=Path, default=Path(".night/depots"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    lake = _lake(options.dir.resolve(), options.depots, options.orders)
    few = _some(lake, options.sample)
    cores, budget = f"cluster.num_cpus={options.cores}", "routes.seconds_per_depot"
    all_s, short = _night(lake, cores, f"{budget}={options.seconds}")
    _, long = _night(few, cores, f"{budget}={options.long}")
    fixed = ("deterministic=true", f"routes.iterations_per_depot={ITERATIONS}")
    one_s, _ = _night(few, "cluster.num_cpus=1", *fixed)
    many_s, _ = _night(few, cores, *fixed)
    both = long.join(short, on="depot_id", suffix="_short")
    gap = float(both["cost_short"].sum()) / float(both["cost"].sum()) - 1
    report = {
        "depots": short.height,
        "orders": int(short["orders"].sum()),
        "unserved": int(short["unserved"].sum()),
        "cost": round(float(short["cost"].sum())),
        "seconds": round(all_s, 1),
        "sample": both.height,
        "cost_sample": round(float(both["cost_short"].sum())),
        "cost_sample_long": round(float(both["cost"].sum())),
        "above_long_pct": round(100 * gap, 2),
        "seconds_one_core": round(one_s, 1),
        "seconds_cores": round(many_s, 1),
        "efficiency_pct": round(100 * one_s / many_s / options.cores, 1),
    }
    print(json.dumps(report, indent=1))
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _lake(folder: Path, depots: int, orders: int) -> Path:
    """A company of so many depots, and of little else."""
    lake = folder / f"{depots}x{orders}"
    if not (lake / "_world.json").exists():
        sizes = f"world.num_depots={depots} world.orders_per_depot={orders} "
        sizes += f"world.vehicles_per_depot={round(orders / 13)} world.num_assets={2 * depots} "
        sizes += "world.num_dcs=1 world.skus_per_dc=20 world.history_days=60 "
        sizes += "world.telemetry_days=10 world.num_warehouses=1 world.slots_per_warehouse=40"
        _run("world=demo", f"lake={lake}", "task=world", *sizes.split())
    return lake


def _some(lake: Path, num: int) -> Path:
    """The same company with the orders of its first depots only."""
    few = lake.with_name(f"{lake.name}-{num}")
    if not few.exists():
        keep = sorted((lake / "orders").glob("depot_id=*"))[:num]
        shutil.copytree(
            lake, few, ignore=lambda at, names: names if Path(at).name == "orders" else ()
        )
        for part in keep:
            shutil.copytree(part, few / "orders" / part.name)
    return few


def _night(lake: Path, *options: str) -> tuple[float, pl.DataFrame]:
    """Seconds of the routes, and each depot's cost."""
    plan = lake.with_name(f"{lake.name}_plan")
    day = date.fromisoformat(str(compose_config(["world=demo"])["date"]))
    asked = ("world=demo", "deterministic=false", "resume=false", f"date={day}", *options)
    _run(f"lake={lake}", f"plan={plan}", "task=routes", *asked)
    runs, kpis = read_runs(str(plan)), read_plan(str(plan), "route_kpis", day)
    assert runs is not None
    assert kpis is not None
    newest = runs.filter(workload="routes").sort("started_at").tail(1)
    cost = (pl.col("cost") + pl.col("penalties")).alias("cost")
    return float(newest["seconds"].item()), kpis.select("depot_id", "orders", "unserved", cost)


def _run(*options: str) -> None:
    if subprocess.run([sys.executable, "-m", "logistics.run", *options]).returncode not in (0, 1):
        raise SystemExit(f"failed: {' '.join(options)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
