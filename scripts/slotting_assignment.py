"""10,000 SKUs into 10,000 slots: how long, and how near to the best of all assignments."""

import logging
import os
import time
from typing import Any

import numpy as np
import ray
from slotting_transport import transport

from logistics.slotting.problem import Flags, Ints, Reals

AISLES, BAYS, SIDES, LEVELS = 25, 50, 2, 4
BAY_M, AISLE_M = 1.5, 5.0
STRAIN_M = (2.0, 0.0, 1.0, 4.0)  # of lifting 10 kg at each level, as walking
MOST_KG = (np.inf, np.inf, 20.0, 12.0)


def run(seed: int) -> dict[str, Any]:
    """n, seconds on one core, of them those of the processor, and the proven gap."""
    costs, allowed, room = made(seed)
    started, worked = time.perf_counter(), time.process_time()
    found = transport(costs, allowed, np.full(len(costs), 10 * costs.max()), room)
    return {
        "n": len(costs),
        "groups": room.size,
        "seconds": time.perf_counter() - started,
        "cpu_s": time.process_time() - worked,
        "gap": found.gap,
    }


def many(warehouses: int, cpus: int, seed: int) -> dict[str, Any]:
    """So many warehouses, a Ray task each: seconds from the first to the last, the widest gap."""
    os.environ.setdefault("RAY_worker_niceness", "0")
    ray.init(num_cpus=cpus, include_dashboard=False, logging_level=logging.ERROR)
    task = ray.remote(num_cpus=1)(run)
    started = time.perf_counter()
    found = ray.get([task.remote(seed + number) for number in range(warehouses)])
    seconds = time.perf_counter() - started
    ray.shutdown()
    return {
        "warehouses": warehouses,
        "n": found[0]["n"],
        "cpus": cpus,
        "seconds": seconds,
        "cpu_s": sum(one["cpu_s"] for one in found),
        "gap": max(one["gap"] for one in found),
    }


def made(seed: int) -> tuple[Reals, Flags, Ints]:
    """Costs and what is allowed (n, g), and room (g,): SKUs of drawn speed and weight."""
    rng = np.random.default_rng(seed)
    shape = (AISLES, BAYS, SIDES, LEVELS)
    aisle, bay, _, level = np.unravel_index(np.arange(np.prod(shape)), shape)
    slots = np.column_stack((aisle * AISLE_M + (bay + 0.5) * BAY_M, level))
    kinds, room = np.unique(slots, axis=0, return_counts=True)
    level = kinds[:, 1].astype(np.int64)
    picks = rng.lognormal(0.0, 1.5, len(slots))
    weight_kg = rng.lognormal(1.0, 1.0, len(slots)).clip(max=30.0)
    strain_m = weight_kg[:, None] / 10 * np.array(STRAIN_M)[level]
    allowed = weight_kg[:, None] <= np.array(MOST_KG)[level]
    return picks[:, None] * (2 * kinds[:, 0] + strain_m), allowed, room
