"""What a person sees of the stack that `make up` makes on a bare machine: it answers."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from engine.project import EMBEDDED, ROOT, Project

from tools import logs

pytestmark = [pytest.mark.engine]

MODEL = "Qwen/Qwen3-0.6B"
ALIAS = "small"
CONTEXT = 1024
"""Tokens that the model takes, so that a prompt is soon too long."""
SECONDS = 60.0


@dataclass(frozen=True)
class Stack:
    project: Project
    said: str
    """By `make up`."""
    url: str

    def ask(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer to a chat completion."""
        request = urllib.request.Request(  # noqa: S310 - our own gateway
            f"{self.url}/v1/chat/completions", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - ours
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)

    def served(self) -> int:
        """Completions that the model servers were asked for, whatever they answered."""
        logs = self.project.cluster.glob("logs/*/ms-*/*.log")
        lines = [line for log in logs for line in log.read_text().splitlines()]
        return sum("/v1/chat/completions" in line for line in lines)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    model = EMBEDDED["models"][0] | {"maxModelLen": CONTEXT, "aliases": [{"name": ALIAS}]}
    folder = tmp_path_factory.mktemp("answers")
    project = Project.create(folder / "project", "embedded", EMBEDDED | {"models": [model]})
    try:
        up = project.act("up")
        assert up.code == 0, up.said
        url = project.outputs()["gatewayUrl"]
        yield Stack(project, up.said, url)
    finally:
        project.act("down")


def chat(prompt: str = "Say hello.", model: str = MODEL) -> bytes:
    messages = [{"role": "user", "content": prompt}]
    return json.dumps({"model": model, "messages": messages, "max_tokens": 8}).encode()


def test_the_command_that_make_up_prints_is_answered(stack: Stack) -> None:
    [command] = [line for line in stack.said.splitlines() if line.startswith("  curl ")]

    done = subprocess.run(  # noqa: S602 - as a person does it
        command, shell=True, capture_output=True, text=True, timeout=SECONDS, check=True
    )

    answer = json.loads(done.stdout)
    assert answer["model"] == MODEL
    assert answer["choices"][0]["message"]["content"]
    assert f"{MODEL} answers at {stack.url}\n" in stack.said
    assert not any(line.startswith("warning: ") for line in stack.said.splitlines())
    assert "make smoke STACK=embedded" in stack.said
    assert "smokeTestCommand" not in stack.said, "Pulumi does not show it all again"


def test_make_smoke_passes(stack: Stack) -> None:
    done = subprocess.run(
        ["python", "-m", "smoke", "embedded"],  # noqa: S607 - of the tools' environment
        cwd=stack.project.root,
        env=stack.project.env | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_make_logs_finds_what_each_pod_says(stack: Stack) -> None:
    folder = stack.project.cluster / "logs"

    assert len(logs.find(folder, "")) == 6
    assert len(logs.find(folder, "ms-")) == 3
    [picker] = logs.find(folder, "gaie-")
    assert "gRPC server listening" in (folder / picker).read_text()


def test_a_model_answers_to_its_alias(stack: Stack) -> None:
    """The endpoint picker writes the model's own name into the request."""
    status, said = stack.ask(chat(model=ALIAS))

    assert (status, said["model"]) == (200, MODEL)


def test_an_unknown_model_is_an_error_of_the_api(stack: Stack) -> None:
    """The model server's own words: the endpoint picker lets every name pass."""
    status, said = stack.ask(chat(model="no-such-model"))

    assert status == 404
    assert "no-such-model" in said["error"]["message"]
    assert said["error"]["type"] == "NotFoundError"


def test_a_prompt_that_is_too_long_is_an_error_of_the_api(stack: Stack) -> None:
    """The model server's own words: it alone counts tokens."""
    status, said = stack.ask(chat("word " * 4 * CONTEXT))

    assert status == 400
    assert str(CONTEXT) in said["error"]["message"]
    assert said["error"]["type"] == "BadRequestError"


def test_an_empty_request_is_an_error_of_the_api(stack: Stack) -> None:
    """The model server's own words: there is no body for the endpoint picker to read."""
    status, said = stack.ask(b"")

    assert status == 400
    assert said["error"]["type"] == "BadRequestError"


@pytest.mark.parametrize(
    "body",
    [b'{"model": "Qwen/Qwen3-0.6B", "messages": [', b"[]", b'{"messages": []}'],
    ids=["cut short", "no object", "no model"],
)
def test_what_is_no_request_is_an_error_of_the_api_and_reaches_no_server(
    stack: Stack, body: bytes
) -> None:
    """The endpoint picker's own words, which Envoy brings into the API's form."""
    before = stack.served()

    status, said = stack.ask(body)

    assert status == 400
    assert said["error"]["message"].startswith("inference gateway: ")
    assert said["error"]["type"] == "invalid_request_error"
    assert said["error"]["code"] == 400
    assert stack.served() == before
