"""Objects under the real engine: what one run leaves undone, the next one finishes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_plugin import Kubectl
from program import Program

from embedded.cluster import CONTEXT, Cluster

pytestmark = pytest.mark.engine

LIFE = """
    import os
    import pulumi
    import pulumi_kubernetes as k8s

    class Parent(pulumi.ComponentResource):
        def __init__(self, provider):
            super().__init__(
                "test:index:Parent", "parent", None, pulumi.ResourceOptions(provider=provider)
            )
            child = pulumi.ResourceOptions(parent=self)
            names = {"plural": "wheels", "kind": "Wheel"}
            crd = k8s.apiextensions.v1.CustomResourceDefinition(
                "crd",
                metadata={"name": "wheels.life.example.com"},
                spec={
                    "group": "life.example.com",
                    "scope": "Namespaced",
                    "names": names,
                    "versions": [
                        {
                            "name": "v1",
                            "served": True,
                            "storage": True,
                            "schema": {"open_apiv3_schema": {"type": "object"}},
                        }
                    ],
                },
                opts=child,
            )
            k8s.apiextensions.CustomResource(
                "wheel",
                api_version="life.example.com/v1",
                kind="Wheel",
                metadata={"name": "wheel", "namespace": "default"},
                opts=pulumi.ResourceOptions(parent=self, depends_on=[crd]),
            )
            pod = {
                "containers": [{"name": "c", "image": "nginx"}],
                "termination_grace_period_seconds": 0,
            }
            if "NODE" in os.environ:
                pod["node_selector"] = {"kubernetes.io/hostname": os.environ["NODE"]}
            k8s.apps.v1.Deployment(
                "web",
                metadata={"name": "web", "namespace": "default"},
                spec={
                    "selector": {"match_labels": {"app": "web"}},
                    "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
                },
                opts=pulumi.ResourceOptions(
                    parent=self, custom_timeouts=pulumi.CustomTimeouts(create="2s")
                ),
            )

    Parent(k8s.Provider("cluster", kubeconfig=os.environ["TO"], context=os.environ["CONTEXT"]))
"""


@pytest.fixture
def program(tmp_path: Path, control_plane: Cluster) -> Iterator[Program]:
    written = Program.written(
        tmp_path / "project",
        LIFE,
        TO=str(control_plane.kubeconfig),
        CONTEXT=CONTEXT,
    )
    yield written
    written.pulumi("destroy", "--yes", "--skip-preview")


def resources(program: Program) -> dict[str, Any]:
    kept = json.loads(program.state)["checkpoint"]["latest"]["resources"]
    return {one["urn"].rpartition("::")[2]: one for one in kept}


def test_what_did_not_become_ready_in_time_is_kept_and_the_next_up_goes_on(
    program: Program, control_plane: Cluster
) -> None:
    kubectl = Kubectl(control_plane.kubeconfig)
    up = ("up", "--yes", "--skip-preview")

    stuck = program.pulumi(*up, NODE="nowhere")
    kept = resources(program)["web"]
    uid = kubectl("get", "deployment/web", "-o", "jsonpath={.metadata.uid}")
    mended = program.pulumi(*up)

    assert stuck.returncode != 0
    assert "default/web` exists, but 2 s passed and it is not ready" in " ".join(
        stuck.stdout.split()
    )
    assert "2 s passed" in kept["initErrors"][0]
    assert kept["outputs"]["metadata"]["uid"] == uid
    # A CRD and an object of its kind in one run:
    assert kubectl("get", "wheels", "-o", "name") == "wheel.life.example.com/wheel\n"
    assert mended.returncode == 0, mended.stdout
    assert "initErrors" not in resources(program)["web"]
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.metadata.uid}") == uid
