#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); $d/setup bench && exec $d/../.venv/bin/python "$0" "$@"'
"""Remaining life and risk of failure as a night would tell them, beside those of usual models.

    scripts/bench_maintenance.py --data DIR --out FILE.json [--seeds N] [--peers all|none|NAME,…]
                                 [--companies N]

DIR is one C-MAPSS subset (train.parquet, test.parquet, rul.parquet) or the lake of a made company
(task=world), which is judged with others like it, N in all. Every one is trained with the same
settings, those of conf/maintenance; the code is the night's own. Peers see the same readings,
already made alike where there are operating regimes. Further arguments are settings of ours,
as maintenance.hidden=32.

C-MAPSS: at the last cycle of each test unit RMSE and NASA's score (prediction and truth capped at
125 cycles), RMSE against the uncapped truth, coverage and width of the 80 % interval, RMSE with a
quarter of the sensors missing (each unit its own, drawn by the seed), seconds to train with
calibration, and windows a second from features to answer. Figures are means over seeds.

A lake: see maintenance_fleet.py. Exit code 2: it could not be done.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import maintenance_case
import maintenance_fleet
import numpy as np
import polars as pl
from maintenance_case import NIGHT, Case, Tables
from maintenance_companies import companies
from maintenance_peers import PEERS, Predictor, Readings
from rich.console import Console
from rich.table import Table

from logistics.config import MaintenanceConfig, parse
from logistics.maintenance import inputs, metrics, regimes
from logistics.maintenance.features import Reals
from logistics.maintenance.model import RiskModel, predict
from logistics.maintenance.regimes import Regimes
from logistics.maintenance.survival import LIFE_CAP_DAYS
from logistics.maintenance.train import fit
from logistics.maintenance.windows import SensorWindows
from logistics.run import compose_config

OURS = "ours"
MISSING = 0.25  # of the sensors
Summary = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scores:
    """One model and seed; NaN where a model tells no interval."""

    rmse: float
    rmse_uncapped: float
    nasa_score: float
    coverage80: float
    width80: float
    rmse_quarter_missing: float
    train_s: float
    windows_per_s: float


def main(arguments: Sequence[str]) -> int:
    options, overrides = _options(arguments)
    config = parse(compose_config(["lake=.", "date=2026-03-02", *overrides])).maintenance
    try:
        if (options.data / "rul.parquet").exists():
            report = _cmapss(maintenance_case.load(options.data), config, options)
            _show(report)
        else:
            fleets = companies(options.data, options.companies)
            report = maintenance_fleet.report(fleets, config, options.peers, options.seeds)
            maintenance_fleet.show(report)
    except (OSError, ValueError, KeyError, ImportError, pl.exceptions.PolarsError) as fault:
        words = " ".join(f"{type(fault).__name__}: {fault}".split())
        print(f"bench_maintenance: {options.data}: {words}", file=sys.stderr)
        return 2
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _cmapss(case: Case, config: MaintenanceConfig, options: argparse.Namespace) -> Summary:
    conditions = _regimes(case)
    models: dict[str, Summary] = {}
    for name in (OURS, *options.peers):
        runs = []
        for seed in range(options.seeds):
            if name == OURS:
                runs.append(_ours(case, config, seed))
            else:
                runs.append(_peer(name, case, conditions, seed))
            found = asdict(runs[-1])
            told = ", ".join(f"{metric} {value:.4g}" for metric, value in found.items())
            print(f"{case.name} {name}, seed {seed}: {told}", file=sys.stderr)
        models[name] = _summary(runs)
    return {"data": case.name, "seeds": options.seeds, "models": models}


def _summary(runs: Sequence[Scores]) -> Summary:
    table = {name: [asdict(run)[name] for run in runs] for name in asdict(runs[0])}
    found = {name: float(np.mean(values)) for name, values in table.items()}
    return {name: None if np.isnan(value) else value for name, value in found.items()}


# --- ours ----------------------------------------------------------------------------------------


def _ours(case: Case, config: MaintenanceConfig, seed: int) -> Scores:
    train = case.train
    started = time.perf_counter()
    conditions = _regimes(case)
    most, window_days = config.max_train_windows, config.window_days
    learnt = inputs.examples(
        train.telemetry, train.events, train.assets, case.end, window_days, most, seed, conditions
    )
    model = fit(*learnt, config, seed).model
    train_s = time.perf_counter() - started
    asked = _asked(case, config, conditions, case.test.telemetry)
    answer = predict(model, asked)
    interval = answer.likely_days
    actual = np.minimum(case.life_days, LIFE_CAP_DAYS)
    less = _asked(case, config, conditions, without_sensors(case.test.telemetry, seed))
    return Scores(
        *_errors(case, answer.life_days),
        coverage80=float(np.mean((interval[:, 0] <= actual) & (actual <= interval[:, 1]))),
        width80=float(np.mean(interval[:, 1] - interval[:, 0])),
        rmse_quarter_missing=metrics.rmse(actual, predict(model, less).life_days),
        train_s=train_s,
        windows_per_s=_speed(case, config, conditions, model),
    )


def _regimes(case: Case) -> Regimes | None:
    return regimes.find(regimes.sample(case.train.telemetry, regimes.SAMPLE, seed=0))


def _asked(
    case: Case, config: MaintenanceConfig, conditions: Regimes | None, telemetry: pl.DataFrame
) -> SensorWindows:
    test = case.test
    return inputs.windows(
        telemetry, test.events, test.assets, [NIGHT], config.window_days, conditions
    )


def without_sensors(telemetry: pl.DataFrame, seed: int) -> pl.DataFrame:
    """A quarter of the sensors of each asset is never heard."""
    sensors = regimes.sensors_of(telemetry)
    ids = telemetry["asset_id"].unique().sort()
    rng = np.random.default_rng([seed, 1])
    count = round(MISSING * len(sensors))
    order = rng.permuted(np.tile(np.arange(len(sensors)), (len(ids), 1)), axis=1)
    lost = np.argsort(order, axis=1) < count
    table = pl.DataFrame(
        {"asset_id": ids} | {f"{s}|lost": lost[:, i] for i, s in enumerate(sensors)}
    )
    return telemetry.join(table, on="asset_id", how="left", maintain_order="left").select(
        *(c for c in telemetry.columns if c not in sensors),
        *(pl.when(~pl.col(f"{sensor}|lost")).then(sensor).alias(sensor) for sensor in sensors),
    )


def _speed(
    case: Case, config: MaintenanceConfig, conditions: Regimes | None, model: RiskModel
) -> float:
    """Windows a second on one core: readings to answers, of every unit on each of its last days."""
    days = [NIGHT - timedelta(days=n) for n in range(50)]
    test, started = case.test, time.perf_counter()
    found = inputs.windows(
        test.telemetry, test.events, test.assets, days, config.window_days, conditions
    )
    predict(model, found)
    return len(found) / (time.perf_counter() - started)


# --- peers ---------------------------------------------------------------------------------------


def _peer(name: str, case: Case, conditions: Regimes | None, seed: int) -> Scores:
    train, test = (readings(tables, conditions) for tables in (case.train, case.test))
    started = time.perf_counter()
    predictor: Predictor = PEERS[name](train, seed)
    train_s = time.perf_counter() - started
    started = time.perf_counter()
    told = predictor(test).astype(np.float64)
    predict_s = time.perf_counter() - started
    blind = replace(case.test, telemetry=without_sensors(case.test.telemetry, seed))
    less = predictor(readings(blind, conditions)).astype(np.float64)
    actual = np.minimum(case.life_days, LIFE_CAP_DAYS)
    return Scores(
        *_errors(case, told),
        coverage80=float("nan"),
        width80=float("nan"),
        rmse_quarter_missing=metrics.rmse(actual, np.clip(less, 0, LIFE_CAP_DAYS)),
        train_s=train_s,
        windows_per_s=float(test.cycles.sum()) / predict_s,
    )


def readings(tables: Tables, conditions: Regimes | None) -> Readings:
    """Sensors by unit and cycle, made alike over regimes."""
    rows = regimes.normalise(tables.telemetry, conditions).sort("asset_id", "at")
    sensors = regimes.sensors_of(rows)
    unit = rows["asset_id"].rank("dense").to_numpy().astype(np.int64) - 1
    cycle = rows.select(pl.int_range(pl.len()).over("asset_id")).to_series().to_numpy()
    cycles = np.bincount(unit)
    values = np.full((len(cycles), int(cycles.max()), len(sensors)), np.nan, np.float32)
    values[unit, cycle] = rows.select(pl.col(sensors).cast(pl.Float32)).to_numpy()
    return Readings(values, cycles)


# --- the report ----------------------------------------------------------------------------------


def _errors(case: Case, told: Reals) -> tuple[float, float, float]:
    """RMSE, RMSE against the uncapped truth, NASA's score."""
    capped = np.clip(told, 0, LIFE_CAP_DAYS)
    actual = np.minimum(case.life_days, LIFE_CAP_DAYS)
    return (
        metrics.rmse(actual, capped),
        metrics.rmse(case.life_days, capped),
        metrics.nasa_score(actual, capped),
    )


def _show(report: Mapping[str, Any]) -> None:
    table = Table(title=report["data"], box=None, header_style="dim", title_justify="left")
    models = report["models"]
    for column in ("model", *(name.replace("_", " ") for name in next(iter(models.values())))):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name, found in models.items():
        table.add_row(name, *("" if v is None else f"{v:,.4g}" for v in found.values()))
    Console(width=150).print(table)


def _options(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="a C-MAPSS subset, or a made lake")
    parser.add_argument("--peers", default="all", help=f"all, none or some of {', '.join(PEERS)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--companies", type=int, default=5, help="made ones in all")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the figures")
    options, overrides = parser.parse_known_args(arguments)
    options.peers = {"all": list(PEERS), "none": []}.get(options.peers, options.peers.split(","))
    if unknown := [name for name in options.peers if name not in PEERS]:
        parser.error(f"--peers: no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if min(options.seeds, options.companies) < 1:
        parser.error("--seeds, --companies: at least one")
    return options, overrides


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
