"""Faults from inside a worker, for scripts/bench_faults.py: a solver that crashes, one that never
returns, a model that cannot be loaded twice. Ray runs `break_worker` in every new worker
(RAY_RUNTIME_ENV_HOOK → worker_process_setup_hook), so the program under test knows nothing of it.

FAULTS names what to break: segfault:DEPOT, hang:DEPOT, init (comma-separated). FAULTS_DIR holds the
count of failed initialisations. Run as a program it fills a cluster's object store until it spills.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def into_workers(runtime_env: dict[str, Any] | None) -> dict[str, Any]:
    """RAY_RUNTIME_ENV_HOOK: ray.init's runtime_env with the fault set up in every worker."""
    environment = dict(runtime_env or {})
    named = {name: os.environ[name] for name in ("FAULTS", "FAULTS_DIR")}
    environment["env_vars"] = {**environment.get("env_vars", {}), **named}
    environment["worker_process_setup_hook"] = "faults_hook.break_worker"
    return environment


def break_worker() -> None:
    """Patch this worker process as FAULTS says."""
    for fault in os.environ.get("FAULTS", "").split(","):
        kind, _, where = fault.partition(":")
        if kind in ("segfault", "hang"):
            _break_solver(kind, where)
        elif kind == "init":
            _break_loading(Path(os.environ["FAULTS_DIR"]))


def _break_solver(kind: str, depot_id: str) -> None:
    from logistics import tasks
    from logistics.routes import batch
    from logistics.routes.problem import Budget
    from logistics.units import Parcel, Run

    solve = batch._plan

    def broken(
        run: Run, dims: tasks.Tables, parcel: Parcel, depot_ids: Sequence[str], budget: Budget
    ) -> Parcel:
        if parcel.unit.site_id != depot_id:
            return solve(run, dims, parcel, depot_ids, budget)
        if kind == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps the interpreter's lock, as a stuck solver may
        raise AssertionError("a hanging solver has returned")

    batch._plan = broken  # type: ignore[assignment]


def _break_loading(folder: Path) -> None:
    from logistics import registry

    load = registry.load

    def broken(models: str, workload: str, version: str) -> bytes:
        failed = len(list(folder.glob("init-*")))
        if failed < 2:
            (folder / f"init-{failed}").touch()
            raise OSError("the model store does not answer")
        return load(models, workload, version)

    registry.load = broken


def fill_object_store(address: str) -> None:
    """Hold more objects than every node's store has room for, until killed."""
    import numpy as np
    import ray

    ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]

    @ray.remote(num_cpus=0)
    def block(number: int) -> "np.ndarray[Any, Any]":
        return np.full(5_000_000, number, np.float64)  # 40 MB

    where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    held = [
        block.options(scheduling_strategy=where(node, soft=False)).remote(n)
        for node in nodes
        for n in range(5)
    ]
    ray.wait(held, num_returns=len(held), fetch_local=False)
    print(f"{len(held) * 40} MB of foreign objects on {len(nodes)} nodes", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    fill_object_store(sys.argv[1])
