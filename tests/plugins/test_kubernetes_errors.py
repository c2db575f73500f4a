"""The API server's refusals as one clear line, and what pods say when nothing else does."""

from plugins.kubernetes.diagnosis import explain as diagnose
from plugins.kubernetes.diagnosis import pod_selector
from plugins.kubernetes.errors import ApiError, explain
from plugins.values import Object

CONFLICT = ApiError(
    409,
    {
        "reason": "Conflict",
        "message": "Apply failed with 1 conflict",
        "details": {
            "causes": [
                {
                    "reason": "FieldManagerConflict",
                    "message": 'conflict with "kubectl-edit" using apps/v1',
                    "field": ".spec.replicas",
                }
            ]
        },
    },
)


def test_a_conflict_names_the_other_manager_the_field_and_the_ways_out() -> None:
    text = explain(CONFLICT, "Deployment `web` was not updated")
    assert text.startswith("Deployment `web` was not updated: ")
    for part in ("`spec.replicas` belongs to `kubectl-edit`", "ignore_changes", "patchForce"):
        assert part in text
    assert "\n" not in text


def test_any_other_refusal_is_told_in_the_servers_words() -> None:
    error = ApiError(422, {"reason": "Invalid", "message": "spec.x: Required value"})
    assert explain(error, "It failed") == "It failed: spec.x: Required value"
    assert explain(ApiError(502, text="bad gateway"), "It failed") == "It failed: bad gateway"


def test_an_object_that_exists_is_no_conflict_of_fields() -> None:
    error = ApiError(409, {"reason": "AlreadyExists", "message": "a exists"})
    assert error.already_exists
    assert not error.conflict


DEPLOYMENT: Object = {
    "kind": "Deployment",
    "metadata": {"name": "web", "uid": "d"},
    "spec": {"selector": {"matchLabels": {"app": "web", "tier": "x"}}},
}


def pod(name: str, **status: object) -> Object:
    return {"kind": "Pod", "metadata": {"name": name, "uid": f"uid-{name}"}, "status": status}


def event(uid: str, message: str, when: str, kind: str = "Pod", name: str = "web-1") -> Object:
    return {
        "involvedObject": {"kind": kind, "name": name, "uid": uid},
        "reason": "Failed",
        "message": message,
        "lastTimestamp": when,
    }


def test_the_pods_of_an_object_are_found_by_its_selector() -> None:
    assert pod_selector(DEPLOYMENT) == "app=web,tier=x"
    assert pod_selector({"kind": "Service", "spec": {"selector": {"a": "b"}}}) == "a=b"
    assert pod_selector({"kind": "ConfigMap"}) is None


def test_a_diagnosis_says_why_containers_do_not_run_and_how_they_ended() -> None:
    crashing = {
        "name": "vllm",
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
    }
    starting = {"name": "other", "state": {"waiting": {"reason": "ContainerCreating"}}}
    assert diagnose(DEPLOYMENT, [pod("web-1", containerStatuses=[crashing, starting])], []) == [
        (
            "pod web-1, container vllm: CrashLoopBackOff: back-off 10s; "
            "last ended with OOMKilled (exit code 137)"
        )
    ]


def test_a_diagnosis_says_why_a_pod_has_no_node() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no GPU"}
    assert diagnose(DEPLOYMENT, [pod("web-1", conditions=[condition])], []) == [
        "pod web-1 has no node: 0/1 nodes: no GPU"
    ]


def test_a_diagnosis_ends_with_the_last_warnings_about_the_object_and_its_pods() -> None:
    events = [
        event("uid-web-1", "late", "2026-01-02"),
        event("uid-web-1", "early", "2026-01-01"),
        event("someone-else", "not ours", "2026-01-03"),
        event("rs", "quota", "2026-01-03", "ReplicaSet", "web-7f"),
        event("rs2", "not ours", "2026-01-03", "ReplicaSet", "webby-7f"),
    ]
    assert diagnose(DEPLOYMENT, [pod("web-1")], events) == [
        "Pod web-1: Failed: early",
        "Pod web-1: Failed: late",
        "ReplicaSet web-7f: Failed: quota",
    ]


def test_pods_that_are_ready_are_not_mentioned() -> None:
    ready = pod("web-1", conditions=[{"type": "Ready", "status": "True"}])
    assert diagnose(DEPLOYMENT, [ready], [event("uid-web-1", "old", "2026-01-01")]) == []
