"""A deployed stack as its objects tell it, in the form in which an API server gives them."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plugins.kubernetes.errors import ApiError
from smoke.outputs import Model, Service, Stack

NAMESPACE = "llm-d"
NAME = "Qwen/Qwen3-0.6B"
PICKER, DECODE, POOL = "gaie-epp", "ms-decode", "gaie"
TOKEN = "token-of-the-picker"  # noqa: S105 - stands for one
KUBECTL = f"kubectl --kubeconfig kc --context ctx --namespace {NAMESPACE}"
CORE, APPS = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/apps/v1/namespaces/{NAMESPACE}"
POOLS = f"/apis/inference.networking.k8s.io/v1/namespaces/{NAMESPACE}/inferencepools"

MODEL = Model(
    name=NAME,
    picker=PICKER,
    pool=POOL,
    decode=DECODE,
    metrics_port=9090,
)
STACK = Stack(
    name="mine",
    namespace=NAMESPACE,
    context="ctx",
    kubeconfig="kc",
    url=None,
    service=Service(namespace=NAMESPACE, name=PICKER, port=8081),
    listed=frozenset({NAME}),
    models=(MODEL,),
)


def deployment(name: str, *, ready: int, wanted: int = 2) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}"},
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": name}}},
        # The API server leaves out what is zero.
        "status": {"readyReplicas": ready} if ready else {},
    }


def pod(name: str, *, ready: bool = True, **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}"},
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8081}]}]},
        "status": {"conditions": conditions, **status},
    }


def waiting(why: str, message: str = "", **last: Any) -> dict[str, Any]:
    """Status of a pod whose only container waits; `last` is how it ended before."""
    status = {"name": "vllm", "state": {"waiting": {"reason": why, "message": message}}}
    return {"containerStatuses": [status | ({"lastState": {"terminated": last}} if last else {})]}


def service(port: int, target: int | str) -> dict[str, Any]:
    ports = [{"port": port, "targetPort": target}]
    return {"spec": {"selector": {"inferencepool": PICKER}, "ports": ports}}


@dataclass
class Deployed:
    """Answers as an API server would; what is asked of it stands in `asked`."""

    objects: dict[str, Any] = field(default_factory=dict[str, Any])
    pods: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    """By label selector."""
    logs: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        self.asked.append((path, query))
        if path == f"{CORE}/pods":
            return {"items": self.pods.get((query or {})["labelSelector"], [])}
        return copy.deepcopy(self.objects.get(path))

    def create(self, path: str, body: Any) -> Any:
        self.asked.append((path, body))
        if path != f"{CORE}/serviceaccounts/{PICKER}/token":
            raise ApiError(403, {"message": f"cannot create {path}"})
        return {"status": {"token": TOKEN}}

    def log(self, path: str, query: Mapping[str, str]) -> str:
        self.asked.append((path, query))
        if path not in self.logs:
            raise ApiError(502, text="no kubelet")
        return self.logs[path]

    def forward(self, namespace: str, pod: str, port: int) -> Any:
        raise AssertionError(f"nobody asked for port {port} of {namespace}/{pod}")


def well() -> Deployed:
    """Everything is there and ready."""
    return Deployed(
        objects={
            "/version": {"gitVersion": "v1.34.4"},
            CORE: {"metadata": {"name": NAMESPACE}},
            f"{APPS}/deployments/{DECODE}": deployment(DECODE, ready=2),
            f"{APPS}/deployments/{PICKER}": deployment(PICKER, ready=1, wanted=1),
            f"{POOLS}/{POOL}": {"metadata": {"name": POOL}},
            f"{CORE}/services/{PICKER}": service(8081, "http"),
        },
        pods={f"inferencepool={PICKER}": [pod("epp-0")]},
    )
