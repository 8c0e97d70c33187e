"""Ray itself: started here, or joined where it runs. Knows nothing of the night."""

import contextlib
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from types import FrameType

import ray

from logistics.config import Config
from logistics.storage import one_line

RAY_SETTINGS = {
    # A unit that always runs out of memory would otherwise be tried for ever.
    "RAY_task_oom_retries": "3",
    # Ray ends workers beyond the number of cores after a second without work. Tasks of half a core
    # need more workers than that, and a new one imports solvers and polars for seconds.
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
}


# Of every worker, read when it starts. Models and solvers are single-threaded, so that parallelism
# is Ray's alone. Freed arrays of a few MiB stay the process's own: where the kernel took their
# pages back, and gave them again zeroed, a network's layer took up to five times as long. To keep
# what polars frees, too, makes a night of 200,000 series 5 % faster and 24 % larger: not done.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),  # the most that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # huge pages where the kernel waits to be asked
    "RAY_DATA_USE_DATASOURCE_V2": "0",  # the V2 reader starts 32 footer-reading actors per read
}
ANSWER_S = 10  # that a cluster's head has to answer


class ClusterError(ValueError):
    """A cluster that cannot be joined; the message says which and why."""


def start_ray(config: Config) -> None:
    """Start Ray here, or join the cluster that cluster.address names.

    Raises ClusterError where there is none that lets us in.
    """
    cluster = config.cluster
    quiet = logging.INFO if config.verbose else logging.ERROR
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    native_logs = contextlib.nullcontext() if config.verbose else _without_native_logs()
    with _signals_deferred(), native_logs:
        if cluster.address is None:
            with _inherited(WORKER_ENVIRONMENT):
                ray.init(
                    "local",  # one of our own even where another Ray runs
                    num_cpus=cluster.num_cpus,
                    object_store_memory=cluster.object_store_mb * 2**20,
                    include_dashboard=cluster.dashboard,
                    dashboard_host="127.0.0.1",
                    log_to_driver=config.verbose,
                    logging_level=quiet,
                )
        else:
            try:
                _knock(cluster.address)
                ray.init(
                    cluster.address,
                    runtime_env={"env_vars": WORKER_ENVIRONMENT},
                    log_to_driver=config.verbose,
                    logging_level=quiet,
                )
            except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as fault:
                reason = one_line(fault)
                raise ClusterError(
                    f"cluster.address={cluster.address} cannot be joined: {reason}"
                ) from None
    context = ray.data.DataContext.get_current()
    context.use_datasource_v2 = False
    context.enable_progress_bars = config.verbose
    context.execution_no_progress_timeout_s = cluster.no_progress_s
    # A block whose worker is lost again and again costs its own unit, which the night misses and
    # reports, not the workload.
    context.max_errored_blocks = -1
    # A unit's own faults are told in its row; what a step raises is of its model store.
    context.actor_init_retry_on_errors = True
    context.actor_init_max_retries = 3
    context.retried_map_errors = True
    context.max_map_retries = 3
    logging.getLogger("ray.data").setLevel(quiet if config.verbose else logging.CRITICAL)


def _knock(address: str) -> None:
    """Raises OSError where nobody answers at HOST:PORT: Ray would try for ten minutes, deaf to
    signals."""
    named = re.fullmatch(r"(?:ray://)?\[?([^/]+?)]?:(\d+)", address)
    if named:
        socket.create_connection((named[1], int(named[2])), timeout=ANSWER_S).close()


@contextlib.contextmanager
def _inherited(variables: Mapping[str, str]) -> Iterator[None]:
    """What is started meanwhile has these in its environment, and all that it starts later. Workers
    of a runtime_env start in two steps, which takes twice as long, and leave idle those that Ray
    has begun with."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ |= variables
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _signals_deferred() -> Iterator[None]:
    """Raises KeyboardInterrupt at the end where SIGTERM or ctrl-C came: an exception that crosses
    Ray's C++ core aborts the process. Ray's own handler of SIGTERM, which raises one, is kept out.
    """
    told: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        signal.alarm(0)  # by which the core, once it has seen a SIGTERM, would abort 3 s later
        told.append(number)

    put = signal.signal
    before = {number: put(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal = lambda number, handler: signal.getsignal(number)  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = put
        for number, handler in before.items():
            put(number, handler)
        if told:  # whatever failed: the signal may have ended Ray's processes, too
            raise KeyboardInterrupt from None


@contextlib.contextmanager
def _without_native_logs() -> Iterator[None]:
    """Ray's C++ core announces its own log level on stderr, whatever the level; Python's errors,
    which say why Ray did not start, still come through as exceptions."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    sys.stderr.flush()
    shown = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(shown, 2)
            os.close(shown)
