"""What is deployed: this project's own stack, and beside it an Envoy that asks no endpoint picker.

Only the endpoint picker's configuration changes from arm to arm; the model servers stay.
"""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3
import yaml

import tools
from bench.routing import proxy, servers
from bench.routing.parameters import KV_CACHE, MODEL, REPLICAS, Arm
from bench.running import BenchError
from bench.stage import ROOT, ROUTING, Stack, environment
from components.gateways import standalone
from stack.config import Names
from stack.releases import releases

NAMESPACE = Names().namespace
PICKER = f"gaie-{Names().postfix}-epp"
PLAIN = "bench-plain-envoy"
FRONT = "bench-endpoint-picker"
READY_SECONDS = 120
IN_A_ROW = 3
"""Answers, before a new endpoint picker counts as ready: its Envoy listens before it does."""


class Stacked:
    """Within `bench.stage.stage`, which removes it."""

    def __init__(self, arms: Sequence[Arm]) -> None:
        self._plain = {arm.name: arm for arm in arms if arm.balancing}
        presets = [arm.preset for arm in arms if arm.preset]
        self._preset = presets[0]
        self._stack = Stack.create(ROUTING, ROOT, config(self._preset))
        self._stack.act("up")
        self._picker = self._expose(FRONT, {"inferencepool": PICKER})
        self._envoy = self._plain_envoy()
        self.servers: Mapping[str, str] = {pod: f"{self._envoy}/{pod}" for pod in self._addresses()}

    def ready(self, arm: Arm) -> str:
        """Where to send requests; nothing before it remembers any."""
        if arm.preset:
            self._have(arm.preset)
        servers.empty_caches(self.servers)
        url = self._picker if arm.preset else f"{self._envoy}/{arm.name}"
        answers(url)
        return url

    def _have(self, preset: str) -> None:
        """Have an endpoint picker with this preset that has seen no request."""
        if preset != self._preset:
            self._stack.write(config(preset))
            self._stack.act("up")
            self._preset = preset
        else:
            self._kubectl("delete", "pod", f"--selector=inferencepool={PICKER}", "--grace-period=1")
            self._kubectl("rollout", "status", f"deployment/{PICKER}")

    def _addresses(self) -> dict[str, str]:
        """Address of each model server."""
        found = json.loads(
            self._kubectl("get", "pods", "--selector=llm-d.ai/role=decode", "--output=json")
        )
        pods = {one["metadata"]["name"]: one["status"]["podIP"] for one in found["items"]}
        if len(pods) != REPLICAS:
            raise BenchError(f"{len(pods)} model servers run, expected {REPLICAS}")
        return pods

    def _plain_envoy(self) -> str:
        settings = proxy.bootstrap(self._addresses(), self._plain)
        self._apply(plain_pod(settings))
        self._kubectl(
            "wait", "--for=condition=Ready", f"pod/{PLAIN}", f"--timeout={READY_SECONDS}s"
        )
        return self._expose(PLAIN, {"app.kubernetes.io/name": PLAIN})

    def _expose(self, name: str, selector: Mapping[str, str]) -> str:
        """URL of the Envoy in the pod that is selected."""
        self._apply([balancer(name, selector)])
        ingress = "{.status.loadBalancer.ingress[0].ip}"
        self._kubectl(
            "wait", f"--for=jsonpath={ingress}", f"service/{name}", f"--timeout={READY_SECONDS}s"
        )
        address = self._kubectl("get", "service", name, f"--output=jsonpath={ingress}")
        return f"http://{address}:{standalone.PORT}"

    def _apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": objects}
        self._kubectl("apply", "--filename=-", said=json.dumps(items))

    def _kubectl(self, *words: str, said: str = "") -> str:
        kubeconfig = ROOT / ".state" / "clusters" / ROUTING / "kubeconfig"
        done = subprocess.run(  # noqa: S603 - our own words
            [
                *(tools.resolve("kubectl"), f"--kubeconfig={kubeconfig}"),
                *(f"--namespace={NAMESPACE}", *words),
            ],
            env=environment(),
            input=said,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout


def config(preset: str) -> dict[str, Any]:
    """Of the stack."""
    return {
        "llm-d:cluster": {"kind": "embedded"},
        "llm-d:hardware": "simulated",
        "llm-d:models": [
            {
                "name": MODEL,
                "replicas": REPLICAS,
                "kvCache": KV_CACHE,
                "scheduler": {"preset": preset},
            }
        ],
    }


def plain_pod(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The Envoy that asks nobody, and its configuration."""
    stack = config("default")
    sidecar = standalone.sidecar(releases()[stack.get("llm-d:release", "v0.5")])
    metadata = {"name": PLAIN, "labels": {"app.kubernetes.io/name": PLAIN}}
    container = {
        "name": "envoy",
        "image": sidecar.image,
        # Each thread has a turn of its own: with one, round robin is what it says.
        "args": [*sidecar.args, "--concurrency", "1"],
        "readinessProbe": {"httpGet": {"path": sidecar.ready_path, "port": sidecar.admin_port}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "config", "mountPath": sidecar.config_dir}],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"envoy.yaml": yaml.safe_dump(dict(settings), sort_keys=False)},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {
                "automountServiceAccountToken": False,
                "containers": [container],
                "volumes": [{"name": "config", "configMap": {"name": PLAIN}}],
            },
        },
    ]


def balancer(name: str, selector: Mapping[str, str]) -> dict[str, Any]:
    """A Service that this machine reaches."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": "LoadBalancer",
            "selector": dict(selector),
            "ports": [{"port": standalone.PORT, "targetPort": standalone.PORT}],
        },
    }


def answers(url: str) -> None:
    """Wait until requests are answered, three in a row."""
    deadline = time.monotonic() + READY_SECONDS
    body = {"model": MODEL, "prompt": "ready?", "max_tokens": 1}
    good, said = 0, ""
    while good < IN_A_ROW:
        if time.monotonic() > deadline:
            raise BenchError(f"{url} answers no request: {said}")
        try:
            answer = urllib3.request("POST", f"{url}/v1/completions", json=body, retries=False)
        except urllib3.exceptions.HTTPError as problem:
            good, said = 0, str(problem)
        else:
            good = good + 1 if answer.status == 200 else 0  # noqa: PLR2004 - OK
            said = f"{answer.status} {answer.data[:200]!r}"
        if not good:
            time.sleep(0.2)
