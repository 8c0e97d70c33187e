#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); "$d/setup" && exec "$d/../.venv/bin/python" "$0" "$@"'
"""What a night costs as the company grows: memory of the driver and of all workers, and seconds per
series, order, asset and SKU.

    scripts/bench_scale.py [--world city] [--scales 1,10] [--dir DIR] [--out FILE] [key=value …]

For each scale a company with that many times the DCs, depots, assets and warehouses is made under
--dir (kept there, so that a second run finds it) and planned with models trained at the first
scale. Memory is sampled over the night as proportional set size, so shared pages, the object store
among them, count once. Seconds are those of the steps, as `runs` has them: time on a core, when
nothing else runs on the machine. key=value goes to every night.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
import psutil
from bench_night import memory
from rich.console import Console
from rich.table import Table

from logistics.plan import read_runs
from logistics.run import compose_config

GROWING = ("num_dcs", "num_depots", "num_assets", "num_warehouses")
# workload → the figure that counts its entities
PER = {"forecast": "series", "routes": "orders", "maintenance": "assets", "slotting": "skus"}
SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Night:
    """One night's measures. cost_ms: workload → milliseconds of its steps per entity."""

    scale: int
    entities: dict[str, int]
    rows_read: int
    wall_s: float
    driver_mib: float
    all_mib: float
    largest_worker_mib: float
    cost_ms: dict[str, float]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--world", default="city")
    parser.add_argument("--scales", default="1,10")
    parser.add_argument("--dir", default=".night/scale")
    parser.add_argument("--out")
    options, overrides = parser.parse_known_args(arguments)
    folder = Path(options.dir).resolve()
    nights = []
    for scale in (int(text) for text in options.scales.split(",")):
        nights.append(_measure(folder, options.world, scale, overrides))
        _print(nights)
    if options.out:
        Path(options.out).write_text(json.dumps([asdict(n) for n in nights], indent=1))
    return 0


def _measure(folder: Path, world: str, scale: int, overrides: Sequence[str]) -> Night:
    base = compose_config([f"world={world}"])["world"]
    assert isinstance(base, dict)
    lake, plan = folder / f"{world}-{scale}", folder / f"{world}-{scale}_plan"
    arguments = [f"world={world}", f"lake={lake}", f"plan={plan}", f"models={folder / 'models'}"]
    arguments += [f"world.{key}={base[key] * scale}" for key in GROWING]
    arguments += [f"date={base['date']}", "deterministic=true", "resume=false", *overrides]
    if not (lake / "_world.json").exists():
        _run([*arguments, "task=world"])
    for workload in ("forecast", "maintenance"):
        if not (folder / "models" / workload).exists():
            _run([*arguments, "task=train", f"workload={workload}"])
    started = time.perf_counter()
    night = subprocess.Popen([sys.executable, "-m", "logistics.run", *arguments])
    peaks = {"driver": 0, "all": 0, "worker": 0}
    watch = threading.Thread(target=_watch, args=(night.pid, peaks), daemon=True)
    watch.start()
    code = night.wait()
    if code not in (0, 1):
        raise SystemExit(f"the night of scale {scale} ended with {code}")
    return _night(plan, scale, time.perf_counter() - started, peaks)


def _run(arguments: Sequence[str]) -> None:
    if subprocess.run([sys.executable, "-m", "logistics.run", *arguments]).returncode:
        raise SystemExit(f"failed: {' '.join(arguments)}")


def _watch(pid: int, peaks: dict[str, int]) -> None:
    while psutil.pid_exists(pid):
        by_process = memory(pid)
        peaks["all"] = max(peaks["all"], sum(by_process.values()))
        peaks["driver"] = max(peaks["driver"], by_process.get(pid, 0))
        others = [size for process, size in by_process.items() if process != pid]
        peaks["worker"] = max(peaks["worker"], *others, 0)
        time.sleep(SAMPLE_S)


def _night(plan: Path, scale: int, wall_s: float, peaks: dict[str, int]) -> Night:
    runs = read_runs(str(plan))
    assert runs is not None
    newest = runs.sort("started_at")["run_id"][-1]
    rows = {row["workload"]: row for row in runs.filter(run_id=newest).iter_rows(named=True)}
    entities, cost_ms = {}, {}
    for workload, figure in PER.items():
        figures = {f["name"]: f["value"] for f in rows[workload]["figures"]}
        entities[figure] = int(figures[figure])
        seconds = sum(step["seconds"] for step in rows[workload]["step_seconds"])
        cost_ms[workload] = 1000 * seconds / entities[figure]
    read = runs.filter(pl.col("run_id") == newest)["counts"].explode().struct["rows_in"].sum()
    mib = {name: size / 2**20 for name, size in peaks.items()}
    return Night(
        scale, entities, int(read or 0), wall_s, mib["driver"], mib["all"], mib["worker"], cost_ms
    )


def _print(nights: Sequence[Night]) -> None:
    table = Table(box=None, header_style="dim")
    for column in ("scale", "rows read", "wall s", "driver MiB", "largest worker", "all processes"):
        table.add_column(column, justify="right")
    for name, figure in PER.items():
        table.add_column(f"{name} ms/{figure}", justify="right")
    for night in nights:
        costs = [f"{night.cost_ms[name]:.2f}" for name in PER]
        sizes = [f"{n:,.0f}" for n in (night.driver_mib, night.largest_worker_mib, night.all_mib)]
        table.add_row(
            f"×{night.scale}", f"{night.rows_read:,}", f"{night.wall_s:,.0f}", *sizes, *costs
        )
    console = Console(width=150)
    console.print(table)
    widest = max(night.all_mib for night in nights)
    for night in nights:
        for what, mib in (("driver", night.driver_mib), ("all", night.all_mib)):
            bar = "█" * max(round(50 * mib / widest), 1)
            console.print(f"×{night.scale:<4} {what:<8} {bar} {mib:,.0f} MiB")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
