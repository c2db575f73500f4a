"""What a person needs after `pulumi up`: where the models answer, and how to ask one."""

import json
import shlex
from typing import Any

import pulumi

from components.inference_pool import METRICS_PORT
from stack.plan import Capacity, Model, Plan

LOCAL_PORT = 8000


def endpoints(
    plan: Plan, url: pulumi.Output[str | None], *, kubeconfig: str | None, context: str
) -> dict[str, Any]:
    """The stack's outputs: the same names on every stack. `url` is where requests are taken."""
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


def port_forward(plan: Plan, kubeconfig: str | None, context: str) -> str:
    """Brings the endpoint of all models to http://localhost:8000."""
    front = plan.front
    command = ["kubectl", "--context", context, "--namespace", front.namespace, "port-forward"]
    if kubeconfig:
        command[1:1] = ["--kubeconfig", kubeconfig]
    return shlex.join([*command, f"service/{front.name}", f"{LOCAL_PORT}:{front.proxy.port}"])


def example(url: str | None, model: str) -> str:
    """A chat completion; through the port-forward where there is no other way."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 32}
    where = f"{url or f'http://localhost:{LOCAL_PORT}'}/v1/chat/completions"
    header = "content-type: application/json"
    return shlex.join(["curl", "--silent", where, "--header", header, "--data", json.dumps(body)])
