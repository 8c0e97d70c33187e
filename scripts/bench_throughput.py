#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); "$d/setup" test && "$d/../.venv/bin/python" "$0" "$@"'
"""Series a second from a lake on disk to committed Delta tables, against a bare loop without Ray.

    scripts/bench_throughput.py workload=forecast                       # 50,000 and 200,000 series
    scripts/bench_throughput.py workload=forecast --scale 200,400 world.skus_per_dc=100
    scripts/bench_throughput.py workload=maintenance        # assets; see throughput_maintenance.py

The lake is the forecast's part of the national world, kept under --dir: sales of 730 days by DC,
hive-partitioned, dirty rows and all, with promotions, prices, items and signals. A smaller scale is
the first files of the largest one, by hard links. A model is trained for a moment: what it has
learned costs no time.

  night      task=forecast on a Ray that has run once before: door, panel, network, 90 days × nine
             quantiles and totals, staged safely on disk, recorded, committed to Delta
  bare loop  the same panel, network and tables between pyarrow's Parquet reader and writer, in one
             process per core, without checks, records, Ray or Delta

Both on all cores this process may use (taskset limits them); on a busy machine the time on a core
tells more than the clock, but for the waiting until files are safe on disk. Memory is the night's,
of all its processes as proportional set size, sampled twice a second. Where the time goes is
measured on one DC in one process. --peers names a JSON file of bench_forecast.py.
"""

import argparse
import json
import multiprocessing as mp
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import ParamSpec, TypeVar

import polars as pl
import psutil
import pyarrow.parquet as pq
import throughput_maintenance
from bench_night import memory
from rich.console import Console
from rich.table import Table
from throughput_lake import COMPANY, CORES, link, make, processes

from logistics import lake, night, outcome, plan, registry
from logistics.cluster import WORKER_ENVIRONMENT, start_ray
from logistics.config import Config, parse
from logistics.forecast import inputs
from logistics.forecast.batch import Forecaster, forecaster
from logistics.forecast.published import categories_of
from logistics.forecast.totals import days, totals
from logistics.run import compose_config
from logistics.units import Run, Unit
from logistics.world import demand

SAMPLE_S = 0.5
SCORED = {"forecast": "series", "maintenance": "assets"}  # workload → the figure it is counted by

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Night:
    """series forecast in seconds, of which commit_s in the driver; step_s: summed over units.

    cpu_s: of all its processes, which others on the machine hardly change.
    """

    series: int
    units: int
    startup_s: float
    seconds: float
    cpu_s: float
    commit_s: float
    step_s: dict[str, float]
    peak_mib: float = 0.0
    largest_mib: float = 0.0


def main(arguments: Sequence[str]) -> int:
    options, overrides = _options(arguments)
    os.environ |= WORKER_ENVIRONMENT
    if options.workload == "workload=maintenance":
        return throughput_maintenance.main(options, overrides)
    folder, scales = Path(options.dir).resolve(), sorted(int(n) for n in options.scale.split(","))
    settings = [f"models={folder / 'models'}", "cluster.dashboard=false", *overrides]
    config = partial(_config, folder, settings)
    full = config(scales[-1])
    of_file = min(demand.SKUS_PER_CHUNK, full.world.skus_per_dc)
    small = config(of_file)
    make(full, scales[-1])
    for scale in {of_file, *scales} - {scales[-1]}:
        link(Path(full.lake), Path(config(scale).lake), scale // of_file)
    if registry.champion(small.models, "forecast") is None:
        _train(folder, settings, small)
    nights = [measured(config(scale), small) for scale in scales]
    bare = _bare_loop(full)
    with processes() as pool:  # one whose libraries have seen the environment when loaded
        steps = pool.submit(where_time_goes, full).result()
    report = _report(nights, bare, steps, options.peers)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _config(folder: Path, settings: Sequence[str], series: int) -> Config:
    """The config of a night over so many series; the world's size is that of the largest lake."""
    places = [f"lake={folder / str(series)}", f"plan={folder / f'{series}_plan'}"]
    fixed = ["task=forecast", "world=national", "date=2026-03-02", f"cluster.num_cpus={CORES}"]
    return parse(compose_config([*fixed, *places, *settings]))


def _train(folder: Path, settings: Sequence[str], small: Config) -> None:
    brief = ["forecast.train_steps=20", "forecast.max_train_series=200", f"lake={small.lake}"]
    told = ["task=train", "workload=forecast", f"date={small.date}", f"plan={folder / 'train'}"]
    command = [sys.executable, "-m", "logistics.run", *told, *brief, *settings]
    subprocess.run(command, check=True)


# --- the night -----------------------------------------------------------------------------------


def measured(config: Config, small: Config) -> Night:
    """A night in a process of its own, its memory watched from here."""
    print(f"night of {Path(config.lake).name} series …", file=sys.stderr)
    ours, theirs = mp.get_context("spawn").Pipe()
    process = mp.get_context("spawn").Process(target=_night, args=(theirs, config, small))
    process.start()
    theirs.close()
    peaks = [0, 0]
    watch = threading.Thread(target=_watch, args=(process, peaks), daemon=True)
    watch.start()
    try:
        done: Night = ours.recv()
    except EOFError:
        raise SystemExit("the night crashed") from None
    process.join()
    total, largest = (size / 2**20 for size in peaks)
    return Night(**{**asdict(done), "peak_mib": total, "largest_mib": largest})


def _watch(process: mp.process.BaseProcess, peaks: list[int]) -> None:
    while process.is_alive() and process.pid:
        sizes = memory(process.pid).values()
        peaks[0], peaks[1] = max(peaks[0], sum(sizes)), max(peaks[1], *sizes, 0)
        time.sleep(SAMPLE_S)


def _night(told: Connection, config: Config, small: Config) -> None:
    for place in {config.plan, small.plan}:
        shutil.rmtree(place, ignore_errors=True)
    started = time.perf_counter()
    start_ray(config)
    run_night(small)
    startup_s = time.perf_counter() - started
    committed = [0.0]
    plan.commit = _timed(plan.commit, committed)  # the driver's own: tasks commit nothing
    started, before = time.perf_counter(), _cpu_s()
    done = run_night(config)
    seconds, cpu_s = time.perf_counter() - started, _cpu_s() - before
    made = done.outcomes[config.task]
    series, steps = int(made.figures[SCORED[config.task]]), dict(made.step_seconds)
    told.send(Night(series, made.units, startup_s, seconds, cpu_s, committed[0], steps))


def _cpu_s() -> float:
    """Seconds on a core of this process and all below it that are still there."""
    this = psutil.Process()
    times = [process.cpu_times() for process in [this, *this.children(recursive=True)]]
    return float(sum(spent.user + spent.system for spent in times))


def run_night(config: Config) -> outcome.Night:
    done = night.run_night(config, lambda what, done, total: None, threading.Event())
    if not done.complete:
        failures = [made.failures for made in done.outcomes.values()]
        raise RuntimeError(f"the night is not whole: {failures} {done.unrecorded}")
    return done


def _timed(function: Callable[P, T], seconds: list[float]) -> Callable[P, T]:
    def timed(*args: P.args, **kwargs: P.kwargs) -> T:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[0] += time.perf_counter() - started

    return timed


# --- the bare loop -------------------------------------------------------------------------------


def _bare_loop(config: Config) -> tuple[float, float]:
    """Seconds, and those on a core, for all series of the lake, in one process per core."""
    print("bare loop …", file=sys.stderr)
    out = Path(config.plan).with_name("bare")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    sites = sorted((Path(config.lake) / "sales").iterdir())
    first = sites[0] / "part-000.parquet"
    with processes() as pool:
        warm = [pool.submit(bare_site, config, [first], out / f"warm-{n}") for n in range(CORES)]
        for started in warm:
            started.result()
        clock = time.perf_counter()
        work = [
            pool.submit(bare_site, config, sorted(site.glob("*.parquet")), out / site.name)
            for site in sites
        ]
        cpu_s = sum(site.result() for site in work)
        return time.perf_counter() - clock, cpu_s


def bare_site(config: Config, files: Sequence[Path], out: Path) -> float:
    """Forecast one site's files; the seconds on a core."""
    started = time.process_time()
    sales = pl.concat([_bare_sales(file) for file in files])
    root = Path(config.lake)
    signals = pl.read_parquet(root / "signals" / files[0].parent.name / "*.parquet")
    signals = signals.drop_nulls(["date", "value"])
    promotions, prices, items = (
        pl.read_parquet(root / name / "*.parquet") for name in ("promotions", "prices", "items")
    )
    items = items.unique("sku_id")
    settings = config.forecast
    days_of = (settings.horizon_days, settings.context_days)
    series = inputs.panel(sales, promotions, prices, signals, items, config.date, *days_of)
    forecast = _forecaster(config)(categories_of(series, items), series)
    out.mkdir()
    of_totals = totals(series, forecast, settings.service_level)
    for name, rows in (("days", days(series, forecast)), ("totals", of_totals)):
        keys = [column for column in ("sku_id", "date", "horizon_days") if column in rows.columns]
        file = out / f"{name}.parquet"
        pq.write_table(rows.to_arrow(), file, compression="snappy", use_dictionary=keys)
    return time.process_time() - started


def _bare_sales(file: Path) -> pl.DataFrame:
    rows = pl.DataFrame(pq.ParquetFile(file, read_dictionary=["sku_id"]).read())
    # A row without its key cannot be placed, nor can less than nothing be logged: no other checks.
    rows = rows.drop_nulls(["sku_id", "date"]).cast({pl.Float64: pl.Float32})
    return rows.with_columns(pl.col("units").clip(0), dc_id=pl.lit(file.parent.name))


def _forecaster(config: Config) -> Forecaster:
    """The night's own."""
    card = registry.champion(config.models, "forecast")
    assert card is not None
    return forecaster(config.models, card.version, "cpu")


# --- where the time goes -------------------------------------------------------------------------


def where_time_goes(config: Config) -> dict[str, float]:
    """Step → microseconds on a core per series, of the first DC in this process."""
    print("one DC by steps …", file=sys.stderr)
    run, site = Run("bench", config), lake.units(config.lake, ["sales"], 10**6)[0]
    settings, seconds = config.forecast, dict[str, float]()

    def timed(step: str, work: Callable[[], T]) -> T:
        started = time.process_time()
        done = work()
        seconds[step] = time.process_time() - started
        return done

    files = sorted(Path(config.lake, "sales", f"dc_id={site.site_id}").glob("*.parquet"))
    read = partial(pq.ParquetFile, read_dictionary=["sku_id"])
    timed("of which pyarrow's reading", lambda: [read(file).read() for file in files])
    company = lake.enter(run, lake.COMPANY, COMPANY, {}).tables
    entry = timed("door", lambda: lake.enter(run, site, ("sales", "signals"), company))
    sales, signals = (entry.tables[name] for name in ("sales", "signals"))
    items, promotions, prices = (company[name] for name in COMPANY)
    days_of = (settings.horizon_days, settings.context_days)
    given = (sales, promotions, prices, signals, items, config.date, *days_of)
    series = timed("panel", lambda: inputs.panel(*given))
    answer, categories = _forecaster(config), categories_of(series, items)
    forecast = timed("features and network", lambda: answer(categories, series))
    made = timed(
        "tables",
        lambda: {
            "forecasts": days(series, forecast),
            "forecast_totals": totals(series, forecast, settings.service_level),
        },
    )
    timed("Parquet and staging", lambda: plan.publish(run, Unit(site.site_id), made))
    return {step: 1e6 * spent / len(series) for step, spent in seconds.items()}


# --- the report ----------------------------------------------------------------------------------


def _report(
    nights: Sequence[Night], bare: tuple[float, float], steps: dict[str, float], peers: Path | None
) -> dict[str, object]:
    last = nights[-1]
    table = Table(box=None, header_style="dim")
    for column in ("", "series", "s", "series/s", "per core", "CPU µs/series", "peak MiB"):
        table.add_column(column, justify="left" if not column else "right")
    rows = [("night", n.series, n.seconds, n.cpu_s, f"{n.peak_mib:,.0f}") for n in nights]
    for name, series, seconds, cpu_s, mib in [*rows, ("bare loop", last.series, *bare, "")]:
        speed = series / seconds
        cells = (f"{series:,}", f"{seconds:.1f}", f"{speed:,.0f}", f"{speed / CORES:,.0f}")
        table.add_row(name, *cells, f"{1e6 * cpu_s / series:.1f}", mib)
    Console(width=110).print(table)
    shares = bare[0] / last.seconds, bare[1] / last.cpu_s
    print(
        f"{CORES} cores, load {os.getloadavg()[0]:.1f}; of the bare loop's speed per core the night"
    )
    print(f"has {shares[0]:.0%} by the clock, {shares[1]:.0%} by time on a core")
    print(f"Ray's start and a first small night: {last.startup_s:.1f} s, not counted")
    spent = ", ".join(f"{name} {1e6 * s / last.series:.1f}" for name, s in last.step_s.items())
    print(
        f"µs/series in the night's units: {spent}; commits {1e6 * last.commit_s / last.series:.1f}"
    )
    print("µs on a core per series, of one DC in one process:")
    for step, cost in steps.items():
        print(f"  {step:<28}{cost:8.1f}")
    others = json.loads(peers.read_text())["models"] if peers else {}
    for name, figures in others.items():
        if figures.get("series_per_s"):
            print(f"  {last.series / last.seconds / figures['series_per_s']:8.1f} × {name}")
    told = {"cores": CORES, "load": os.getloadavg(), "bare_loop_s": bare, "shares": shares}
    return told | {"nights": [asdict(n) for n in nights], "us_per_series": steps}


def _options(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workload", choices=["workload=forecast", "workload=maintenance"])
    scales = "series or assets, one night each: thousands, or whole DCs"
    parser.add_argument("--scale", default="50000,200000", help=scales)
    parser.add_argument("--dir", default=".night/throughput")
    parser.add_argument("--peers", type=Path, help="JSON file of bench_forecast.py")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
