"""What the endpoint picker sees of its pool, by its own metrics."""

import re
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from plugins.values import Object, at
from smoke.findings import Failed, Found, Hop, Passed
from smoke.outputs import Model, Stack
from smoke.trouble import explain
from smoke.web import Answer, Lost, Outcome

READY_PODS = "inference_pool_ready_pods"
TOKEN_SECONDS = 600
"""The least that the API server gives."""
REFUSALS = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.INTERNAL_SERVER_ERROR}
)
_SAMPLE = re.compile(rf'^{READY_PODS}\{{[^}}]*?\bname="([^"]*)"[^}}]*\}}\s+(\S+)', re.MULTILINE)


def local(service: Object | None, port: int) -> str | None:
    """The metrics' address where a load balancer on this machine has the endpoint picker's Service.

    Elsewhere a token sent there would travel in the clear.
    """
    given: list[Any] = at(service, "status", "loadBalancer", "ingress") or []
    hosts = (one["ip"] for one in given if one.get("ip"))
    host = next((one for one in hosts if ip_address(one).is_loopback), None)
    return host and f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"


def ready_pods(text: str, pool: str) -> int | None:
    """The figure for a pool, from the Prometheus text format; None where it is not told."""
    return next((int(float(value)) for name, value in _SAMPLE.findall(text) if name == pool), None)


def seen_pods(stack: Stack, model: Model, outcome: Outcome, ready: int) -> Found:
    expected = f"{READY_PODS} of {ready}, as many as the Deployment has ready"
    service = stack.kubectl("get", "service,endpoints", model.picker)
    if isinstance(outcome, Lost):
        return Failed(
            hop=Hop.PICKER,
            seen=outcome.said(),
            expected=expected,
            cause=f"its metrics port {model.metrics_port} cannot be reached",
            next=service,
        )
    if outcome.status in REFUSALS:
        return Failed(
            hop=Hop.PICKER,
            # The body may be a proxy's, and the token was in the request: it is not shown.
            seen=f"HTTP {outcome.status} for the metrics",
            expected=expected,
            cause="its account may not create tokenreviews and subjectaccessreviews, or not GET "
            "/metrics: the ClusterRole or its binding is missing",
            next=stack.kubectl(
                "auth", "can-i", "get", "/metrics", f"--as={_account(stack, model)}"
            ),
        )
    if outcome.status != HTTPStatus.OK:
        return explain(stack, model, outcome, expected)
    return _compared(stack, model, outcome, ready, expected)


def _compared(stack: Stack, model: Model, answer: Answer, ready: int, expected: str) -> Found:
    seen = ready_pods(answer.text, model.pool)
    if seen == ready:
        return Passed(f"sees {seen} ready pods, the Deployment has {ready}")
    if seen is None:
        seen_text = f"no {READY_PODS} for `{model.pool}`"
        cause = "it has not found its pool: --pool-name, --pool-namespace and --pool-group"
    else:
        seen_text = f"{READY_PODS} is {seen}"
        cause = (
            "it cannot read the metrics of some pods, or the pool's selector misses them"
            if seen < ready
            else "the pool's selector fits pods of other workloads too"
        )
    return Failed(
        hop=Hop.POOL if seen is not None else Hop.PICKER,
        seen=seen_text,
        expected=expected,
        cause=cause,
        next=stack.kubectl("get", "pods", "--show-labels", "-o", "wide"),
    )


def _account(stack: Stack, model: Model) -> str:
    return f"system:serviceaccount:{stack.namespace}:{model.picker}"
