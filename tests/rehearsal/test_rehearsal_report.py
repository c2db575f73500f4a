"""What a rehearsal prints, and what it takes for granted about the cluster. Pure."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from test_bad_input import MODEL, existing_cluster, planned

from rehearsal import program, report, stage
from rehearsal.scene import Pod, Scene
from stack import monitoring
from stack.crd_bundles import KEDA
from stack.releases import releases

CRDS = releases()["v0.5"].crds


def made(kind: str, api: str = "v1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "a"}, "spec": spec}


def test_each_pod_has_a_line_and_each_node_says_how_full_it_is() -> None:
    cpu = {"cpu": Decimal("0.5")}
    shown = Scene(
        pods=(
            Pod(name="web", node="node-0", asks=cpu, trouble=""),
            Pod(name="lost", node="", asks=cpu, trouble="why"),
        ),
        nodes={"node-0": {"cpu": Decimal(4), "pods": Decimal(110)}},
        unmade=(),
    )

    assert [*report.placements(shown)] == [
        "pod   node    asks for",
        "lost  -       cpu 0.5",
        "web   node-0  cpu 0.5",
        "",
        "node    taken",
        "node-0  cpu 0.5 of 4",
    ]


def test_what_nobody_acts_on_is_named_and_whose_pods_do_not_come() -> None:
    there = [
        made("CustomResourceDefinition", group="a.b"),
        made("Namespace"),
        made("LeaderWorkerSet", "a.b/v1"),
    ]

    assert [*report.accepted(there[1:], there)] == [
        "objects: 2 accepted: LeaderWorkerSet 1, Namespace 1",
        "checked against their definitions, and acted on by nobody here: LeaderWorkerSet 1",
        "not rehearsed: the pods of LeaderWorkerSet, which its controller would make",
    ]
    assert len([*report.accepted(there[1:2], there)]) == 1


def test_of_pulumi_s_words_about_a_failure_the_diagnostics_are_shown() -> None:
    assert [*report.diagnostics(["Updating", "Diagnostics:", "  error: x"])] == [
        "Diagnostics:",
        "  error: x",
    ]
    assert [*report.diagnostics(["error: no such command"])] == ["error: no such command"]


def test_a_warning_belongs_to_the_object_after_it() -> None:
    said = [
        "namespace/a serverside-applied (server dry run)",
        "Warning: one",
        "Warning: two",
        "deployment.apps/b serverside-applied (server dry run)",
        "Error from server: no",
        "Warning: three",
    ]

    assert stage.attributed(said) == [
        "deployment.apps/b: one",
        "deployment.apps/b: two",
        "Error from server: no",
        "three",
    ]


def test_definitions_that_the_stack_does_not_install_are_there_before_it(tmp_path: Path) -> None:
    plan = planned(cluster=existing_cluster(tmp_path), monitoring={"prometheus": "operator"})

    modules = [one.module for one in stage.bundles(plan, CRDS)]

    assert modules == ["sigs.k8s.io/gateway-api", monitoring.CRDS.module]
    adopted = planned(gateway={"crds": {"inferenceExtension": "adopt"}})
    assert {one.module for one in stage.bundles(adopted, CRDS)} == {
        one.module for one in CRDS.values()
    }


def test_an_autoscaler_of_others_has_its_own_definition(tmp_path: Path) -> None:
    scaled = {**MODEL, "autoscaling": {"by": "keda", "maxReplicas": 4}}

    plan = planned(
        cluster=existing_cluster(tmp_path),
        models=[scaled],
        monitoring={"prometheus": "operator", "prometheusUrl": "http://prometheus:9090"},
    )

    assert KEDA in stage.bundles(plan, CRDS)


def test_what_google_is_told_in_kinds_without_definitions_is_taken_as_it_is(
    tmp_path: Path,
) -> None:
    plan = planned(
        cluster={**existing_cluster(tmp_path), "platform": "gke"},
        monitoring={"prometheus": "gke"},
    )

    kinds = stage.undefined(plan, [])

    assert {(one.name, one.group) for one in kinds} == {
        ("PodMonitoring", "monitoring.googleapis.com"),
        ("Rules", "monitoring.googleapis.com"),
    }
    assert stage.undefined(plan, [stage.anything(one) for one in kinds]) == []


@pytest.mark.parametrize("create", [True, False])
def test_what_a_stack_names_and_does_not_make_is_there_before_it(*, create: bool) -> None:
    pods = {"serviceAccount": "theirs", "priorityClass": "theirs"}
    model = {**MODEL, "source": "pvc://models/qwen", "pods": pods}

    plan = planned(models=[model], names={"createNamespace": create}, hardware="cuda")

    kinds = [one["kind"] for one in stage.counted_on(plan)]
    inside = ["Namespace", "ServiceAccount", "PersistentVolumeClaim"]
    assert kinds == ["PriorityClass", *([] if create else inside)]


def test_a_claim_gets_the_volume_that_it_asks_for() -> None:
    claim = {
        "metadata": {"name": "models", "namespace": "a", "uid": "1"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "50Gi"}},
            "storageClassName": "fast",
        },
    }

    spec = stage.volume(claim)["spec"]

    assert spec["capacity"] == {"storage": "50Gi"}
    assert spec["claimRef"]["name"] == "models"
    assert spec["storageClassName"] == "fast"


@pytest.mark.parametrize(
    ("type_", "props", "skips"),
    [
        ("kubernetes:apps/v1:Deployment", {"metadata": {"name": "a"}}, True),
        ("kubernetes:apps/v1:Deployment", {"metadata": {"annotations": {"b": "c"}}}, True),
        ("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", {"metadata": {}}, False),
        ("kubernetes:core/v1:ConfigMapPatch", {}, False),
        ("llm-d:components:Front", {"metadata": {"name": "a"}}, False),
    ],
)
def test_nothing_but_definitions_is_waited_for(
    type_: str, props: dict[str, Any], *, skips: bool
) -> None:
    asked = program.pulumi.ResourceTransformationArgs(
        resource=None,  # pyright: ignore[reportArgumentType] - not looked at
        type_=type_,
        name="a",
        props=props,
        opts=program.pulumi.ResourceOptions(),
    )

    found = program.at_once(asked)

    assert bool(found) == skips
    if found:
        changed: Any = found.props
        before = props["metadata"].get("annotations", {})
        assert changed["metadata"]["annotations"] == {**before, **program.SKIP_AWAIT}
