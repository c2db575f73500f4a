"""What a deployed stack says about itself."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PULUMI_SECONDS = 20.0
OWN_CLUSTERS = ".state/clusters/"
"""Where the kubeconfigs of clusters lie that a stack brings along; those have no kubelet."""


class OutputsError(Exception):
    """The stack does not say where its models are; the message ends with a way out."""


@dataclass(frozen=True, kw_only=True)
class Model:
    name: str
    """What requests ask for."""
    url: str | None
    """Where this machine reaches the gateway; None: only by port-forwarding."""
    gateway_service: str
    gateway_port: int
    picker: str
    """Name of the endpoint picker's Deployment, Service and ServiceAccount."""
    pool: str
    decode: str
    """Name of the model servers' Deployment."""
    metrics_port: int
    """Of the endpoint picker."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    name: str
    namespace: str
    context: str
    kubeconfig: str | None
    models: tuple[Model, ...]

    def kubectl(self, *words: str) -> str:
        """A command for a person to run."""
        where = ["--context", self.context, "--namespace", self.namespace]
        if self.kubeconfig:
            where = ["--kubeconfig", self.kubeconfig, *where]
        return shlex.join(["kubectl", *where, *words])

    def logs(self, deployment: str) -> str:
        if self.kubeconfig and OWN_CLUSTERS in self.kubeconfig:
            return f"make logs STACK={shlex.quote(self.name)}"
        return self.kubectl("logs", f"deployment/{deployment}", "--all-containers", "--tail=50")


def read(stack: str) -> Stack:
    """Ask Pulumi, in whose environment this runs."""
    try:
        done = subprocess.run(  # noqa: S603 - our words, and no shell reads them
            ["pulumi", "stack", "output", "--json", "--non-interactive", "--stack", stack],  # noqa: S607 - tools.shell made the PATH
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PULUMI_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise OutputsError(
            f"`pulumi` is not on PATH\n  way out: make smoke STACK={stack}"
        ) from None
    except subprocess.TimeoutExpired:
        raise OutputsError(
            f"`pulumi stack output` gave no answer within {PULUMI_SECONDS:g} s\n"
            "  way out: is the backend that PULUMI_BACKEND_URL names reachable?"
        ) from None
    if done.returncode:
        raise OutputsError(f"{done.stderr.strip()}\n  way out: make up STACK={stack}")
    return parse(stack, json.loads(done.stdout))


def parse(stack: str, said: Mapping[str, Any]) -> Stack:
    """Outputs as Pulumi prints them; OutputsError names the first that is missing."""
    if not said:
        raise OutputsError(f"stack {stack} is not deployed\n  way out: make up STACK={stack}")
    try:
        return Stack(
            name=stack,
            namespace=said["namespace"],
            context=said["context"],
            kubeconfig=said["kubeconfig"],
            models=tuple(_model(name, said) for name in said["models"]),
        )
    except KeyError as missing:
        raise OutputsError(
            f"stack {stack} has no output {missing}: an older program deployed it\n"
            f"  way out: make up STACK={stack}"
        ) from None


def _model(name: str, said: Mapping[str, Any]) -> Model:
    objects = said["objects"][name]
    return Model(
        name=name,
        url=said["gatewayUrls"][name],
        gateway_service=objects["gatewayService"],
        gateway_port=int(objects["gatewayPort"]),
        picker=objects["picker"],
        pool=objects["pool"],
        decode=objects["decode"],
        metrics_port=int(objects["metricsPort"]),
    )
