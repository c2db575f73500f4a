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
from stack.planner import USER
from stack.releases import releases

CLUSTER = ROOT / ".state" / "clusters" / ROUTING
NAMESPACE = Names().namespace
PICKER = f"gaie-{Names().postfix}-epp"
GATEWAY = f"infra-{Names().postfix}-inference-gateway"
DECODE = f"ms-{Names().postfix}-llm-d-modelservice-decode"
PLAIN = "bench-plain-envoy"
PLAIN_PORT = 8082
"""Of a cluster's one load balancer, where the gateway has its own."""
RELEASE = "v0.5"
FOR_THE_BENCH = json.dumps(
    [
        # Opens /reset_prefix_cache.
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0/env/-",
            "value": {"name": "VLLM_SERVER_DEV_MODE", "value": "1"},
        },
        # Envoy and endpoint picker look at each piece of an answer, and this machine is small.
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0/args/-",
            "value": "--stream-interval=8",
        },
        # The simulator of other clusters, which a stack may run too, has no such argument.
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0/args/-",
            "value": f"--kv-cache-memory-bytes={KV_CACHE}",
        },
    ]
)
"""What the model servers are told beyond what the stack says; Pulumi leaves it alone until it has
something to change there."""
READY_SECONDS = 120
TIMEOUT = f"--timeout={READY_SECONDS}s"
IN_A_ROW = 3
"""Answers, before a new endpoint picker counts as ready: its Envoy listens before it does."""
ASKED = "x-went-into-resp-headers"
"""What the endpoint picker adds to an answer; without one, Envoy may send a request anywhere."""


class Stacked:
    """Within `bench.stage.stage`, which removes it."""

    def __init__(self, arms: Sequence[Arm]) -> None:
        presets = [arm.preset for arm in arms if arm.preset]
        self._preset = presets[0]
        self._stack = Stack.create(ROUTING, ROOT, config(self._preset))
        self._stack.act("up")
        if trouble := (CLUSTER / "agent").read_text():
            raise BenchError(f"pods do not run on this machine: {trouble}")
        self._kubectl("patch", f"deployment/{DECODE}", "--type=json", f"--patch={FOR_THE_BENCH}")
        self._rolled_out(DECODE)
        pods = self._addresses()
        self._apply(plain_envoy(pods, {arm.name: arm.balancing for arm in arms if arm.balancing}))
        self._kubectl("wait", "--for=condition=Ready", f"pod/{PLAIN}", TIMEOUT)
        self._picker, self._envoy = self._url(GATEWAY), self._url(PLAIN)
        self.servers: Mapping[str, str] = {pod: f"{self._envoy}/{pod}" for pod in pods}

    def ready(self, arm: Arm) -> str:
        """Where to send requests; nothing before it remembers any."""
        if arm.preset:
            self._have(arm.preset)
        servers.empty_caches(self.servers)
        url = self._picker if arm.preset else f"{self._envoy}/{arm.name}"
        answers(url, asked=ASKED if arm.preset else None)
        return url

    def _have(self, preset: str) -> None:
        """Have an endpoint picker with this preset that has seen no request."""
        if preset != self._preset:
            self._stack.write(config(preset))
            self._stack.act("up")
            self._preset = preset
        # Those too that still give answers to what came before a new configuration.
        self._kubectl("delete", "pod", f"--selector=inferencepool={PICKER}", "--grace-period=1")
        self._rolled_out(PICKER)

    def _rolled_out(self, deployment: str) -> None:
        self._kubectl("rollout", "status", f"deployment/{deployment}", TIMEOUT)

    def _addresses(self) -> dict[str, str]:
        """Address of each model server."""
        found = json.loads(
            self._kubectl("get", "pods", "--selector=llm-d.ai/role=decode", "--output=json")
        )
        pods = {
            one["metadata"]["name"]: one["status"]["podIP"]
            for one in found["items"]
            if "deletionTimestamp" not in one["metadata"]
        }
        if len(pods) != REPLICAS:
            raise BenchError(f"{len(pods)} model servers run, expected {REPLICAS}")
        return pods

    def _url(self, service: str) -> str:
        """Where this machine reaches it."""
        balancer = "jsonpath={.status.loadBalancer.ingress[0].ip}"
        self._kubectl("wait", f"--for={balancer}", f"service/{service}", TIMEOUT)
        said = self._kubectl("get", "service", service, "--output=json")
        found = json.loads(said)
        address = found["status"]["loadBalancer"]["ingress"][0]["ip"]
        return f"http://{address}:{found['spec']['ports'][0]['port']}"

    def _apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": objects}
        self._kubectl("apply", "--filename=-", said=json.dumps(items))

    def _kubectl(self, *words: str, said: str = "") -> str:
        done = subprocess.run(  # noqa: S603 - our own words
            [
                *(tools.resolve("kubectl"), f"--kubeconfig={CLUSTER / 'kubeconfig'}"),
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
        "llm-d:release": RELEASE,
        "llm-d:cluster": {"kind": "embedded"},
        "llm-d:hardware": "simulated",
        "llm-d:models": [
            {
                "name": MODEL,
                "replicas": REPLICAS,
                "scheduler": {"preset": preset},
            }
        ],
    }


def plain_envoy(pods: Mapping[str, str], arms: Mapping[str, str]) -> list[dict[str, Any]]:
    """The Envoy that asks nobody, and a Service that this machine reaches it by."""
    proxied = standalone.proxy(releases()[RELEASE], [proxy.BEHIND], [])
    settings = yaml.safe_dump(proxy.bootstrap(pods, arms), sort_keys=False)
    labels = {"app.kubernetes.io/name": PLAIN}
    metadata = {"name": PLAIN, "labels": labels}
    container = {
        "name": "envoy",
        "image": proxied.image,
        # Each thread has a turn of its own: with one, round robin is what it says.
        "args": [*proxied.args, "--concurrency", "1"],
        "readinessProbe": {"httpGet": {"path": proxied.ready_path, "port": proxied.admin_port}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "config", "mountPath": proxied.config_dir}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": PLAIN}}],
    }
    service = {
        "type": "LoadBalancer",
        "selector": labels,
        "ports": [{"port": PLAIN_PORT, "targetPort": proxied.port}],
    }
    one = {"apiVersion": "v1", "metadata": metadata}
    return [
        {**one, "kind": "ConfigMap", "data": {"envoy.yaml": settings}},
        {**one, "kind": "Pod", "spec": pod},
        {**one, "kind": "Service", "spec": service},
    ]


def answers(url: str, *, asked: str | None) -> None:
    """Wait until requests are answered, three in a row, with the header `asked` if there is one."""
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
            fine = answer.status == 200 and (not asked or asked in answer.headers)  # noqa: PLR2004 - OK
            good = good + 1 if fine else 0
            said = f"{answer.status} {answer.data[:200]!r}"
        if not good:
            time.sleep(0.2)
