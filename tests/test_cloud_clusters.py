"""Clusters of GKE and OpenShift: what is asked of Google, and what a login is asked."""

import json
import sys
from pathlib import Path
from typing import Any

import gcp_sdk
import pulumi
import pytest
from recording import Deploy, Made
from test_bad_input import kubeconfig, told

from components.clusters import gke

GKE: dict[str, Any] = {
    "kind": "gke",
    "project": "my-project",
    "location": "us-central1",
    "name": "llm-d",
}
SYSTEM = {"name": "system", "machineType": "e2-standard-8"}
GPUS = {
    "name": "h100",
    "machineType": "a3-highgpu-8g",
    "count": 2,
    "accelerator": {"type": "nvidia-h100-80gb", "count": 8},
    "spot": True,
}
TPUS = {"name": "tpu", "machineType": "ct6e-standard-4t", "topology": "2x4", "count": 2}
NODES = {"count": 2, "cpu": "200", "memory": "1800Gi", "devices": 8, "accelerator": "h100-80gb"}


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's SDK."""
    monkeypatch.syspath_prepend(str(gcp_sdk.folder()))  # pyright: ignore[reportUnknownMemberType]


def made_of(deploy: Deploy, **said: Any) -> list[Made]:
    return deploy("gke-gpu", config={"llm-d:cluster": {**GKE, "nodes": NODES, **said}})


def google_has(made: list[Made]) -> dict[str, dict[str, Any]]:
    return {one.name: one.inputs for one in made if one.type.startswith("gcp:")}


@pytest.mark.usefixtures("google")
def test_an_autopilot_cluster_is_one_resource_without_pools(deploy: Deploy) -> None:
    [(_, cluster)] = google_has(made_of(deploy)).items()

    assert cluster["enableAutopilot"] is True
    assert cluster["deletionProtection"] is False
    assert cluster["releaseChannel"] == {"channel": "REGULAR"}
    assert cluster["gatewayApiConfig"] == {"channel": "CHANNEL_STANDARD"}
    assert (cluster["project"], cluster["location"], cluster["name"]) == (
        "my-project",
        "us-central1",
        "llm-d",
    )


@pytest.mark.usefixtures("google")
def test_a_standard_cluster_has_the_pools_that_the_stack_file_says(deploy: Deploy) -> None:
    made = made_of(deploy, mode="standard", pools=[SYSTEM, GPUS, TPUS], version="1.34")
    found = google_has(made)

    cluster, system, gpus, tpus = (
        found[name] for name in ("cluster", "cluster-system", "cluster-h100", "cluster-tpu")
    )
    assert cluster["removeDefaultNodePool"] is True
    assert cluster["minMasterVersion"] == "1.34"
    assert "guestAccelerators" not in system["nodeConfig"]
    assert (gpus["nodeCount"], gpus["nodeConfig"]["spot"]) == (2, True)
    [accelerator] = gpus["nodeConfig"]["guestAccelerators"]
    assert (accelerator["type"], accelerator["count"]) == ("nvidia-h100-80gb", 8)
    assert tpus["placementPolicy"] == {"type": "COMPACT", "tpuTopology": "2x4"}


@pytest.mark.usefixtures("google")
def test_objects_wait_for_the_pools_and_are_removed_before_the_cluster(deploy: Deploy) -> None:
    made = made_of(deploy, mode="standard", pools=[SYSTEM, GPUS])

    [provider] = [one for one in made if one.type == "pulumi:providers:kubernetes"]
    assert {one.urn for one in made if one.type.startswith("gcp:")} <= {
        *provider.request.dependencies
    }
    # Load balancers would outlive it.
    assert not any(one.request.deletedWith for one in made if not one.type.startswith("gcp:"))
    assert provider.inputs["context"] == "gke_my-project_us-central1_llm-d"


@pytest.mark.usefixtures("google")
def test_a_cluster_that_is_retained_is_left_with_its_pools(deploy: Deploy) -> None:
    made = made_of(deploy, mode="standard", pools=[SYSTEM], retain="running")

    assert {one.request.retainOnDelete for one in made if one.type.startswith("gcp:")} == {True}


def test_the_kubeconfig_holds_no_token() -> None:
    said = json.loads(gke.kubeconfig("c", server="198.51.100.1", authority="Y2E="))

    [user] = said["users"]
    assert user["user"].keys() == {"exec"}
    assert user["user"]["exec"]["command"] == "gke-gcloud-auth-plugin"
    [cluster] = said["clusters"]
    assert cluster["cluster"]["server"] == "https://198.51.100.1"
    assert said["current-context"] == "c"


def test_without_googles_sdk_there_is_one_line_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "pulumi_gcp", raising=False)
    monkeypatch.setattr(gke, "EXTRA", "a_package_that_nobody_has")

    [problem] = told(cluster=GKE)

    assert problem == (
        "`cluster.kind` is `gke`, expected pulumi-gcp, which is not installed: "
        "`uv sync --inexact --group gke`"
    )


@pytest.mark.usefixtures("google")
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"pools": [SYSTEM]}, "`cluster.mode` is `autopilot`, expected standard"),
        ({"mode": "standard", "pools": [GPUS]}, "`cluster.pools` is "),
        ({"mode": "standard", "pools": [SYSTEM, SYSTEM]}, "`cluster.pools` is `system`"),
        ({"project": "$(id)"}, "`cluster.project` is `$(id)`"),
        ({"mode": "standard", "pools": [{**TPUS, "topology": "2"}]}, "`cluster.pools[0].topology`"),
    ],
)
def test_what_google_would_refuse_is_told_first(said: dict[str, Any], message: str) -> None:
    problem, *_ = told(cluster={**GKE, **said})

    assert problem.startswith(message)


# OpenShift


def oc(folder: Path, said: str, code: int) -> Path:
    program = folder / "oc"
    calls = folder / "calls"
    program.write_text(f'#!/bin/sh\necho "$*" >> {calls}\necho "{said}" >&2\nexit {code}\n')
    program.chmod(0o755)
    return calls


def test_a_login_that_has_ended_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = kubeconfig(tmp_path / "config", "openshift")
    calls = oc(tmp_path, "error: You must be logged in to the server (Unauthorized)", 1)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)

    [problem] = told(cluster={"kind": "openshift", "context": "openshift", "kubeconfig": file})

    assert problem.startswith("`cluster.context` is `openshift`, expected a login that is alive")
    assert "(error: You must be logged in to the server (Unauthorized))" in problem
    assert calls.read_text().split() == [
        "whoami",
        "--context=openshift",
        "--request-timeout=15s",
        f"--kubeconfig={file}",
    ]


def test_a_preview_asks_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deploy: Deploy
) -> None:
    calls = oc(tmp_path, "", 1)
    monkeypatch.setenv("PATH", str(tmp_path))
    file = kubeconfig(tmp_path / "config", "mine")

    made = deploy(
        "openshift",
        config={"llm-d:cluster": {"kind": "openshift", "context": "mine", "kubeconfig": file}},
    )

    assert [one for one in made if one.kind == "Route"]
    assert not calls.exists()
