#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); $d/setup test && exec $d/../.venv/bin/python "$0" "$@"'
"""What a second node brings: each workload on one node of one core, then on two of one core each.

    scripts/bench_nodes.py [--repeat 2] [--out FILE.json]

Efficiency is the seconds on one node over twice the seconds on two, of the workload's row in `runs`
(Ray's start and the company's tables are not in it), the best of --repeat nights each, the first of
which starts the workers. The machine's own limit stands above them: a bare loop alone, then two at
once. And one giant site: a DC is given as many sales as all others together, then the same rows are
spread over all DCs; the ratio of the two nights' seconds is told.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from ray.cluster_utils import Cluster
from rich.console import Console
from rich.table import Table

from logistics.cluster import RAY_SETTINGS
from logistics.plan import read_runs

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = ("forecast", "maintenance", "routes", "slotting")
COMPANY = (
    "world.num_dcs=24",
    "world.skus_per_dc=1000",
    "world.num_depots=24",
    "world.orders_per_depot=100",
    "world.num_assets=4800",
    "world.num_warehouses=24",
    "world.slots_per_warehouse=2000",
    "deterministic=true",
    "routes.iterations_per_depot=300",
    "maintenance.solve_deterministic_time=1",
    "resume=false",
    "date=2026-03-02",
)
BARE = """
import time, polars, torch
torch.set_num_threads(1)
def work():
    layer, rows = torch.nn.Linear(256, 256), torch.ones(512, 256)
    for _ in range(400):
        layer(rows)
    polars.arange(0, 3_000_000, eager=True).shuffle(0).sort()
work()
started = time.perf_counter()
for _ in range(15):
    work()
print(time.perf_counter() - started)
"""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--out")
    options = parser.parse_args(arguments)
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ.update(RAY_SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        seconds = _seconds(Path(folder), options.repeat)
    found = {
        name: {"one": one, "two": two, "efficiency": one / (2 * two)}
        for name, (one, two) in seconds.items()
        if name != "giant"
    }
    giant, even = seconds["giant"]
    _print(found, giant, even)
    if options.out:
        result = {"nodes": found, "giant_s": giant, "even_s": even}
        Path(options.out).write_text(json.dumps(result, indent=1))
    return 0


def _seconds(folder: Path, repeat: int) -> dict[str, tuple[float, float]]:
    """Workload → seconds on one node and on two; giant → with the giant site and without it."""
    lake = folder / "lake"
    _night(folder, lake, None, "task=world")
    for workload in ("forecast", "maintenance"):  # models are no part of what is timed
        _night(folder, lake, None, "task=train", f"workload={workload}")
    seconds: dict[str, list[float]] = {"bare loop": [_bare(1), _bare(2)]}
    seconds |= {name: [] for name in WORKLOADS}
    for nodes in (1, 2):
        with _cluster(nodes) as cluster:
            for name in WORKLOADS:
                times = [_timed(folder, lake, cluster, name) for _ in range(repeat)]
                seconds[name].append(min(times))
            if nodes == 2:
                giant = _giant(folder, lake)
                alone = min(_timed(folder, giant, cluster, "forecast") for _ in range(repeat))
                even = _even(folder, lake)
                spread = min(_timed(folder, even, cluster, "forecast") for _ in range(repeat))
    found = {name: (one, two) for name, (one, two) in seconds.items()}
    return found | {"giant": (alone, spread)}


def _bare(processes: int) -> float:
    """Seconds for two portions of the work, by so many processes at once."""
    one_thread = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    running = [
        subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE, env=one_thread)
        for _ in range(processes)
    ]
    seconds = [float(process.communicate()[0]) for process in running]
    return 2 * max(seconds) / processes


@contextmanager
def _cluster(nodes: int) -> Iterator[str]:
    """The address of so many nodes of one core each, beside a head that does no work."""
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 300 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=1, object_store_memory=300 * 2**20)
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def _timed(folder: Path, lake: Path, cluster: str, task: str) -> float:
    plan = _night(folder, lake, cluster, f"task={task}")
    runs = read_runs(str(plan))
    assert runs is not None
    mine = runs.filter(pl.col("workload") == task).sort("started_at")
    assert mine["status"][-1] == "done", mine["failures"][-1]
    return float(mine["seconds"][-1])


def _night(folder: Path, lake: Path, cluster: str | None, *more: str) -> Path:
    plan = folder / f"{lake.name}_plan"
    where = f"cluster.address={cluster}" if cluster else "cluster.dashboard=false"
    arguments = [f"lake={lake}", f"plan={plan}", f"models={folder / 'models'}", where, *COMPANY]
    night = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "logistics.run", *arguments, *more],
        capture_output=True,
        text=True,
    )
    if night.returncode:
        raise SystemExit(f"{' '.join(more)} ended with {night.returncode}: {night.stderr}")
    return plan


def _giant(folder: Path, lake: Path) -> Path:
    """A lake whose first DC has as many sales as all others together: more SKUs, the same days."""
    parts = {p.name: pl.read_parquet(p / "*.parquet") for p in sorted((lake / "sales").iterdir())}
    first, *others = parts
    copies = len(others)
    more = [_renamed(parts[first], n) for n in range(copies)]
    return _write(folder / "giant", lake, parts | {first: pl.concat(more)})


def _even(folder: Path, lake: Path) -> Path:
    """The same number of rows as in `_giant`, spread over all DCs."""
    parts = {p.name: pl.read_parquet(p / "*.parquet") for p in sorted((lake / "sales").iterdir())}
    num = len(parts)
    some = pl.col("sku_id").hash() % num < num - 2
    spread = {n: pl.concat([rows, _renamed(rows.filter(some), 1)]) for n, rows in parts.items()}
    return _write(folder / "even", lake, spread)


def _renamed(rows: pl.DataFrame, copy: int) -> pl.DataFrame:
    return rows.with_columns(pl.col("sku_id") + f"-{copy}") if copy else rows


def _write(to: Path, lake: Path, sales: dict[str, pl.DataFrame]) -> Path:
    for table in lake.iterdir():
        if table.name != "sales":
            to.mkdir(exist_ok=True)
            (to / table.name).symlink_to(table)
    for name, rows in sales.items():
        (to / "sales" / name).mkdir(parents=True)
        rows.write_parquet(to / "sales" / name / "part-0.parquet")
    return to


def _print(found: dict[str, dict[str, float]], giant: float, even: float) -> None:
    table = Table(box=None, header_style="dim")
    for column in ("workload", "one node s", "two nodes s", "efficiency"):
        table.add_column(column, justify="right")
    for name, row in found.items():
        table.add_row(name, f"{row['one']:.1f}", f"{row['two']:.1f}", f"{row['efficiency']:.0%}")
    Console(width=100).print(table)
    print(f"one DC with half of all sales: {giant:.1f} s; the same rows spread: {even:.1f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
