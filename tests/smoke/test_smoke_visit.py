"""The whole test of a stack, against an API server and a gateway on loopback."""

import dataclasses
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from plugins.kubernetes.errors import ApiError
from smoke import __main__ as cli
from smoke.findings import Failed, Hop, NotTried, Passed, Result, run
from smoke.forward import Forward
from smoke.outputs import Service
from smoke.visit import CHAT, GATEWAY, LIST, METRICS, PICKER, POOL, SERVER
from smoke.visit import api_server as api_server_check
from tests.smoke import deployed
from tests.smoke.apiserver import api_server
from tests.smoke.deployed import APPS, CORE, DECODE, MODEL, POOLS, STACK, TOKEN, Deployed, well
from tests.smoke.servers import Asked, Behaviour, Reply, free_port, model, serving

METRICS_TEXT = b'inference_pool_ready_pods{name="gaie"} 2\n'
EPP = deployed.PICKER
LOOPBACK = "127.0.0.1"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv(cli.KEY, raising=False)


@pytest.fixture(autouse=True)
def quiet_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `main` does."""

    def nothing(_: threading.ExceptHookArgs) -> None:
        pass

    monkeypatch.setattr(threading, "excepthook", nothing)


def picker_metrics(asked: Asked) -> Reply:
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        return Reply(401)
    return Reply(200, METRICS_TEXT)


def visited(
    tmp_path: Path,
    cluster: Deployed,
    gateway: Behaviour = model,
    scraped: Behaviour = picker_metrics,
    *,
    forwarded: bool = False,
    key: str | None = None,
) -> dict[str, Result]:
    with (
        api_server(cluster, tmp_path) as kubeconfig,
        serving(gateway) as front,
        serving(scraped) as epp,
    ):
        cluster.objects.setdefault(
            f"{CORE}/services/{EPP}",
            {
                "spec": {
                    "selector": {"inferencepool": EPP},
                    "ports": [{"port": 80, "targetPort": front.port}, {"port": epp.port}],
                },
                "status": {} if forwarded else {"loadBalancer": {"ingress": [{"ip": LOOPBACK}]}},
            },
        )
        stack = dataclasses.replace(
            STACK,
            kubeconfig=str(kubeconfig),
            url=None if forwarded else front.url,
            service=Service(namespace=deployed.NAMESPACE, name=EPP, port=80),
            models=(dataclasses.replace(MODEL, metrics_port=epp.port),),
        )
        told = [*cli.results(stack, key)]
    return {result.name: result for result in told if isinstance(result, Result)}


def broken(results: dict[str, Result]) -> tuple[str, Failed]:
    """The one check that failed."""
    ((name, found),) = [
        (name, one.found) for name, one in results.items() if isinstance(one.found, Failed)
    ]
    assert isinstance(found, Failed)
    return name, found


def not_tried(results: dict[str, Result]) -> set[str]:
    return {name for name, one in results.items() if isinstance(one.found, NotTried)}


@pytest.fixture
def cluster() -> Deployed:
    made = well()
    del made.objects[f"{CORE}/services/{EPP}"]
    return made


@pytest.mark.parametrize("forwarded", [False, True], ids=["address", "forwarded port"])
def test_all_is_well_by_the_gateways_address_and_by_a_forwarded_port(
    tmp_path: Path, cluster: Deployed, *, forwarded: bool
) -> None:
    results = visited(tmp_path, cluster, forwarded=forwarded)

    assert len(results) == 11
    assert [one for one in results.values() if not isinstance(one.found, Passed)] == []
    assert ("forwarded port" in str(results[GATEWAY].found)) is forwarded


def test_the_token_is_the_pickers_own_and_short_lived(tmp_path: Path, cluster: Deployed) -> None:
    visited(tmp_path, cluster)

    requests = [body for path, body in cluster.asked if path.endswith("/token")]
    assert [one["spec"] for one in requests] == [{"expirationSeconds": 600}]


def test_no_pod_ready_stops_what_would_only_repeat_it(tmp_path: Path, cluster: Deployed) -> None:
    cluster.objects[f"{APPS}/deployments/{DECODE}"] = deployed.deployment(DECODE, ready=0)
    crashed = deployed.waiting("CrashLoopBackOff", reason="Error", exitCode=1)
    cluster.pods[f"app={DECODE}"] = [deployed.pod("decode-0", ready=False, **crashed)]

    results = visited(tmp_path, cluster)

    name, found = broken(results)
    assert (name, found.hop) == (SERVER, Hop.SERVER)
    assert "it ends soon after each start" in found.cause
    assert not_tried(results) == {
        *(LIST, CHAT, METRICS, "stream", "64 KiB prompt", "wrong model name")
    }
    assert isinstance(results[GATEWAY].found, Passed)


def test_a_pool_that_is_gone_is_told_before_anyone_is_asked(
    tmp_path: Path, cluster: Deployed
) -> None:
    del cluster.objects[f"{POOLS}/{deployed.POOL}"]

    name, found = broken(results := visited(tmp_path, cluster))

    assert (name, found.hop) == (POOL, Hop.POOL)
    assert CHAT in not_tried(results)


def test_a_picker_that_is_not_ready_leaves_the_gateway_untried(
    tmp_path: Path, cluster: Deployed
) -> None:
    cluster.objects[f"{APPS}/deployments/{EPP}"] = deployed.deployment(EPP, ready=0, wanted=1)

    name, found = broken(results := visited(tmp_path, cluster))

    assert (name, found.hop) == (PICKER, Hop.PICKER)
    assert str(results[GATEWAY].found) == str(NotTried(f"needs `{PICKER}`"))


def test_a_gateway_without_its_picker_is_named_and_the_metrics_are_still_read(
    tmp_path: Path, cluster: Deployed
) -> None:
    name, found = broken(results := visited(tmp_path, cluster, lambda _: Reply(500)))

    assert (name, found.hop) == (LIST, Hop.PICKER)
    assert "ext_proc" in found.cause
    assert isinstance(results[METRICS].found, Passed)


def test_a_service_without_a_ready_pod_cannot_be_forwarded_to(
    tmp_path: Path, cluster: Deployed
) -> None:
    cluster.pods[f"inferencepool={EPP}"] = [deployed.pod("epp-0", ready=False)]

    found = visited(tmp_path, cluster, forwarded=True)[GATEWAY].found

    assert isinstance(found, Failed)
    assert found.seen == f"Service `{EPP}` has no ready pod"
    assert found.next.endswith(f" get service,endpoints {EPP}")


def test_a_port_on_which_no_pod_listens_is_told_in_the_clusters_words(
    tmp_path: Path, cluster: Deployed
) -> None:
    port = free_port()
    cluster.objects[f"{CORE}/services/{EPP}"] = deployed.service(80, port)

    results = visited(tmp_path, cluster, forwarded=True)

    found = results[GATEWAY].found
    assert isinstance(found, Failed)
    assert found.hop is Hop.GATEWAY
    assert found.seen.startswith(f"no forwarded port: error forwarding port {port}")
    assert "its node has no kubelet" in found.cause
    assert found.next.endswith(f" get service,endpoints {EPP}")


def test_an_api_server_that_is_gone_leaves_one_failure(tmp_path: Path, cluster: Deployed) -> None:
    with api_server(cluster, tmp_path) as kubeconfig:
        pass
    stack = dataclasses.replace(STACK, kubeconfig=str(kubeconfig))
    results = {one.name: one for one in cli.results(stack, None) if isinstance(one, Result)}

    name, found = broken(results)
    assert (name, found.hop, found.next) == ("API server", Hop.API, "make up STACK=mine")
    assert "does not answer: " in found.seen
    assert len(not_tried(results)) == 10


def test_a_context_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text("{clusters: [], contexts: [], users: []}")

    (only,) = cli.results(dataclasses.replace(STACK, kubeconfig=str(file)), None)

    assert isinstance(only, Result)
    assert isinstance(only.found, Failed)
    assert "has no context `ctx`" in only.found.seen


def test_the_exit_code_is_1_when_anything_failed_and_no_key_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = Failed(hop=Hop.GATEWAY, seen="k-e-y?", expected="", cause="", next="")
    good, bad = (Result("gateway", found, 0.1) for found in (Passed("k-e-y"), failed))

    assert cli.tell(STACK, [good], "k-e-y") == 0
    assert cli.tell(STACK, ["a model", good, bad], "k-e-y") == 1
    assert cli.tell(STACK, [Result("chat", NotTried("needs `gateway`"), 0)], None) == 1
    assert "k-e-y" not in capsys.readouterr().out


def test_a_forwarded_port_is_on_loopback_and_closes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        way = Forward(lambda: nobody, 80)
        port = int(way.url.rpartition(":")[2])
        assert way.url.startswith("http://127.0.0.1:")
        way.close()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_request_that_is_not_allowed_is_the_accounts_fault() -> None:
    class Forbidden(Deployed):
        def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
            raise ApiError(403, {"message": f"{path} is forbidden ({query})"})

    (only,) = run([api_server_check(Forbidden(), STACK)], set())

    assert isinstance(only.found, Failed)
    assert (only.found.hop, only.found.cause) == (Hop.API, "your account may not do this")
