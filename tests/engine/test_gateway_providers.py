"""Stacks behind a Gateway that a real Istio serves: alone, changed, beside another, gone.

One control plane for all of it, with the stack that brought Istio; the others are guests there.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine.gateways import (
    GATEWAY,
    LARGE,
    MODELS,
    NAMESPACE,
    SECONDS,
    SHARED,
    SMALL,
    Host,
    ask,
    ask_once,
    chat,
    guest,
    istio,
    lasting,
    through,
    versions,
)
from engine.project import EMBEDDED, ROOT, Project

import tools
from embedded.cluster import Cluster

pytestmark = [pytest.mark.engine]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A stack of two models on a cluster of its own, and Istio with it."""
    root = tmp_path_factory.mktemp("gateways") / "project"
    project = Project.create(root, "embedded", EMBEDDED | {"models": MODELS, "gateway": istio()})
    try:
        up = project.act("up")
        assert up.code == 0, up.said
        yield Host(project, Cluster(root=project.cluster, tools=tools.resolve))
    finally:
        project.act("down")


def test_up_ends_with_a_gateway_that_answers_at_the_address_that_it_tells(host: Host) -> None:
    told = host.project.outputs()

    host_name = f"{GATEWAY}-istio.{NAMESPACE}.svc.cluster.local"
    assert told["gatewayUrl"] == f"http://{told['gatewayAddress']}:8080"
    assert told["inferenceEndpoint"] == f"http://{host_name}:8080"
    assert f"service/{GATEWAY}-istio 8000:8080" in told["portForwardCommand"]
    assert ask_once(f"{told['gatewayUrl']}/v1/chat/completions", chat(SMALL)).status == 200


@pytest.mark.parametrize("model", [SMALL, LARGE])
@pytest.mark.parametrize("prompt", ["hello", "tell me " * (8 << 10)], ids=["short", "64 KiB"])
def test_a_request_goes_to_the_pool_of_the_model_that_its_body_names(
    host: Host, model: str, prompt: str
) -> None:
    answer = ask(f"{host.url}/v1/chat/completions", chat(model, prompt))

    assert answer.status == 200, answer.text
    assert json.loads(answer.text)["model"] == model
    assert ("-large-" in answer.headers["x-inference-pod"]) == (model == LARGE)


def test_requests_for_a_name_that_models_share_are_shared_out_among_their_pools(host: Host) -> None:
    """To which pool, not what becomes of the name: EPP 1.3 never starts to watch rewrites."""
    url = f"{host.url}/v1/chat/completions"

    asked = Counter(
        "-large-" in ask(url, chat(SHARED)).headers["x-inference-pod"] for _ in range(60)
    )

    # Of 60 by halves, fewer than 12 on one side are one case in two million.
    assert min(asked[True], asked[False]) >= 12


def test_what_no_route_has_is_not_found_and_the_list_needs_no_model(host: Host) -> None:
    assert ask(f"{host.url}/v1/chat/completions", chat("no-such-model")).status == 404
    listed = json.loads(ask(f"{host.url}/v1/models").text)
    assert [one["id"] for one in listed["data"]] == host.project.outputs()["listedModels"]


def test_make_smoke_finds_nothing_wrong_with_the_gateway(host: Host) -> None:
    done = subprocess.run(
        ["python", "-m", "smoke", "embedded"],  # noqa: S607 - of the tools' environment
        cwd=host.project.root,
        env=host.project.env | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
        check=False,
    )

    passed = [line for line in done.stdout.splitlines() if line.startswith("ok ")]
    assert (done.returncode, len(passed)) == (0, 1 + 2 * 10), done.stdout + done.stderr


def test_a_second_up_changes_nothing_and_an_edit_is_made_in_place(host: Host) -> None:
    project = host.project
    again = project.pulumi("up", "--yes", "--skip-preview")
    assert (again.code, again.touched) == (0, {}), again.said

    inside = EMBEDDED | {"models": MODELS}
    inside["gateway"] = istio(timeout="90s", service="ClusterIP")
    project.write(inside | {"gateway": inside["gateway"] | {"replicas": 2}})
    assert project.act("preview").code == 0
    edited = project.pulumi("up", "--yes", "--skip-preview")
    assert edited.code == 0, edited.said
    assert edited.touched == {
        "inference-gateway-parameters": "update",
        "inference-gateway": "update",
        "inference-gateway-route": "update",
        "inference-gateway-route-large": "update",
    }
    told = project.outputs()
    assert told["gatewayAddress"] == f"{GATEWAY}-istio.{NAMESPACE}.svc.cluster.local"
    assert "gatewayUrl" not in told

    project.write(EMBEDDED | {"models": MODELS, "gateway": istio()})
    assert project.act("up").code == 0
    assert ask_once(f"{host.url}/v1/chat/completions", chat(SMALL)).status == 200


@pytest.mark.parametrize(
    ("namespace", "names"),
    [
        ("guest", {"namespace": "guest"}),
        (NAMESPACE, {"namespace": NAMESPACE, "postfix": "beside", "createNamespace": False}),
    ],
    ids=["in a namespace of its own", "in the first one's namespace"],
)
def test_a_second_stack_adopts_what_is_there_and_leaves_all_of_it_behind(
    host: Host, namespace: str, names: dict[str, Any], tmp_path: Path
) -> None:
    before, owned = lasting(host.cluster), versions(host.cluster)

    with host.guest(tmp_path, names=names, gateway=guest()) as second:
        up = second.act("up")
        assert up.code == 0, up.said
        answered = through(host.cluster, namespace, names.get("postfix", "inference-scheduling"))
        assert answered.returncode == 0, answered.stderr
        assert ask(f"{host.url}/v1/chat/completions", chat(SMALL)).status == 200

    assert lasting(host.cluster) == before
    assert versions(host.cluster) == owned
    assert ask(f"{host.url}/v1/chat/completions", chat(SMALL)).status == 200


def test_down_leaves_nothing(host: Host) -> None:
    down = host.project.act("down")

    assert down.code == 0, down.said
    assert not host.project.cluster.exists()
    assert host.project.processes() == []
