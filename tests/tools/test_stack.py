"""What the tools know of a stack without a YAML parser, and what they say of it once it is up."""

from pathlib import Path
from typing import Any

import pytest

from tools import stack
from tools.places import Places
from tools.telling import told

OUTPUTS = {
    "models": ["Qwen/Qwen3-0.6B"],
    "gatewayUrl": "http://127.64.0.9:8081",
    "portForwardCommand": "kubectl port-forward service/gateway 8000:8081",
    "exampleRequest": "curl --silent http://127.64.0.9:8081/v1/chat/completions",
    "smokeTestCommand": "make smoke STACK=mine",
}


def places(root: Path, said: str) -> Places:
    (root / "Pulumi.mine.yaml").write_text(said)
    return Places(root=root, cache=root)


@pytest.mark.parametrize(
    "said",
    [
        "config:\n  llm-d:cluster:\n    kind: embedded\n",
        "config:\n  llm-d:cluster: {kind: embedded}\n",
        "config:\n  llm-d:cluster: {port: 6443, kind: 'embedded', nodes: {count: 2}}\n",
        'config:\n  llm-d:cluster: {"kind":"embedded"}\n',
        "config:\n  llm-d:cluster:\n    kind: embedded  # of its own\n",
        "config:\n  llm-d:cluster:\n    kind:\n      embedded\n",
    ],
)
def test_a_stack_brings_its_cluster_whatever_it_is_called(said: str, tmp_path: Path) -> None:
    assert stack.has_own_cluster("mine", places(tmp_path, said))


@pytest.mark.parametrize(
    "said",
    [
        "config:\n  llm-d:cluster: {kind: existing, context: embedded}\n",
        "config:\n  # kind: embedded\n  llm-d:cluster: {kind: existing, context: c}\n",
        "config:\n  llm-d:cluster: {kind: existing, context: c} # not kind: embedded\n",
        "config:\n  llm-d:cluster: {kind: existing, context: mankind:embedded-1}\n",
        "config:\n  llm-d:cluster: {kind: embedded-in-something}\n",
    ],
)
def test_another_stack_does_not(said: str, tmp_path: Path) -> None:
    assert not stack.has_own_cluster("mine", places(tmp_path, said))


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("config:\n  llm-d:gateway:\n    provider: istio\n", {"istio"}),
        ('config:\n  llm-d:gateway: {service: ClusterIP, "provider": "istio"}\n', {"istio"}),
        ("config:\n  llm-d:gateway: {provider: gke}\n  x: {provider: file}\n", {"gke", "file"}),
        ("config:\n  llm-d:monitoring: {prometheus: install}\n", {"prometheus"}),
        ("config:\n  llm-d:monitoring:\n    prometheus: operator\n", set[str]()),
        ("config:\n  # provider: istio\n  llm-d:gateway: {}\n", set[str]()),
    ],
)
def test_a_stacks_gateway_is_known_before_anything_is_installed(
    said: str, named: set[str], tmp_path: Path
) -> None:
    assert stack.options("mine", places(tmp_path, said)) == named


def pending(kind: str, name: str, operation: str = "creating") -> dict[str, Any]:
    inputs = {"metadata": {"namespace": "shop", "name": name}}
    return {"type": operation, "resource": {"urn": name, "type": kind, "inputs": inputs}}


def test_a_run_that_was_killed_at_its_first_operation_left_no_resources() -> None:
    state, adopted, count = stack.settle({"pending_operations": [pending("x:Command", "c")]})

    assert (state, adopted, count) == ({"resources": [], "pending_operations": []}, [], 1)


def test_an_object_whose_making_had_begun_is_taken_in_for_a_refresh_to_judge() -> None:
    there = {"urn": "stack"}
    begun = pending("kubernetes:core/v1:ConfigMap", "config")
    updated = pending("kubernetes:core/v1:Secret", "secret", "updating")

    state, adopted, count = stack.settle(
        {"resources": [there], "pending_operations": [begun, updated]}
    )

    assert state["resources"] == [there, *adopted]
    assert [one["id"] for one in adopted] == ["shop/config"]
    assert state["pending_operations"] == []
    assert count == 2


def test_what_was_taken_in_has_yet_to_become_ready_and_keeps_what_is_known_of_it() -> None:
    there: list[dict[str, Any]] = [
        {"urn": "other"},
        {"urn": "begun"},
        {"urn": "told", "initErrors": ["no pod is ready"]},
    ]

    state = stack.unawaited({"resources": there}, {"begun", "told"})

    assert state["resources"] == [
        {"urn": "other"},
        {"urn": "begun", "initErrors": ["the run that made it was cut short"]},
        there[2],
    ]


def test_a_run_that_ended_by_itself_left_nothing_to_settle() -> None:
    assert stack.settle({"resources": []})[1:] == ([], 0)
    assert stack.settle({})[1:] == ([], 0)


def test_a_stack_that_is_up_is_told_with_the_whole_command_to_ask_it() -> None:
    assert told(OUTPUTS) == (
        "Qwen/Qwen3-0.6B answers at http://127.64.0.9:8081\n"
        "\n"
        "  curl --silent http://127.64.0.9:8081/v1/chat/completions\n"
        "\n"
        "Ask it hop by hop, and hear what is wrong: make smoke STACK=mine\n"
    )


def test_a_stack_with_a_prometheus_says_where_it_is_and_how_to_look_at_it() -> None:
    seen = {
        "prometheusUrl": "http://127.64.0.9:9091",
        "dashboardCommand": "make dashboard STACK=mine",
    }

    assert told(OUTPUTS | {"monitoring": seen}).splitlines()[-3:] == [
        "Prometheus answers at http://127.64.0.9:9091",
        "Draw what it has seen: make dashboard STACK=mine",
        "Ask it hop by hop, and hear what is wrong: make smoke STACK=mine",
    ]


def test_monitoring_for_once_is_not_written_into_the_stacks_own_file(tmp_path: Path) -> None:
    there = places(tmp_path, "config: {}\nencryptionsalt: v1:x\n")
    pulumi = stack.Pulumi("mine", there)

    words = pulumi.with_monitoring()

    assert words == ("--config-path", "--config", "llm-d:monitoring.prometheus=install")
    assert pulumi.file != there.root / "Pulumi.mine.yaml"
    assert pulumi.file.read_text() == "config: {}\nencryptionsalt: v1:x\n"


def test_where_only_a_port_forward_leads_in_that_comes_first() -> None:
    lines = told(OUTPUTS | {"gatewayUrl": None}).splitlines()

    assert lines[0] == "Qwen/Qwen3-0.6B answers inside the cluster"
    assert lines[2:4] == [
        "  kubectl port-forward service/gateway 8000:8081 &",
        "  curl --silent http://127.64.0.9:8081/v1/chat/completions",
    ]


def test_what_is_wrong_comes_last_and_what_cannot_answer_is_not_to_be_asked() -> None:
    trouble = "all pods are simulated, and answer nothing: this machine is darwin"

    assert told(OUTPUTS, troubles=[trouble]).splitlines()[-1] == f"warning: {trouble}"
    assert told(OUTPUTS, simulated=True, troubles=[trouble]) == f"warning: {trouble}\n"


def test_what_a_killed_run_left_empty_beside_the_state_is_found_and_nothing_else(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "a folder" / ".pulumi" / "stacks" / "llm-d"
    folder.mkdir(parents=True)
    for name in ("mine.json", "mine.json.attrs", "mine.json.bak.attrs", "other.json.attrs"):
        (folder / name).touch()
    (folder / "mine.json.bak.attrs").write_text("{}")
    backend = (tmp_path / "a folder").as_uri()

    assert stack.half_written(backend, "mine") == [folder / "mine.json.attrs"]
    assert stack.half_written("s3://somewhere", "mine") == []
