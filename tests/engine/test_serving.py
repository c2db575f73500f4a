"""Every way of serving at once, accepted by a real API server and placed by a real scheduler."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from engine.project import Project, Ran
from engine.test_existing_cluster import kubectl, on

from embedded.cluster import Cluster
from stack import crds, lws

pytestmark = [pytest.mark.engine]

NAMESPACE = "serving"
GPUS = json.dumps({"nvidia.com/gpu": "8"})
DISK: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "models"},
    "spec": {
        "capacity": {"storage": "50Gi"},
        "accessModes": ["ReadWriteMany"],
        "hostPath": {"path": "/nowhere"},
    },
}
SMALL = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
STACK: dict[str, Any] = {
    "hardware": "cuda",
    "names": {"namespace": NAMESPACE, "postfix": "s"},
    "models": [
        {
            "name": "Qwen/Qwen3-8B",
            "replicas": 2,
            "resources": SMALL,
            "claim": {"size": "50Gi"},
            "prefill": {"replicas": 2},
            "adapters": [{"name": "tuned", "source": "hf://someone/tuned"}],
            "aliases": [
                {
                    "name": "chat",
                    "targets": [
                        {"model": "Qwen/Qwen3-8B", "weight": 9},
                        {"model": "tuned", "weight": 1},
                    ],
                }
            ],
            "objectives": [{"name": "batch", "priority": -1}],
            "scheduler": {"replicas": 2, "flowControl": True},
            "pods": {"annotations": {"team": "search"}, "imagePullSecrets": ["registry"]},
        },
        {
            "name": "Qwen/Qwen3-32B",
            "id": "wide",
            "nodes": 2,
            "tensorParallel": 2,
            "resources": SMALL,
        },
        {
            "name": "Qwen/Qwen3-4B",
            "id": "precise",
            "resources": SMALL,
            "scheduler": {"preset": "precise-prefix-cache"},
            "aliases": [
                {
                    "name": "any",
                    "targets": [
                        {"model": "Qwen/Qwen3-4B", "weight": 3},
                        {"model": "Qwen/Qwen3-8B", "weight": 1},
                    ],
                }
            ],
        },
    ],
}


def list_of(objects: Iterator[Mapping[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": [*objects]}


def listed(cluster: Cluster, kind: str) -> list[dict[str, Any]]:
    return json.loads(kubectl(cluster, "get", kind, "-n", NAMESPACE, "-o", "json"))["items"]


@pytest.fixture(scope="module")
def deployed(
    control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cluster, Ran]]:
    root = tmp_path_factory.mktemp("serving")
    (root / "disk.json").write_text(json.dumps(DISK))
    # Whoever owns the cluster has installed LeaderWorkerSet, here without its controller.
    crds.fetch(lws.CRDS)
    (root / "groups.json").write_text(json.dumps(list_of(crds.documents(lws.CRDS))))
    for file in ("disk.json", "groups.json"):
        kubectl(control_plane, "apply", "--server-side", "-f", str(root / file))
    devices = f'{{"status": {{"capacity": {GPUS}, "allocatable": {GPUS}}}}}'
    patch = ("patch", "node", "node-0", "--subresource=status", "--type=merge", "-p", devices)
    kubectl(control_plane, *patch)
    project = Project.create(root / "project", "serving", STACK | {"cluster": on(control_plane)})
    yield control_plane, project.act("up")
    down = project.act("down")
    for file in ("disk.json", "groups.json"):
        kubectl(control_plane, "delete", "-f", str(root / file))
    assert down.code == 0, down.said


def test_it_comes_up(deployed: tuple[Cluster, Ran]) -> None:
    cluster, up = deployed

    assert up.code == 0, up.said
    running = [
        one["metadata"]["labels"].get("llm-d.ai/role")
        for one in listed(cluster, "pods")
        if one["status"]["phase"] == "Running"
    ]
    assert running.count("prefill") == 2
    assert running.count("decode") == 3
    assert running.count(None) == 6, "four endpoint pickers, and the two Envoys of all models"


def test_no_server_starts_before_its_files_are_there(deployed: tuple[Cluster, Ran]) -> None:
    cluster, _ = deployed
    [job] = listed(cluster, "jobs")
    [claim] = listed(cluster, "persistentvolumeclaims")
    workloads = [
        one["metadata"]["creationTimestamp"]
        for one in listed(cluster, "deployments")
        if "-llm-d-modelservice-" in one["metadata"]["name"]
        and "precise" not in one["metadata"]["name"]
    ]

    assert claim["status"]["phase"] == "Bound"
    assert len(workloads) == 2
    assert all(created >= job["status"]["completionTime"] for created in workloads)


def test_the_pool_selects_the_pods_that_listen_and_no_others(
    deployed: tuple[Cluster, Ran],
) -> None:
    cluster, _ = deployed
    pods = listed(cluster, "pods")
    counts = {
        pool["metadata"]["name"]: sum(
            pool["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
            for pod in pods
        )
        for pool in listed(cluster, "inferencepools.inference.networking.k8s.io")
    }

    assert counts == {
        "gaie-s": 4,
        # Its pods are made by a controller that this cluster does not have.
        "gaie-s-wide": 0,
        "gaie-s-precise": 1,
    }


def test_names_priorities_and_budgets_are_there(deployed: tuple[Cluster, Ran]) -> None:
    cluster, _ = deployed

    rewrites = {
        (one["metadata"]["name"], rule["matches"][0]["model"]["value"]): rule["targets"]
        for one in listed(cluster, "inferencemodelrewrites")
        for rule in one["spec"]["rules"]
    }
    [objective] = listed(cluster, "inferenceobjectives")
    budgets = {one["metadata"]["name"]: one["spec"] for one in listed(cluster, "pdb")}

    assert rewrites == {
        ("gaie-s", "chat"): [
            {"modelRewrite": "Qwen/Qwen3-8B", "weight": 9},
            {"modelRewrite": "tuned", "weight": 1},
        ],
        ("gaie-s", "any"): [{"modelRewrite": "Qwen/Qwen3-8B", "weight": 1}],
        ("gaie-s-precise", "any"): [{"modelRewrite": "Qwen/Qwen3-4B", "weight": 3}],
    }
    assert objective["spec"]["priority"] == -1
    assert sorted(budgets) == [
        "ms-s-llm-d-modelservice-decode",
        "ms-s-llm-d-modelservice-prefill",
    ]


def test_a_replica_over_two_nodes_is_a_leader_and_a_worker(deployed: tuple[Cluster, Ran]) -> None:
    cluster, _ = deployed
    [group] = listed(cluster, "leaderworkersets.leaderworkerset.x-k8s.io")
    template = group["spec"]["leaderWorkerTemplate"]

    [leader] = template["leaderTemplate"]["spec"]["containers"]
    [worker] = template["workerTemplate"]["spec"]["containers"]

    assert template["size"] == 2
    assert worker["args"] == [*leader["args"], "--headless"]
    assert leader["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_endpoint_picker_that_stands_by_may_take_over(deployed: tuple[Cluster, Ran]) -> None:
    cluster, _ = deployed
    picker = f"system:serviceaccount:{NAMESPACE}:gaie-s-epp"
    asked = ("update", "leases.coordination.k8s.io", "-n", NAMESPACE, "--as", picker)

    assert kubectl(cluster, "auth", "can-i", *asked).strip() == "yes"


def test_endpoint_pickers_with_plugins_that_are_not_built_here_are_simulated(
    deployed: tuple[Cluster, Ran],
) -> None:
    cluster, _ = deployed
    said = {
        one["involvedObject"]["name"].rsplit("-epp-", 1)[0]: one["message"]
        for one in listed(cluster, "events")
        if one["reason"] == "Simulated" and "-epp-" in one["involvedObject"]["name"]
    }

    reason = "Not run on this machine: the endpoint picker that is built here has no plugin"
    assert said == {
        "gaie-s": f"{reason} `prefill-header-handler`",
        "gaie-s-precise": f"{reason} `precise-prefix-cache-scorer`",
    }
