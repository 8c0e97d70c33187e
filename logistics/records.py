"""What is already done: one record per finished unit, and the word to stop. Knows no Ray.

A record is written by whoever finished the unit, after its files are staged, so a killed night
finds it again. It bears a fingerprint of everything the unit was made from; a record whose
fingerprint is not tonight's is as good as none.
"""

import hashlib
import importlib.metadata
import json
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

from logistics.plan import staged
from logistics.storage import at, put
from logistics.units import Parcel, Run, Unit, from_json, to_json

PACKAGES = (
    "logistics",
    "ray",
    "torch",
    "ortools",
    "pyvrp",
    "polars",
    "deltalake",
    "numpy",
    "numba",
)


MAX_TRIES = 3
_SITES = "sites.json"
STOPPED = "not begun, the night was told to stop"
CRASHED = (
    f"its worker died {MAX_TRIES} times: it crashed, was killed or ran out of memory; "
    "Ray's log of the worker says which"
)


class StoppedError(RuntimeError):
    """The night was told to stop before this unit began."""


class CrashedError(RuntimeError):
    """A unit whose workers have died again and again."""


def fingerprint(*parts: object) -> str:
    """A digest of plain values: dicts, lists, texts, numbers, dates."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def code_version() -> str:
    """A digest of this package's source and of the packages whose results it passes on."""
    root = Path(__file__).parent
    sources = {str(f.relative_to(root)): f.read_text() for f in sorted(root.rglob("*.py"))}
    return fingerprint(sources, package_versions())


@cache
def package_versions() -> dict[str, str]:
    """Package → installed version."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def finish(run: Run, workload: str, parcel: Parcel) -> Parcel:
    """Record a unit that is done, files staged and all; its tally goes on to the driver."""
    fs, root = at(_folder(run, workload))
    put(fs, f"{root}/{_name(parcel.unit)}", to_json(parcel).encode())
    return parcel.tally()


def done(
    run: Run, workload: str, fingerprints: Mapping[Unit, str], writes: Collection[str]
) -> list[Parcel]:
    """The tallies of units that need not be computed again: recorded with this fingerprint, and
    every file of theirs is still there."""
    fs, root = at(_folder(run, workload))
    if not fs.exists(root):
        return []
    there = {table: staged(run, table) for table in (*writes, "rejects")}
    names = {_name(unit): unit for unit in fingerprints}
    paths = [p for p in fs.ls(root, detail=False) if p.rpartition("/")[2] in names]
    found = []
    for content in fs.cat(paths).values() if paths else ():
        parcel = from_json(content.decode())
        if parcel.fingerprint == fingerprints.get(parcel.unit) and all(
            there[file.table].get(file.path) == file.size_bytes for file in parcel.files
        ):
            found.append(replace(parcel, seconds={}))  # the seconds were another run's
    return sorted(found, key=lambda parcel: parcel.unit)


def unless_stopped(run: Run) -> None:
    """Raises StoppedError when the night has been told to begin no further unit."""
    fs, _ = at(run.config.plan)
    if fs.exists(_stop_path(run)):
        raise StoppedError(STOPPED)


def attempt(run: Run, workload: str, unit: Unit, limit_s: float | None = None) -> None:
    """Mark that a unit is being worked on, since a worker that dies cannot tell.

    Raises CrashedError when earlier attempts of this run have died MAX_TRIES times, and
    TimeoutError when one has died after limit_s seconds, when workers kill themselves.
    """
    fs, root = at(_folder(run, workload))
    path = f"{root}/{_name(unit)}.begun"
    earlier = json.loads(fs.cat_file(path)) if fs.exists(path) else {}
    tries, since = 0, time.time()
    if earlier.get("run_id") == run.run_id:
        tries, since = earlier["tries"], earlier["at"]
        if limit_s is not None and time.time() - since >= limit_s:
            raise TimeoutError(f"its solver was killed after {limit_s:g} s (cluster.kill_after_s)")
        if tries >= MAX_TRIES:
            raise CrashedError(CRASHED)
    mark = {"run_id": run.run_id, "tries": tries + 1, "at": time.time()}
    put(fs, path, json.dumps(mark).encode())


def remember_sites(run: Run, sites: Mapping[str, Collection[str]]) -> None:
    """Keep which sites each lasting table of a whole night had."""
    fs, root = at(_folder(run))
    content = {table: sorted(names) for table, names in sites.items()}
    put(fs, f"{root}/{_SITES}", json.dumps(content).encode())


def last_sites(run: Run) -> tuple[str, dict[str, list[str]]]:
    """The date of the newest whole night up to this one, and the sites each table had."""
    fs, root = at(f"{run.config.plan}/_units")
    nights = sorted(path.split("/")[-2] for path in fs.glob(f"{root}/*/{_SITES}"))
    before = [night for night in nights if night <= str(run.config.date)]
    if not before:
        return "", {}
    return before[-1], json.loads(fs.cat_file(f"{root}/{before[-1]}/{_SITES}"))


def stop(run: Run) -> None:
    """Tell every worker of this run to begin no further unit."""
    fs, _ = at(run.config.plan)
    put(fs, _stop_path(run), b"")


def _stop_path(run: Run) -> str:
    return f"{at(_folder(run))[1]}/stop-{run.run_id}"


def _folder(run: Run, workload: str = "") -> str:
    return f"{run.config.plan}/_units/{run.config.date}/{workload}".rstrip("/")


def _name(unit: Unit) -> str:
    return f"{fingerprint(asdict(unit))}.json"
