"""The standalone gateway's configuration, read by the real Envoy, and what that makes of it."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3
from envoys import ENVOY, listening, serving

from components.envoy import BODY
from components.gateways import standalone
from stack.kinds import Behind, Route
from stack.releases import releases

pytestmark = pytest.mark.skipif(not ENVOY, reason="no Envoy is published for this platform on PyPI")

NOBODY = "127.83.0.1"
"""Nothing listens there: without an endpoint picker any pod will do."""
SHARES = {"small": 3, "large": 1}
ROUTES = (
    Route(model="Qwen/Qwen3-0.6B", pools={"small": 1}),
    Route(model="Qwen/Qwen3-32B", pools={"large": 1}),
    Route(model="chat", pools=SHARES),
)


def behind(pool: str, *, port: int = 8000, pods: str = "127.0.0.1") -> Behind:
    return Behind(pool=pool, picker=NOBODY, pods=pods, port=port, fails_open=True)


def ask(url: str, model: str, *, prompt: str = "Hello", charset: str = "") -> urllib3.HTTPResponse:
    headers = {"content-type": f"application/json{charset}"}
    body = f'{{"prompt": "{prompt}", "model": "{model}"}}'
    answer = urllib3.request("POST", f"{url}/v1/completions", body=body, headers=headers)
    assert isinstance(answer, urllib3.HTTPResponse)
    return answer


@pytest.mark.parametrize("release", releases())
@pytest.mark.parametrize("pools", [("small",), ("small", "large")])
def test_envoy_takes_the_configuration(
    release: str, pools: tuple[str, ...], tmp_path: Path
) -> None:
    proxy = standalone.proxy(
        releases()[release],
        [behind(pool, pods=f"{pool}.llm-d.svc.cluster.local") for pool in pools],
        ROUTES,
    )
    for name, content in proxy.config.items():
        (tmp_path / name).write_text(content)

    said = subprocess.run(  # noqa: S603 - our own words
        [str(ENVOY), "--mode", "validate", "--config-path", tmp_path / "envoy.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stderr
    assert proxy.args[:2] == ("--config-path", f"{proxy.config_dir}/envoy.yaml")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The one address of two models."""
    with ExitStack() as opened:
        pools = [
            behind(pool, port=opened.enter_context(serving(pool))) for pool in ("small", "large")
        ]
        config = standalone.bootstrap(pools, ROUTES)
        yield opened.enter_context(listening(config, tmp_path_factory.mktemp("several")))


@pytest.mark.parametrize(
    ("model", "pool"), [("Qwen/Qwen3-0.6B", "small"), ("Qwen/Qwen3-32B", "large")]
)
@pytest.mark.parametrize("charset", ["", "; charset=utf-8"])
def test_a_request_goes_to_the_pool_of_the_model_that_it_names(
    several: str, model: str, pool: str, charset: str
) -> None:
    assert ask(several, model, charset=charset).json()["by"] == pool


def test_a_long_prompt_before_the_models_name_arrives_whole(several: str) -> None:
    long = "x" * 2 * 2**20

    answer = ask(several, "Qwen/Qwen3-32B", prompt=long).json()

    assert answer["by"] == "large"
    assert answer["bytes"] > len(long)


def test_a_body_beyond_the_buffer_is_refused_and_not_sent_anywhere(several: str) -> None:
    too_long = "x" * (BODY + 2**20)

    assert ask(several, "Qwen/Qwen3-32B", prompt=too_long).status == 413


def test_a_name_that_models_share_is_answered_by_each_in_its_share(several: str) -> None:
    asked = 120

    def answered_by(_: int) -> str:
        return ask(several, "chat").json()["by"]

    with ThreadPoolExecutor(20) as pool:
        by = Counter(pool.map(answered_by, range(asked)))

    # Five standard deviations of a fair draw to each side.
    assert 0.55 * asked < by["small"] < 0.95 * asked
    assert by["large"] == asked - by["small"] > 0


@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "", "Qwen/Qwen3-0.6"])
def test_a_model_that_is_not_served_is_not_found(several: str, model: str) -> None:
    answer = ask(several, model)

    assert answer.status == 404
    assert answer.json()["error"]["type"] == "NotFoundError"


def test_every_name_that_may_be_asked_for_is_listed(several: str) -> None:
    answer = urllib3.request("GET", f"{several}/v1/models")

    assert answer.headers["content-type"] == "application/json"
    assert [one["id"] for one in answer.json()["data"]] == [one.model for one in ROUTES]


def test_a_single_pool_is_asked_whatever_the_request_says(tmp_path: Path) -> None:
    with serving("only") as port:
        config = standalone.bootstrap([behind("only", port=port)], ())
        with listening(config, tmp_path) as url:
            assert ask(url, "whatever").json()["by"] == "only"
