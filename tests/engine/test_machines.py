"""Whose machine it is: an ordinary user's runs pods; one that cannot says why, and deploys."""

import json
import os
import subprocess
import sys

import ordinary
import pytest
from engine.project import EMBEDDED, ROOT, NewProject, Ran

pytestmark = pytest.mark.engine


def warnings(up: Ran) -> list[str]:
    """What stands after everything that Pulumi says."""
    *_, after = up.said.partition("Duration: ")
    return [line for line in after.splitlines() if line.startswith("warning: ")]


NAMESPACES = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has namespaces")


@NAMESPACES
def test_the_stack_of_an_ordinary_user_answers(
    new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = new_project()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    up = project.act("up", through=(sys.executable, ordinary.__file__))

    assert up.code == 0, up.said
    assert warnings(up) == []
    [command] = [line for line in up.said.splitlines() if line.startswith("  curl ")]
    answer = subprocess.run(  # noqa: S602 - as a person does it
        command, shell=True, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(answer.stdout)["choices"][0]["message"]["content"]


@NAMESPACES
def test_without_namespaces_all_pods_are_simulated_and_nothing_is_offered_to_be_asked(
    new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = new_project()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    up = project.act("up", through=(sys.executable, ordinary.__file__, ordinary.ALONE))

    assert up.code == 0, up.said
    warning = (
        "warning: all pods are simulated, and answer nothing:"
        f" {ordinary.LIMIT} is 0, so this kernel gives ordinary users no namespaces:"
        " change it, or run as root"
    )
    assert warnings(up) == [warning]
    assert up.said.endswith(f"{warning}\n")
    assert "curl" not in up.said


def test_a_pod_that_asks_for_more_memory_than_there_is_is_named_last(
    new_project: NewProject,
) -> None:
    # No machine has so much, but its nodes are said to.
    wanted = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    amount = {"memory": f"{wanted}"}
    model = EMBEDDED["models"][0] | {"resources": {"requests": amount, "limits": amount}}
    nodes = {"count": 1, "cpu": "64", "memory": f"{8 * wanted}"}
    project = new_project(cluster={"kind": "embedded", "nodes": nodes}, models=[model])

    up = project.act("up")

    assert up.code == 0, up.said
    [warning] = warnings(up)
    assert warning.startswith("warning: pods ms-inference-scheduling-llm-d-modelservice-decode-")
    assert warning.endswith("GiB free; lower `resources`, or end what takes memory")
    assert "are simulated, and answer nothing: it asks for " in warning
