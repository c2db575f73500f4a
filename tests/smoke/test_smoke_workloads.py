"""What objects say of themselves, and what becomes of it when something is not ready."""

from typing import Any

import pytest

from smoke import workloads
from smoke.findings import Failed, Found, Hop, Passed
from tests.smoke.deployed import (
    DECODE,
    KUBECTL,
    MODEL,
    NAMESPACE,
    POOL,
    STACK,
    deployment,
    pod,
    service,
    waiting,
)

LOGS = f"{KUBECTL} logs deployment/{DECODE} --all-containers --tail=50"

RUNNING: dict[str, Any] = {"containerStatuses": [{"name": "vllm", "state": {"running": {}}}]}


def failed(found: Found) -> Failed:
    assert isinstance(found, Failed), found
    return found


def judge(live: Any, *pods: Any, events: Any = (), last_words: str = "") -> Found:
    return workloads.deployment(STACK, Hop.SERVER, DECODE, live, pods, events, last_words)


def test_as_many_ready_as_wanted_will_do() -> None:
    assert judge(deployment(DECODE, ready=2)) == Passed("2 of 2 pods ready")


def test_a_deployment_that_is_gone_is_made_again_by_up() -> None:
    found = failed(judge(None))

    assert (found.hop, found.next) == (Hop.SERVER, "make up STACK=mine")
    assert found.seen == f"no Deployment `{DECODE}`"


def test_a_pod_without_a_node_is_told_in_the_schedulers_words() -> None:
    said = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    unscheduled = pod("decode-0", ready=False, phase="Pending")
    unscheduled["status"]["conditions"] += [
        {"type": "PodScheduled", "status": "False", "message": said}
    ]

    found = failed(judge(deployment(DECODE, ready=0), unscheduled))

    assert found.seen == "0 of 2 pods ready"
    assert said in found.cause
    assert found.next == f"{KUBECTL} describe pod decode-0"


@pytest.mark.parametrize(
    ("status", "cause", "command"),
    [
        (
            waiting("ImagePullBackOff", "Back-off pulling image vllm:nope"),
            "the image cannot be pulled",
            f"{KUBECTL} describe pod decode-0",
        ),
        (
            waiting("CreateContainerConfigError", 'secret "llm-d-hf-token" not found'),
            (
                "a Secret or ConfigMap that it names is not there; pod decode-0, container vllm: "
                'CreateContainerConfigError: secret "llm-d-hf-token" not found'
            ),
            f"{KUBECTL} describe pod decode-0",
        ),
        (
            waiting("CrashLoopBackOff", reason="OOMKilled", exitCode=137),
            "it ends soon after each start; it needs more memory than its limit",
            LOGS,
        ),
        (
            waiting("CrashLoopBackOff", reason="Error", exitCode=132),
            "the CPU lacks instructions",
            LOGS,
        ),
        (
            RUNNING,
            "the model is still loading",
            LOGS,
        ),
    ],
    ids=["image", "secret", "memory", "instructions", "loading"],
)
def test_a_container_that_does_not_run_is_explained(
    status: dict[str, Any], cause: str, command: str
) -> None:
    found = failed(judge(deployment(DECODE, ready=1), pod("decode-0", ready=False, **status)))

    assert cause in found.cause
    assert found.next == command


def test_the_last_words_of_a_container_are_part_of_the_cause() -> None:
    status = waiting("CrashLoopBackOff", reason="Error", exitCode=1)
    crashed = pod("decode-0", ready=False, **status)

    found = failed(judge(deployment(DECODE, ready=0), crashed, last_words="ValueError: no GPU"))

    assert found.cause.endswith("its last words: ValueError: no GPU")
    assert workloads.ended([crashed]) == ("decode-0", "vllm", True)
    assert workloads.ended([pod("decode-1")]) is None


def test_pods_that_were_never_made_are_told_in_the_events_words() -> None:
    event = {
        "involvedObject": {"kind": "ReplicaSet", "name": f"{DECODE}-abc", "uid": "x"},
        "reason": "FailedCreate",
        "message": "exceeded quota: gpus",
    }

    found = failed(judge(deployment(DECODE, ready=0), events=[event]))

    assert "exceeded quota: gpus" in found.cause
    assert found.next == f"{KUBECTL} describe deployment {DECODE}"
    assert "a quota" in failed(judge(deployment(DECODE, ready=0))).cause


def test_a_deployment_scaled_to_none_serves_nothing() -> None:
    assert failed(judge(deployment(DECODE, ready=0, wanted=0))).cause == "it was scaled to none"


def test_a_namespace_that_is_not_there_means_another_cluster_or_no_stack() -> None:
    found = failed(workloads.api_server(STACK, {}, None))

    assert (found.hop, found.next) == (Hop.API, "make up STACK=mine")
    assert found.seen == f"no namespace `{NAMESPACE}` in context `ctx`"


def test_a_namespace_that_is_going_is_told() -> None:
    going = {"metadata": {"name": NAMESPACE, "deletionTimestamp": "2026-01-01T00:00:00Z"}}

    found = failed(workloads.api_server(STACK, {}, going))

    assert "being deleted" in found.seen
    assert found.next == f"{KUBECTL} get namespace {NAMESPACE} -o yaml"


def test_a_pool_needs_no_conditions_and_none_may_be_false() -> None:
    def with_conditions(*conditions: Any) -> Any:
        return {"status": {"parents": [{"conditions": [*conditions]}]}}

    accepted = {"type": "Accepted", "status": "True"}
    unknown = {"type": "Accepted", "status": "Unknown"}
    bad = {
        "type": "ResolvedRefs",
        "status": "False",
        "reason": "InvalidExtensionRef",
        "message": "no Service gaie-epp",
    }

    assert workloads.pool(STACK, MODEL, {}) == Passed(POOL)
    assert workloads.pool(STACK, MODEL, with_conditions(unknown)) == Passed(POOL)
    assert workloads.pool(STACK, MODEL, with_conditions(accepted)) == Passed(f"{POOL}: Accepted")
    found = failed(workloads.pool(STACK, MODEL, with_conditions(accepted, bad)))
    assert found.hop is Hop.POOL
    assert found.seen == "ResolvedRefs=False (InvalidExtensionRef)"
    assert found.cause == "no Service gaie-epp"
    command = f"{KUBECTL} get inferencepools.inference.networking.k8s.io -o yaml"
    assert found.next == command
    assert failed(workloads.pool(STACK, MODEL, None)).next == command


@pytest.mark.parametrize(
    ("target", "expected"), [("http", ("ready", 8081)), (9000, ("ready", 9000)), ("other", None)]
)
def test_a_forwarded_port_ends_in_a_ready_pod_behind_the_service(
    target: int | str, expected: tuple[str, int] | None
) -> None:
    pods = [pod("waiting", ready=False), pod("ready")]

    assert workloads.behind(service(80, target), pods, 80) == expected
