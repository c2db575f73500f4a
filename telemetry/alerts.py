"""When somebody is to be told: what users notice first, and then what leads there.

`docs/alerts.md` says of each what to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stack.picker_metrics import PickerMetrics
from stack.plan import Alerts, Model
from telemetry.panels import SERVER_ERRORS

RUNBOOK = "docs/alerts.md"
BURN_RATES = ((14.4, "1h", "5m", "critical"), (6.0, "6h", "30m", "warning"))
"""Times the objective's budget, seen over a long window and still over a short one: of a month's
budget these spend 2 % and 5 % before they are told of."""
FULL = 0.9
"""Of a KV cache: the next long request does not fit."""
RESTARTS = 2


@dataclass(frozen=True, kw_only=True)
class Alert:
    name: str
    expr: str
    wait: str
    """How long it has to be so."""
    severity: str
    summary: str


def alerts(model: Model, picker: PickerMetrics, asked: Alerts) -> Iterator[Alert]:
    """Of one pool and its endpoint picker."""
    scope = f'namespace="{model.pool.namespace}",pool="{model.pool.name}"'
    servers = f'{scope},role=~"decode|prefill"'
    yield Alert(
        name="NoReadyEndpoint",
        expr=f"max by (namespace, pool) ({picker.ready}{{{scope}}}) == 0",
        wait="1m",
        severity="critical",
        summary="no pod of the pool can be sent requests",
    )
    yield Alert(
        name="EndpointPickerAbsent",
        # It always says how many are ready; a Service without endpoints has no target to be down.
        expr=f"absent({picker.ready}{{{scope}}})",
        wait="1m",
        severity="critical",
        summary="no endpoint picker answers",
    )
    if picker.attempts:
        failed = f'rate({picker.attempts}{{{scope},status="failure"}}[5m])'
        yield Alert(
            name="EndpointPickerFails",
            expr=f"sum by (namespace, pool) ({failed}) > 0.05",
            wait="2m",
            severity="warning",
            summary="the endpoint picker finds no pod for some requests",
        )
    none = f"0 * max by (namespace, pool) ({picker.ready}{{{scope}}})"
    requests = f"sum by (namespace, pool) (rate({picker.requests}{{{scope}}}[5m]))"
    errors = " + ".join(
        f"(sum by (namespace, pool) (rate({counter}[5m])) or {none})"
        # What a model server answers with is nothing that the endpoint picker counts.
        for counter in (f"{picker.errors}{{{scope}}}", f'{SERVER_ERRORS}{{{scope},status="5xx"}}')
    )
    yield Alert(
        name="RequestErrors",
        # Requests that are refused are errors and not counted as requests: more than all may fail.
        expr=f"clamp_max(({errors}) / ({requests} or {none}), 1) > {asked.error_share:g}",
        wait="2m",
        severity="critical",
        summary=f"more than {asked.error_share:.0%} of the requests fail",
    )
    for rate, long, short, severity in BURN_RATES:
        limit = f"{rate:g} * {1 - asked.ttft_share:.6g}"
        seen = (f"{_slow(scope, asked, window)} > {limit}" for window in (long, short))
        yield Alert(
            name="FirstTokenSlow",
            expr=" and ".join(seen),
            wait="2m",
            severity=severity,
            summary=f"first tokens later than {asked.ttft_seconds:g} s spend the objective's "
            f"budget {rate:g} times as fast as it allows",
        )
    yield Alert(
        name="QueueSaturated",
        expr="sum by (namespace, pool) "
        f"(vllm:num_requests_waiting{{{scope}}}) / count by (namespace, pool) "
        f"(vllm:num_requests_waiting{{{scope}}}) > {asked.queue}",
        wait="5m",
        severity="warning",
        summary=f"more than {asked.queue} requests wait in each replica",
    )
    yield Alert(
        name="KvCacheFull",
        # It goes up and down with every request that ends.
        expr="avg by (namespace, pool) "
        f"(avg_over_time(vllm:kv_cache_usage_perc{{{scope}}}[5m])) > {FULL}",
        wait="2m",
        severity="warning",
        summary="the pool's KV caches are full: requests wait, or are begun again",
    )
    yield Alert(
        name="PodRestarts",
        expr="max by (namespace, pool, pod) "
        f"(changes(process_start_time_seconds{{{scope}}}[30m])) >= {RESTARTS}",
        wait="0s",
        severity="warning",
        summary="a pod's program was started again and again within half an hour",
    )
    yield Alert(
        name="ModelNotLoaded",
        expr=f"up{{{servers}}} == 0",
        wait=f"{model.service.startup_seconds}s",
        severity="warning",
        summary="a pod does not serve its model after all the time that loading it may take",
    )


def _slow(scope: str, asked: Alerts, window: str) -> str:
    """Share of first tokens that came later than the objective."""
    first = f"rate(vllm:time_to_first_token_seconds_bucket{{{scope}"
    within = f'sum by (namespace, pool) ({first},le="{asked.ttft_seconds!r}"}}[{window}]))'
    every = f'sum by (namespace, pool) ({first},le="+Inf"}}[{window}]))'
    return f"1 - {within} / ({every} > 0)"


def group(model: Model, picker: PickerMetrics, asked: Alerts) -> dict[str, Any]:
    """A pool's rules, as Prometheus and PrometheusRule have them."""
    return {
        "name": f"{model.pool.namespace}/{model.pool.name}",
        "rules": [rule(one, model) for one in alerts(model, picker, asked)],
    }


def rule(alert: Alert, model: Model) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.wait,
        "labels": {
            "severity": alert.severity,
            "namespace": model.pool.namespace,
            "pool": model.pool.name,
            "model": model.name,
        },
        "annotations": {
            "summary": f"{model.name}: {alert.summary}",
            "runbook": f"{RUNBOOK}#{alert.name.lower()}",
        },
    }
