"""The cluster files: Ray's own schema for cluster.yaml, KubeRay's structure for the manifests."""

import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from logistics.run import compose_config
from tests.head import ROOT

KUBERAY = ROOT / "conf" / "deploy" / "kuberay"
RAY = next(
    line.partition("==")[2]
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line.startswith("ray==")
)

# The structure of KubeRay's custom resource definitions (ray.io/v1, 1.7) as far as ours use it;
# every object is closed, so that a misspelt field is found here and not at night.
STRING, INTEGER, BOOLEAN = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
STRINGS = {"type": "object", "additionalProperties": STRING}
QUANTITIES = {
    "type": "object",
    "additionalProperties": {"type": "string", "pattern": r"^\d+(\.\d+)?(m|[KMGT]i?)?$"},
}


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": False,
    }


def several(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


def one_of(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


CONTAINER = closed(
    {
        "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        "image": STRING,
        "resources": closed({"requests": QUANTITIES, "limits": QUANTITIES}),
        "env": several(closed({"name": STRING, "value": STRING})),
        "volumeMounts": several(closed({"name": STRING, "mountPath": STRING})),
    },
    {"ports": several(closed({"name": STRING, "containerPort": INTEGER}))},
)
TOLERATION = closed(
    {
        "key": STRING,
        "operator": one_of("Exists", "Equal"),
        "effect": one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),
    }
)
POD = closed(
    {
        "containers": several(CONTAINER),
        "volumes": several(closed({"name": STRING, "emptyDir": closed({}, {"sizeLimit": STRING})})),
        "serviceAccountName": STRING,
    },
    {"nodeSelector": STRINGS, "tolerations": several(TOLERATION)},
)
GROUP = {"rayStartParams": STRINGS, "template": closed({"spec": POD})}
COUNT = {"type": "integer", "minimum": 0}
CLUSTER = closed(
    {
        "rayVersion": STRING,
        "authOptions": closed({"mode": one_of("disabled", "token")}),
        "enableInTreeAutoscaling": BOOLEAN,
        "autoscalerOptions": closed(
            {
                "version": one_of("v1", "v2"),
                "upscalingMode": one_of("Default", "Aggressive", "Conservative"),
                "idleTimeoutSeconds": INTEGER,
            }
        ),
        "headGroupSpec": closed(GROUP),
        "workerGroupSpecs": several(
            closed(
                GROUP
                | {"groupName": STRING}
                | dict.fromkeys(("replicas", "minReplicas", "maxReplicas"), COUNT)
            )
        ),
    }
)
JOB = closed(
    {
        "entrypoint": STRING,
        "rayClusterSpec": CLUSTER,
        "shutdownAfterJobFinishes": BOOLEAN,
        "ttlSecondsAfterFinished": INTEGER,
        "activeDeadlineSeconds": {"type": "integer", "minimum": 1},
        "backoffLimit": INTEGER,
    }
)
CRON = closed(
    {
        "schedule": {"type": "string", "pattern": r"^(\S+ ){4}\S+$"},
        "timeZone": {"type": "string", "minLength": 1},
        "jobTemplate": JOB,
    }
)


def manifest(kind: str, metadata: str, spec: dict[str, Any]) -> dict[str, Any]:
    named = closed({metadata: STRING})
    return closed(
        {"apiVersion": one_of("ray.io/v1"), "kind": one_of(kind), "metadata": named, "spec": spec}
    )


MANIFESTS = {
    "rayjob": manifest("RayJob", "generateName", JOB),
    "raycronjob": manifest("RayCronJob", "name", CRON),
}


def loaded(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    """cluster.yaml as `ray up` completes it."""
    completed: dict[str, Any] = prepare_config(loaded(ROOT / "cluster.yaml"))
    validate_config(completed)
    return completed


@pytest.fixture(params=MANIFESTS)
def job(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The job of a manifest that has KubeRay's structure."""
    content = loaded(KUBERAY / f"{request.param}.yaml")
    jsonschema.validate(content, MANIFESTS[request.param])
    spec: dict[str, Any] = content["spec"]
    return spec.get("jobTemplate", spec)


def test_the_head_does_no_work_and_every_worker_comes_and_goes(cluster: dict[str, Any]) -> None:
    types = cluster["available_node_types"]
    assert types[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    workers = {name: t for name, t in types.items() if name != cluster["head_node_type"]}
    assert all(t["min_workers"] == 0 < t["max_workers"] for t in workers.values())
    assert sum(t["max_workers"] for t in workers.values()) <= cluster["max_workers"]
    assert cluster["idle_timeout_minutes"] > 0
    assert not cluster["provider"]["cache_stopped_nodes"]
    spot = workers["cpu_spot"]["node_config"]["InstanceMarketOptions"]
    assert spot == {"MarketType": "spot"}
    assert workers["gpu"]["resources"]["GPU"] > 0


def test_every_node_has_the_package_the_token_and_its_folders(cluster: dict[str, Any]) -> None:
    installs = "--constraint /home/ray/logistics/constraints.txt '/home/ray/logistics[s3]'"
    starts = {"head": "ray start --head", "worker": "ray start --address=$RAY_HEAD_IP:6379"}
    for kind, start in starts.items():
        assert any(installs in command for command in cluster[f"{kind}_setup_commands"])
        started = cluster[f"{kind}_start_ray_commands"][-1]
        assert started.startswith(start)
        for option in ("--temp-dir=/mnt/ray/logs", "--object-spilling-directory=/mnt/ray/spill"):
            assert option in started
    assert "--dashboard-host=127.0.0.1" in cluster["head_start_ray_commands"][-1]
    assert "--env RAY_AUTH_MODE=token" in cluster["docker"]["run_options"]
    assert "/home/ray/.ray/auth_token" in cluster["file_mounts"]


def test_the_commands_are_shell(cluster: dict[str, Any]) -> None:
    for key, commands in cluster.items():
        if key.endswith("_commands"):
            for command in commands:
                subprocess.run(["bash", "-n", "-c", command], check=True)


def test_a_manifest_has_a_head_without_work_and_workers_from_zero(job: dict[str, Any]) -> None:
    spec = job["rayClusterSpec"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["authOptions"] == {"mode": "token"}
    groups = {group["groupName"]: group for group in spec["workerGroupSpecs"]}
    assert all(g["minReplicas"] == g["replicas"] == 0 < g["maxReplicas"] for g in groups.values())
    gpus = groups["gpu"]["template"]["spec"]["containers"][0]["resources"]
    assert gpus["limits"]["nvidia.com/gpu"] == gpus["requests"]["nvidia.com/gpu"]
    assert job["shutdownAfterJobFinishes"]


def test_a_manifest_spills_into_a_volume(job: dict[str, Any]) -> None:
    spec = job["rayClusterSpec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        mounts = {m["mountPath"]: m["name"] for m in pod["containers"][0]["volumeMounts"]}
        folder = group["rayStartParams"]["object-spilling-directory"]
        assert mounts[folder] in {volume["name"] for volume in pod["volumes"]}


def test_the_entrypoint_is_a_night_that_logistics_understands(job: dict[str, Any]) -> None:
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {job['entrypoint']}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert said[:3] == ["python", "-m", "logistics.run"]
    composed = compose_config(said[3:])
    assert composed["task"] == "night"
    assert str(composed["plan"]).startswith("s3://")


def test_the_nightly_job_is_the_single_one() -> None:
    single, nightly = (loaded(KUBERAY / f"{name}.yaml")["spec"] for name in MANIFESTS)
    assert nightly["jobTemplate"] == single


def test_all_run_the_ray_that_is_tested(cluster: dict[str, Any], job: dict[str, Any]) -> None:
    assert job["rayClusterSpec"]["rayVersion"] == RAY
    images = [cluster["docker"]["image"], (KUBERAY.parent / "Dockerfile").read_text()]
    images.append(cluster["available_node_types"]["gpu"]["docker"]["worker_image"])
    assert all(f"rayproject/ray:{RAY}-py311" in image for image in images)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("minReplicas", "minReplica"),
        ("mode: token", "mode: tokens"),
        ('num-cpus: "0"', "num-cpus: 0"),
        ("upscalingMode: Aggressive", "upscalingMode: aggressive"),
        ("image:", "images:"),
        ("memory: 56Gi", "memory: 56 GiB"),
    ],
)
def test_a_slip_of_the_pen_is_found(old: str, new: str) -> None:
    slipped = (KUBERAY / "rayjob.yaml").read_text().replace(old, new)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(slipped), MANIFESTS["rayjob"])
