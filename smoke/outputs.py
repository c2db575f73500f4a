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
    picker: str
    """Name of the endpoint picker's Deployment, Service and ServiceAccount."""
    pool: str
    decode: str
    """Name of the model servers' Deployment."""
    metrics_port: int
    """Of the endpoint picker."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """In front of the gateway's proxies."""

    namespace: str
    name: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Stack:
    name: str
    namespace: str
    context: str
    kubeconfig: str | None
    url: str | None
    """Where this machine reaches the gateway; None: only by port-forwarding."""
    service: Service | None
    """Which is forwarded to; None where the gateway's proxies are outside the cluster."""
    listed: frozenset[str]
    """Models that the gateway's list has: of several, some gateways have one pool's alone."""
    models: tuple[Model, ...]

    @property
    def routes_by_model(self) -> bool:
        """Whether the gateway itself refuses what nobody serves, in words of its own."""
        return len(self.models) > len(self.listed)

    def kubectl(self, *words: str, namespace: str | None = None) -> str:
        """A command for a person to run, in the stack's namespace unless another is said."""
        where = ["--context", self.context, "--namespace", namespace or self.namespace]
        if self.kubeconfig:
            where = ["--kubeconfig", self.kubeconfig, *where]
        return shlex.join(["kubectl", *where, *words])

    def gateway(self) -> str:
        """Shows where requests come in."""
        if self.service is None:
            return self.kubectl("get", "gateways,httproutes", "-o", "yaml")
        namespace, name = self.service.namespace, self.service.name
        return self.kubectl("get", "service,endpoints", name, namespace=namespace)

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
            kubeconfig=said.get("kubeconfig"),
            # Of an output that is nothing, nothing is kept.
            url=said.get("gatewayUrl"),
            service=_service(said.get("gatewayService")),
            listed=frozenset(said["listedModels"]),
            models=tuple(_model(name, said) for name in said["models"]),
        )
    except KeyError as missing:
        raise OutputsError(
            f"stack {stack} has no output {missing}: an older program deployed it\n"
            f"  way out: make up STACK={stack}"
        ) from None


def _service(said: Mapping[str, Any] | None) -> Service | None:
    # Pulumi writes whole numbers as it likes.
    if said is None:
        return None
    return Service(namespace=said["namespace"], name=said["name"], port=int(said["port"]))


def _model(name: str, said: Mapping[str, Any]) -> Model:
    objects = said["objects"][name]
    return Model(
        name=name,
        picker=objects["picker"],
        pool=objects["pool"],
        decode=objects["decode"],
        metrics_port=int(objects["metricsPort"]),
    )
