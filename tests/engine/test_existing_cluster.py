"""A stack on a cluster that is not its own: it takes away what it brought, and nothing else."""

import json
import subprocess
from typing import Any

import pytest
from engine.project import NewProject, Project

import tools
from embedded.cluster import CONTEXT, Cluster

pytestmark = pytest.mark.engine

TOKEN = "hf_never-to-be-seen"  # noqa: S105 - not a token
NAMESPACE = "llm-d-inference-scheduler"
KINDS = (
    "namespaces,crds,clusterroles,clusterrolebindings,"
    "deployments,services,configmaps,secrets,serviceaccounts,roles,rolebindings,pods"
)


def kubectl(cluster: Cluster, *words: str) -> str:
    return subprocess.run(  # noqa: S603 - our own words
        [tools.resolve("kubectl"), f"--kubeconfig={cluster.kubeconfig}", *words],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def objects(cluster: Cluster) -> set[str]:
    listed: dict[str, Any] = json.loads(kubectl(cluster, "get", KINDS, "-A", "-o", "json"))
    return {
        f"{one['kind']} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}"
        for one in listed["items"]
    }


def on(cluster: Cluster, context: str = CONTEXT) -> dict[str, str]:
    return {"kind": "existing", "context": context, "kubeconfig": str(cluster.kubeconfig)}


@pytest.fixture
def project(new_project: NewProject, control_plane: Cluster) -> Project:
    return new_project("elsewhere", cluster=on(control_plane))


def test_destroy_takes_every_object_away_and_no_other(
    project: Project, control_plane: Cluster
) -> None:
    before = objects(control_plane)
    up = project.act("up")
    assert up.code == 0, up.said
    added = objects(control_plane) - before
    assert f"Deployment {NAMESPACE}/gaie-inference-scheduling-epp" in added

    down = project.act("down")

    assert down.code == 0, down.said
    assert objects(control_plane) == before


def test_the_endpoint_picker_may_watch_its_pods_and_read_no_secret(
    project: Project, control_plane: Cluster
) -> None:
    assert project.act("up").code == 0
    picker = f"system:serviceaccount:{NAMESPACE}:gaie-inference-scheduling-epp"

    def may(verb: str, what: str, namespace: str = NAMESPACE) -> bool:
        words = ("auth", "can-i", verb, what, "-n", namespace, "--as", picker)
        done = subprocess.run(  # noqa: S603 - our own words
            [tools.resolve("kubectl"), f"--kubeconfig={control_plane.kubeconfig}", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() == "yes"

    assert may("watch", "pods")
    assert may("list", "inferencepools.inference.networking.k8s.io")
    assert may("list", "inferencemodelrewrites.inference.networking.x-k8s.io")
    assert may("create", "tokenreviews.authentication.k8s.io")
    assert not may("get", "secrets")
    assert not may("watch", "pods", "kube-system")
    assert not may("delete", "pods")
    assert project.act("down").code == 0


def test_a_token_is_never_in_plain_text(project: Project, control_plane: Cluster) -> None:
    project.act("preview")
    set_secret = project.pulumi("config", "set", "--secret", "llm-d:hfToken", TOKEN)
    assert set_secret.code == 0, set_secret.said

    preview = project.pulumi("preview", "--diff")
    up = project.pulumi("up", "--yes")

    assert up.code == 0, up.said
    assert TOKEN not in preview.said + up.said
    on_disk = [path for path in project.root.rglob("*") if path.is_file() and path.exists()]
    holding = [path for path in on_disk if TOKEN.encode() in path.read_bytes()]
    assert holding == []
    read = ("get", "secret", "llm-d-hf-token", "-n", NAMESPACE, "-o", "jsonpath={.data.HF_TOKEN}")
    assert kubectl(control_plane, *read), "the cluster has it"
    assert project.pulumi("destroy", "--yes", "--skip-preview").code == 0


def test_the_context_that_kubectl_uses_is_never_used_instead(
    project: Project, control_plane: Cluster
) -> None:
    """Its own context is not in the kubeconfig, whose current one works."""
    before = objects(control_plane)
    config = {
        "cluster": on(control_plane, context="another"),
        "hardware": "simulated",
        "models": [{"name": "Qwen/Qwen3-0.6B"}],
    }
    project.write(config)

    up = project.act("up")

    assert up.code != 0
    assert f"`cluster.context` is `another`, expected one of {CONTEXT}" in up.said
    assert "Traceback" not in up.said
    assert objects(control_plane) == before


def test_adopted_definitions_are_checked_and_left_behind(
    project: Project, control_plane: Cluster, new_project: NewProject
) -> None:
    owner = project
    assert owner.act("up").code == 0
    guest = new_project(
        "guest",
        cluster=on(control_plane),
        names={"namespace": "guest"},
        gateway={"crds": {"inferenceExtension": "adopt"}},
    )

    up = guest.act("up")
    assert up.code == 0, up.said
    down = guest.act("down")
    assert down.code == 0, down.said

    assert "inferencepools.inference.networking.k8s.io" in kubectl(control_plane, "get", "crds")
    annotation = "inference.networking.k8s.io/bundle-version=v1.2.0"
    kubectl(control_plane, "annotate", "--overwrite", "crds", "--all", annotation)
    refused = guest.act("up")
    assert refused.code != 0
    assert "the cluster has sigs.k8s.io/gateway-api-inference-extension v1.2.0" in refused.said
    assert "Traceback" not in refused.said
    assert guest.act("down").code == 0
    assert owner.act("down").code == 0


def test_a_dead_api_server_is_one_line_that_says_what_to_do(new_project: NewProject) -> None:
    project = new_project()
    assert project.act("up").code == 0
    Cluster(root=project.cluster, tools=tools.resolve).stop()

    preview = project.pulumi("preview")
    up = project.pulumi("up", "--yes", "--skip-preview", "--refresh")

    assert preview.code == 0, "a preview needs no cluster"
    assert up.code != 0
    assert "is unreachable" in up.said
    assert "Traceback" not in up.said
    healed = project.act("up")
    assert healed.code == 0, healed.said


def test_a_port_in_use_is_named(new_project: NewProject, control_plane: Cluster) -> None:
    listed = json.loads(kubectl(control_plane, "config", "view", "-o", "json"))
    port = int(listed["clusters"][0]["cluster"]["server"].rsplit(":", 1)[1])
    project = new_project(cluster={"kind": "embedded", "port": port})

    up = project.act("up")

    assert up.code != 0
    assert f"port {port} of 127.0.0.1 is in use" in up.said
    assert "Traceback" not in up.said
