#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); "$d/setup" bench && "$d/../.venv/bin/python" "$0" "$@"'
"""Sales rows to series features, our units against PySpark, raw polars and Ray's own shuffle.

    scripts/bench_features.py                          # 10 million rows, about five minutes
    scripts/bench_features.py --output parquet --out features.json --only polars,units

Every engine reads one lake (sales hive-partitioned by DC, one row per series and day, written day
by day, and promotions) and makes the same columns: lags of 1, 7 and 28 days, means of the 7 and 28
days before, and the day's highest promotion. --output says what becomes of them: sums (one checksum
per column, as in a night, whose features stay in memory) or parquet (every row written, zstd, and
read back after the clock has stopped). Start-up, measured apart, ends with a run on a tiny lake.
Exit code 1: the checksums of two engines differ.

The engines, on all cores of this machine:
  polars         one process, all threads
  units          a night's way: one Ray task per site, through lake.enter with its contract check
  units-no-door  the same without that check, reading with polars alone: what Ray itself costs
  ray-shuffle    ray.data repartitioned by series, then the same polars function per block
  spark          PySpark with window functions, promotions broadcast
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:  # each engine imports its own: that is part of its start-up
    import pyarrow as pa
    import ray
    from pyspark.sql import SparkSession

    from logistics.units import Parcel, Run

LAGS = (1, 7, 28)
MEANS = (7, 28)
COLUMNS = (*(f"lag_{n}" for n in LAGS), *(f"mean_{n}" for n in MEANS), "discount")
DAYS = 500
PROMOTIONS_PER_SKU = 6
SHUFFLE_BLOCKS = 4
# Of 2, 4 and 8 shuffle partitions, with and without the broadcast, the fastest on two cores.
SPARK_PARTITIONS = 4

Sums = Mapping[str, float]  # rows, and the sum of every feature


@dataclass(frozen=True, slots=True)
class Done:
    """What one run of an engine made. seconds: by step, summed over units, where there are any."""

    sums: Sums
    seconds: Mapping[str, float] = field(default_factory=dict)


Work = Callable[[Path, Path | None], Done]  # (lake, folder to write features to) → Done
Engine = Callable[[], AbstractContextManager[Work]]
Dims: TypeAlias = "ray.ObjectRef[pl.DataFrame]"  # the promotions


@dataclass(frozen=True, slots=True)
class Timing:
    """One engine's figures: start-up with its tiny run, then every measured run."""

    startup_s: float
    work_s: list[float]
    done: Done


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    # pandera imports PySpark where it finds it.
    warnings.filterwarnings("ignore", "PySpark does not yet", FutureWarning)
    load = os.getloadavg()[0]
    skus = max(1, options.rows // (options.sites * DAYS))
    timings = {}
    with tempfile.TemporaryDirectory(prefix="bench-features-") as temporary:
        root = Path(temporary)
        make(root / "tiny", options.sites, 2, options.seed)
        make(root / "lake", options.sites, skus, options.seed)
        for name in options.only:
            print(f"{name} …", file=sys.stderr)
            timings[name] = measure(ENGINES[name], root, options.output, options.repeat)
    series = options.sites * skus
    print(f"{series * DAYS:,} rows, {series:,} series, output: {options.output}")
    show(timings)
    faults = differences({name: timing.done.sums for name, timing in timings.items()})
    print("\n".join(faults) or "the checksums of all engines are equal")
    if options.out:
        about = {"rows": series * DAYS, "series": series, "cpus": os.cpu_count(), "load": load}
        asked = {key: getattr(options, key) for key in ("sites", "seed", "output")}
        engines = {name: asdict(timing) for name, timing in timings.items()}
        report = about | asked | {"engines": engines, "differences": faults}
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if faults else 0


def features(sales: pl.LazyFrame, promotions: pl.LazyFrame, series: Sequence[str]) -> pl.LazyFrame:
    """Every sales row with its features; null where no day is so long ago.

    series: the columns that name one series; a series has one row per day. A mean over the days
    before is of those there are. Sorting by date alone is enough for `over`, and a sixth of the
    cost of sorting by series and date.
    """
    units = pl.col("units")
    lags = [units.shift(n).over(series).alias(f"lag_{n}") for n in LAGS]
    means = [
        units.shift(1).rolling_mean(n, min_samples=1).over(series).alias(f"mean_{n}") for n in MEANS
    ]
    days = promotions.select("sku_id", "discount", date=pl.date_ranges("start", "end"))
    highest = days.explode("date").group_by("sku_id", "date").agg(pl.col("discount").max())
    return (
        sales.sort("date")
        .with_columns(*lags, *means)
        .join(highest, on=["sku_id", "date"], how="left")
        .with_columns(pl.col("discount").fill_null(0.0))
    )


def finish(rows: pl.LazyFrame, file: Path | None) -> Sums:
    """The sums of the features, or none when they are written to a file instead."""
    if file is None:
        return _sums(rows)
    rows.collect().write_parquet(file, compression="zstd", mkdir=True)
    return {}


def _sums(rows: pl.LazyFrame) -> Sums:
    totals = rows.select(pl.len().cast(pl.Float64).alias("rows"), pl.col(COLUMNS).sum())
    return totals.collect().to_dicts()[0]


@contextmanager
def polars() -> Iterator[Work]:
    def work(lake: Path, out: Path | None) -> Done:
        sales = pl.scan_parquet(lake / "sales/**/*.parquet", hive_partitioning=True)
        promotions = pl.scan_parquet(lake / "promotions/*.parquet")
        rows = features(sales, promotions, ("dc_id", "sku_id"))
        return Done(finish(rows, out and out / "part-0.parquet"))

    yield work


@contextmanager
def units(door: bool) -> Iterator[Work]:
    with _ray() as run:
        yield partial(_by_units, run, door)


def _by_units(run: "Run", door: bool, folder: Path, out: Path | None) -> Done:
    import ray

    from logistics import lake
    from logistics.units import Parcel, add_figures, from_rows, map_rows, to_rows

    run = replace(run, config=replace(run.config, lake=str(folder), plan=f"{folder}_plan"))
    sites = lake.units(run.config.lake, ["sales"], run.config.cluster.max_unit_mb)
    company = lake.enter(run, lake.COMPANY, ["promotions"], {})
    unit = partial(_unit, run, ray.put(company.tables["promotions"]), door, out)
    rows = ray.data.from_arrow([to_rows([Parcel(site)]) for site in sites])
    step = partial(map_rows, "unit", unit)
    done = rows.map_batches(step, batch_format="pyarrow", batch_size=1, num_cpus=1)
    batches = done.iter_batches(batch_size=None, batch_format="pyarrow")
    parcels = [parcel for batch in batches for parcel in from_rows(batch)]
    failures = [parcel.failure for parcel in parcels if parcel.failure]
    if failures:
        raise RuntimeError(failures[0])
    steps = ("door", "unit")
    return Done(add_figures(parcels), {s: sum(p.seconds.get(s, 0) for p in parcels) for s in steps})


def _unit(run: "Run", dims: Dims, door: bool, out: Path | None, parcel: "Parcel") -> "Parcel":
    import ray

    from logistics import lake

    promotions = ray.get(dims)
    started = time.perf_counter()
    unit = parcel.unit
    if door:
        sales = lake.enter(run, unit, ["sales"], {}).tables["sales"].lazy()
    else:
        assert unit.buckets == 1, "units-no-door reads whole sites: give more --sites"
        sales = pl.scan_parquet(f"{run.config.lake}/sales/dc_id={unit.site_id}/*.parquet")
    entered = time.perf_counter() - started
    file = out and out / f"dc_id={unit.site_id}" / f"{unit.id}.parquet"
    sums = finish(features(sales, promotions.lazy(), ["sku_id"]), file)
    return replace(parcel, figures=sums, seconds={"door": entered})


@contextmanager
def _ray() -> "Iterator[Run]":
    """Ray as a night starts it; the dashboard is off, as is Spark's."""
    import ray

    from logistics.cluster import start_ray
    from logistics.config import parse
    from logistics.run import compose_config
    from logistics.units import Run

    config = parse(compose_config(["lake=.", "date=2026-03-02", "cluster.dashboard=false"]))
    start_ray(config)
    try:
        yield Run("bench", config)
    finally:
        ray.shutdown()


@contextmanager
def ray_shuffle() -> Iterator[Work]:
    import ray

    def work(lake: Path, out: Path | None) -> Done:
        promotions = ray.put(pl.read_parquet(lake / "promotions/*.parquet"))
        sales = ray.data.read_parquet(str(lake / "sales"))
        blocks = sales.repartition(SHUFFLE_BLOCKS, keys=["dc_id", "sku_id"])
        step = partial(_block, promotions, out)
        done = blocks.map_batches(step, batch_format="pyarrow", batch_size=None)
        sums = pl.DataFrame(done.take_all()).sum()
        return Done({} if out else sums.to_dicts()[0])

    with _ray():
        yield work


def _block(dims: Dims, out: Path | None, rows: "pa.Table") -> "pa.Table":
    import ray

    sales = pl.DataFrame(rows).lazy()
    file = out and out / f"{ray.get_runtime_context().get_task_id()}.parquet"
    made = features(sales, ray.get(dims).lazy(), ("dc_id", "sku_id"))
    return pl.DataFrame(finish(made, file) or {"rows": 0.0}).to_arrow()


@contextmanager
def spark() -> Iterator[Work]:
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    from pyspark.sql import SparkSession

    settings: dict[str, bool | float | int | str | None] = {
        "spark.driver.memory": "4g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": False,
        "spark.ui.showConsoleProgress": False,
        "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": SPARK_PARTITIONS,
        "spark.sql.parquet.compression.codec": "zstd",
    }
    builder = SparkSession.builder.master(f"local[{os.cpu_count()}]").config(map=settings)
    session = builder.getOrCreate()
    try:
        yield partial(_by_windows, session)
    finally:
        session.stop()


def _by_windows(session: "SparkSession", lake: Path, out: Path | None) -> Done:
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    promotions = session.read.parquet(str(lake / "promotions"))
    dates = f.explode(f.sequence("start", "end")).alias("date")
    days = promotions.select("sku_id", "discount", dates).groupBy("sku_id", "date")
    highest = f.broadcast(days.agg(f.max("discount").alias("discount")))
    series = Window.partitionBy("dc_id", "sku_id").orderBy("date")
    before = {n: series.rowsBetween(-n, -1) for n in MEANS}
    rows = (
        session.read.parquet(str(lake / "sales"))
        .withColumns({f"lag_{n}": f.lag("units", n).over(series) for n in LAGS})
        .withColumns({f"mean_{n}": f.avg("units").over(before[n]) for n in MEANS})
        .join(highest, ["sku_id", "date"], "left")
        .fillna(0.0, ["discount"])
    )
    if out is not None:
        rows.write.parquet(str(out))
        return Done({})
    totals = rows.agg(f.count("*").alias("rows"), *(f.sum(c).alias(c) for c in COLUMNS))
    return Done({name: float(total) for name, total in totals.collect()[0].asDict().items()})


ENGINES: dict[str, Engine] = {
    "polars": polars,
    "units": partial(units, door=True),
    "units-no-door": partial(units, door=False),
    "ray-shuffle": ray_shuffle,
    "spark": spark,
}


def make(lake: Path, sites: int, skus: int, seed: int) -> None:
    """Write sales and promotions of some sites, each selling the same SKUs on DAYS days."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"S-{i:05d}" for i in range(skus)])
    days = np.datetime64("2024-01-01") + np.arange(DAYS)
    for site in range(sites):
        demand, price = rng.gamma(1.5, 4, skus), rng.integers(100, 5000, skus) / 100
        units = rng.poisson(np.tile(demand, DAYS)).astype(np.float64)
        sales = {"sku_id": np.tile(ids, DAYS), "date": np.repeat(days, skus)}
        sales |= {"units": units, "price": np.tile(price, DAYS)}
        file = lake / "sales" / f"dc_id=DC-{site:02d}" / "part-0.parquet"
        pl.DataFrame(sales).write_parquet(file, mkdir=True)
    count = PROMOTIONS_PER_SKU * skus
    starts = rng.integers(0, DAYS - 14, count)
    promotions = {
        "promo_id": [f"P-{i}" for i in range(count)],
        "sku_id": ids[rng.integers(0, skus, count)],
        "start": days[starts],
        "end": days[starts + rng.integers(2, 14, count)],
        "kind": ["price"] * count,
        "discount": rng.integers(1, 10, count) / 20,
    }
    pl.DataFrame(promotions).write_parquet(lake / "promotions" / "part-0.parquet", mkdir=True)


def measure(engine: Engine, root: Path, output: str, repeat: int) -> Timing:
    """Start an engine, run it on the tiny lake, then time it on the big one."""
    out = root / "features" if output == "parquet" else None
    started = time.perf_counter()
    with engine() as work:
        work(root / "tiny", out)
        startup = time.perf_counter() - started
        seconds = []
        for _ in range(repeat):
            shutil.rmtree(root / "features", ignore_errors=True)
            clock = time.perf_counter()
            done = work(root / "lake", out)
            seconds.append(time.perf_counter() - clock)
    if out is not None:
        done = replace(done, sums=_sums(pl.scan_parquet(out / "**/*.parquet")))
        shutil.rmtree(out)
    return Timing(startup, seconds, done)


def differences(made: Mapping[str, Sums]) -> list[str]:
    """The checksums of each engine that are not the first one's, to a relative 1e-9."""
    first, *others = made
    return [
        f"{other}: {name} is {made[other].get(name)}, not {value} as {first} says"
        for other in others
        for name, value in made[first].items()
        if not isclose(made[other].get(name, 0.0), value, rel_tol=1e-9)
    ]


def show(timings: Mapping[str, Timing]) -> None:
    """Print the table: best run of each engine, and the ratios to PySpark and raw polars."""
    table = Table(box=None, header_style="dim")
    for column in ("engine", "start-up s", "work s", "all runs", "× faster than spark", "× polars"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    best = {name: min(timing.work_s) for name, timing in timings.items()}
    for name, timing in timings.items():
        runs = " ".join(f"{seconds:.2f}" for seconds in timing.work_s)
        faster = f"{best['spark'] / best[name]:.1f}" if "spark" in best else ""
        slower = f"{best[name] / best['polars']:.2f}" if "polars" in best else ""
        table.add_row(name, f"{timing.startup_s:.1f}", f"{best[name]:.2f}", runs, faster, slower)
    Console(width=110).print(table)
    for name, timing in timings.items():
        if timing.done.seconds:
            share = timing.done.seconds["door"] / timing.done.seconds["unit"]
            print(f"{name}: {share:.0%} of its units' time passed before the features began")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="of sales, about")
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=3, help="measured runs; the best counts")
    parser.add_argument("--output", choices=("sums", "parquet"), default="sums")
    parser.add_argument("--only", help="engines, comma-separated: " + ", ".join(ENGINES))
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",") if options.only else list(ENGINES)
    unknown = sorted(set(options.only) - set(ENGINES))
    if unknown:
        parser.error(f"--only: no engine {', '.join(unknown)}; there are {', '.join(ENGINES)}")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
