"""The program looks at the machine before it creates anything, and at nothing in a preview."""

from typing import Any

import pulumi
import pytest
from recording import STACKS, Deploy

from preflight import check
from tests.preflight.recorders import Recorders

pytestmark = pytest.mark.slow

PROGRAMS = (
    *("docker", "gcloud", "gke-gcloud-auth-plugin", "kind", "kubectl", "minikube", "oc"),
    *("podman", "sysctl"),
)
DOWN = "Cannot connect to the Docker daemon"
MINIKUBE: dict[str, Any] = {
    "llm-d:cluster": {"kind": "minikube", "cpus": 8, "memory": "24Gi", "disk": "100Gi"}
}


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_runs_no_command(stack: str, deploy: Deploy, recorders: Recorders) -> None:
    for name in PROGRAMS:
        recorders.has(name)

    assert deploy(stack)
    assert recorders.called() == []


def test_an_update_is_refused_with_everything_that_is_missing(
    deploy: Deploy, recorders: Recorders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> bool:
        return False

    monkeypatch.setattr(check, "is_there", nothing)
    recorders.has("docker", DOWN, code=1)

    with pytest.raises(pulumi.RunError) as refused:
        deploy("embedded", config=MINIKUBE, preview=False)

    title, *lines = str(refused.value).splitlines()
    assert title.startswith("this machine lacks what stack embedded needs; `make preflight ")
    told = [line.removeprefix("  - ") for line in lines if line.startswith("  - ")]
    assert told[:3] == [
        "minikube is not on PATH, needed on PATH",
        "kubectl is not on PATH, needed on PATH",
        f"container engine is docker does not answer: {DOWN}, needed one that answers",
    ]


def test_an_update_of_a_stack_that_needs_nothing_runs_no_command(
    deploy: Deploy, recorders: Recorders
) -> None:
    for name in PROGRAMS:
        recorders.has(name)

    assert deploy("embedded", preview=False)
    assert recorders.called() == []
