"""What tells a Prometheus whom to scrape, and when to tell somebody: objects, not placed yet.

By these, every series has the labels `pool`, `model` and `role`, which dashboards and alerts use.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from components.inference_pool import POD_METRICS, SERVICE_METRICS, labels, selector
from stack import plan
from stack.plan import Monitoring
from stack.proxy_metrics import ProxyMetrics
from telemetry import alerts

Object = dict[str, Any]
PICKER, GATEWAY = "endpoint-picker", "gateway"
"""Values of `role`, beside those of model servers."""
TOKEN = "token"  # noqa: S105 - the key that Kubernetes keeps an account's token under
POOL_LABEL, ROLE_LABEL = "llm-d.ai/pool", "llm-d.ai/role"


def of_model(monitoring: Monitoring, model: plan.Model) -> Iterator[tuple[str, Object]]:
    """Each with the end of its logical name."""
    for role in model.service.roles:
        end = "pods" if role.name == "decode" else f"{role.name}-pods"
        yield end, _pods(monitoring, model, role)
    yield "endpoint-picker", _picker(monitoring, model)


def _pods(monitoring: Monitoring, model: plan.Model, role: plan.Role) -> Object:
    name, port = model.monitors.pods[role.name], model.service.port_name
    if monitoring.managed_by_google:
        return _monitoring(
            monitoring,
            name,
            selector=role.labels,
            endpoint={"port": port, "path": "/metrics"},
            constant={"model": model.name},
            from_pod={POOL_LABEL: "pool", ROLE_LABEL: "role"},
        )
    return _monitor(
        monitoring,
        name,
        kind="PodMonitor",
        selector=role.labels,
        endpoint={"port": port, "path": "/metrics"},
        constant=_constant(model, role.name),
    )


def _picker(monitoring: Monitoring, model: plan.Model) -> Object:
    """Its metrics are served to who has the token of an account that may read them."""
    secret = {"name": model.monitors.token_secret, "key": TOKEN}
    if monitoring.managed_by_google:
        return _monitoring(
            monitoring,
            model.monitors.picker,
            selector=selector(model.pool),
            endpoint={
                "port": POD_METRICS,
                "path": "/metrics",
                "authorization": {"type": "Bearer", "credentials": {"secret": secret}},
            },
            constant=_constant(model, PICKER),
        )
    return _monitor(
        monitoring,
        model.monitors.picker,
        kind="ServiceMonitor",
        selector=labels(model.pool),
        endpoint={
            "port": SERVICE_METRICS,
            "path": "/metrics",
            "authorization": {"credentials": secret},
        },
        constant=_constant(model, PICKER),
    )


def of_proxies(
    monitoring: Monitoring, metrics: ProxyMetrics, selector: Mapping[str, str]
) -> Object:
    """What stands in front of the pools; `selector` are its pods' labels."""
    made = _monitoring if monitoring.managed_by_google else partial(_monitor, kind="PodMonitor")
    return made(
        monitoring,
        monitoring.proxy_monitor,
        selector=selector,
        endpoint={"port": metrics.port, "path": metrics.path},
        constant={"role": GATEWAY},
    )


def _constant(model: plan.Model, role: str) -> dict[str, str]:
    return {"pool": model.pool.name, "model": model.name, "role": role}


def _monitor(
    monitoring: Monitoring,
    name: str,
    *,
    kind: str,
    selector: Mapping[str, str],
    endpoint: Mapping[str, Any],
    constant: Mapping[str, str],
) -> Object:
    """Of a Prometheus operator."""
    asked = {
        **endpoint,
        "interval": monitoring.interval,
        "scrapeTimeout": monitoring.timeout,
        "relabelings": [
            {"targetLabel": label, "replacement": value} for label, value in constant.items()
        ],
    }
    endpoints = "podMetricsEndpoints" if kind == "PodMonitor" else "endpoints"
    return {
        "apiVersion": monitoring.api,
        "kind": kind,
        "metadata": _metadata(monitoring, name),
        "spec": {"selector": {"matchLabels": dict(selector)}, endpoints: [asked]},
    }


def _monitoring(
    monitoring: Monitoring,
    name: str,
    *,
    selector: Mapping[str, str],
    endpoint: Mapping[str, Any],
    constant: Mapping[str, str],
    from_pod: Mapping[str, str] | None = None,
) -> Object:
    """Google's PodMonitoring, which knows pods alone."""
    asked = {
        **endpoint,
        "interval": monitoring.interval,
        "timeout": monitoring.timeout,
        "metricRelabeling": [
            {"action": "replace", "targetLabel": label, "replacement": value}
            for label, value in constant.items()
        ],
    }
    copied = [{"from": label, "to": name} for label, name in (from_pod or {}).items()]
    return {
        "apiVersion": monitoring.api,
        "kind": "PodMonitoring",
        "metadata": _metadata(monitoring, name),
        "spec": {
            "selector": {"matchLabels": dict(selector)},
            "endpoints": [asked],
            **({"targetLabels": {"fromPod": copied}} if copied else {}),
        },
    }


def rules(monitoring: Monitoring, asked: plan.Alerts) -> Object:
    groups = [alerts.group(model, monitoring.metrics.picker, asked) for model in monitoring.models]
    return {
        "apiVersion": monitoring.api,
        "kind": "Rules" if monitoring.managed_by_google else "PrometheusRule",
        "metadata": _metadata(monitoring, monitoring.rules),
        "spec": {"groups": groups},
    }


def _metadata(monitoring: Monitoring, name: str) -> Object:
    return {"name": name, "namespace": monitoring.namespace, "labels": dict(monitoring.labels)}
