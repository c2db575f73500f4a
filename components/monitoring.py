import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import front, gateway, monitors, rights
from components.cluster import Cluster
from components.crds import CrdBundle
from components.gateway_providers import install
from components.prometheus import Prometheus
from stack import plan
from telemetry import grafana

PASSWORD_BYTES = 24
COLLECTOR = rights.account("collector", "gmp-system")
"""Of Google's managed Prometheus: reads the tokens that its monitors name."""


class Monitoring(pulumi.ComponentResource):
    """What scrapes a stack: a Prometheus, or monitors for one that is there; and what is asked.

    Where the cluster knows no monitors and the stack does not bring them, none are made.
    """

    monitoring: plan.Monitoring
    prometheus_url: pulumi.Output[str | None] | None
    """Of a Prometheus that this machine runs."""

    def __init__(
        self,
        name: str,
        *,
        monitoring: plan.Monitoring,
        cluster: Cluster,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("llm-d:components:Monitoring", name, None, opts)
        self._name = name
        self.monitoring = monitoring
        self.prometheus_url = None
        before = [*self._stack(), *self._definitions()]
        if before or cluster.serves(monitoring.api):
            self._watch(before)
        else:
            pulumi.log.warn(
                f"the cluster does not serve {monitoring.api}: no monitors and no alerts are made; "
                "`monitoring.prometheus: install` brings a Prometheus",
                resource=self,
            )
        if monitoring.dashboards:
            self._dashboards()
        self.register_outputs({})

    def _stack(self) -> list[pulumi.Resource]:
        """Prometheus and Grafana, in a namespace of their own."""
        monitoring = self.monitoring
        if not monitoring.chart or not monitoring.grafana:
            return []
        home = k8s.core.v1.Namespace(
            f"{self._name}-home",
            metadata={"name": monitoring.home},
            opts=pulumi.ResourceOptions(parent=self),
        )
        before: list[pulumi.Resource] = [home]
        if monitoring.makes_password:
            before.append(
                k8s.core.v1.Secret(
                    f"{self._name}-grafana",
                    metadata={"name": monitoring.grafana.secret, "namespace": monitoring.home},
                    string_data={
                        "admin-user": "admin",
                        "admin-password": pulumi.Output.secret(
                            secrets.token_urlsafe(PASSWORD_BYTES)
                        ),
                    },
                    # The first stays, whatever chance says later.
                    opts=pulumi.ResourceOptions(
                        parent=self, depends_on=[home], ignore_changes=["stringData"]
                    ),
                )
            )
        child = pulumi.ResourceOptions(parent=self)
        return [install(self._name, monitoring.chart, before, child)]

    def _definitions(self) -> list[pulumi.Resource]:
        if not self.monitoring.crds:
            return []
        child = pulumi.ResourceOptions(parent=self)
        return [CrdBundle(f"{self._name}-crds", crds=self.monitoring.crds, opts=child)]

    def _watch(self, before: Sequence[pulumi.Resource]) -> None:
        monitoring = self.monitoring
        opts = pulumi.ResourceOptions(parent=self, depends_on=[*before])
        made: list[dict[str, Any]] = []
        if monitoring.metrics.proxies:
            labels = proxies(monitoring.entrance)
            made.append(monitors.of_proxies(monitoring, monitoring.metrics.proxies, labels))
            self._object(f"{self._name}-gateway", made[0], opts)
        tokens = [self._token(model) for model in monitoring.models]
        for model in monitoring.models:
            for end, one in monitors.of_model(monitoring, model):
                self._object(f"{model.named(self._name)}-{end}", one, opts)
                made.append(one)
        rules = monitors.rules(monitoring, monitoring.alerts) if monitoring.alerts else None
        if rules:
            self._object(f"{self._name}-alerts", rules, opts)
        if monitoring.own:
            prometheus = Prometheus(
                f"{self._name}-prometheus",
                monitoring=monitoring,
                prometheus=monitoring.own,
                monitors=made,
                rules=rules,
                opts=pulumi.ResourceOptions(parent=self, depends_on=tokens),
            )
            self.prometheus_url = prometheus.url

    def _object(self, name: str, one: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        k8s.apiextensions.CustomResource(
            name,
            api_version=one["apiVersion"],
            kind=one["kind"],
            metadata=one["metadata"],
            spec=one["spec"],
            opts=opts,
        )

    def _token(self, model: plan.Model) -> pulumi.Resource:
        """Of the endpoint picker's own account, which may read its metrics."""
        name, secret = model.named(self._name), model.monitors.token_secret
        child = pulumi.ResourceOptions(parent=self)
        token = k8s.core.v1.Secret(
            f"{name}-token",
            metadata={
                "name": secret,
                "namespace": model.pool.namespace,
                "annotations": {"kubernetes.io/service-account.name": model.pool.picker},
            },
            type="kubernetes.io/service-account-token",
            opts=child,
        )
        if self.monitoring.managed_by_google:
            rights.granted(
                f"{name}-token-reader",
                secret,
                metadata={"name": secret, "namespace": model.pool.namespace},
                rules=[
                    {
                        "api_groups": [""],
                        "resources": ["secrets"],
                        "resource_names": [secret],
                        "verbs": ["get", "list", "watch"],
                    }
                ],
                to=COLLECTOR,
                opts=child,
            )
        return token

    def _dashboards(self) -> None:
        monitoring = self.monitoring
        for board, text in grafana.dashboards(monitoring).items():
            k8s.core.v1.ConfigMap(
                f"{self._name}-{board}",
                metadata={
                    "name": f"{monitoring.dashboard_prefix}-{board}",
                    "namespace": monitoring.namespace,
                    "labels": {grafana.LABEL: "1", **monitoring.labels},
                },
                data={f"{monitoring.dashboard_prefix}-{board}.json": text},
                opts=pulumi.ResourceOptions(parent=self),
            )


def proxies(entrance: plan.Front | plan.Gateway) -> Mapping[str, str]:
    """Labels of their pods."""
    if isinstance(entrance, plan.Front):
        return front.labels(entrance)
    return gateway.proxies(entrance)
