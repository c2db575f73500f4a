"""Every stack file in the repository's root, run end to end against a recording engine."""

import os
from typing import Any

import pytest
from google.protobuf import json_format
from recording import ROOT, SECRET, STACKS, Deploy, Made

UPDATE = "UPDATE_URNS"
"""Set it to write the lists anew after a change that is meant."""


def only(made: list[Made], kind: str) -> list[Made]:
    return [one for one in made if one.is_object and one.kind == kind]


@pytest.mark.parametrize("stack", STACKS)
def test_stack_selects_for_its_pool_the_pods_it_serves(stack: str, deploy: Deploy) -> None:
    made = deploy(stack)

    pools = [one.inputs["spec"]["selector"]["matchLabels"] for one in only(made, "InferencePool")]
    served = [
        one.inputs["spec"]["template"]["metadata"]["labels"]
        for one in only(made, "Deployment")
        if one.name.endswith("-decode")
    ]

    assert pools
    assert len(pools) == len(served)
    for pool, labels in zip(pools, served, strict=True):
        assert pool.items() <= labels.items()


@pytest.mark.parametrize("stack", STACKS)
def test_pool_sends_requests_to_a_port_that_the_server_listens_on(
    stack: str, deploy: Deploy
) -> None:
    made = deploy(stack)

    [pool] = only(made, "InferencePool")
    [decode] = [one for one in only(made, "Deployment") if one.name.endswith("-decode")]
    pod = decode.inputs["spec"]["template"]["spec"]
    [target] = pool.inputs["spec"]["targetPorts"]
    [listening] = [
        one
        for one in (*pod.get("initContainers", ()), *pod["containers"])
        if target["number"] in [port["containerPort"] for port in one["ports"]]
    ]

    assert f"--port={target['number']}" in listening["args"]


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_lands_on_whatever_cluster_kubectl_points_at(stack: str, deploy: Deploy) -> None:
    strays = [
        one.urn
        for one in deploy(stack)
        if one.is_object
        and "::llm-d:components:Cluster$pulumi:providers:kubernetes::cluster::"
        not in one.request.provider
    ]

    assert strays == []


@pytest.mark.parametrize("stack", STACKS)
def test_the_provider_names_its_context_and_its_cluster(stack: str, deploy: Deploy) -> None:
    [provider] = [one for one in deploy(stack) if one.type == "pulumi:providers:kubernetes"]

    assert provider.inputs["context"]
    assert provider.inputs["clusterIdentifier"]


@pytest.mark.parametrize("stack", STACKS)
def test_every_object_has_a_fixed_name_and_says_its_namespace(stack: str, deploy: Deploy) -> None:
    cluster_wide = {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "Namespace",
    }
    for one in deploy(stack):
        if one.is_object:
            assert one.inputs["metadata"].get("name"), one.urn
            assert ("namespace" in one.inputs["metadata"]) != (one.kind in cluster_wide), one.urn


@pytest.mark.parametrize("stack", STACKS)
def test_urns_are_those_under_version_control(stack: str, deploy: Deploy) -> None:
    """A renamed resource is deleted and made anew: it has to be meant."""
    urns = sorted(one.urn for one in deploy(stack))
    file = ROOT / "tests" / "urns" / f"{stack}.txt"
    if os.environ.get(UPDATE):
        file.write_text("\n".join(urns) + "\n")

    assert urns == file.read_text().splitlines(), f"{UPDATE}=1 writes {file.name} anew"


@pytest.mark.parametrize("stack", STACKS)
def test_no_image_floats(stack: str, deploy: Deploy) -> None:
    for one in only(deploy(stack), "Deployment"):
        for container in one.inputs["spec"]["template"]["spec"]["containers"]:
            tag = container["image"].rsplit("/", 1)[-1].partition(":")[2]
            assert tag not in {"", "latest", "main"}, container["image"]


@pytest.mark.parametrize("stack", STACKS)
def test_containers_are_restricted_but_for_what_the_hardware_needs(
    stack: str, deploy: Deploy
) -> None:
    for one in only(deploy(stack), "Deployment"):
        pod = one.inputs["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["enableServiceLinks"] is False
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"]["drop"] == ["ALL"]


def test_a_cluster_of_the_stacks_own_takes_everything_with_it(deploy: Deploy) -> None:
    """One delete, however far the cluster is gone, instead of one for each object on it."""
    made = deploy("embedded")
    [owner] = [one for one in made if one.type == "command:local:Command"]

    # The engine hands a component's `deleted_with` down to its children.
    on_it = [
        one
        for one in made
        if one.type.startswith("llm-d:components:")
        and one.kind != "Cluster"
        and "llm-d:components:" not in one.request.parent
    ]

    assert on_it
    assert {one.request.deletedWith for one in on_it} == {owner.urn}


def test_the_hugging_face_token_is_a_secret_wherever_it_goes(deploy: Deploy) -> None:
    token = "hf_not-a-real-token"  # noqa: S105
    made = deploy("embedded", secrets={"llm-d:hfToken": token})

    holders = [one for one in made if token in str(one.inputs)]

    assert [one.kind for one in holders] == ["Secret"]
    assert SECRET in json_format.MessageToDict(holders[0].request.object)["stringData"]


def test_pods_read_the_token_from_its_secret(deploy: Deploy) -> None:
    made = deploy("embedded", secrets={"llm-d:hfToken": "hf_not-a-real-token"})

    [decode] = [one for one in only(made, "Deployment") if one.name.endswith("-decode")]
    env: list[dict[str, Any]] = decode.inputs["spec"]["template"]["spec"]["containers"][0]["env"]

    assert {"name": "llm-d-hf-token", "key": "HF_TOKEN"} in [
        one["valueFrom"]["secretKeyRef"] for one in env if one["name"] == "HF_TOKEN"
    ]


def test_leader_worker_set_comes_with_its_controller_before_anything_that_needs_it(
    deploy: Deploy,
) -> None:
    model = {"name": "Qwen/Qwen3-32B", "nodes": 2, "tensorParallel": 16}
    made = deploy(
        "gke-gpu",
        config={
            "llm-d:models": [model],
            "llm-d:gateway": {"crds": {"leaderWorkerSet": True}},
        },
    )

    [release] = [one for one in made if one.type == "kubernetes:helm.sh/v3:Release"]
    [group] = only(made, "LeaderWorkerSet")
    [service] = [one for one in made if one.kind == "ModelService"]

    assert release.inputs["version"] == "0.7.0"
    assert release.inputs["namespace"] in {
        one.inputs["metadata"]["name"] for one in only(made, "Namespace")
    }
    assert release.urn in service.request.dependencies
    assert group.request.parent == service.urn


def test_every_model_of_a_stack_has_a_pool_and_all_have_one_front(deploy: Deploy) -> None:
    models = [{"name": "Qwen/Qwen3-0.6B"}, {"name": "Qwen/Qwen3-8B", "id": "large"}]
    made = deploy("embedded", config={"llm-d:models": models})

    pools = only(made, "InferencePool")
    [front] = [one for one in made if one.name == "front-proxy"]

    assert {one.inputs["metadata"]["name"] for one in pools} == {
        "gaie-inference-scheduling",
        "gaie-inference-scheduling-large",
    }
    # A front asks endpoint pickers: it waits for those, and pools for what leads to them.
    pickers = {one.urn for one in made if one.name in {"pool-service", "pool-large-service"}}
    assert len(pickers) == len(pools)
    assert pickers <= {*front.request.dependencies}
