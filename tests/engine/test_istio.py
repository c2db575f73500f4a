"""A real Istio on the embedded cluster: its control plane, its proxy, and what passes it. 90 s."""

import contextlib
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import istio

import tools
from embedded.agent import this_machine
from embedded.cluster import Cluster, Node
from embedded.troubles import SIMULATED
from stack import crds
from stack.releases import current

pytestmark = [pytest.mark.engine]

SECONDS = 60.0
LONG = "tell me " * (12 << 10)
"""96 KiB: three times what proxies were seen to hold back for a picker, all that a model reads."""


def kubectl(cluster: Cluster, *words: str, stdin: Any = None) -> str:
    done = asked(cluster, *words, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(cluster: Cluster, *words: str, stdin: Any = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own words
        [
            *(tools.resolve("kubectl"), f"--kubeconfig={cluster.kubeconfig}"),
            *(f"--namespace={istio.NAMESPACE}", *words),
        ],
        input=json.dumps(stdin) if stdin else "",
        capture_output=True,
        text=True,
        check=False,
    )


def apply(cluster: Cluster, *objects: Any) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    kubectl(cluster, "apply", "--server-side", "-f-", stdin=items)


def get(cluster: Cluster, *words: str) -> Any:
    return json.loads(kubectl(cluster, "get", *words, "-o", "json"))


def eventually(ask: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (answer := ask()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return answer


def wait(cluster: Cluster, what: str, condition: str) -> None:
    kubectl(cluster, "wait", what, f"--for={condition}", f"--timeout={SECONDS:.0f}s")


@contextlib.contextmanager
def with_istio(root: Path, simulate: str = "") -> Generator[Cluster]:
    """A cluster with the definitions of the current release, and Istio from its charts."""
    cluster = Cluster(root=root, tools=tools.resolve, simulate=simulate)
    node = Node(name="node-0", allocatable={"cpu": "16", "memory": "64Gi"}, labels={})
    try:
        cluster.up([node])
        for bundle in current.RELEASE.crds.values():
            crds.fetch(bundle)
            apply(cluster, *crds.documents(bundle))
        istio.install(cluster)
        kubectl(cluster, "create", "namespace", istio.NAMESPACE)
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with with_istio(tmp_path_factory.mktemp("istio") / "c") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def serving(cluster: Cluster) -> Cluster:
    """The same with a pool behind a Gateway, once all of it is ready."""
    apply(cluster, *istio.gateway(), *istio.pool(), istio.route())
    wait(cluster, f"gateway/{istio.GATEWAY}", "condition=Programmed")
    for name in (istio.SERVICE, istio.PICKER, "model"):
        wait(cluster, f"deployment/{name}", "condition=Available")
    return cluster


def chat(cluster: Cluster, content: str = "hello") -> Any:
    """The answer of the gateway's Service, asked through the API server."""
    question = {
        "model": istio.MODEL,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 4,
    }
    path = f"namespaces/{istio.NAMESPACE}/services/{istio.SERVICE}:80/proxy/v1/chat/completions"
    return asked(cluster, "create", f"--raw=/api/v1/{path}", "-f-", stdin=question)


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["status"] for one in status["conditions"]}


def images(cluster: Cluster, namespace: str) -> dict[str, bool]:
    """Image -> whether its pod runs for real, of all that are ready."""
    return {
        pod["spec"]["containers"][0]["image"]: SIMULATED
        not in pod["metadata"].get("annotations", {})
        for pod in get(cluster, "pods", f"--namespace={namespace}")["items"]
        if conditions(pod["status"])["Ready"] == "True"
    }


def test_its_control_plane_runs_for_real_and_offers_its_class(cluster: Cluster) -> None:
    assert images(cluster, istio.SYSTEM) == {"docker.io/istio/pilot:1.28.1": True}
    wait(cluster, "gatewayclass/istio", "condition=Accepted")


def test_every_condition_of_gateway_route_and_pool_comes_true(serving: Cluster) -> None:
    assert said_of(serving) == WELL


WELL = {
    "gateway": {"Accepted": "True", "Programmed": "True", "ResolvedRefs": "True"},
    "httproute": {"Accepted": "True", "ResolvedRefs": "True"},
    "inferencepool": {"Accepted": "True", "ResolvedRefs": "True"},
}


def said_of(cluster: Cluster) -> dict[str, dict[str, str]]:
    """Kind -> its conditions."""
    gateway = get(cluster, "gateway", istio.GATEWAY)["status"]
    [route] = get(cluster, "httproute", istio.ROUTE)["status"]["parents"]
    [pool] = get(cluster, "inferencepool", istio.POOL)["status"]["parents"]
    return {
        "gateway": conditions(gateway),
        "httproute": conditions(route),
        "inferencepool": conditions(pool),
    }


def test_the_proxy_is_an_envoy_that_istiod_has_told_what_to_serve(serving: Cluster) -> None:
    assert images(serving, istio.NAMESPACE)["docker.io/istio/proxyv2:1.28.1"]
    [pod] = get(serving, "pods", f"-lgateway.networking.k8s.io/gateway-name={istio.GATEWAY}")[
        "items"
    ]
    log = serving.root / "logs" / istio.NAMESPACE / pod["metadata"]["name"] / "istio-proxy.log"

    # What an Envoy does not know, it refuses as a whole, and says so.
    assert not re.search(r"[1-9]\d* rejected|rejected:", log.read_text())
    given = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
    assert given[istio.EXTENSION] == "true", "what the chart says of the mesh counts here too"


@pytest.mark.parametrize("prompt", ["hello", LONG], ids=["short", "long"])
def test_a_chat_completion_passes_the_gateway_and_the_endpoint_picker(
    serving: Cluster, prompt: str
) -> None:
    done = chat(serving, prompt)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_nothing_passes_without_the_endpoint_picker(serving: Cluster) -> None:
    scale = ("scale", f"deployment/{istio.PICKER}")
    kubectl(serving, *scale, "--replicas=0")
    eventually(lambda: chat(serving).returncode, "requests are refused")

    kubectl(serving, *scale, "--replicas=1")
    eventually(lambda: not chat(serving).returncode, "requests are answered again")


def test_a_gateway_behind_a_load_balancer_is_answered_at_on_loopback(serving: Cluster) -> None:
    # Port 80 of this machine is for its root alone.
    apply(serving, *istio.gateway(kind="LoadBalancer", ports=(80, 8080)))

    def answered() -> bool:
        [at] = get(serving, "gateway", istio.GATEWAY)["status"]["addresses"]
        url = f"http://{at['value']}:8080/v1/models"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return [one["id"] for one in json.load(answer)["data"]] == [istio.MODEL]
        return False

    eventually(answered, "it is answered at its address")


def test_a_route_to_no_pool_is_told_so(serving: Cluster) -> None:
    apply(serving, istio.route("nowhere", to="nowhere"))

    def told() -> Any:
        parents = get(serving, "httproute", "nowhere").get("status", {}).get("parents")
        return parents and conditions(parents[0])

    assert eventually(told, "it has conditions")["ResolvedRefs"] == "False"
    kubectl(serving, "delete", "httproute", "nowhere")


def test_what_istio_cannot_use_is_refused_when_it_is_created(serving: Cluster) -> None:
    """Its webhook is asked, through the node agent."""
    broken = istio.destination_rule("broken", connectionPool={"http": {"http2MaxRequests": -1}})

    def refused() -> bool:
        done = asked(serving, "create", "--dry-run=server", "-f-", stdin=broken)
        return "http2 max requests must be non-negative" in done.stderr

    eventually(refused, "the webhook is asked")


def test_a_deleted_gateway_takes_its_proxy_along_and_leaves_the_other_whole(
    serving: Cluster,
) -> None:
    apply(serving, *istio.gateway("second"))
    wait(serving, "gateway/second", "condition=Programmed")
    proxies = len(this_machine(serving.root).pods())

    kubectl(serving, "delete", "gateway,configmap", "second")

    eventually(lambda: len(this_machine(serving.root).pods()) == proxies - 1, "its proxy ends")
    assert not get(serving, "services", "-lgateway.networking.k8s.io/gateway-name=second")["items"]
    assert chat(serving).returncode == 0


def test_after_all_is_deleted_nothing_of_it_runs(serving: Cluster) -> None:
    kubectl(serving, "delete", "namespace", istio.NAMESPACE)
    istio.uninstall(serving)

    eventually(lambda: not this_machine(serving.root).pods(), "every pod ends")
    assert not programs(serving.root)


def test_in_a_rehearsal_the_control_plane_alone_runs_and_every_condition_comes_true(
    tmp_path: Path,
) -> None:
    with with_istio(tmp_path / "c", simulate="it is a rehearsal") as cluster:
        apply(cluster, *istio.gateway(kind="LoadBalancer"), *istio.pool(), istio.route())
        wait(cluster, f"gateway/{istio.GATEWAY}", "condition=Programmed")
        wait(cluster, f"deployment/{istio.SERVICE}", "condition=Available")

        assert said_of(cluster) == WELL
        assert images(cluster, istio.SYSTEM) == {"docker.io/istio/pilot:1.28.1": True}
        assert not any(images(cluster, istio.NAMESPACE).values())


def programs(root: Path) -> list[str]:
    """Istio's processes that write below the cluster's folder."""
    found: list[str] = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                said = (process / "cmdline").read_text()
                log = (process / "fd" / "1").readlink()
            except OSError:
                continue
            if root in log.parents and ("pilot" in said or "envoy" in said):
                found.append(said)
    return found
