"""A Ray head of its own for a test: loopback, a token, ended by the processes it started."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "a-token-of-the-tests-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Head:
    """Where a started head listens, and the environment that a client of it needs."""

    gcs: str
    dashboard: str
    environment: Mapping[str, str]

    def workers(self) -> int:
        """The nodes that are alive besides the head. KeyError before the head is there itself."""
        answer = requests.get(
            f"{self.dashboard}/api/v0/nodes",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=10,
        )
        answer.raise_for_status()
        nodes = answer.json()["data"]["result"]["result"]
        alive = [node["is_head_node"] for node in nodes if node["state"] == "ALIVE"]
        if True not in alive:
            raise KeyError("no head yet")
        return alive.count(False)


def free_port() -> int:
    """A free port; the system gives ports above Ray's own range 10002-19999."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment() -> dict[str, str]:
    """This process's, without its own Ray, with the tests' token and interpreter."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{plain['PATH']}"
    ray = {"AUTH_MODE": "token", "AUTH_TOKEN": TOKEN, "worker_niceness": "0"}
    return plain | {"PATH": path} | {f"RAY_{name}": value for name, value in ray.items()}


@contextlib.contextmanager
def started(gcs_port: int, *options: str, **variables: str) -> Iterator[Head]:
    """A head with the dashboard on loopback; every process that it started is gone afterwards."""
    dashboard_port = free_port()
    # Sockets live below this folder, and their paths may have 107 characters.
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    command = [
        *("ray", "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--port={gcs_port}", f"--temp-dir={folder}"),
        *("--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard_port}"),
        *(f"--dashboard-agent-listen-port={free_port()}", "--object-store-memory=200000000"),
        *(f"--ray-client-server-port={free_port()}", "--min-worker-port=0", "--max-worker-port=0"),
        *options,
    ]
    head = Head(
        f"127.0.0.1:{gcs_port}", f"http://127.0.0.1:{dashboard_port}", environment() | variables
    )
    log = Path(folder, "start.log")
    try:
        with ended_after(command, head.environment, log) as process:
            _await_answer(head, process, log)
            yield head
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def ended_after(
    command: Sequence[str], variables: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A running command; it and all below it are killed at the end."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=dict(variables), cwd="/", stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            for left in [p for p in below if p.is_running()]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    left.kill()
        process.kill()
        process.wait()


def _await_answer(head: Head, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if process.poll() is not None:
            break
        with contextlib.suppress(requests.RequestException, KeyError, TypeError):
            head.workers()
            return
        time.sleep(0.25)
    raise RuntimeError(f"no Ray head at {head.dashboard}: {log.read_text()[-2000:]}")
