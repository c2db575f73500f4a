"""The gateway providers' definitions and the captured statuses, on a real API server. A minute."""

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from definitions import had
from statuses import everything

import tools
from embedded.cluster import CONTEXT, Cluster
from rehearsal.stage import ESTABLISHED, PAUSE_SECONDS, SECONDS, listed
from stack import crd_bundles
from stack.releases import releases

pytestmark = pytest.mark.engine

BUNDLES = [
    *releases()["v0.5"].crds.values(),
    crd_bundles.CERT_MANAGER,
    crd_bundles.ENVOY_GATEWAY_1_8,
    crd_bundles.GKE_GATEWAY,
    crd_bundles.ISTIO_1_28,
    crd_bundles.OPENSHIFT_ROUTE,
]
ESTABLISHED_OR_NOT = ("get", "crds", "-o", f"go-template={ESTABLISHED}")
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm-d"}}


def kubectl(cluster: Cluster, *words: str, objects: Sequence[Any] = ()) -> str:
    cache = f"--cache-dir={cluster.root / 'kubectl'}"
    where = (f"--kubeconfig={cluster.kubeconfig}", f"--context={CONTEXT}", cache)
    done = subprocess.run(  # noqa: S603 - words of tests
        [tools.resolve("kubectl"), *where, *words],
        input=listed(objects),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def apply(cluster: Cluster, *how: str, objects: Sequence[Any]) -> str:
    """By the API server's rules alone: kubectl's own stop at a null among a Route's choices."""
    words = ("apply", "--server-side", "--force-conflicts", "--validate=ignore", "--filename=-")
    return kubectl(cluster, *words, *how, objects=objects)


def numbered() -> Iterator[dict[str, Any]]:
    """Every captured object under a name of its own, as the API server counts generations."""
    for number, one in enumerate(everything()):
        made = json.loads(json.dumps(one.made))
        del made["metadata"]["generation"]
        yield {**made, "metadata": {**made["metadata"], "name": f"{one.kind}-{number}"}}


def test_the_api_server_serves_every_definition_and_takes_every_captured_status(
    stage: Cluster,
) -> None:
    definitions = [one for bundle in BUNDLES for one in had(bundle)]
    apply(stage, objects=[*definitions, NAMESPACE])
    deadline = time.monotonic() + SECONDS
    while "False" in (served := kubectl(stage, *ESTABLISHED_OR_NOT).split()):
        assert time.monotonic() < deadline
        time.sleep(PAUSE_SECONDS)
    objects = [*numbered()]

    apply(stage, objects=objects)
    taken = apply(
        stage, "--subresource=status", objects=[one for one in objects if "status" in one]
    )

    assert served == ["True"] * len(definitions)
    assert len(taken.splitlines()) == sum("status" in one for one in objects)
