"""What a person needs after `pulumi up`: where the models answer, and how to ask one."""

import shlex
from typing import Any

from stack.plan import Model, Plan


def endpoints(plan: Plan, *, kubeconfig: str | None, context: str) -> dict[str, Any]:
    """The stack's outputs: the same names on every stack."""
    first = plan.models[0]
    return {
        "namespace": plan.namespace.name,
        "context": context,
        "kubeconfig": kubeconfig,
        "models": [model.name for model in plan.models],
        "inferenceEndpoints": {
            model.name: f"http://{model.pool.endpoint}" for model in plan.models
        },
        "portForwardCommand": port_forward(first, kubeconfig, context),
    }


def port_forward(model: Model, kubeconfig: str | None, context: str) -> str:
    """Brings a model's endpoint to http://localhost:8000."""
    pool = model.pool
    command = ["kubectl", "--context", context, "--namespace", pool.namespace, "port-forward"]
    if kubeconfig:
        command[1:1] = ["--kubeconfig", kubeconfig]
    return shlex.join([*command, f"service/{pool.picker}", f"8000:{pool.port}"])
