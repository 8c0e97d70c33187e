"""The faults that scripts/bench_faults.py tries: each breaks one night and says how it ended."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
import psutil
from ray.cluster_utils import Cluster

HERE = Path(__file__).resolve().parent
DAY = date(2026, 3, 2)
SMALL = (
    "world.num_dcs=3",
    "world.skus_per_dc=40",
    "world.num_depots=4",
    "world.orders_per_depot=50",
    "world.num_assets=60",
    "world.num_warehouses=3",
    "world.slots_per_warehouse=150",
    "deterministic=true",
    "forecast.train_steps=30",
    "maintenance.train_steps=60",
    "maintenance.solve_deterministic_time=0.5",
    "routes.iterations_per_depot=400",
)
PROMPT = "cluster.no_progress_s=45"  # its units take seconds
HANG_S = 15  # when a solve that hangs is killed: the small depots take two


@dataclass(frozen=True)
class Site:
    """Where one fault is tried: its lake and plan, and how a night is started there."""

    folder: Path
    models: Path
    address: str
    settings: tuple[str, ...]  # overrides of the company and of its night

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def plan(self) -> Path:
        return self.folder / "plan"

    def start(self, *more: str, faults: str = "") -> subprocess.Popen[str]:
        arguments = [f"lake={self.lake}", f"plan={self.plan}", f"models={self.models}"]
        arguments += [f"cluster.address={self.address}", f"date={DAY}", PROMPT]
        arguments += [*self.settings, *more]
        environment = dict(os.environ)
        if faults:
            environment |= {"FAULTS": faults, "FAULTS_DIR": str(self.folder)}
            environment["RAY_RUNTIME_ENV_HOOK"] = "faults_hook.into_workers"
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "logistics.run", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def units_done(self) -> int:
        return len(list(self.plan.glob("_units/*/*/*.json")))

    def wait_for_units(self, night: subprocess.Popen[str], units: int) -> None:
        """Until so many units are done (or the night has ended)."""
        while self.units_done() < units and night.poll() is None:
            time.sleep(0.05)


@dataclass
class Result:
    """What a fault did. failed: units named in `runs`; different: tables unlike the undisturbed."""

    fault: str
    exit_codes: list[int]
    seconds: float
    failed: dict[str, str] = field(default_factory=dict)
    different: list[str] = field(default_factory=list)
    reused: int = 0
    said: str = ""
    note: str = ""
    passed: bool = False
    seconds_lost: float | None = None


Fault = Callable[[Site, Cluster], Result]
FAULTS: dict[str, tuple[Fault, list[int], set[str]]] = {}


def fault(*exit_codes: int, hits: Sequence[str] = ()) -> Callable[[Fault], Fault]:
    """Register a fault, the exit codes promised and the sites whose rows may be missing."""

    def register(function: Fault) -> Fault:
        name = function.__name__.replace("_", " ")
        FAULTS[name] = (function, list(exit_codes), set(hits))
        return function

    return register


def finish(site: Site, name: str, *nights: subprocess.Popen[str]) -> Result:
    said = [night.communicate(timeout=600)[0] for night in nights]
    return Result(name, [night.returncode for night in nights], 0.0, said="\n".join(said))


# --- the faults ----------------------------------------------------------------------------------


@fault(0)
def undisturbed(site: Site, cluster: Cluster) -> Result:
    return finish(site, "undisturbed", site.start())


@fault(-9, -9, -9, 0)
def driver_killed_three_times(site: Site, cluster: Cluster) -> Result:
    killed = []
    for units in (1, 6, 12):
        night = site.start()
        site.wait_for_units(night, units)
        os.killpg(night.pid, signal.SIGKILL)
        night.wait()
        killed.append(night)
    return finish(site, "", *killed, site.start())


@fault(-9, 0)
def driver_killed_then_node_removed(site: Site, cluster: Cluster) -> Result:
    killed = site.start()
    site.wait_for_units(killed, 6)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    night = site.start()
    site.wait_for_units(night, 8)
    _remove_node(cluster)
    result = finish(site, "", killed, night)
    _add_node(cluster)
    return result


@fault(0)
def worker_killed(site: Site, cluster: Cluster) -> Result:
    night = site.start()
    site.wait_for_units(night, 2)
    name, worker = _busy_worker()
    worker.kill()
    result = finish(site, "", night)
    result.note = f"killed {name}"
    return result


def _busy_worker() -> tuple[str, psutil.Process]:
    """A worker of this cluster that is at work, when there is one."""
    workers = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            name = " ".join(process.cmdline())
            if name.startswith("ray::"):
                # Its title is what it is doing: a pipeline's step, or "workload site".
                busy = any(what in name for what in ("MapBatches", "routes ", "slotting "))
                workers.append((busy, name, process))
    _, name, process = max(workers, key=lambda worker: worker[0])
    return name, process


@fault(0)
def node_removed(site: Site, cluster: Cluster) -> Result:
    night = site.start()
    site.wait_for_units(night, 2)
    _remove_node(cluster)
    result = finish(site, "", night)
    _add_node(cluster)
    return result


@fault(0)
def node_removed_and_another_added(site: Site, cluster: Cluster) -> Result:
    night = site.start()
    site.wait_for_units(night, 2)
    _remove_node(cluster)
    _add_node(cluster)
    return finish(site, "", night)


def _remove_node(cluster: Cluster) -> None:
    cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)


def _add_node(cluster: Cluster) -> None:
    cluster.add_node(num_cpus=1, object_store_memory=150 * 2**20)


@fault(0)
def actor_init_failing_twice(site: Site, cluster: Cluster) -> Result:
    result = finish(site, "", site.start(faults="init"))
    result.note = f"{len(list(site.folder.glob('init-*')))} initialisations failed"
    return result


@fault(1, hits=["D002"])
def solver_segfault(site: Site, cluster: Cluster) -> Result:
    return finish(site, "", site.start(faults="segfault:D002"))


@fault(1, hits=["D002"])
def solver_past_its_limit(site: Site, cluster: Cluster) -> Result:
    return finish(site, "", site.start(f"cluster.kill_after_s={HANG_S}", faults="hang:D002"))


@fault(1, hits=["DC02"])
def corrupt_parquet_file(site: Site, cluster: Cluster) -> Result:
    (victim,) = (site.lake / "sales" / "dc_id=DC02").glob("*.parquet")
    victim.write_bytes(victim.read_bytes()[:-200])
    return finish(site, "", site.start("task=forecast"))


@fault(0, 1, 0)
def missing_partition(site: Site, cluster: Cluster) -> Result:
    folder, aside = site.lake / "sales" / "dc_id=DC02", site.folder / "aside"
    first = finish(site, "", site.start())
    folder.rename(aside)
    second = finish(site, "", site.start())
    aside.rename(folder)
    third = finish(site, "", site.start())
    codes = first.exit_codes + second.exit_codes + third.exit_codes
    named = "no partition for DC02" in second.said
    return Result("", codes, 0.0, said=third.said, note="named" if named else "NOT NAMED")


@fault(1, hits=["DC02"])
def schema_changes(site: Site, cluster: Cluster) -> Result:
    def change(site_id: str, to: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        (file,) = (site.lake / "sales" / f"dc_id={site_id}").glob("*.parquet")
        to(pl.read_parquet(file)).write_parquet(file)

    change("DC01", lambda rows: rows.with_columns(colour=pl.lit("blue")))
    change("DC02", lambda rows: rows.drop("units"))
    change("DC03", lambda rows: rows.with_columns(pl.col("units").cast(pl.String)))
    result = finish(site, "", site.start("task=forecast"))
    result.note = "added DC01, dropped DC02, retyped DC03"
    return result


@fault(1, 0)
def disk_full(site: Site, cluster: Cluster) -> Result:
    site.plan.mkdir(parents=True)
    small = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(site.plan)]
    if subprocess.run(small, stderr=subprocess.DEVNULL).returncode:
        result = finish(site, "", site.start())
        return Result("", [1, *result.exit_codes], 0.0, note="not tried: no right to mount here")
    try:
        full = finish(site, "", site.start())
        subprocess.run(["mount", "-o", "remount,size=64m", site.plan], check=True)
        after = finish(site, "", site.start())
        kept = site.folder / "kept"
        shutil.copytree(site.plan, kept)
    finally:
        subprocess.run(["umount", site.plan], check=True)
    site.plan.rmdir()
    kept.rename(site.plan)
    named = "No space left" in full.said
    said = after.said if "Traceback" not in full.said else full.said
    note = "named, then the disk grew" if named else f"NOT NAMED: {full.said[-300:]}"
    return Result("", full.exit_codes + after.exit_codes, 0.0, said=said, note=note)


@fault(0)
def object_store_spilling(site: Site, cluster: Cluster) -> Result:
    hog = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(HERE / "faults_hook.py"), cluster.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert hog.stdout is not None
    note = hog.stdout.readline().strip()
    result = finish(site, "", site.start())
    hog.terminate()
    hog.wait()
    result.note = note
    return result


@fault(130, 0)
def sigterm(site: Site, cluster: Cluster) -> Result:
    night = site.start()
    site.wait_for_units(night, 3)
    os.kill(night.pid, signal.SIGTERM)
    stopped = finish(site, "", night)
    after = finish(site, "", site.start())
    told = "to go on" in stopped.said
    codes = stopped.exit_codes + after.exit_codes
    return Result("", codes, 0.0, said=after.said, note="" if told else "NOT TOLD HOW TO GO ON")
