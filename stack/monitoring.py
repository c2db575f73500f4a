"""Who scrapes a stack, and what is made of it: Prometheus, alerts, dashboards."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from stack import config, entrances, quantity
from stack.charts import Chart
from stack.crd_bundles import CrdBundle, CrdFile
from stack.kinds import ClusterKind, GatewayKind, ServiceType
from stack.picker_metrics import BUILT_HERE
from stack.plan import (
    Alerts,
    Beside,
    Crds,
    Front,
    Gateway,
    Grafana,
    Metrics,
    Model,
    Monitoring,
    Monitors,
    OwnPrometheus,
)
from stack.platforms import PLATFORMS
from stack.problems import wrong
from stack.releases import Release

HOME, RELEASE = "llm-d-monitoring", "llmd"
"""The guides' names of the namespace and of the release in it."""
GRAFANA_SECRET = f"{RELEASE}-grafana-admin"
OPERATOR, GOOGLE = "monitoring.coreos.com/v1", "monitoring.googleapis.com/v1"
FIRST_TOKEN_BOUNDS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5),
    *(10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
"""Seconds that vLLM counts first tokens by: an objective between two could not be told."""
CHART, CHART_VERSION = "oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack", "77.0.0"
"""With version 0.85 of the operator, whose definitions are pinned below."""
IMAGE = "quay.io/prometheus/prometheus:v3.11.3"
OWN_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
SMALL, LARGE = {"cpu": "250m", "memory": "1Gi"}, {"cpu": "1", "memory": "4Gi"}
"""Of a Prometheus that the chart brings."""
FEW = {"cpu": "50m", "memory": "128Mi"}
"""Of its operator, of Alertmanager and of Grafana each."""
SMALL_CLUSTER = Decimal(16)
"""CPUs, of all nodes together: with fewer, a Prometheus of the usual size is in the way."""

CRDS = CrdBundle(
    module="github.com/prometheus-operator/prometheus-operator",
    repository="prometheus-operator/prometheus-operator",
    version="v0.85.0",
    annotation="operator.prometheus.io/version",
    files=tuple(
        CrdFile(
            path=f"example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml",
            sha256=sha256,
        )
        for plural, sha256 in {
            "podmonitors": "8ce88c52c51209993511cae093089c9525f5552def88119e3f559123ee9d454b",
            "servicemonitors": "1dae27b7189b5ce7b9ab764656c18b4c75a45cde1e6f3af6a5e84c4317628919",
            "prometheusrules": "98fd16c9ab79fba8dcd6ef62c957c98cd6546ab74ce0a4ecf09ddf2fda03020e",
        }.items()
    ),
)
"""Monitors and rules."""


def problems(stack: config.Stack, cluster: ClusterKind[Any]) -> Iterator[str]:
    asked = stack.monitoring
    if asked.alerts and (said := asked.alerts.ttft_seconds) not in FIRST_TOKEN_BOUNDS:
        below = [one for one in FIRST_TOKEN_BOUNDS if one < said][-1:]
        above = [one for one in FIRST_TOKEN_BOUNDS if one > said][:1]
        yield wrong(
            "monitoring.alerts.ttftSeconds",
            said,
            "seconds that the model server counts first tokens by; the nearest: "
            + ", ".join(f"{one:g}" for one in below + above),
        )
    if cluster.is_local and asked.prometheus not in {None, "install"}:
        yield wrong(
            "monitoring.prometheus",
            asked.prometheus,
            "`install` on a cluster of the stack's own, which has no Prometheus before it",
        )
    yield from _of_platform(stack, cluster)
    if asked.prometheus == "openshift" and stack.names.namespace.startswith(("openshift", "kube-")):
        yield wrong(
            "names.namespace",
            stack.names.namespace,
            "a user project, for OpenShift monitors no other with `monitoring.prometheus: "
            "openshift`",
        )


def _of_platform(stack: config.Stack, cluster: ClusterKind[Any]) -> Iterator[str]:
    """A Prometheus that comes with other clusters, or that this one lets nobody install."""
    asked, platform = stack.monitoring.prometheus, cluster.platform(stack.cluster)
    if cluster.is_local:
        return
    if asked in ("gke", "openshift") and platform is not PLATFORMS[asked]:
        yield wrong(
            "monitoring.prometheus",
            asked,
            f"`install` or `operator`: this one comes with {asked}; if the cluster is one, say "
            f"`cluster.platform: {asked}`",
        )
    if asked == "install" and platform.assigns_users:
        yield wrong(
            "monitoring.prometheus",
            asked,
            "`openshift`, which comes with the cluster: its pods may not run as the users that "
            "the chart gives them",
        )


def monitors(pool: str, service: str) -> Monitors:
    """Names, none of which two pools could share."""
    return Monitors(
        pods={role: f"{service}-{role}-podmonitor" for role in ("decode", "prefill")},
        picker=f"{pool}-epp-monitor",
        token_secret=f"{pool}-epp-metrics-reader",
    )


def monitoring(
    stack: config.Stack,
    models: Sequence[Model],
    entrance: Front | Gateway,
    release: Release,
    gateway: GatewayKind,
    cluster: ClusterKind[Any],
    user: int | None,
    nodes: config.Nodes | None,
) -> Monitoring | None:
    asked = stack.monitoring
    if asked.prometheus is None:
        return None
    install = asked.prometheus == "install"
    namespace = stack.names.namespace
    interval = asked.scrape_interval or ("5s" if cluster.is_local else "30s")
    has_grafana = install and not cluster.is_local
    return Monitoring(
        namespace=namespace,
        entrance=entrance,
        models=tuple(models),
        home=HOME if has_grafana else namespace,
        managed_by_google=asked.prometheus == "gke",
        api=GOOGLE if asked.prometheus == "gke" else OPERATOR,
        crds=Crds(
            name="monitors",
            key="monitoring.prometheus",
            bundle=CRDS,
            adopt=False,
            adopting="operator",
        )
        if install and cluster.is_local
        else None,
        chart=_chart(asked, interval, nodes) if has_grafana else None,
        own=_own(cluster.service_type, user) if install and cluster.is_local else None,
        grafana=Grafana(service=f"{RELEASE}-grafana", secret=asked.grafana_secret or GRAFANA_SECRET)
        if has_grafana
        else None,
        makes_password=has_grafana and not asked.grafana_secret,
        interval=interval,
        timeout=min(interval, "10s", key=_seconds),
        retention=asked.retention,
        labels=asked.labels,
        proxy_monitor=f"{entrances.name(stack)}-podmonitor",
        rules=f"llm-d-{stack.names.postfix}-alerts",
        alerts=_alerts(asked.alerts) if asked.alerts else None,
        dashboards=has_grafana or asked.prometheus == "operator"
        if asked.dashboards is None
        else asked.dashboards,
        dashboard_prefix=f"llm-d-{stack.names.postfix}",
        metrics=Metrics(
            picker=BUILT_HERE if cluster.is_local else release.picker_metrics,
            proxies=gateway.metrics,
        ),
        dollars_per_hour=asked.dollars_per_hour,
    )


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * (60 if duration.endswith("m") else 1)


def _alerts(asked: config.Alerts) -> Alerts:
    return Alerts(
        ttft_seconds=asked.ttft_seconds,
        ttft_share=asked.ttft_share,
        error_share=asked.error_share,
        queue=asked.queue,
    )


def _own(service_type: ServiceType, user: int | None) -> OwnPrometheus:
    return OwnPrometheus(
        name=f"{RELEASE}-prometheus",
        image=IMAGE,
        user=user,
        service_type=service_type,
        requests=OWN_REQUESTS,
        limits={"memory": "2Gi"},
    )


def _chart(asked: config.Monitoring, interval: str, nodes: config.Nodes | None) -> Chart:
    return Chart(
        name=RELEASE,
        namespace=HOME,
        chart=CHART,
        version=CHART_VERSION,
        values=chart_values(asked, interval, is_small(nodes)),
    )


def beside(
    stack: config.Stack, cluster: ClusterKind[Any], nodes: config.Nodes | None
) -> Iterator[Beside]:
    """What of it the nodes have to have room for."""
    if stack.monitoring.prometheus == "install":
        brought = (SMALL if is_small(nodes) else LARGE, FEW, FEW, FEW)
        for requests in (OWN_REQUESTS,) if cluster.is_local else brought:
            yield Beside(who="monitoring", replicas=1, requests=requests)


def is_small(nodes: config.Nodes | None) -> bool:
    return nodes is not None and nodes.count * quantity.parse(nodes.cpu) <= SMALL_CLUSTER


def chart_values(asked: config.Monitoring, interval: str, small: bool) -> dict[str, Any]:  # noqa: FBT001 - a size
    """What differs from the chart's own values, and why."""
    prometheus: dict[str, Any] = {
        # Or it would take monitors and rules of its own release alone.
        "podMonitorSelectorNilUsesHelmValues": False,
        "serviceMonitorSelectorNilUsesHelmValues": False,
        "ruleSelectorNilUsesHelmValues": False,
        "scrapeInterval": interval,
        "retention": asked.retention,
        "resources": {"requests": SMALL if small else LARGE},
        # Reading a long log again after a crash may take longer than the operator's minute.
        "maximumStartupDurationSeconds": 300,
    }
    if asked.storage:
        claim = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": asked.storage}},
        }
        prometheus["storageSpec"] = {"volumeClaimTemplate": {"spec": claim}}
    few = {"requests": FEW}
    return {
        "prometheus": {"prometheusSpec": prometheus},
        "alertmanager": {"alertmanagerSpec": {"resources": few}},
        "prometheusOperator": {"resources": few},
        "grafana": {
            "admin": {
                "existingSecret": asked.grafana_secret or GRAFANA_SECRET,
                "userKey": "admin-user",
                "passwordKey": "admin-password",
            },
            "sidecar": {
                "dashboards": {
                    "enabled": True,
                    "label": "grafana_dashboard",
                    "labelValue": "1",
                    "searchNamespace": "ALL",
                }
            },
            "persistence": {"enabled": asked.storage is not None},
            "resources": few,
        },
        # Of the nodes and of Kubernetes itself: not what a laptop has room for.
        **({"nodeExporter": {"enabled": False}, "kubeEtcd": {"enabled": False}} if small else {}),
    }
