"""scripts/submit against a real autoscaled head on loopback: a night on S3, what is refused."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest
import requests

from tests.autoscaling import MAX_WORKERS, VARIABLES, autoscaling
from tests.head import ROOT, Head, ended_after, free_port, started

sys.path.insert(0, str(ROOT / "scripts"))
from submit import main

# A whole night, as small as every workload can be.
SMALL = (
    "world.num_dcs=1",
    "world.skus_per_dc=20",
    "world.num_depots=1",
    "world.orders_per_depot=15",
    "world.num_assets=30",
    "world.num_warehouses=1",
    "world.slots_per_warehouse=60",
    "deterministic=true",
    "forecast.train_steps=5",
    "maintenance.train_steps=10",
    "maintenance.solve_deterministic_time=0.5",
    "routes.iterations_per_depot=20",
    "date=2026-03-02",
)
FILLED = ("forecasts", "forecast_totals", "risks", "work_orders", "routes", "stops", "slots_plan")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """Without work of its own; workers come when there is some."""
    port = free_port()
    file = tmp_path_factory.mktemp("head") / "autoscaling.json"  # JSON is YAML
    file.write_text(json.dumps(autoscaling(port)))
    options = ("--num-cpus=0", f"--autoscaling-config={file}")
    with started(port, *options, **VARIABLES) as running:
        yield running


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An empty bucket, `s3://night`, of a server on loopback: the environment that finds it."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    store = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    command = [sys.executable, "-m", "moto.server", "--host=127.0.0.1", f"--port={port}"]
    log = tmp_path_factory.mktemp("s3") / "log"
    with ended_after(command, {**os.environ, **store}, log):
        for _ in range(120):
            with contextlib.suppress(requests.ConnectionError):
                assert requests.put(f"{url}/night", timeout=10).ok
                break
            time.sleep(0.25)
        yield store


def submit(head: Head, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """scripts/submit without its set-up, from a folder that is no checkout."""
    with submitted(head, *arguments, **variables) as process:
        said, wrong = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, said, wrong)


@contextlib.contextmanager
def submitted(head: Head, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A running scripts/submit, killed at the end."""
    command = [sys.executable, str(ROOT / "scripts" / "submit.py"), "--address", head.dashboard]
    process = subprocess.Popen(
        [*command, *arguments],
        env=dict(head.environment) | variables,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def empty_tables(plan: str, store: Mapping[str, str] | None = None) -> list[str]:
    found = {t: pl.scan_delta(f"{plan}/{t}", storage_options=store).collect() for t in FILLED}
    return [table for table, rows in found.items() if rows.is_empty()]


def test_workers_come_for_a_night_on_s3_and_go_after_it(head: Head, bucket: dict[str, str]) -> None:
    places = ("lake=s3://night/lake", "plan=s3://night/plan")
    given = [f"--env={name}" for name in bucket]  # the values are taken from here
    assert head.workers() == 0
    for task in ("world", "night"):
        most, deadline = 0, time.monotonic() + 400
        with submitted(head, *given, f"task={task}", *SMALL, *places, **bucket) as process:
            while process.poll() is None:  # what it says fits into its pipe
                assert time.monotonic() < deadline, f"task={task} did not end"
                most = max(most, head.workers())
                time.sleep(0.5)
            said, wrong = process.communicate()
        assert process.returncode == 0, said + wrong
        assert wrong == ""
        assert 1 <= most <= MAX_WORKERS
    assert "The plan for Monday, 2 March 2026" in said
    assert empty_tables("s3://night/plan", bucket) == []
    deadline = time.monotonic() + 60
    while head.workers() > 0:
        assert time.monotonic() < deadline, "idle workers stayed"
        time.sleep(0.5)


def test_a_request_that_cannot_be_carried_out_is_told_with_its_code(head: Head) -> None:
    ended = submit(head, "forecast.horizon=90", "plan=/nowhere")
    assert ended.returncode == 2
    assert "did you mean forecast.horizon_days?" in ended.stdout


def test_an_interrupt_stops_the_night_when_asked_to(head: Head, tmp_path: Path) -> None:
    asked = ("--stop-on-interrupt", *SMALL, f"plan={tmp_path}/plan")
    with submitted(head, *asked) as following:
        assert following.stdout is not None
        for line in following.stdout:
            if line.startswith("starting Ray"):
                break
        following.send_signal(signal.SIGINT)
        said = following.communicate(timeout=120)[0]
    assert following.returncode == 130, said
    assert "Stopping raysubmit_" in said
    listed = requests.get(
        f"{head.dashboard}/api/jobs/",
        headers={"Authorization": f"Bearer {head.environment['RAY_AUTH_TOKEN']}"},
        timeout=10,
    )
    assert "RUNNING" not in {job["status"] for job in json.loads(listed.text)}


@pytest.mark.parametrize(
    ("address", "token", "reason"),
    [
        ("127.0.0.1:1", None, "no Ray cluster answers at --address http://127.0.0.1:1"),
        (None, "another-token", "refuses the token"),
    ],
)
def test_a_cluster_out_of_reach_is_one_line(
    head: Head, address: str | None, token: str | None, reason: str
) -> None:
    options = ["--address", address] if address else []
    ended = submit(head, *options, "plan=/nowhere", **({"RAY_AUTH_TOKEN": token} if token else {}))
    assert ended.returncode == 2
    assert reason in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


def test_a_variable_without_a_value_is_refused_by_name(head: Head) -> None:
    ended = submit(head, "--env=NOWHERE_SET", "plan=/nowhere")
    assert ended.returncode == 2
    assert ended.stderr == "--env NOWHERE_SET: it is not set here; give it as NOWHERE_SET=VALUE\n"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((), "plan= is not said"),
        (("lake=lake",), "lake=lake: it would go with the job"),
        (("lake=/lake", "plan=.night/plan"), "plan=.night/plan: it would go with the job"),
    ],
)
def test_a_plan_that_would_go_with_the_job_is_refused(
    capsys: pytest.CaptureFixture[str], given: tuple[str, ...], reason: str
) -> None:
    assert main(given) == 2
    assert capsys.readouterr().err.startswith(reason)
