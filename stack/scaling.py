"""How many replicas a model has while requests wait, and while none do."""

from collections.abc import Iterator

from stack import config
from stack.monitoring import HOME, RELEASE
from stack.plan import Scaling, dns
from stack.problems import wrong

WAITING, RUNNING = "vllm:num_requests_waiting", "vllm:num_requests_running"


def problems(stack: config.Stack) -> Iterator[str]:
    for index, model in enumerate(stack.models):
        asked = model.autoscaling
        if not asked:
            continue
        at = f"models[{index}].autoscaling"
        if asked.max_replicas < model.replicas:
            yield wrong(
                f"{at}.maxReplicas", asked.max_replicas, f"no fewer than replicas, {model.replicas}"
            )
        if model.sizing:
            yield wrong(
                f"{at}.by", asked.by, "left out with `sizing: auto`, which says how many there are"
            )
        if asked.by == "keda" and not url(stack):
            yield wrong(
                f"{at}.by",
                asked.by,
                "a Prometheus that KEDA can ask: `monitoring.prometheus: install`, or the URL of "
                "the cluster's own as `monitoring.prometheusUrl`",
            )


def url(stack: config.Stack) -> str | None:
    """Where the Prometheus answers inside the cluster."""
    said = stack.monitoring
    if said.prometheus_url or said.prometheus != "install":
        return said.prometheus_url
    return f"http://{dns(f'{RELEASE}-kube-prometheus-stack-prometheus', HOME)}:9090"


def scaling(model: config.Model, stack: config.Stack, pool: str) -> Scaling | None:
    asked = model.autoscaling
    if not asked:
        return None
    scope = f'{{namespace="{stack.names.namespace}",pool="{pool}",role="decode"}}'
    return Scaling(
        by=asked.by,
        least=model.replicas,
        most=asked.max_replicas,
        server=url(stack) or "",
        targets={
            f"sum({WAITING}{scope})": asked.waiting,
            f"sum({RUNNING}{scope})": asked.running,
        },
        adapted={
            WAITING.replace(":", "_"): asked.waiting,
            RUNNING.replace(":", "_"): asked.running,
        },
        settle_seconds=asked.settle_seconds,
    )
