#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); "$d/setup" && exec "$d/../.venv/bin/python" "$0" "$@"'
"""Where a night's time and memory go: runs one, samples the memory of all its processes.

    scripts/bench_night.py world=city            # any arguments of logistics.run

Prints wall seconds, the peak of memory over the driver and every Ray process (proportional set
size: shared pages count once, so the object store is in it), and each workload's seconds by step
from the `runs` table.
"""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from logistics.plan import read_runs
from logistics.run import compose_config

SAMPLE_S = 2.0


def main(arguments: Sequence[str]) -> int:
    config = compose_config(arguments)
    started = time.perf_counter()
    night = subprocess.Popen([sys.executable, "-m", "logistics.run", *arguments])
    peak = [0]
    watch = threading.Thread(target=_watch, args=(night.pid, peak), daemon=True)
    watch.start()
    code = night.wait()
    wall = time.perf_counter() - started
    print(
        f"\nexit code {code}, {wall:.0f} s, peak memory {peak[0] / 2**30:.2f} GiB in all processes"
    )
    if Path(str(config["plan"]), "runs").is_dir():
        _print_steps(str(config["plan"]))
    return code


def _watch(pid: int, peak: list[int]) -> None:
    while psutil.pid_exists(pid):
        peak[0] = max(peak[0], sum(memory(pid).values()))
        time.sleep(SAMPLE_S)


def memory(pid: int) -> dict[int, int]:
    """Process → bytes, of the process and all below it; Ray's daemons stay its children."""
    sizes = {}
    with contextlib.suppress(psutil.Error):
        driver = psutil.Process(pid)
        for process in [driver, *driver.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                sizes[process.pid] = process.memory_full_info().pss
    return sizes


def _print_steps(plan: str) -> None:
    runs = read_runs(plan)
    assert runs is not None
    newest = runs.sort("started_at").tail(1)["run_id"].item()
    table = Table(box=None, header_style="dim")
    for column in ("workload", "wall s", "units", "steps: seconds summed over units"):
        table.add_column(column)
    for row in runs.filter(run_id=newest).sort("started_at").to_dicts():
        steps = ", ".join(f"{s['step']} {s['seconds']:.1f}" for s in row["step_seconds"])
        table.add_row(row["workload"], f"{row['seconds']:.1f}", str(row["units"]), steps)
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
