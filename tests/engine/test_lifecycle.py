"""The whole way with the real engine and a real API server: up, again, edited, drifted, gone."""

import json

import pytest
from engine.project import EMBEDDED, ROOT, NewProject

pytestmark = pytest.mark.engine

DECODE = "ms-inference-scheduling-llm-d-modelservice-decode"
NAMESPACE = "llm-d-inference-scheduler"


def test_a_stack_comes_up_stays_changes_heals_and_goes(new_project: NewProject) -> None:
    project = new_project()

    up = project.act("up")
    assert up.code == 0, up.said
    listed = (ROOT / "tests" / "urns" / "embedded.txt").read_text().splitlines()
    assert f"{len(listed) + 1} created" in up.said, "and the stack itself"
    pods = json.loads(project.kubectl("get", "pods", "-n", NAMESPACE, "-o", "json"))["items"]
    assert len(pods) == 6, "three model servers, an endpoint picker and two fronts"
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert project.kubeconfig.stat().st_mode & 0o777 == 0o600

    again = project.pulumi("up", "--yes", "--skip-preview")
    assert (again.code, again.touched) == (0, {}), again.said

    project.write(EMBEDDED | {"models": [{"name": "Qwen/Qwen3-0.6B", "replicas": 2}]})
    preview = project.act("preview")
    assert "1 to update" in preview.said, preview.said
    # `act` first, for it writes the copy of the stack file that `pulumi` is given.
    edited = project.pulumi("up", "--yes", "--skip-preview")
    assert (edited.code, edited.touched) == (0, {"model-decode": "update"}), edited.said
    assert (
        project.kubectl("get", "deploy", DECODE, "-n", NAMESPACE, "-o", "jsonpath={.spec.replicas}")
        == "2"
    )

    project.kubectl("scale", "deploy", DECODE, "-n", NAMESPACE, "--replicas=5")
    found = project.pulumi("refresh", "--yes", "--skip-preview")
    assert (found.code, found.touched.get("model-decode")) == (0, "update"), found.said
    healed = project.pulumi("up", "--yes", "--skip-preview")
    assert (healed.code, healed.touched) == (0, {"model-decode": "update"}), healed.said
    assert (
        project.kubectl("get", "deploy", DECODE, "-n", NAMESPACE, "-o", "jsonpath={.spec.replicas}")
        == "2"
    )

    down = project.act("down")
    assert down.code == 0, down.said
    assert not project.cluster.exists()
    assert project.processes() == []
