"""Istio on a cluster of others: brought and taken away, beside what is theirs, refused in words."""

import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine.gateways import (
    ADOPTED,
    GATEWAY,
    MODELS,
    NAMESPACE,
    Host,
    guest,
    istio,
    kill,
    lasting,
    made,
    through,
    until,
    versions,
)
from engine.project import EMBEDDED, ROOT, Project, Ran
from engine.test_existing_cluster import kubectl, on

from embedded.cluster import Cluster

pytestmark = [pytest.mark.engine]

CHARTS = str(ROOT / ".state" / "bin")
DELETED = (
    "HTTPRoute inference-gateway-route",
    "Gateway inference-gateway",
    "Release gateway-istiod",
    "Release gateway-istio-base",
    "Namespace gateway-istio-system",
)
LEFT = re.compile(r"^CustomResourceDefinition |^ConfigMap .*/istio-ca-(crl|root-cert)$")
"""What stays of a stack on a cluster that it does not own."""
CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": "agentgateway"},
    "spec": {"controllerName": "example.com/another"},
}
AGENTGATEWAY: dict[str, Any] = {
    "provider": "agentgateway",
    "replicas": 1,
    "controlPlane": "adopt",
    "crds": ADOPTED,
}


@dataclass(frozen=True)
class Gone:
    """A stack that brought Istio, with all its definitions, and took it away again."""

    up: Ran
    """The second; the first was killed."""
    again: Ran
    down: Ran
    """The same."""
    said: str
    """What both runs said that took it away."""
    before: set[str]
    after: set[str]


@pytest.fixture(scope="module")
def gone(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Gone:
    before = lasting(control_plane)
    project = stack(tmp_path_factory.mktemp("gone"), control_plane, istio(charts=CHARTS))
    try:
        kill(project, "up", r"Gateway inference-gateway creating")
        up = project.act("up")
        again = project.pulumi("up", "--yes", "--skip-preview")
        said = kill(project, "down", r"HTTPRoute inference-gateway-route deleted")
    finally:
        down = project.act("down")
    return Gone(up, again, down, said + down.said, before, lasting(control_plane))


@pytest.fixture(scope="module")
def host(
    gone: Gone, control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """The next stack there, which takes the definitions that the first one left."""
    assert gone.down.code == 0, gone.down.said
    gateway = istio(charts=CHARTS, crds=ADOPTED)
    project = stack(tmp_path_factory.mktemp("host"), control_plane, gateway)
    try:
        up = project.act("up")
        assert up.code == 0, up.said
        yield Host(project, control_plane)
    finally:
        project.act("down")


def stack(folder: Path, cluster: Cluster, gateway: dict[str, Any]) -> Project:
    config = EMBEDDED | {"cluster": on(cluster), "models": MODELS[:1], "gateway": gateway}
    return Project.create(folder / "project", "elsewhere", config)


def test_istio_is_brought_and_taken_away_in_order_though_both_runs_are_killed(gone: Gone) -> None:
    """Definitions stay, for others may use them by then."""
    assert gone.up.code == 0, gone.up.said
    assert gone.again.touched == {}
    assert gone.down.code == 0, gone.down.said
    order = [gone.said.index(f"{one} deleted") for one in DELETED]
    assert order == sorted(order), gone.said
    left = gone.after - gone.before
    assert {one for one in left if not LEFT.search(one)} == set()
    assert any("gateways.gateway.networking.k8s.io" in one for one in left)


def test_a_stack_that_adopts_the_definitions_of_one_that_went_answers(host: Host) -> None:
    answered = through(host.cluster, NAMESPACE, "inference-scheduling")

    assert answered.returncode == 0, answered.stderr


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        (
            istio(controlPlane="adopt", crds=ADOPTED | {"gatewayApi": True}),
            (
                'gateway.networking.k8s.io" already exists',
                "`gateway.crds.gatewayApi: adopt` takes the definitions that are there",
            ),
        ),
        (
            istio(crds=ADOPTED, charts=CHARTS),
            ('namespaces "istio-system" already exists', "`gateway.controlPlane: adopt` takes it"),
        ),
        (
            AGENTGATEWAY,
            ("GatewayClass `agentgateway` on the cluster is example.com/another's, expected age",),
        ),
    ],
    ids=["definitions of others", "a control plane of others", "a class of another controller"],
)
def test_what_belongs_to_others_is_refused_in_words_and_stays_as_it_is(
    host: Host, gateway: dict[str, Any], said: tuple[str, ...], tmp_path: Path
) -> None:
    with made(host.cluster, CLASS):
        before, owned = lasting(host.cluster), versions(host.cluster)

        with host.guest(tmp_path, names={"namespace": "guest"}, gateway=gateway) as second:
            up = second.act("up")

        assert up.code != 0
        assert [one for one in said if one not in up.said] == [], up.said
        assert "Traceback" not in up.said
        assert lasting(host.cluster) == before
        assert versions(host.cluster) == owned


def test_a_namespace_of_others_is_refused_until_it_is_said_to_be_theirs(
    host: Host, tmp_path: Path
) -> None:
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "theirs"}}
    with made(host.cluster, theirs):
        before, owned = lasting(host.cluster), versions(host.cluster)

        with host.guest(tmp_path, names={"namespace": "theirs"}, gateway=guest()) as second:
            up = second.act("up")

        assert up.code != 0
        assert 'namespaces "theirs" already exists' in up.said
        assert "`names.createNamespace: false` puts the stack into it" in up.said
        assert lasting(host.cluster) == before
        assert versions(host.cluster) == owned


def test_a_control_plane_that_does_not_fit_is_one_clear_error_and_nothing_is_made(
    host: Host, tmp_path: Path
) -> None:
    before = lasting(host.cluster)
    bundle = "gateway.networking.k8s.io/bundle-version"
    crd = "httproutes.gateway.networking.k8s.io"
    pools = "ENABLE_GATEWAY_API_INFERENCE_EXTENSION"
    istiod = ("deployment/istiod", "--namespace=istio-system")
    there = json.loads(kubectl(host.cluster, "get", "crd", crd, "-o", "json"))
    version = there["metadata"]["annotations"][bundle]

    with host.guest(tmp_path, names={"namespace": "guest"}, gateway=guest()) as second:
        kubectl(host.cluster, "annotate", "--overwrite", "crd", crd, f"{bundle}=v0.9.0")
        too_old = second.act("up")
        kubectl(host.cluster, "annotate", "--overwrite", "crd", crd, f"{bundle}={version}")
        # What is paused is not started anew by an edit.
        kubectl(host.cluster, "rollout", "pause", *istiod)
        kubectl(host.cluster, "set", "env", *istiod, f"{pools}=false")
        without = second.act("up")
        kubectl(host.cluster, "set", "env", *istiod, f"{pools}=true")
        kubectl(host.cluster, "rollout", "resume", *istiod)
        after = lasting(host.cluster)

    assert too_old.code != 0
    assert "the cluster has sigs.k8s.io/gateway-api v0.9.0, and the release needs" in too_old.said
    assert "`gateway.crds.gatewayApi: false` leaves it unchecked" in too_old.said
    assert without.code != 0
    assert f"Deployment istio-system/istiod has {pools}=false, expected true" in without.said
    assert "Traceback" not in too_old.said + without.said
    assert after == before


def test_a_control_plane_that_is_not_there_is_not_adopted(host: Host, tmp_path: Path) -> None:
    before = lasting(host.cluster)

    names = {"namespace": "guest"}
    with host.guest(tmp_path, names=names, gateway=AGENTGATEWAY) as second:
        up = second.act("up")
        after = lasting(host.cluster)

    assert up.code != 0
    assert "GatewayClass `agentgateway` is not on the cluster: install" in up.said
    assert "Traceback" not in up.said
    assert after == before


def test_a_gateway_without_its_certificate_is_waited_for_in_words(
    host: Host, tmp_path: Path
) -> None:
    before = lasting(host.cluster)
    tls = guest(tls={"secret": "nothing"})

    with host.guest(tmp_path, names={"namespace": "guest"}, gateway=tls) as second:
        running = second.start("up")
        said = until(running, r"Gateway inference-gateway creating .*Accepted")
        # Instead of ten minutes: Pulumi gives up what is awaited in the same way.
        os.killpg(running.pid, signal.SIGINT)
        ended = second.finish(running)

    assert ended.code != 0
    assert f"Gateway `guest/{GATEWAY}` exists, but" in ended.said, said + ended.said
    assert "None of the Gateway's listeners are valid" in ended.said
    assert lasting(host.cluster) == before


def test_the_last_of_them_leaves_what_was_there_before_it_came(host: Host, gone: Gone) -> None:
    down = host.project.act("down")

    assert down.code == 0, down.said
    assert lasting(host.cluster) == gone.after
