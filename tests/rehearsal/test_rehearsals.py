"""Every stack file, and what stacks may ask for, on the real scheduler. Minutes."""

from typing import Any

import pytest
from recording import STACKS, stack_config
from staged import THEIRS, WELL, Rehearse

from embedded.cluster import Cluster
from rehearsal.stage import Stage

pytestmark = pytest.mark.engine

EXISTING = {"kind": "existing", "context": "somewhere"}
SMALL: dict[str, Any] = {
    "cluster": EXISTING,
    "hardware": "cuda",
    "models": [{"name": "Qwen/Qwen3-0.6B", "replicas": 2}],
}


def with_model(**changes: Any) -> dict[str, Any]:
    [model] = SMALL["models"]
    return {**SMALL, "models": [{**model, **changes}]}


@pytest.mark.parametrize("stack", STACKS)
def test_every_pod_of_a_stack_file_is_placed_and_nothing_is_left(
    stack: str, rehearse: Rehearse
) -> None:
    blocks = {key.removeprefix("llm-d:"): one for key, one in stack_config(stack).items()}

    shown = rehearse(blocks)

    assert shown.well, shown.said
    assert shown.line("all pods") == WELL
    assert shown.line("warnings of") == "warnings of the API server: none"
    servers = [pod for pod, _, _ in shown.placed if "-modelservice-decode-" in pod]
    assert len(servers) == sum(one.get("replicas", 1) for one in blocks["models"])
    assert all(node.startswith("node-") for _, node, _ in shown.placed)


@pytest.mark.parametrize(
    ("hardware", "device"), [("xpu-dra", "gpu.intel.com"), ("gaudi", "gaudi.intel.com")]
)
def test_claimed_devices_are_given_out_by_the_scheduler(
    hardware: str, device: str, rehearse: Rehearse
) -> None:
    nodes = {"count": 2, "cpu": "64", "memory": "256Gi", "devices": 1}

    shown = rehearse({**SMALL, "hardware": hardware, "cluster": {**EXISTING, "nodes": nodes}})

    assert shown.well, shown.said
    asked = [(node, asks) for pod, node, asks in shown.placed if pod.startswith("ms-")]
    assert sorted(node for node, _ in asked) == ["node-0", "node-1"]
    assert all(asks.endswith(f"{device} 1") for _, asks in asked)


@pytest.mark.parametrize("prometheus", ["install", "operator"])
def test_monitors_and_autoscalers_are_taken_by_their_own_definitions(
    prometheus: str, rehearse: Rehearse
) -> None:
    """With `install` as if its chart were there before: charts need their registry."""
    there = {"prometheus": prometheus, "prometheusUrl": "http://prometheus:9090"}
    autoscaling = {"by": "keda", "maxReplicas": 3}

    shown = rehearse({**with_model(autoscaling=autoscaling), "monitoring": there})

    assert shown.well, shown.said
    assert ("not rehearsed: the chart of monitoring" in shown.said) == (prometheus == "install")
    for counted in ("PodMonitor 2", "ServiceMonitor 1", "PrometheusRule 1", "ScaledObject 1"):
        assert counted in shown.said


def test_a_pod_without_a_node_is_told_with_the_scheduler_s_own_reason(rehearse: Rehearse) -> None:
    shown = rehearse(with_model(resources={"requests": {"cpu": "300"}, "limits": {"cpu": "300"}}))

    assert not shown.well
    assert (
        "its condition PodScheduled is missing: 0/2 nodes are available: 2 Insuffici" in shown.said
    )
    assert [node for pod, node, _ in shown.placed if pod.startswith("ms-")] == ["-", "-"]
    assert [node for pod, node, _ in shown.placed if pod.startswith("gaie-")] != ["-"]
    assert "left behind" not in shown.said


def test_an_object_that_the_api_server_refuses_is_told_in_its_words(rehearse: Rehearse) -> None:
    shown = rehearse(with_model(pods={"annotations": {"a..b/c": "d"}}))

    assert not shown.well
    assert 'Invalid value: "a..b/c"' in shown.said
    assert "problem: up has failed" in shown.said
    assert "left behind" not in shown.said


def test_pods_that_are_refused_are_told(rehearse: Rehearse) -> None:
    """The Deployment is taken, and its pods are not: who may use the class is the cluster's."""
    shown = rehearse(with_model(pods={"serviceAccount": "nobody"}))

    assert not shown.well
    assert "0 of 2 pods were made: " in shown.said
    assert 'serviceaccount "nobody" not found' in shown.said


def test_volumes_are_provided_and_jobs_end(rehearse: Rehearse) -> None:
    source = {"source": "pvc+hf://models/Qwen/Qwen3-0.6B", "claim": {"size": "50Gi"}}

    shown = rehearse(with_model(**source))

    assert shown.well, shown.said
    assert "PersistentVolumeClaim 1" in shown.said
    assert [asks for pod, _, asks in shown.placed if "-prefetch-" in pod] == ["it has ended"]


def test_a_replica_over_several_machines_is_said_not_to_be_rehearsed(rehearse: Rehearse) -> None:
    shown = rehearse(with_model(nodes=2, tensorParallel=16, name="Qwen/Qwen3-32B"))

    assert shown.well, shown.said
    assert shown.line("not rehearsed") == (
        "not rehearsed: the pods of LeaderWorkerSet, which its controller would make"
    )


def test_what_a_stack_counts_on_is_there(rehearse: Rehearse) -> None:
    blocks = with_model(
        source="pvc://models/qwen", pods={"serviceAccount": THEIRS, "priorityClass": THEIRS}
    )

    shown = rehearse({**blocks, "names": {"createNamespace": False}})

    assert shown.well, shown.said


def test_the_api_server_s_warnings_are_told_with_their_object(stage: Cluster) -> None:
    labels = {"app": "web"}
    container = {"name": "web", "image": "docker.io/library/nginx:1.29"}
    spec = {"containers": [container], "nodeSelector": {"beta.kubernetes.io/arch": "amd64"}}
    server = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "default"},
    }

    [warning] = Stage(stage).warnings([settings, server, settings])

    assert warning.startswith(
        "deployment.apps/web: spec.template.spec.nodeSelector[beta.kubernetes.io/arch]: deprecated"
    )
