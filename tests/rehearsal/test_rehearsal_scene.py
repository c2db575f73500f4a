"""Where pods are and why not, from what the API server has. Pure."""

from decimal import Decimal
from typing import Any

import pytest

from rehearsal import scene

READY = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready")]
UNSCHEDULABLE = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


def container(**requests: str) -> dict[str, Any]:
    return {"name": "one", "resources": {"requests": requests}}


def pod(name: str = "web", node: str = "node-0", **changes: Any) -> dict[str, Any]:
    spec = {"containers": [container(cpu="500m", memory="1Gi")], "schedulerName": "default"}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {**spec, "nodeName": node},
        "status": {"phase": "Running", "conditions": READY},
        **changes,
    }


def node(name: str = "node-0", **allocatable: str) -> dict[str, Any]:
    return {"kind": "Node", "metadata": {"name": name}, "status": {"allocatable": allocatable}}


def deployment(wanted: int, made: int) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "uid": "d"},
        "spec": {"replicas": wanted},
        "status": {"replicas": made},
    }


REPLICASET: dict[str, Any] = {
    "kind": "ReplicaSet",
    "metadata": {"name": "web-1", "uid": "r", "ownerReferences": [{"uid": "d"}]},
}


def refusal(uid: str) -> dict[str, Any]:
    involved = {"uid": uid}
    return {
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": involved,
        "reason": "FailedCreate",
        "message": "forbidden: violates PodSecurity",
    }


def test_nodes_are_as_full_as_their_pods_make_them() -> None:
    shown = scene.read(
        [node(cpu="4", memory="8Gi"), node("node-1", cpu="4"), pod("a"), pod("b"), pod("c", "")]
    )

    assert shown.taken("node-0") == {"cpu": Decimal(1), "memory": Decimal(2 * 2**30)}
    assert shown.taken("node-1") == {}
    assert shown.nodes["node-0"]["cpu"] == Decimal(4)
    assert not shown.problems


def test_a_pod_asks_for_what_runs_at_the_same_time() -> None:
    spec = {
        "containers": [container(cpu="1"), container(cpu="500m")],
        "initContainers": [
            container(cpu="3", memory="1Gi"),
            container(cpu="250m") | {"restartPolicy": "Always"},
        ],
    }

    assert scene.asks(spec) == {"cpu": Decimal(3), "memory": Decimal(2**30)}
    spec["initContainers"].pop(0)
    assert scene.asks(spec) == {"cpu": Decimal("1.75")}


def test_claimed_devices_count_as_what_their_driver_is_called() -> None:
    claim = {
        "kind": "ResourceClaim",
        "metadata": {"name": "c"},
        "status": {
            "reservedFor": [{"uid": "uid-web"}],
            "allocation": {"devices": {"results": [{"driver": "gpu.x"}, {"driver": "gpu.x"}]}},
        },
    }
    devices = [{"name": f"device-{at}"} for at in range(4)]
    part = {
        "kind": "ResourceSlice",
        "metadata": {"name": "s"},
        "spec": {"driver": "gpu.x", "nodeName": "node-0", "devices": devices},
    }

    shown = scene.read([node(cpu="4"), part, claim, pod()])

    assert shown.taken("node-0")["gpu.x"] == 2
    assert shown.nodes["node-0"]["gpu.x"] == 4


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ([], "its condition PodScheduled is missing: the scheduler default has not looked at it"),
        (
            [{"type": "PodScheduled", "status": "False", "message": UNSCHEDULABLE}],
            f"its condition PodScheduled is missing: {UNSCHEDULABLE}",
        ),
        (READY[:1], "its condition Ready is missing: nobody says why"),
        (READY, ""),
    ],
)
def test_trouble_is_the_first_condition_that_is_missing(
    conditions: list[dict[str, str]], said: str
) -> None:
    one = pod(status={"phase": "Pending", "conditions": conditions})

    assert scene.trouble(one) == said
    assert scene.read([one]).problems == ((f"pod web: {said}",) if said else ())


def test_a_pod_that_has_done_its_work_needs_not_be_ready() -> None:
    shown = scene.read([node(cpu="4"), pod(status={"phase": "Succeeded"})])

    assert shown.problems == ()
    assert shown.taken("node-0") == {}, "and leaves its node to others"


def test_pods_that_were_not_made_are_told_with_the_reason_of_whoever_makes_them() -> None:
    assert scene.read([deployment(2, 2), REPLICASET, refusal("r")]).problems == ()
    assert scene.read([deployment(2, 0), REPLICASET, refusal("r")]).problems == (
        "Deployment web: 0 of 2 pods were made: forbidden: violates PodSecurity",
    )
    assert scene.read([deployment(2, 1)]).problems == (
        "Deployment web: 1 of 2 pods were made: nobody says why",
    )


@pytest.mark.parametrize(
    ("status", "problems"), [({}, 1), ({"active": 1}, 0), ({"succeeded": 1}, 0), ({"failed": 1}, 0)]
)
def test_a_job_has_made_its_pod_whatever_became_of_it(
    status: dict[str, int], problems: int
) -> None:
    job = {"kind": "Job", "metadata": {"name": "j", "uid": "j"}, "spec": {}, "status": status}

    assert len(scene.read([job]).problems) == problems
