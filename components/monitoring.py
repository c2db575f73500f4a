from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.inference_pool import labels
from stack import plan

API = "monitoring.coreos.com/v1"


class Monitoring(pulumi.ComponentResource):
    """What a Prometheus operator needs to scrape one model's pods and its endpoint picker."""

    def __init__(
        self,
        name: str,
        *,
        monitors: plan.Monitors,
        pool: plan.Pool,
        service: plan.Service,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("llm-d:components:Monitoring", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        k8s.apiextensions.CustomResource(
            f"{name}-pods",
            api_version=API,
            kind="PodMonitor",
            metadata={"name": monitors.pod_monitor, "namespace": service.namespace},
            spec=pods(monitors, service),
            opts=child,
        )
        # Metrics of the endpoint picker are served to its own account, by this token.
        token = k8s.core.v1.Secret(
            f"{name}-token",
            metadata={
                "name": monitors.token_secret,
                "namespace": pool.namespace,
                "annotations": {"kubernetes.io/service-account.name": pool.picker},
            },
            type="kubernetes.io/service-account-token",
            opts=child,
        )
        k8s.apiextensions.CustomResource(
            f"{name}-endpoint-picker",
            api_version=API,
            kind="ServiceMonitor",
            metadata={"name": monitors.service_monitor, "namespace": pool.namespace},
            spec=picker(monitors, pool),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[token]),
        )
        self.register_outputs({})


def pods(monitors: plan.Monitors, service: plan.Service) -> dict[str, Any]:
    return {
        "selector": {"matchLabels": service.common_labels},
        "podMetricsEndpoints": [
            {"port": service.port_name, "path": "/metrics", "interval": monitors.interval}
        ],
    }


def picker(monitors: plan.Monitors, pool: plan.Pool) -> dict[str, Any]:
    credentials = {"name": monitors.token_secret, "key": "token"}
    return {
        "selector": {"matchLabels": labels(pool)},
        "endpoints": [
            {
                "port": "http-metrics",
                "path": "/metrics",
                "interval": monitors.interval,
                "authorization": {"credentials": credentials},
            }
        ],
    }
