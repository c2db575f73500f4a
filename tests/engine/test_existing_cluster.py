"""A stack on a cluster that is not its own: it takes away what it brought, and nothing else."""

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from engine.project import EMBEDDED, NewProject, Project

import tools
from embedded.cluster import CONTEXT, Cluster

pytestmark = [pytest.mark.engine]

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


@dataclass(frozen=True)
class Deployed:
    project: Project
    cluster: Cluster
    before: set[str]
    """Objects that were there first."""
    said: str
    """What preview and update printed."""


@pytest.fixture(scope="module")
def deployed(
    control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """A stack with a token in it, on a cluster that another made."""
    root = tmp_path_factory.mktemp("existing") / "project"
    blocks = {"cluster": on(control_plane), "monitoring": {"prometheus": "operator"}}
    project = Project.create(root, "elsewhere", EMBEDDED | blocks)
    before = objects(control_plane)
    assert project.act("preview").code == 0
    assert project.pulumi("config", "set", "--secret", "llm-d:hfToken", TOKEN).code == 0
    preview = project.pulumi("preview", "--diff")
    up = project.pulumi("up", "--yes", "--skip-preview")
    assert up.code == 0, up.said
    yield Deployed(project, control_plane, before, preview.said + up.said)
    project.pulumi("destroy", "--yes", "--skip-preview")


@pytest.mark.parametrize(
    ("verb", "what", "namespace", "answer"),
    [
        ("watch", "pods", NAMESPACE, "yes"),
        ("list", "inferencepools.inference.networking.k8s.io", NAMESPACE, "yes"),
        ("list", "inferencemodelrewrites.inference.networking.x-k8s.io", NAMESPACE, "yes"),
        ("create", "tokenreviews.authentication.k8s.io", NAMESPACE, "yes"),
        ("get", "secrets", NAMESPACE, "no"),
        ("delete", "pods", NAMESPACE, "no"),
        ("watch", "pods", "kube-system", "no"),
    ],
)
def test_the_endpoint_picker_may_do_its_work_and_nothing_else(
    verb: str, what: str, namespace: str, answer: str, deployed: Deployed
) -> None:
    picker = f"system:serviceaccount:{NAMESPACE}:gaie-inference-scheduling-epp"
    asked = subprocess.run(  # noqa: S603 - our own words
        [
            *(tools.resolve("kubectl"), f"--kubeconfig={deployed.cluster.kubeconfig}"),
            *("auth", "can-i", verb, what, "--namespace", namespace, "--as", picker),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert asked.stdout.strip() == answer


def test_a_token_is_never_in_plain_text(deployed: Deployed) -> None:
    assert TOKEN not in deployed.said
    files = [path for path in deployed.project.root.rglob("*") if path.is_file()]
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []
    read = ("get", "secret", "llm-d-hf-token", "-n", NAMESPACE, "-o", "jsonpath={.data.HF_TOKEN}")
    assert kubectl(deployed.cluster, *read) == base64.b64encode(TOKEN.encode()).decode()


def test_where_no_definitions_of_monitors_are_there_are_none_and_no_error(
    deployed: Deployed,
) -> None:
    assert "does not serve monitoring.coreos.com/v1: no monitors and no alerts" in deployed.said
    kinds = kubectl(deployed.cluster, "api-resources", "--output=name").split()
    assert not [kind for kind in kinds if kind.endswith("monitoring.coreos.com")]
    tokens = kubectl(deployed.cluster, "get", "secrets", "-n", NAMESPACE, "-o", "name")
    assert "metrics-reader" not in tokens


def test_the_context_that_kubectl_uses_is_never_used_instead(
    control_plane: Cluster, new_project: NewProject
) -> None:
    """The stack's own is not in the kubeconfig, whose current one works."""
    before = objects(control_plane)
    project = new_project("astray", cluster=on(control_plane, context="another"))

    up = project.act("up")

    assert up.code != 0
    assert f"`cluster.context` is `another`, expected one of {CONTEXT}" in up.said
    assert "Traceback" not in up.said
    assert objects(control_plane) == before


def test_adopted_definitions_are_checked_and_left_behind(
    deployed: Deployed, new_project: NewProject
) -> None:
    guest = new_project(
        "guest",
        cluster=on(deployed.cluster),
        names={"namespace": "guest"},
        gateway={"crds": {"inferenceExtension": "adopt"}},
    )
    before = objects(deployed.cluster)

    up = guest.act("up")
    assert up.code == 0, up.said
    down = guest.act("down")
    assert down.code == 0, down.said
    assert objects(deployed.cluster) == before

    version = "inference.networking.k8s.io/bundle-version"
    kubectl(deployed.cluster, "annotate", "--overwrite", "crds", "--all", f"{version}=v1.2.0")
    refused = guest.act("up")
    kubectl(deployed.cluster, "annotate", "--overwrite", "crds", "--all", f"{version}=v1.3.0")
    assert refused.code != 0
    assert "the cluster has sigs.k8s.io/gateway-api-inference-extension v1.2.0" in refused.said
    assert "Traceback" not in refused.said
    assert guest.act("down").code == 0


def test_destroy_takes_away_what_the_stack_brought_but_definitions_and_nothing_else(
    deployed: Deployed,
) -> None:
    brought = objects(deployed.cluster) - deployed.before
    assert f"Deployment {NAMESPACE}/gaie-inference-scheduling-epp" in brought

    destroyed = deployed.project.pulumi("destroy", "--yes", "--skip-preview")

    assert destroyed.code == 0, destroyed.said
    stays = {one for one in brought if one.startswith("CustomResourceDefinition ")}
    assert stays, "others on the cluster may use them"
    assert objects(deployed.cluster) == deployed.before | stays


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
    assert f"port {port} is taken, needed free on this machine" in up.said
    assert "Traceback" not in up.said
