from typing import Any

from embedded.troubles import SERVED, SIMULATED, troubles


def pod(name: str, reason: str | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if reason:
        metadata["annotations"] = {SIMULATED: reason}
    return {"kind": "Pod", "metadata": metadata, "status": {}}


def service(name: str, problem: str | None) -> dict[str, Any]:
    told = {"type": SERVED, "status": "False" if problem else "True", "message": problem or ""}
    return {"kind": "Service", "metadata": {"name": name}, "status": {"conditions": [told]}}


def test_a_cluster_without_troubles_says_nothing() -> None:
    silent: dict[str, Any] = {"kind": "Service", "metadata": {"name": "kubernetes"}, "status": {}}

    assert [*troubles([pod("a"), service("s", None), silent])] == []
    assert [*troubles([])] == []


def test_a_machine_that_runs_no_pods_is_one_line() -> None:
    assert [*troubles([pod("a", "not Linux"), pod("b", "not Linux")])] == [
        "all pods are simulated, and answer nothing: not Linux"
    ]


def test_pods_are_named_with_their_reason_as_long_as_they_are_few() -> None:
    many = [pod(f"p{number}", "too little memory") for number in range(5)]

    assert [*troubles([pod("a"), *many, pod("x", "no program")])] == [
        "pods p0, p1, p2 and 2 more are simulated, and answer nothing: too little memory",
        "pod x is simulated, and answers nothing: no program",
    ]


def test_a_service_that_is_not_served_says_why() -> None:
    assert [*troubles([service("web", "port 80 is taken"), service("db", None)])] == [
        "Service web is not served: port 80 is taken"
    ]
