"""The objects of a stack, and the commands that `kubectl` needs for them."""

import json
from pathlib import Path
from typing import Any

from bench.objects import steps, write
from tools.stack import objects_of

FOLDER = Path("/objects")
CRD = {"kind": "CustomResourceDefinition", "metadata": {"name": "pools.example.org"}}
NAMESPACE = {"kind": "Namespace", "metadata": {"name": "a"}}
POOL = {"kind": "Pool", "metadata": {"name": "p", "namespace": "a"}}
SERVER = {"kind": "Deployment", "metadata": {"name": "server", "namespace": "a"}}
SERVICE = {
    "kind": "Service",
    "metadata": {"name": "front", "namespace": "a"},
    "spec": {"selector": {"app": "server"}},
}
BARE = {"kind": "Service", "metadata": {"name": "bare", "namespace": "a"}, "spec": {}}


def exported(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"deployment": {"resources": list(resources)}}


def test_objects_are_what_the_stack_asked_for_not_what_the_server_answered() -> None:
    state = {
        "type": "kubernetes:core/v1:Namespace",
        "inputs": NAMESPACE,
        "outputs": {**NAMESPACE, "status": {}},
    }

    assert objects_of(exported(state)) == [NAMESPACE]


def test_components_providers_and_objects_that_are_only_read_are_left_out() -> None:
    found = objects_of(
        exported(
            {"type": "pulumi:pulumi:Stack"},
            {"type": "pulumi:providers:kubernetes", "inputs": {"context": "c"}},
            {"type": "llm-d:components:Cluster"},
            {"type": "kubernetes:core/v1:Namespace", "inputs": NAMESPACE, "external": True},
        )
    )

    assert found == []


def test_what_the_engine_notes_beside_an_object_is_not_part_of_it() -> None:
    inputs: dict[str, Any] = {**NAMESPACE, "__defaults": []}

    assert objects_of(exported({"type": "kubernetes:core/v1:Namespace", "inputs": inputs})) == [
        NAMESPACE
    ]


def test_an_empty_stack_has_no_objects() -> None:
    assert objects_of({"deployment": {}}) == []


def test_definitions_are_established_before_anything_else_is_applied() -> None:
    first, second, third, *_ = steps([POOL, CRD, NAMESPACE], FOLDER).apply

    assert first == ("apply", "--server-side", "--filename=/objects/crds.json")
    assert second[:2] == ("wait", "--for=condition=Established")
    assert third == ("apply", "--server-side", "--filename=/objects/others.json")


def test_kubectl_waits_for_each_workload_and_each_service_with_pods_as_pulumi_does() -> None:
    *_, rollout, endpoint = steps([CRD, NAMESPACE, SERVER, SERVICE, BARE], FOLDER).apply

    assert rollout[:4] == ("rollout", "status", "deployment/server", "--namespace=a")
    assert "--selector=kubernetes.io/service-name=front" in endpoint
    assert not any("bare" in word for words in steps([BARE], FOLDER).apply for word in words)


def test_the_next_turn_begins_when_all_that_outlives_a_namespace_has_gone() -> None:
    found = steps([CRD, NAMESPACE, SERVER], FOLDER)

    assert list(found.files["roots"]) == [CRD, NAMESPACE]
    assert "--filename=/objects/roots.json" in found.gone


def test_kubectl_reads_lists_of_the_very_objects(tmp_path: Path) -> None:
    write(steps([CRD, POOL], tmp_path), tmp_path)

    assert json.loads((tmp_path / "crds.json").read_text())["items"] == [CRD]
    assert json.loads((tmp_path / "others.json").read_text())["items"] == [POOL]
