"""The routes of the night beside the best known: cost, gap and every broken rule per instance.

    scripts/bench_routes.py --instances DIR --bks DIR/bks.json --seconds 10 --out bench.json

DIR has one folder per set (scripts/routes_read.py names them and their formats). Each instance is
solved by the night's own search within --seconds of wall clock on --workers processes, and judged
by scripts/routes_check.py, which knows no solver. --peers adds plain PyVRP and plain OR-Tools at
equal time, one process each. In the JSON a route is client numbers from 1 in the order of the file
(0: back at the depot for another trip); `vehicles` names each route's kind of vehicle.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any

from routes_case import Case, Trips
from routes_check import judge
from routes_peers import PEERS, Peer
from routes_problem import depot, static, trips
from routes_read import instances, read

from logistics.routes.decompose import Team, run_job, search
from logistics.routes.problem import Budget
from logistics.routes.solve import plan_depot
from logistics.routes.solve_ruin import prepare
from logistics.routes.static import Tour

Row = dict[str, Any]
Solver = Callable[[Case, int], list[Trips]]
ENGINES = ("auto", "ortools", "pyvrp")


def main(argv: Sequence[str] | None = None) -> int:
    """0; 1 when a file could not be read, or a plan is missing or breaks a rule."""
    asked = _arguments(argv)
    best_known = {key.lower(): entry for key, entry in json.loads(asked.bks.read_text()).items()}
    prepare()  # inherited by the workers, so that no instance's seconds go into it
    with ProcessPoolExecutor(asked.workers) as pool:
        team = Team(asked.workers, lambda jobs: list(pool.map(run_job, jobs)))
        solvers: dict[str, Solver] = {"ours": _ours(asked, team)}
        for name, peer in PEERS.items() if asked.peers else ():
            solvers[name] = _peer(peer, asked.seconds)
        rows: dict[str, list[Row]] = {by: [] for by in solvers}
        print(f"{'set/name':34} {'by':14} {'seed':>4} {'cost':>12} {'gap %':>7} {'s':>6}")
        failed = 0
        for set_, name, path in _asked_for(asked):
            bks = best_known.get(f"{set_}/{name}".lower(), {}).get("bks")
            doing = "read"
            try:
                case = read(set_, name, path)
                doing = "solved"
                for seed, by in product(range(1, asked.seeds + 1), solvers):
                    rows[by].append(_row(case, solvers[by], seed, bks))
                    print(_line(rows[by][-1], by), flush=True)
            except (ValueError, RuntimeError) as fault:
                print(f"{set_}/{name}: cannot be {doing}: {fault}", file=sys.stderr, flush=True)
                failed += 1
    print(*_set_lines(rows), sep="\n")
    asked.out.write_text(json.dumps(_report(asked, rows), indent=1) + "\n")
    return 1 if failed or any(not row["feasible"] for row in rows["ours"]) else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--instances", type=Path, required=True, help="a folder of sets")
    parser.add_argument("--bks", type=Path, required=True, help="best known costs, JSON")
    parser.add_argument("--seconds", type=float, required=True, help="wall clock per instance")
    parser.add_argument("--engine", choices=ENGINES, default="auto")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds each")
    parser.add_argument("--workers", type=int, default=1, help="processes per instance")
    parser.add_argument("--only", default="*", help="SET or SET/NAME patterns, with commas between")
    parser.add_argument("--peers", action="store_true", help="plain PyVRP and OR-Tools as well")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write")
    return parser.parse_args(argv)


def _asked_for(asked: argparse.Namespace) -> Iterator[tuple[str, str, Path]]:
    patterns = asked.only.split(",")
    for set_, name, path in instances(asked.instances):
        if any(fnmatch(f"{set_}/{name}", p) or fnmatch(set_, p) for p in patterns):
            yield set_, name, path


def _ours(asked: argparse.Namespace, team: Team) -> Solver:
    engine, budget = asked.engine, Budget(seconds=asked.seconds)

    def solve(case: Case, seed: int) -> list[Trips]:
        if case.clock is not None:
            routes = plan_depot(depot(case), asked.engine, budget, seed, team).routes
            return trips(Tour(0, (timed.route.orders,)) for timed in routes)
        return trips(search(static(case), engine, budget, seed, team=team).tours)

    return solve


def _peer(peer: Peer, seconds: float) -> Solver:
    return lambda case, seed: trips(peer(static(case), seconds, seed))


def _row(case: Case, solver: Solver, seed: int, bks: float | None) -> Row:
    began = time.perf_counter()
    plan = solver(case, seed)
    seconds = time.perf_counter() - began
    cost, faults = judge(case, plan)
    return {
        "set": case.set,
        "name": case.name,
        "seed": seed,
        "cost": round(cost, 3),
        "bks": bks,
        "gap_pct": None if bks is None else round(100 * (cost / bks - 1), 3),
        "seconds": round(seconds, 2),
        "feasible": not faults,
        "violations": faults,
        "routes": [_numbers(vehicle_trips) for vehicle_trips in plan],
        "vehicles": [vehicle_trips.vehicle for vehicle_trips in plan],
    }


def _numbers(vehicle_trips: Trips) -> list[int]:
    first, *others = vehicle_trips.clients
    return [*first, *(client for trip in others for client in (0, *trip))]


def _line(row: Row, by: str) -> str:
    gap = "-" if row["gap_pct"] is None else f"{row['gap_pct']:.3f}"
    figures = f"{row['seed']:>4} {row['cost']:>12.2f} {gap:>7} {row['seconds']:>6.1f}"
    faults = row["violations"]
    broken = f"  {len(faults)} violations, first: {faults[0]}" if faults else ""
    return f"{row['set'] + '/' + row['name']:34} {by:14} {figures}{broken}"


def _sets(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Per set the mean and the greatest gap of the feasible plans that have a best known."""
    gaps: dict[str, list[float]] = {}
    for row in rows:
        if row["gap_pct"] is not None and row["feasible"]:
            gaps.setdefault(row["set"], []).append(row["gap_pct"])
    return {
        set_: {"mean_gap_pct": round(sum(found) / len(found), 3), "max_gap_pct": max(found)}
        for set_, found in gaps.items()
    }


def _set_lines(rows: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    yield f"\n{'set':34} {'by':14} {'mean gap %':>10} {'max':>8}  without a feasible plan"
    for by, found in rows.items():
        for set_, gaps in _sets(found).items():
            failed = sum(not row["feasible"] for row in found if row["set"] == set_)
            yield (
                f"{set_:34} {by:14} {gaps['mean_gap_pct']:>10.3f} {gaps['max_gap_pct']:>8.3f}"
                f"  {failed or ''}"
            )


def _report(asked: argparse.Namespace, rows: Mapping[str, Sequence[Row]]) -> Row:
    peers = {
        by: {"instances": found, "sets": _sets(found)} for by, found in rows.items() if by != "ours"
    }
    return {
        "seconds": asked.seconds,
        "workers": asked.workers,
        "engine": asked.engine,
        "instances": rows["ours"],
        "sets": _sets(rows["ours"]),
    } | ({"peers": peers} if peers else {})


if __name__ == "__main__":
    sys.exit(main())
