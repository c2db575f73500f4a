"""What a person needs after `pulumi up`: where the models answer, and how to ask one."""

import json
import shlex
from typing import Any, Protocol

import pulumi

from components.cluster import Cluster
from components.inference_pool import METRICS_PORT
from components.monitoring import Monitoring
from stack.plan import Capacity, Gateway, Model, Plan, dns
from telemetry.boards import boards
from telemetry.grafana import uid

LOCAL_PORT, GRAFANA_PORT = 8000, 3000


class Entrance(Protocol):
    """What requests for all models come in by."""

    @property
    def address(self) -> pulumi.Output[str | None]: ...
    @property
    def url(self) -> pulumi.Output[str | None]: ...


def endpoints(
    plan: Plan, cluster: Cluster, entrance: Entrance, monitoring: Monitoring | None
) -> dict[str, Any]:
    """The stack's outputs: the same names on every stack."""
    kubeconfig, context = cluster.kubeconfig, cluster.context
    first = plan.models[0].name
    return {
        "namespace": plan.namespace.name,
        "context": context,
        "kubeconfig": kubeconfig,
        "models": [model.name for model in plan.models],
        "gatewayUrl": entrance.url,
        "gatewayAddress": entrance.address,
        "inferenceEndpoint": inside(plan) or entrance.url,
        "capacity": {model.name: capacity(model.capacity) for model in plan.models},
        "gatewayService": service(plan),
        "listedModels": listed(plan),
        "objects": {model.name: objects(model) for model in plan.models},
        "images": images(plan),
        "portForwardCommand": port_forward(plan, kubeconfig, context),
        "smokeTestCommand": f"make smoke STACK={plan.name}",
        "monitoring": monitoring and seen(plan.name, monitoring, kubeconfig, context),
        "exampleRequest": entrance.url.apply(lambda known: example(known, first)),
    }


def inside(plan: Plan) -> str | None:
    """Where pods of the cluster send requests, if that is inside it too."""
    entrance = plan.entrance
    if entrance.service is None:
        return None
    namespace, name = entrance.service
    return f"{'https' if entrance.is_secure else 'http'}://{dns(name, namespace)}:{entrance.port}"


def service(plan: Plan) -> dict[str, Any] | None:
    """What `make smoke` forwards a port to."""
    if plan.entrance.service is None:
        return None
    namespace, name = plan.entrance.service
    return {"namespace": namespace, "name": name, "port": plan.entrance.port}


def capacity(held: Capacity | str) -> dict[str, Any]:
    """Figure by figure, so that a preview shows what a change does to each."""
    if isinstance(held, str):
        return {"notKnown": held}
    most = {"atMost": True} if held.is_bound else {}
    at_once = {f"{tokens} tokens": count for tokens, count in held.at_once.items()}
    return {
        **most,
        "kvTokens": held.kv_tokens,
        "requestsAtOnce": at_once,
        "accelerators": held.accelerators,
    }


def objects(model: Model) -> dict[str, Any]:
    """Names that `make smoke` looks at."""
    return {
        "picker": model.pool.picker,
        "metricsPort": METRICS_PORT,
        "pool": model.pool.name,
        "decode": model.service.decode.workload,
    }


def seen(stack: str, made: Monitoring, kubeconfig: str | None, context: str) -> dict[str, Any]:
    """Where metrics are looked at, and by which command one gets there."""
    monitoring = made.monitoring
    if made.prometheus_url is not None:
        return {
            "prometheusUrl": made.prometheus_url,
            "dashboardCommand": f"make dashboard STACK={stack}",
        }
    if not monitoring.grafana:
        return {}
    kubectl = [*_kubectl(kubeconfig, context), "--namespace", monitoring.home]
    grafana, secret = monitoring.grafana, monitoring.grafana.secret
    template = 'go-template={{index .data "admin-password" | base64decode}}'
    return {
        "grafanaCommand": shlex.join(
            [*kubectl, "port-forward", f"service/{grafana.service}", f"{GRAFANA_PORT}:80"]
        ),
        "grafanaPasswordCommand": shlex.join([*kubectl, "get", "secret", secret, "-o", template]),
        "dashboards": {
            board.title: f"http://localhost:{GRAFANA_PORT}/d/{uid(board.name, monitoring)}"
            for board in boards(monitoring.metrics)
        },
    }


def images(plan: Plan) -> dict[str, str]:
    """What is built here, and why the rest of what was asked for is not."""
    skipped = {recipe: f"not built: {why}" for recipe, why in plan.not_built.items()}
    return {**{one.recipe: one.name for one in plan.images}, **skipped}


def listed(plan: Plan) -> list[str]:
    """Models that GET /v1/models names: it has no body, so that a Gateway asks one pool."""
    return [
        model.name
        for model in (plan.models[:1] if isinstance(plan.entrance, Gateway) else plan.models)
    ]


def port_forward(plan: Plan, kubeconfig: str | None, context: str) -> str | None:
    """Brings the endpoint of all models to http://localhost:8000; None where it is outside."""
    if plan.entrance.service is None:
        return None
    namespace, name = plan.entrance.service
    forward = ("--namespace", namespace, "port-forward", f"service/{name}")
    ports = f"{LOCAL_PORT}:{plan.entrance.port}"
    return shlex.join([*_kubectl(kubeconfig, context), *forward, ports])


def _kubectl(kubeconfig: str | None, context: str) -> list[str]:
    where = ["--kubeconfig", kubeconfig] if kubeconfig else []
    return ["kubectl", *where, "--context", context]


def example(url: str | None, model: str) -> str:
    """A chat completion; through the port-forward where there is no other way."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 32}
    where = f"{url or f'http://localhost:{LOCAL_PORT}'}/v1/chat/completions"
    header = "content-type: application/json"
    return shlex.join(["curl", "--silent", where, "--header", header, "--data", json.dumps(body)])
