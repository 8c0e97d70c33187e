"""cluster.yaml on this machine alone: Ray's own autoscaler over nodes that are processes here."""

from typing import Any

import yaml
from ray.autoscaler._private.util import prepare_config

from tests.head import ROOT

# Nodes on one machine share a folder, where a second one's agent removes the job's working folder
# from under the first one's workers to unpack it anew (Ray 2.60); the head's driver outlives that.
MAX_WORKERS = 1
FAKE = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
VARIABLES = {
    "RAY_FAKE_CLUSTER": "1",
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    "PYTHONPATH": str(ROOT),
}


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
