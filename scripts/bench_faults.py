#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); $d/setup test && exec $d/../.venv/bin/python "$0" "$@"'
"""What a night survives: real processes, real kills, on a Ray cluster of several nodes here.

    scripts/bench_faults.py [--faults NAME,…] [--out FILE.json] [--planned DIR] [OVERRIDE …]

A small company is planned once undisturbed; then once for every fault, on a plan of its own, and
every table is compared with the undisturbed one. A fault passes when the exit codes are those
promised, the sites that fail are the ones hit (named in `runs` with the reason), and all other rows
are the same. With --planned the company and its night are those at DIR/lake and DIR/plan, made with
the same overrides. Prints fault, outcome and seconds lost; exit code 1 when one does not pass.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
from faults import DAY, FAULTS, HERE, SMALL, Result, Site
from ray.cluster_utils import Cluster
from rich.console import Console
from rich.table import Table

from logistics import plan
from logistics.cluster import RAY_SETTINGS
from logistics.forecast.levels import COMPANY
from logistics.outputs import OUTPUTS
from logistics.outputs_forecast import FORECAST_LEVELS


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    names = list(FAULTS) if options.faults == "all" else options.faults.split(",")
    unknown = sorted(set(names) - FAULTS.keys())
    if unknown:
        print(f"no such fault: {', '.join(unknown)}; there are: {', '.join(FAULTS)}")
        return 2
    os.environ["PYTHONPATH"] = f"{HERE.parent}:{HERE}"
    os.environ.update(RAY_SETTINGS)
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        results = _try(Path(folder), names, options.planned, tuple(options.overrides) or SMALL)
    _print(results)
    if options.out:
        Path(options.out).write_text(json.dumps([asdict(r) for r in results], indent=1))
    return 0 if all(result.passed for result in results) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", default="all", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("overrides", nargs="*", help=f"default: {' '.join(SMALL)}")
    parser.add_argument("--planned", type=Path, help="a company whose night is planned already")
    parser.add_argument("--dir", help="where the plans go while it works")
    parser.add_argument("--out", help="write the results as JSON")
    return parser.parse_args(arguments)


def _try(
    folder: Path, names: Sequence[str], planned: Path | None, settings: tuple[str, ...]
) -> list[Result]:
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": False,
            "object_store_memory": 150 * 2**20,
        },
    )
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=150 * 2**20)
        first = planned or folder / "first"
        whole = Site(first, first / "plan" / "models", cluster.address, settings)
        results = [] if planned else _plan(whole, cluster)
        for name in names:
            site = replace(whole, folder=folder / name.replace(" ", "-"))
            site.folder.mkdir()
            shutil.copytree(whole.lake, site.lake)
            results.append(_one(name, site, whole, cluster))
        usual_s = {result.fault: result.seconds for result in results}.get("undisturbed")
        if usual_s is not None:
            for result in results:
                result.seconds_lost = result.seconds - usual_s
        return results
    finally:
        cluster.shutdown()


def _plan(whole: Site, cluster: Cluster) -> list[Result]:
    """Make and plan the company. Not measured, unless it fails: the first night trains the models
    and starts the cluster's workers."""
    making = whole.start("task=world")
    said = making.communicate()[0]
    if making.returncode:
        raise SystemExit(f"the company was not made: {said}")
    usual = _one("undisturbed", whole, None, cluster)
    return [] if usual.passed else [usual]


def _one(name: str, site: Site, whole: Site | None, cluster: Cluster) -> Result:
    function, exit_codes, hits = FAULTS[name]
    print(f"{name} …", file=sys.stderr, flush=True)
    started = time.perf_counter()
    result = function(site, cluster)
    result.fault, result.seconds = name, time.perf_counter() - started
    _judge(site, whole, result, hits)
    hit = {unit.partition("~")[0] for unit in result.failed}
    result.passed = (
        result.exit_codes == exit_codes
        and hit == hits
        and not result.different
        and "Traceback" not in result.said
        and "NOT " not in result.note
    )
    if not result.passed:
        print(result.said[-3000:], file=sys.stderr)
    return result


def _judge(site: Site, whole: Site | None, result: Result, hits: set[str]) -> None:
    """Fill in what `runs` and the tables say."""
    runs = plan.read_runs(str(site.plan))
    if runs is None:
        result.different = list(OUTPUTS)
        return
    newest = runs.sort("started_at")["run_id"][-1]
    last = runs.filter(pl.col("run_id") == newest, pl.col("workload") != "night")
    for row in last.iter_rows(named=True):
        result.failed |= dict(failure.split(": ", 1) for failure in row["failures"])
    result.reused = int(last["units_reused"].sum())
    if whole is None:
        return
    written = {rows["table"] for tables in last["rows_written"] for rows in tables} | {"rejects"}
    for table in written - ({"rejects"} if hits else set()):
        mine, theirs = (_rows(s, table, hits) for s in (site, whole))
        same = mine is theirs if mine is None or theirs is None else mine.equals(theirs)
        if not same:
            result.different.append(table)


def _rows(site: Site, table: str, without: set[str]) -> pl.DataFrame | None:
    rows = plan.read_plan(str(site.plan), table, DAY)
    if rows is None or not without:
        return rows
    if table == FORECAST_LEVELS.name and any(site_id.startswith("DC") for site_id in without):
        without = without | {COMPANY}  # whose sums lack what that DC would have added
    kept = rows.filter(~pl.col(OUTPUTS[table].site).is_in(list(without)))
    return None if kept.is_empty() else kept


def _print(results: Sequence[Result]) -> None:
    table = Table(box=None, header_style="dim")
    for column in (
        "fault",
        "exit",
        "failed alone",
        "rest",
        "reused",
        "s",
        "lost s",
        "passed",
        "note",
    ):
        table.add_column(column)
    for r in results:
        failed = ", ".join(sorted(r.failed)) or "nothing"
        rest = f"differs: {', '.join(r.different)}" if r.different else "identical"
        codes = " ".join(str(code) for code in r.exit_codes)
        lost = "–" if r.seconds_lost is None else f"{r.seconds_lost:.0f}"
        numbers = (str(r.reused), f"{r.seconds:.0f}", lost)
        table.add_row(r.fault, codes, failed, rest, *numbers, "✓" if r.passed else "✗", r.note)
    Console(width=150).print(table)
    for r in results:
        for unit, reason in r.failed.items():
            print(f"{r.fault}: {unit}: {reason}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
