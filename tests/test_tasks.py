"""A solver may crash its process or never return; neither costs more than its own unit."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ray

from logistics import records, tasks
from logistics.routes.batch import answer
from logistics.routes.static import NOTHING, Found
from logistics.tasks import Tables
from logistics.units import Parcel, Run, Unit
from tests.settings import config


def crash(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    if parcel.unit.site_id == "D002":
        os.kill(os.getpid(), signal.SIGSEGV)
    return parcel


def die() -> Found:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def hang(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    if parcel.unit.site_id == "D002":
        time.sleep(60)
    return parcel


def solved(
    folder: Path, solve: Callable[[Run, Tables, Parcel], Parcel], limit_s: float
) -> dict[str, str | None]:
    """Site → why it failed."""
    made = config(folder)
    run = Run("r", replace(made, cluster=replace(made.cluster, kill_after_s=limit_s)))
    parcels = [Parcel(Unit(site_id)) for site_id in ("D001", "D002", "D003")]
    done = tasks.solve_each("routes", solve, run, ray.put({}), parcels)
    return {parcel.unit.site_id: parcel.failure for parcel in done}


def test_a_solver_that_crashes_is_tried_again_and_fails_alone(
    ray_session: None, tmp_path: Path
) -> None:
    told = solved(tmp_path, crash, limit_s=60)
    assert told == {"D001": None, "D002": records.CRASHED, "D003": None}


def test_the_part_of_a_worker_that_dies_has_no_answer_and_no_fault(ray_session: None) -> None:
    part = ray.remote(max_retries=0)(die).remote()
    assert answer(part) == NOTHING


def test_a_solver_past_its_limit_is_killed_and_fails_alone(
    ray_session: None, tmp_path: Path
) -> None:
    told = solved(tmp_path, hang, limit_s=2)
    assert "killed after 2 s" in str(told.pop("D002"))
    assert told == {"D001": None, "D003": None}
