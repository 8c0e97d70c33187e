"""scripts/submit against a real head on loopback: a night on S3, and what is refused."""

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

from tests.head import ROOT, Head, ended_after, free_port, started

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
    "routes.iterations_per_depot=20",
    "date=2026-03-02",
)
FILLED = ("forecasts", "forecast_totals", "risks", "work_orders", "routes", "stops", "slots_plan")


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with started(free_port(), "--num-cpus=2") as running:
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
    command = [sys.executable, str(ROOT / "scripts" / "submit.py"), "--address", head.dashboard]
    return subprocess.run(
        [*command, *arguments],
        env=dict(head.environment) | variables,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def empty_tables(plan: str, store: Mapping[str, str] | None = None) -> list[str]:
    found = {t: pl.scan_delta(f"{plan}/{t}", storage_options=store).collect() for t in FILLED}
    return [table for table, rows in found.items() if rows.is_empty()]


def test_a_submitted_night_reads_its_lake_from_s3_and_publishes_there(
    head: Head, bucket: dict[str, str]
) -> None:
    places = ("lake=s3://night/lake", "plan=s3://night/plan")
    given = [f"--env={name}" for name in bucket]  # the values are taken from here
    for task in ("world", "night"):
        ended = submit(head, *given, f"task={task}", *SMALL, *places, **bucket)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ended.stderr == ""
    assert "The plan for Monday, 2 March 2026" in ended.stdout
    assert empty_tables("s3://night/plan", bucket) == []


def test_a_request_that_cannot_be_carried_out_is_told_with_its_code(head: Head) -> None:
    ended = submit(head, "forecast.horizon=90")
    assert ended.returncode == 2
    assert "did you mean forecast.horizon_days?" in ended.stdout


def test_an_interrupt_stops_the_night_when_asked_to(head: Head, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "submit.py"), "--address", head.dashboard]
    following = subprocess.Popen(
        [*command, "--stop-on-interrupt", *SMALL, f"plan={tmp_path}/plan"],
        env=dict(head.environment),
        stdout=subprocess.PIPE,
        text=True,
    )
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
        ("http://127.0.0.1:1", None, "no Ray cluster answers at --address http://127.0.0.1:1"),
        (None, "another-token", "refuses the token"),
    ],
)
def test_a_cluster_out_of_reach_is_one_line(
    head: Head, address: str | None, token: str | None, reason: str
) -> None:
    options = ["--address", address] if address else []
    ended = submit(head, *options, **({"RAY_AUTH_TOKEN": token} if token else {}))
    assert ended.returncode == 2
    assert reason in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


def test_a_variable_without_a_value_is_refused_by_name(head: Head) -> None:
    ended = submit(head, "--env=NOWHERE_SET")
    assert ended.returncode == 2
    assert ended.stderr == "--env NOWHERE_SET: it is not set here; give it as NOWHERE_SET=VALUE\n"
