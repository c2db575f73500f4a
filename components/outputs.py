"""What a person needs after `pulumi up`: where the models answer, and how to ask one."""

import json
import shlex
from typing import Any

import pulumi

from components.cluster import Cluster
from components.inference_pool import METRICS_PORT
from components.monitoring import Monitoring
from stack.plan import Capacity, Model, Plan
from telemetry.boards import boards
from telemetry.grafana import uid

LOCAL_PORT, GRAFANA_PORT = 8000, 3000


def endpoints(
    plan: Plan,
    cluster: Cluster,
    url: pulumi.Output[str | None],
    monitoring: Monitoring | None,
) -> dict[str, Any]:
    """The stack's outputs: the same names on every stack. `url` is where requests are taken."""
    kubeconfig, context = cluster.kubeconfig, cluster.context
    first = plan.models[0].name
    return {
        "namespace": plan.namespace.name,
        "context": context,
        "kubeconfig": kubeconfig,
        "models": [model.name for model in plan.models],
        "gatewayUrls": {model.name: url for model in plan.models},
        "inferenceEndpoints": {model.name: f"http://{plan.endpoint}" for model in plan.models},
        "capacity": {model.name: capacity(model.capacity) for model in plan.models},
        "objects": {model.name: objects(plan, model) for model in plan.models},
        "portForwardCommand": port_forward(plan, kubeconfig, context),
        "smokeTestCommand": f"make smoke STACK={plan.name}",
        "monitoring": monitoring and seen(plan.name, monitoring, kubeconfig, context),
        "exampleRequest": url.apply(lambda known: example(known, first)),
    }


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


def objects(plan: Plan, model: Model) -> dict[str, Any]:
    """Names that `make smoke` looks at."""
    return {
        "gatewayService": plan.front.name,
        "gatewayPort": plan.front.proxy.port,
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
            for board in boards(monitoring.picker_metrics)
        },
    }


def port_forward(plan: Plan, kubeconfig: str | None, context: str) -> str:
    """Brings the endpoint of all models to http://localhost:8000."""
    front = plan.front
    forward = ("--namespace", front.namespace, "port-forward", f"service/{front.name}")
    ports = f"{LOCAL_PORT}:{front.proxy.port}"
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
