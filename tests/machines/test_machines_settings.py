"""From words of a stack file to argument lists: nothing in between reads them as anything else."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from recording import Deploy, Made
from test_bad_input import SHAPE, told

from components import clusters, machine
from components.clusters import kind as kind_of_cluster
from machines.kind import Kind
from machines.minikube import Minikube
from machines.settings import Settings
from machines.tool import Shop
from stack import config

pytestmark = pytest.mark.slow

MINIKUBE: dict[str, Any] = {"kind": "minikube", "cpus": 8, "memory": "24Gi", "disk": "100Gi"}
KIND: dict[str, Any] = {"kind": "kind"}
HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "$(touch x)",
            "`id`",
            "a;b",
            "a b",
            "-p",
            "--help",
            "a\nb",
            "a|b",
            "../a",
            "a'b",
            'a"b',
            "a\0b",
            "a=b",
        ]
    ),
    st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
)


def block(deploy: Deploy, stack: str, **cluster: Any) -> Made:
    """What makes the cluster of a stack whose `cluster` says this."""
    [made] = [
        one
        for one in deploy(stack, config={"llm-d:cluster": cluster} if cluster else {})
        if one.type == "command:local:Command"
    ]
    return made


def settings_of(made: Made) -> Settings:
    return Settings.of(json.loads(made.inputs["environment"]["LLMD_CLUSTER_SETTINGS"]))


def taken(cluster: dict[str, Any]) -> Any:
    """The cluster's settings, or None where they are refused."""
    stack = {"cluster": cluster, "hardware": "simulated", "models": [{"name": "a/b"}]}
    try:
        return SHAPE.model_validate(stack).cluster
    except ValidationError:
        return None


def is_a_word(text: str) -> bool:
    """Whether any shell would take it for a word, and no program for an option."""
    return text.isascii() and all(one.isalnum() or one in "-.:/@_" for one in text)


@given(HOSTILE)
def test_a_name_is_refused_or_one_word_of_the_commands(name: str) -> None:
    for cluster, key in (
        ({**MINIKUBE, "profile": name}, "profile"),
        ({**KIND, "name": name}, "name"),
    ):
        found = taken(cluster)
        if found is None:
            [problem] = told(cluster=cluster)
            assert problem.startswith(f"`cluster.{key}` is `")
        else:
            assert is_a_word(name)
            assert not name.startswith("-")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("memory", MINIKUBE),
        ("disk", MINIKUBE),
        ("kubernetes", MINIKUBE),
        ("driver", MINIKUBE),
        ("gpus", MINIKUBE),
        ("retain", MINIKUBE),
        ("image", KIND),
        ("driver", KIND),
    ],
)
@given(value=HOSTILE)
def test_no_other_value_is_more_than_a_word(value: str, key: str, kind: dict[str, Any]) -> None:
    cluster = {**kind, key: value}

    if taken(cluster) is None:
        [problem] = told(cluster=cluster)
        assert problem.startswith(f"`cluster.{key}` is `")
    else:
        assert is_a_word(value)
        assert not value.startswith("-")


@pytest.mark.parametrize(
    ("cluster", "path"),
    [
        ({**KIND, "image": "kindest/node:latest"}, "cluster.image"),
        ({**KIND, "image": "kindest/node:v1.34.0"}, "cluster.image"),
        ({**KIND, "ports": [{"node": 30080, "host": 80}]}, "cluster.ports[0].host"),
        ({**MINIKUBE, "machine": {"disk": "100G"}}, "cluster.machine.disk"),
        ({**MINIKUBE, "memory": 24576}, "cluster.memory"),
        ({**MINIKUBE, "gpus": "all", "driver": "podman"}, "cluster.driver"),
        (
            {**KIND, "ports": [{"node": 1, "host": 2000}, {"node": 1, "host": 2001}]},
            "cluster.ports",
        ),
    ],
)
def test_a_wrong_value_is_told_by_its_path(cluster: dict[str, Any], path: str) -> None:
    [problem] = told(cluster=cluster)

    assert problem.startswith(f"`{path}` is `")


def test_the_shell_gets_the_same_words_for_every_stack(deploy: Deploy) -> None:
    for stack in ("minikube", "kind-arm64"):
        made = block(deploy, stack)
        assert made.inputs["create"] == "exec python3 -m machines up"
        assert made.inputs["delete"] == "exec python3 -m machines down"
        assert {*made.inputs["environment"]} == {"LLMD_CLUSTER_ROOT", "LLMD_CLUSTER_SETTINGS"}


def test_the_guides_minikube_is_asked_for_with_the_guides_words(
    deploy: Deploy, tmp_path: Path
) -> None:
    settings = settings_of(block(deploy, "minikube"))
    words = Minikube(Shop(root=tmp_path), replace(settings, driver="podman"), "darwin").words()

    assert words == [
        "start",
        "--profile=llm-d-cpu",
        "--driver=podman",
        "--cpus=8",
        "--memory=24576mb",
        "--disk-size=102400mb",
        "--kubernetes-version=v1.34.0",
        "--interactive=false",
        "--extra-config=kubelet.cgroup-driver=systemd",
        "--extra-config=kubeadm.ignore-preflight-errors=SystemVerification",
    ]
    # And its Podman machine with those that the guide says that it needs.
    wanted = settings.machine
    assert (wanted.cpus, wanted.memory, wanted.disk) == (10, 28672, 120)


def test_the_guides_kind_runs_in_the_guides_podman_machine(deploy: Deploy, tmp_path: Path) -> None:
    settings = settings_of(block(deploy, "kind-arm64"))

    assert (settings.name, settings.driver, settings.architecture) == (
        "llm-d-cpu",
        "podman",
        "arm64",
    )
    wanted = settings.machine
    assert (wanted.cpus, wanted.memory, wanted.disk) == (8, 24576, 100)
    [node] = Kind(Shop(root=tmp_path), settings, "linux").config()["nodes"]
    assert node["image"] == kind_of_cluster.IMAGE


def test_what_a_tool_cannot_change_triggers_another_cluster_and_the_rest_an_update(
    deploy: Deploy,
) -> None:
    before = block(deploy, "minikube", **MINIKUBE)
    resized = block(deploy, "minikube", **MINIKUBE, machine={"memory": "48Gi"})
    rebuilt = block(deploy, "minikube", **{**MINIKUBE, "memory": "32Gi"})

    assert resized.inputs["triggers"] == before.inputs["triggers"]
    assert resized.inputs["environment"] != before.inputs["environment"]
    assert rebuilt.inputs["triggers"] != before.inputs["triggers"]
    assert rebuilt.request.deleteBeforeReplace


@pytest.mark.parametrize(
    ("said", "goes"),
    [
        ({}, {True}),
        ({"retain": "stopped"}, {False}),
        ({"retain": "running"}, {False}),
        ({"adopt": True}, {False}),
    ],
)
def test_what_is_on_a_cluster_goes_with_it_unless_it_stays(
    said: dict[str, Any], goes: set[bool], deploy: Deploy
) -> None:
    made = deploy("minikube", config={"llm-d:cluster": {**MINIKUBE, **said}})

    assert {
        bool(one.request.deletedWith)
        for one in made
        if one.kind == "Namespace" and not one.is_object
    } == goes


def test_nodes_are_as_large_as_the_cluster_is_made() -> None:
    kinds = clusters.kinds()

    def nodes(said: dict[str, Any]) -> config.Nodes | None:
        found = taken(said)
        return kinds[found.kind].nodes(found, None)  # pyright: ignore[reportArgumentType]

    made = nodes(MINIKUBE)
    assert made
    assert (made.cpu, made.memory) == ("8", "24Gi")
    assert nodes({**MINIKUBE, "gpus": "all"}) is None
    assert nodes(KIND) is None
    assert nodes({**KIND, "driver": "podman"}) == config.Nodes(cpu="8", memory="24Gi")


@pytest.mark.parametrize(("said", "size"), [("100Gi", 100), ("1Mi", 1), ("1025Mi", 2)])
def test_a_disk_is_whole_gibibytes(said: str, size: int) -> None:
    assert machine.gib(said) == size


def test_images_are_loaded_by_the_tool_that_made_the_cluster() -> None:
    kinds = clusters.kinds()
    loads = {said["kind"]: kinds[said["kind"]].loads_images for said in (MINIKUBE, KIND)}

    assert loads["minikube"]
    assert loads["kind"]
    assert loads["minikube"](taken(MINIKUBE)) == ("minikube", "image", "load", "--profile=llm-d")
    assert loads["kind"](taken(KIND)) == (
        *("env", "KIND_EXPERIMENTAL_PROVIDER=docker"),
        *("kind", "load", "image-archive", "--name=llm-d"),
    )
    assert kinds["gke"].loads_images is None
