"""What ignoring traffic costs: plans of congested depots, driven through their real traffic.

    python scripts/bench_traffic.py [--depots N] [--jam 0.6] [--iterations 800] [--seed 7]

Each made depot is planned three times: as if roads were free all day, as if the day's mean speed
held all day, and by the half hour. All three are then driven by the half hour, leaving at the best
time, with nothing repaired.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from logistics.config import WorldConfig, parse
from logistics.routes import inputs
from logistics.routes.kpis import late_stops
from logistics.routes.problem import Budget, DepotProblem
from logistics.routes.retime import retime
from logistics.routes.solve import plan_depot
from logistics.routes.travel import Travel
from logistics.run import compose_config
from logistics.tables import CONTRACTS
from logistics.world import fleet

WAYS = ("free roads", "mean speed", "half hours")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--depots", type=int, default=3)
    options.add_argument(
        "--jam", type=float, default=0.6, help="speed lost at the worst of the rush"
    )
    options.add_argument("--iterations", type=int, default=800)
    options.add_argument("--seed", type=int, default=7)
    asked = options.parse_args()
    columns = ("depot", "planned by", "served", "late", "late min", "over h", "cost")
    print(" ".join(f"{column:>10}" for column in columns))
    for depot in range(asked.depots):
        true = depot_problem(depot, asked.seed, asked.jam)
        for way, believed in zip(WAYS, beliefs(true), strict=True):
            solved = plan_depot(believed, "auto", Budget(iterations=asked.iterations), asked.seed)
            driven = [retime(true, timed.route) for timed in solved.routes]
            told = (
                true.depot_id,
                way,
                sum(len(timed.visits) for timed in driven),
                late_stops(true, driven),
                round(sum(timed.faults.late_s for timed in driven) / 60),
                round(sum(timed.faults.overtime_s for timed in driven) / 3600, 1),
                round(sum(timed.cost for timed in driven)),
            )
            print(" ".join(f"{value:>10}" for value in told), flush=True)


def beliefs(true: DepotProblem) -> Iterator[DepotProblem]:
    """The depot as seen without traffic, with its mean, and as it is."""
    travel = true.travel
    assert isinstance(travel, Travel)
    day = np.array(travel.factors[12:40])  # six to eight
    mean = float(len(day) / np.sum(1 / day))
    for factors in ((1.0,), (mean,), travel.factors):
        yield replace(true, travel=Travel(travel.distance_m, travel.base_s, factors))


def depot_problem(depot: int, seed: int, jam: float) -> DepotProblem:
    """A depot of the demo company on its first day, its rush hours made as bad as asked."""
    config = parse(compose_config([]))
    world: WorldConfig = config.world
    traffic = fleet.traffic(seed, depot)
    lost = 1 - pl.col("speed_factor")
    traffic = traffic.with_columns(speed_factor=1 - lost * jam / lost.max())
    made = {
        "orders": fleet.orders(world, seed, depot).with_columns(
            depot_id=pl.lit(fleet.depot_id(depot))
        ),
        "depots": fleet.depots(world, seed),
        "vehicles": fleet.vehicles(world, seed, depot),
        "drivers": fleet.drivers(world, seed, depot),
        "traffic": traffic,
    }
    tables = {name: full(name, made.get(name)) for name in (*made, "trips", "travel_times")}
    return inputs.problem(tables, fleet.depot_id(depot), (), world.date, config.routes)


def full(name: str, rows: pl.DataFrame | None) -> pl.DataFrame:
    """The rows with every column of the contract."""
    columns = {column: rule.dtype for column, rule in CONTRACTS[name].columns.items()}
    nothing = pl.DataFrame(schema=columns)
    return nothing if rows is None else pl.concat([nothing, rows], how="diagonal").select(*columns)


if __name__ == "__main__":
    main()
