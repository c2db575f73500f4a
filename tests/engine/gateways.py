"""Stacks behind a Gateway that a real Istio serves, hosts and guests, and requests to them."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine.project import EMBEDDED, Project
from engine.test_existing_cluster import kubectl, objects, on

import tools
from embedded.cluster import Cluster

SMALL, LARGE, SHARED = "Qwen/Qwen3-0.6B", "Qwen/Qwen3-1.7B", "chat"
NAMESPACE = "llm-d-inference-scheduler"
GATEWAY = "infra-inference-scheduling-inference-gateway"
MODELS: list[dict[str, Any]] = [
    {"name": SMALL, "replicas": 1},
    {
        "name": LARGE,
        "id": "large",
        "aliases": [{"name": SHARED, "targets": [{"model": SMALL}, {"model": LARGE}]}],
    },
]
ADOPTED = {"gatewayApi": "adopt", "inferenceExtension": "adopt"}
"""Definitions that another stack brought."""
SECONDS = 60.0
PROPAGATION_SECONDS = 20.0
"""From istiod's word that a route is in force until the last proxy has it, on a busy machine."""
TOO_EARLY = {500, 503}


def istio(**said: Any) -> dict[str, Any]:
    return {"provider": "istio", "replicas": 1, **said}


def guest(**said: Any) -> dict[str, Any]:
    """Of a stack that finds Istio there."""
    return istio(controlPlane="adopt", crds=ADOPTED, **said)


def chat(model: str, prompt: str = "Say hello.") -> bytes:
    messages = [{"role": "user", "content": prompt}]
    return json.dumps({"model": model, "messages": messages, "max_tokens": 4}).encode()


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: Mapping[str, str]


def ask(url: str, body: bytes | None = None) -> Answer:
    """The answer, once the proxies have what istiod says that they have been told."""
    deadline = time.monotonic() + PROPAGATION_SECONDS
    while (answer := ask_once(url, body)).status in TOO_EARLY and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


def ask_once(url: str, body: bytes | None) -> Answer:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - our own gateway
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - the same
            return Answer(answer.status, answer.read().decode(), dict(answer.headers))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.read().decode(), dict(refusal.headers))


def through(cluster: Cluster, namespace: str, postfix: str) -> "subprocess.CompletedProcess[str]":
    """A chat completion by way of a ClusterIP Service, through the API server, in time."""
    deadline = time.monotonic() + PROPAGATION_SECONDS
    while (done := _through(cluster, namespace, postfix)).returncode:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return done


def _through(cluster: Cluster, namespace: str, postfix: str) -> "subprocess.CompletedProcess[str]":
    service = f"infra-{postfix}-inference-gateway-istio:80"
    path = f"namespaces/{namespace}/services/{service}/proxy/v1/chat/completions"
    return subprocess.run(  # noqa: S603 - our own words
        [
            *(tools.resolve("kubectl"), f"--kubeconfig={cluster.kubeconfig}"),
            *("create", f"--raw=/api/v1/{path}", "-f-"),
        ],
        input=chat(SMALL).decode(),
        capture_output=True,
        text=True,
        check=False,
    )


def lasting(cluster: Cluster) -> set[str]:
    """All but pods, which take their time to go, whoever had them."""
    return {one for one in objects(cluster) if not one.startswith("Pod ")}


def versions(cluster: Cluster) -> dict[str, Any]:
    """What nobody but its owner may change: definitions, classes, namespaces."""
    kinds = "crds,gatewayclasses,namespaces"
    listed = json.loads(kubectl(cluster, "get", kinds, "-o", "json"))["items"]
    return {
        f"{one['kind']} {one['metadata']['name']}": (
            one["metadata"]["uid"],
            one.get("spec"),
            one["metadata"].get("labels"),
        )
        for one in listed
    }


@dataclass(frozen=True)
class Host:
    """A stack, and the cluster that others may come to as well."""

    project: Project
    cluster: Cluster

    @property
    def url(self) -> str:
        return self.project.outputs()["gatewayUrl"]

    @contextlib.contextmanager
    def guest(self, folder: Path, **said: Any) -> Generator[Project]:
        """Another stack on the cluster, which goes in the end."""
        config = EMBEDDED | {"cluster": on(self.cluster), "models": MODELS[:1]} | said
        project = Project.create(folder / "second", "second", config)
        try:
            yield project
        finally:
            down = project.act("down")
        assert down.code == 0, down.said


@contextlib.contextmanager
def made(cluster: Cluster, one: dict[str, Any]) -> Generator[None]:
    """Something of others, while it lasts."""
    subprocess.run(  # noqa: S603 - our own words
        [tools.resolve("kubectl"), f"--kubeconfig={cluster.kubeconfig}", "create", "-f-"],
        input=json.dumps(one),
        capture_output=True,
        text=True,
        check=True,
    )
    try:
        yield
    finally:
        kubectl(cluster, "delete", one["kind"], one["metadata"]["name"])


def until(running: "subprocess.Popen[str]", line: str) -> str:
    """What a run says until it says this."""
    assert running.stdout
    said: list[str] = []
    for one in running.stdout:
        said.append(one)
        if re.search(line, one):
            break
    else:
        pytest.fail(f"it never said {line}: {''.join(said)}")
    return "".join(said)


def kill(project: Project, action: str, line: str) -> str:
    """End a run without warning, once it has said this; what it said."""
    running = project.start(action)
    said = until(running, line)
    os.killpg(running.pid, signal.SIGKILL)
    return said + project.finish(running).said
