"""A night on a real autoscaler: no worker before it, some during it, none after it."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config

from tests.head import ROOT, Head, free_port, started
from tests.test_submit import SMALL, empty_tables

MAX_WORKERS = 2
FAKE = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"


def autoscaling(gcs_port: int) -> dict[str, Any]:
    """cluster.yaml, with this machine's share of CPUs per node instead of AWS's."""
    config: dict[str, Any] = prepare_config(yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    config |= {key: [] for key in config if key.endswith("_commands")}
    config |= {"file_mounts": {}, "docker": {}, "auth": {}, "idle_timeout_minutes": 0.1}
    config["max_workers"] = MAX_WORKERS
    for node_type in config["available_node_types"].values():
        node_type["max_workers"] = min(node_type["max_workers"], MAX_WORKERS)
    config["available_node_types"]["cpu_spot"]["resources"] = {
        "CPU": 2,
        "object_store_memory": 150_000_000,
    }
    config["provider"] = {
        "type": "external",
        "module": FAKE,
        "gcs_address": f"127.0.0.1:{gcs_port}",
        # Every node has this machine's address, and nothing is installed over SSH.
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    }
    return config


def test_workers_come_for_the_night_and_go_after_it(tmp_path: Path) -> None:
    port = free_port()
    file = tmp_path / "autoscaling.json"  # JSON is YAML
    file.write_text(json.dumps(autoscaling(port)))
    options = ("--num-cpus=0", f"--autoscaling-config={file}")
    variables = {
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "PYTHONPATH": str(ROOT),
    }
    with started(port, *options, **variables) as head:
        assert head.workers() == 0
        most = most_workers_of_a_night(head, tmp_path)
        assert 1 <= most <= MAX_WORKERS
        deadline = time.monotonic() + 60
        while head.workers() > 0:
            assert time.monotonic() < deadline, "idle workers stayed"
            time.sleep(0.5)
    assert empty_tables(f"{tmp_path}/plan") == []


def most_workers_of_a_night(head: Head, folder: Path) -> int:
    """Makes the company and plans a night on the cluster; the most workers seen at once."""
    places = (f"cluster.address={head.gcs}", f"plan={folder}/plan")
    command = [sys.executable, "-m", "logistics.run", *SMALL, *places]
    most = 0
    with (folder / "log").open("wb") as log:
        night = subprocess.Popen(
            command,
            env=dict(head.environment),
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while night.poll() is None:
                most = max(most, head.workers())
                time.sleep(0.5)
        finally:
            night.kill()
    if night.wait() != 0:
        pytest.fail((folder / "log").read_text())
    return most
