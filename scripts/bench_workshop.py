#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); "$d/setup" && exec "$d/../.venv/bin/python" "$0" "$@"'
"""How good the workshop's schedules are: proven gaps, seconds, and what nights with them cost.

    scripts/bench_workshop.py gaps [--seeds 100] [--jobs 100] [--days 14] [--seconds 3 | --steps 2]
    scripts/bench_workshop.py many [--shops 50] [--jobs 100] [--cpus 2] [--seconds 4 | --steps 2]
    scripts/bench_workshop.py nights [--nights 60] [--noise 0.3] [--fleet 8] [--assets-per-bay 480]
                                     [--repeat 1]

--steps: CP-SAT's deterministic time instead of seconds, so that a busy machine finds the same.
gaps: made workshops (scripts/workshop_cases.py), one after another on one core; --hard: with jobs
of half hours, too, and fewer people. many: so many at once on Ray. Both judge every schedule with
`logistics.maintenance.verify`; gaps compares its cost to greedy rules. nights: the demo world's
assets wear and fail by its own rules, and are visited as each policy decides; what the policies
know, and what hardly any can undercut, says scripts/workshop_replay.py. Its fleet is so many
times the demo's, and its workshops have a bay for so many assets (the demo itself: 80, which leaves
them half empty); --repeat: so many worlds of their own seeds, summed, since which policy wins a
crowded one is partly luck; key=value changes the world or the costs. --out FILE keeps the rows.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray
from rich.console import Console
from rich.table import Table
from workshop_cases import made
from workshop_replay import Policy, Toll, empty_shop, hindsight, replay, truth
from workshop_rules import GREEDY, none_at_all

from logistics.config import Config, parse
from logistics.maintenance.budget import Budget
from logistics.maintenance.later import with_later
from logistics.maintenance.problem import HORIZON_DAYS, Visit, WorkshopProblem
from logistics.maintenance.verify import verify
from logistics.maintenance.workshop import schedule
from logistics.run import compose_config
from logistics.world import assets

Row = dict[str, Any]
EVERY = (60.0, 90.0, 120.0, 180.0)  # full-load days between services; the best one is shown
IDEAL = "all known, room for all"
NOTHING = Toll(0.0, 0, 0, 0.0)
NIGHT_BUDGET = Budget(deterministic_time=0.5)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("gaps", "many", "nights"))
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--shops", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--steps", type=float)
    parser.add_argument("--hard", action="store_true")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--fleet", type=int, default=8)
    parser.add_argument("--assets-per-bay", type=int, default=480)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--out")
    options, overrides = parser.parse_known_args(arguments)
    rows = RUNS[options.what](options, overrides)
    if options.out:
        Path(options.out).write_text(json.dumps(rows, indent=1))
    return 0


# --- gaps ----------------------------------------------------------------------------------------


def _gaps(options: argparse.Namespace, _: Sequence[str]) -> list[Row]:
    budget = _budget(options, 3.0)
    rows = []
    for seed in range(options.seeds):
        problem = made(seed, options.jobs, options.days, hard=options.hard)
        rows.append(_solved(problem, budget) | _greedy(problem))
        print(seed, " ".join(f"{name} {value:.6g}" for name, value in rows[-1].items()), flush=True)
    _summary(rows, f"{options.jobs} jobs × {options.days} days, one core")
    return rows


def _budget(options: argparse.Namespace, seconds: float) -> Budget:
    if options.steps:
        return Budget(deterministic_time=options.steps)
    return Budget(seconds=options.seconds or seconds)


def _solved(problem: WorkshopProblem, budget: Budget) -> Row:
    started, clock = time.perf_counter(), time.process_time()
    found = schedule(problem, budget, seed=7)
    took, cpu = time.perf_counter() - started, time.process_time() - clock
    return {
        "seconds": took,
        "cpu_s": cpu,
        "gap": found.gap,
        "cost": found.cost,
        "saved": sum(order.saving for order in found.orders),
        "booked": sum(order.visit is not None for order in found.orders),
        "violations": len(verify(problem, found.orders)),
    }


def _greedy(problem: WorkshopProblem) -> Row:
    return {name: _cost(problem, rule(problem)) for name, rule in GREEDY.items()}


def _cost(problem: WorkshopProblem, visits: Sequence[Visit]) -> float:
    on = {visit.asset_id: visit.day for visit in visits}
    return sum(job.cost(on.get(job.asset_id, HORIZON_DAYS)) for job in problem.jobs)


def _summary(rows: Sequence[Row], title: str) -> None:
    table = Table(box=None, header_style="dim", title=title, title_justify="left")
    for column in ("", "median", "worst"):
        table.add_column(column, justify="right")
    for name, label, times, digits in (
        ("seconds", "seconds", 1.0, 2),
        ("cpu_s", "seconds of the core", 1.0, 2),
        ("gap", "proven gap, % of the cost", 100.0, 4),
    ):
        values = np.array([row[name] for row in rows]) * times
        table.add_row(label, f"{np.median(values):.{digits}f}", f"{values.max():.{digits}f}")
    console = Console(width=110)
    console.print(table)
    for most in (0.001, 0.005):
        within = sum(row["gap"] <= most for row in rows)
        console.print(f"{within} of {len(rows)} within {most:.1%}")
    console.print(f"violations: {sum(row['violations'] for row in rows):.0f}")
    ours = sum(row["cost"] for row in rows)
    for name in [name for name in GREEDY if name in rows[0]]:
        console.print(f"{name}: {sum(row[name] for row in rows) / ours - 1:.1%} dearer")


# --- many ----------------------------------------------------------------------------------------


def _many(options: argparse.Namespace, _: Sequence[str]) -> list[Row]:
    budget = _budget(options, 4.0)
    ray.init(num_cpus=options.cpus, include_dashboard=False, logging_level=logging.ERROR)
    solve = ray.remote(num_cpus=1)(_solve_one)
    started = time.perf_counter()
    size = (options.jobs, options.days, budget)
    rows = ray.get([solve.remote(seed, *size) for seed in range(options.shops)])
    took = time.perf_counter() - started
    ray.shutdown()
    _summary(rows, f"{options.shops} workshops on {options.cpus} cores in {took:.1f} s")
    return list(rows)


def _solve_one(seed: int, jobs: int, days: int, budget: Budget) -> Row:
    return _solved(made(seed, jobs, days), budget)


# --- nights --------------------------------------------------------------------------------------


def _nights(options: argparse.Namespace, overrides: Sequence[str]) -> list[Row]:
    config = parse(compose_config(["lake=none", "date=2026-03-02", *overrides]))
    world = replace(
        config.world,
        num_assets=config.world.num_assets * options.fleet,
        vehicles_per_depot=config.world.vehicles_per_depot * options.fleet,
    )
    how = options.nights, options.noise, options.assets_per_bay
    seeds = range(config.seed, config.seed + options.repeat)
    each = [_tolls(replace(config, world=world, seed=seed), *how) for seed in seeds]
    tolls = _best_interval({name: sum((t[name] for t in each), NOTHING) for name in each[0]})
    what = f"{options.assets_per_bay} of {world.num_assets} assets a bay, noise {options.noise:g}"
    _print_tolls(tolls, f"{options.nights} nights, {what}, seeds {[*seeds]}")
    return [_row(name, toll) for name, toll in tolls.items()]


def _tolls(config: Config, nights: int, noise: float, per_bay: int) -> Mapping[str, Toll]:
    """Policy → what all workshops' nights have cost."""
    world, own = config.world, config.maintenance
    policies = {"run to failure": Policy(none_at_all)}
    policies |= {f"every {e:g} days": Policy(GREEDY["greedy by risk"], e) for e in EVERY}
    policies |= {name: Policy(rule) for name, rule in GREEDY.items()}
    policies["ours"] = Policy(partial(_ours, own.waiting_day_price))
    total = dict.fromkeys((*policies, IDEAL), NOTHING)
    for workshop_id in sorted({assets.workshop_id(s) for s in assets.sites(world) if s.asset_ids}):
        seen = truth(world, workshop_id, nights, config.seed)
        shop = empty_shop(world, workshop_id, own, per_bay)
        total[IDEAL] += hindsight(seen, own)
        for name, policy in policies.items():
            toll = replay(seen, shop, policy, noise, own)
            total[name] += toll
            where = f"seed {config.seed} {workshop_id} {name}"
            print(f"{where}: {toll.cost:,.0f}, {toll.failures} failures", flush=True)
    return total


def _best_interval(total: Mapping[str, Toll]) -> Mapping[str, Toll]:
    """Without the mileage rule at intervals that cost more than its best one."""
    best = min(EVERY, key=lambda e: total[f"every {e:g} days"].cost)
    others = {f"every {e:g} days" for e in EVERY if e != best}
    return {name: toll for name, toll in total.items() if name not in others}


def _ours(waiting_day_price: float, jobs_alone: WorkshopProblem) -> list[Visit]:
    problem = with_later(jobs_alone, waiting_day_price)
    found = schedule(problem, NIGHT_BUDGET, seed=7)
    faults = verify(problem, found.orders)
    assert not faults, faults[:3]
    return [order.visit for order in found.orders if order.visit is not None]


def _row(name: str, toll: Toll) -> Row:
    return {"policy": name} | asdict(toll)


def _print_tolls(tolls: Mapping[str, Toll], title: str) -> None:
    table = Table(box=None, header_style="dim", title=title, title_justify="left")
    for column in ("policy", "cost", "ours is cheaper by", "failures", "visits", "downtime h"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    ours = tolls["ours"].cost
    for name, toll in tolls.items():
        cheaper = "" if name == "ours" else f"{1 - ours / toll.cost:.1%}"
        numbers = (f"{toll.failures}", f"{toll.visits}", f"{toll.downtime_h:,.0f}")
        table.add_row(name, f"{toll.cost:,.0f}", cheaper, *numbers)
    Console(width=110).print(table)


RUNS: dict[str, Callable[[argparse.Namespace, Sequence[str]], list[Row]]] = {
    "gaps": _gaps,
    "many": _many,
    "nights": _nights,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
