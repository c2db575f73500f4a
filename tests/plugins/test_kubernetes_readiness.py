"""When an object does what it is there for."""

from typing import Any

import pytest

from plugins.kubernetes import readiness
from plugins.kubernetes.readiness import READY, Broken, Verdict, Waiting
from plugins.values import Object


def deployment(wanted: int | None = 2, **status: Any) -> Object:
    """A Deployment that is ready, but for what `status` says."""
    count = 1 if wanted is None else wanted
    return {
        "metadata": {"generation": 2},
        "spec": {} if wanted is None else {"replicas": wanted},
        "status": {
            "observedGeneration": 2,
            "replicas": count,
            "updatedReplicas": count,
            "availableReplicas": count,
            **status,
        },
    }


def condition(kind: str, status: str, **more: str) -> Object:
    return {"conditions": [{"type": kind, "status": status, **more}]}


DEADLINE = condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="too slow")


@pytest.mark.parametrize(
    ("obj", "verdict"),
    [
        (deployment(), READY),
        (deployment(0), READY),
        (deployment(None), READY),
        (deployment(observedGeneration=1), Waiting("the controller has not seen it yet")),
        ({"metadata": {"generation": 1}}, Waiting("the controller has not seen it yet")),
        (deployment(updatedReplicas=1), Waiting("1 of 2 pods are of the new version")),
        (deployment(replicas=3), Waiting("1 pods of the old version still run")),
        (deployment(availableReplicas=1), Waiting("1 of 2 pods are available")),
        (deployment(None, availableReplicas=None), Waiting("0 of 1 pods are available")),
        (deployment(availableReplicas=0, **DEADLINE), Broken("its rollout failed: too slow")),
    ],
)
def test_a_deployment_is_ready_when_all_its_new_pods_are_available(
    obj: Object, verdict: Verdict
) -> None:
    assert readiness.deployment(obj) == verdict


def stateful_set(strategy: Object | None = None, **status: Any) -> Object:
    return {
        "metadata": {"generation": 1},
        "spec": {"replicas": 3, "updateStrategy": strategy or {}},
        "status": {
            "observedGeneration": 1,
            "readyReplicas": 3,
            "updatedReplicas": 3,
            **status,
        },
    }


@pytest.mark.parametrize(
    ("obj", "verdict"),
    [
        (stateful_set(), READY),
        (stateful_set(readyReplicas=2), Waiting("2 of 3 pods are ready")),
        (stateful_set(updatedReplicas=1), Waiting("1 of 3 pods are of the new version")),
        (stateful_set({"rollingUpdate": {"partition": 2}}, updatedReplicas=1), READY),
        (stateful_set({"type": "OnDelete"}, updatedReplicas=0), READY),
        (stateful_set(observedGeneration=0), Waiting("the controller has not seen it yet")),
    ],
)
def test_a_stateful_set_is_ready_when_its_pods_are_ready_and_new(
    obj: Object, verdict: Verdict
) -> None:
    assert readiness.stateful_set(obj) == verdict


@pytest.mark.parametrize(
    ("updated", "available", "verdict"),
    [
        (2, 2, READY),
        (1, 2, Waiting("1 of 2 pods are of the new version")),
        (2, 1, Waiting("1 of 2 pods are available")),
    ],
)
def test_a_daemon_set_is_ready_when_every_node_has_its_pod(
    updated: int, available: int, verdict: Verdict
) -> None:
    status = {
        "desiredNumberScheduled": 2,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
    }
    assert readiness.daemon_set({"status": status}) == verdict


@pytest.mark.parametrize(
    ("obj", "verdict"),
    [
        ({"status": condition("Complete", "True")}, READY),
        ({"spec": {"suspend": True}}, READY),
        (
            {"spec": {"completions": 3}, "status": {"succeeded": 1}},
            Waiting("1 of 3 pods have succeeded"),
        ),
        (
            {"status": condition("Failed", "True", reason="BackoffLimitExceeded", message="no")},
            Broken("it failed: BackoffLimitExceeded: no"),
        ),
    ],
)
def test_a_job_is_ready_when_it_is_complete(obj: Object, verdict: Verdict) -> None:
    assert readiness.job(obj) == verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ({"phase": "Running", **condition("Ready", "True")}, READY),
        ({"phase": "Succeeded"}, READY),
        ({"phase": "Running", **condition("Ready", "False")}, Waiting("it is Running, not ready")),
        ({}, Waiting("it is not scheduled, not ready")),
        ({"phase": "Failed"}, Broken("it failed")),
    ],
)
def test_a_pod_is_ready_when_it_says_so_or_is_done(status: Object, verdict: Verdict) -> None:
    assert readiness.pod({"status": status}) == verdict


LATE = {"volumeBindingMode": "WaitForFirstConsumer"}


@pytest.mark.parametrize(
    ("phase", "classes", "verdict"),
    [
        ("Bound", [], READY),
        ("Pending", [LATE], READY),
        (
            "Pending",
            [{"volumeBindingMode": "Immediate"}],
            Waiting("it is Pending, not bound to a volume"),
        ),
        ("Lost", [], Broken("its volume is lost")),
    ],
)
def test_a_claim_is_ready_when_it_is_bound_or_waits_for_its_pod(
    phase: str, classes: list[Object], verdict: Verdict
) -> None:
    assert readiness.persistent_volume_claim({"status": {"phase": phase}}, classes) == verdict


SERVING = [{"endpoints": [{"conditions": {"ready": False}}, {"conditions": {"ready": True}}]}]
NOT_SERVING = [{"endpoints": [{"conditions": {"ready": False}}]}, {"endpoints": None}]
NO_POD = Waiting("none of the pods it selects is ready")
NO_ADDRESS = Waiting("no load balancer gave it an address (local clusters may have none)")


@pytest.mark.parametrize(
    ("spec", "slices", "verdict"),
    [
        ({"selector": {"a": "b"}}, SERVING, READY),
        ({"selector": {"a": "b"}}, NOT_SERVING, NO_POD),
        ({"selector": {"a": "b"}}, [], NO_POD),
        ({"selector": {"a": "b"}, "clusterIP": "None"}, [], READY),
        ({}, [], READY),
        ({"type": "ExternalName", "selector": {"a": "b"}}, [], READY),
        ({"type": "LoadBalancer", "selector": {"a": "b"}}, SERVING, NO_ADDRESS),
    ],
)
def test_a_service_is_ready_when_it_leads_somewhere(
    spec: Object, slices: list[Object], verdict: Verdict
) -> None:
    assert readiness.service({"spec": spec}, slices) == verdict


def test_a_load_balancer_is_ready_when_it_has_an_address() -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    assert readiness.service({"spec": {"type": "LoadBalancer"}, "status": status}) == READY
    assert readiness.ingress({"status": status}) == READY
    assert readiness.ingress({}) != READY


@pytest.mark.parametrize(("phase", "ready"), [("Active", True), ("Terminating", False)])
def test_a_namespace_is_ready_when_it_is_active(phase: str, ready: bool) -> None:  # noqa: FBT001
    assert (readiness.namespace({"status": {"phase": phase}}) == READY) is ready


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (condition("Established", "True"), READY),
        ({}, Waiting("it is not established")),
        (
            condition("NamesAccepted", "False", message="taken"),
            Broken("its names are refused: taken"),
        ),
    ],
)
def test_a_crd_is_ready_when_it_is_established(status: Object, verdict: Verdict) -> None:
    assert readiness.custom_resource_definition({"status": status}) == verdict


@pytest.mark.parametrize(
    ("obj", "ready"),
    [
        ({"status": condition("Ready", "True")}, True),
        ({"status": condition("Ready", "False")}, False),
        ({}, True),
        ({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}, False),
    ],
)
def test_any_other_kind_is_ready_unless_its_conditions_deny_it(
    obj: Object,
    ready: bool,  # noqa: FBT001
) -> None:
    assert (readiness.by_conditions(obj) == READY) is ready
