#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); $d/setup bench && exec $d/../.venv/bin/python "$0" "$@"'
"""Our forecasts beside those of the libraries a team would take, on real sales.

    scripts/bench_forecast.py --data DIR [--horizon H] [--peers all|none|NAME,…] [--seeds N]
        [--max-series N] [--periods-cut P] --out FILE.json

DIR holds sales.parquet, dataset.json and perhaps items, sites and signals. The last H periods are
held out (with --periods-cut P those that end P periods before the last); every model gets the same
panel of what was before, and is judged on the same values: WQL at levels .1 to .9, WAPE and bias of
the mean, WAPE and WQL of each series' total over the horizon (where all of it is known), the share
of values within the 80 % interval, for periods and totals, seconds to train, and series forecast
per second. A model with a seed shows the median of its seeds, and in the JSON under "spread" the
lowest and the highest. Exit code 2: it could not be done.

A library that fits series by series trains nothing; its time is all in series per second.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import forecast_dataset as dataset
import numpy as np
from forecast_case import LEVELS, Array, Case, Forecaster, Outcome, Rows
from forecast_peers import PEERS, forecaster
from rich.console import Console
from rich.table import Table

from logistics.config import ForecastConfig, parse
from logistics.forecast import metrics
from logistics.forecast.model import predict
from logistics.forecast.train import fit
from logistics.run import compose_config

OURS = "ours"

Summary = dict[str, Any]  # a model's figures in the JSON
Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scores:
    """One model's figures; shares, but for seconds and series per second."""

    wql: float
    wape: float
    bias: float
    total_wape: float
    total_wql: float
    coverage80: float
    total_coverage80: float
    train_s: float
    series_per_s: float


METRICS = tuple(field.name for field in fields(Scores))


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    try:
        season, horizon = _described(options.data, options.horizon)
        panel, actual = dataset.load(options.data, horizon, periods_cut=options.periods_cut)
        rows = _sample(len(panel), options.max_series, options.seed)
        panel, actual = panel.take(rows), actual[rows]
        learn = _sample(len(panel), options.peer_train_series, options.seed + 1)
        case = Case(panel, season, learn, options.seed)
        report: Report = {"data": options.data.name, "horizon": horizon, "series": len(panel)}
        report["models"] = models = {}
        for name, runs in _judged(case, actual, options):
            models[name] = summary(runs)
            # A long run that is cut short leaves what it has.
            options.out.write_text(json.dumps(report, indent=1) + "\n")
    except (OSError, ValueError, KeyError, RuntimeError) as fault:
        print(f"bench_forecast: {options.data}: {_one_line(fault)}", file=sys.stderr)
        return 2
    _show(report, models)
    return 0


def _judged(
    case: Case, actual: Array, options: argparse.Namespace
) -> Iterator[tuple[str, list[Scores]]]:
    """Each model asked for, with the scores of each of its seeds."""
    if not options.only_peers:
        ours = partial(_ours, compose_forecast(case.panel.horizon))
        yield OURS, _seeds(OURS, ours, case, actual, options.seeds)
    for name in options.peers:
        seeds = options.peer_seeds if PEERS[name].seeded else 1
        yield name, _seeds(name, forecaster(name), case, actual, seeds)


def _seeds(name: str, model: Forecaster, case: Case, actual: Array, seeds: int) -> list[Scores]:
    runs = []
    for seed in range(case.seed, case.seed + seeds):
        print(f"{name}, seed {seed}, {len(case.panel):,} series …", file=sys.stderr)
        made = model(Case(case.panel, case.season, case.learn, seed))
        runs.append(score(actual, made))
        found = runs[-1]
        print(
            f"{name}: WQL {found.wql:.4f}, WAPE {found.wape:.4f}, total WAPE "
            f"{found.total_wape:.4f}, trained in {found.train_s:.0f} s, "
            f"{found.series_per_s:,.0f} series/s",
            file=sys.stderr,
        )
    return runs


def _ours(config: ForecastConfig, case: Case) -> Outcome:
    """Ours learns from every series: it draws its own sample."""
    h = case.panel.horizon
    started = time.perf_counter()
    model = fit([case.panel], config, case.seed).model
    train_s = time.perf_counter() - started
    started = time.perf_counter()
    made = predict(model, case.panel, device="cpu", total_periods=[h])
    spent = time.perf_counter() - started
    totals = made.total_mean[:, 0], made.total_quantiles[:, 0]
    return Outcome(made.mean, made.quantiles, *totals, train_s, spent)


def compose_forecast(horizon: int) -> ForecastConfig:
    """The settings of a night, for every data set the same."""
    overrides = ["lake=.", "date=2026-03-02", f"forecast.horizon_days={horizon}"]
    return parse(compose_config(overrides)).forecast


def score(actual: Array, made: Outcome) -> Scores:
    """actual (n, h) units, NaN unknown: left out, and so is a total with an unknown part."""
    total = actual.sum(axis=1)  # NaN stays NaN
    low, high = made.quantiles[..., 0], made.quantiles[..., -1]
    total_low, total_high = made.total_quantiles[:, 0], made.total_quantiles[:, -1]
    return Scores(
        metrics.wql(actual, made.quantiles, LEVELS),
        metrics.wape(actual, made.mean),
        metrics.bias(actual, made.mean),
        metrics.wape(total, made.total_mean),
        metrics.wql(total, made.total_quantiles, LEVELS),
        metrics.coverage(actual, low, high),
        metrics.coverage(total, total_low, total_high),
        made.train_s,
        len(actual) / made.predict_s,
    )


def summary(runs: Sequence[Scores]) -> Summary:
    """The median of each figure over seeds, and its lowest and highest."""
    table = {name: [asdict(run)[name] for run in runs] for name in METRICS}
    middle = {name: float(np.median(values)) for name, values in table.items()}
    spread = {name: [min(values), max(values)] for name, values in table.items()}
    return middle | {"seeds": len(runs), "spread": spread}


def _described(folder: Path, horizon: int | None) -> tuple[int, int]:
    """Season and horizon, in periods."""
    about = json.loads((folder / "dataset.json").read_text())
    return int(about["season"]), horizon or int(about["horizon"])


def _sample(count: int, most: int | None, seed: int) -> Rows:
    """Rows in order: all of them, or as many as wanted, drawn by the seed."""
    if most is None or most >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _show(report: Report, models: Mapping[str, Summary]) -> None:
    title = f"{report['data']}: {report['series']:,} series, {report['horizon']} periods ahead"
    table = Table(title=title, box=None, header_style="dim", title_justify="left")
    for column in ("model", *(name.replace("_", " ") for name in METRICS), "WQL of seeds"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name, found in sorted(models.items(), key=lambda item: float(item[1]["wql"])):
        shares = [f"{found[metric]:.3f}" for metric in METRICS[:-2]]
        speed = [f"{found['train_s']:,.0f}", f"{found['series_per_s']:,.0f}"]
        low, high = found["spread"]["wql"]
        spread = f"{low:.3f}–{high:.3f} ({found['seeds']})" if found["seeds"] > 1 else ""
        table.add_row(name, *shares, *speed, spread)
    Console(width=150).print(table)


def _one_line(fault: BaseException) -> str:
    text = (
        str(fault)
        if isinstance(fault, OSError | ValueError)
        else f"{type(fault).__name__}: {fault}"
    )
    return " ".join(text.split())


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of one data set")
    parser.add_argument("--horizon", type=_natural, help="periods; else dataset.json's")
    parser.add_argument("--peers", default="all", help=f"all, none or some of {', '.join(PEERS)}")
    parser.add_argument("--seeds", type=_natural, default=3, help="of ours")
    parser.add_argument("--peer-seeds", type=_natural, default=1, help="of peers that have one")
    parser.add_argument("--max-series", type=_natural, help="train and judge on a sample")
    parser.add_argument(
        "--peer-train-series", type=_natural, default=10_000, help="peers learn from"
    )
    parser.add_argument("--periods-cut", type=int, default=0, help="as if these had not come yet")
    parser.add_argument("--only-peers", action="store_true", help="leave ours out")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    chosen = {"all": list(PEERS), "none": []}
    options.peers = chosen.get(options.peers, options.peers.split(","))
    unknown = [name for name in options.peers if name not in PEERS]
    if unknown:
        parser.error(f"--peers: no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if options.only_peers and not options.peers:
        parser.error("--only-peers with --peers none leaves nothing to do")
    for name in options.peers:
        if library := PEERS[name].missing():
            parser.error(f"--peers: {name} needs {library}: run scripts/setup bench")
    return options


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
