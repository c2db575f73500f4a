from collections.abc import Sequence

import pulumi
import pulumi_kubernetes.apps.v1 as apps
import pulumi_kubernetes.core.v1 as core
import pulumi_kubernetes.meta.v1 as meta

from components.pods import (
    DRAIN,
    DRAIN_SECONDS,
    END_SECONDS,
    ONE_MORE_FIRST,
    RESTRICTED,
    digest,
    ports,
    restricted,
)
from stack import plan, proxy_metrics

ADMIN = proxy_metrics.STANDALONE.port
"""Name of the port that metrics are read at."""


class Front(pulumi.ComponentResource):
    """The Envoys that take requests for all pools, where no Gateway does."""

    address: pulumi.Output[str | None]
    """That a load balancer has given its Service, or the Service's name inside the cluster."""
    url: pulumi.Output[str | None]
    """Where requests are taken; None where only a port-forward leads there."""

    def __init__(
        self,
        name: str,
        *,
        front: plan.Front,
        pickers: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("llm-d:components:Front", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        account = core.ServiceAccount(
            f"{name}-account",
            metadata=metadata(front),
            automount_service_account_token=False,
            opts=child,
        )
        configs = core.ConfigMap(
            f"{name}-config", metadata=metadata(front), data=dict(front.proxy.config), opts=child
        )
        deployment = apps.Deployment(
            f"{name}-proxy",
            metadata=metadata(front),
            spec=proxies(front),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, configs, *pickers]),
        )
        service = core.Service(
            f"{name}-service",
            metadata=metadata(front),
            spec={
                "type": front.service_type,
                "selector": labels(front),
                "ports": ports({"http": front.proxy.port}),
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        balanced = service.status.apply(balancer)
        self.address = balanced.apply(lambda host: host or plan.dns(front.name, front.namespace))
        self.url = balanced.apply(
            lambda host: f"http://{host}:{front.proxy.port}" if host else None
        )
        self.register_outputs({"address": self.address, "url": self.url})


def metadata(front: plan.Front) -> meta.ObjectMetaArgsDict:
    return {"name": front.name, "namespace": front.namespace, "labels": labels(front)}


def labels(front: plan.Front) -> dict[str, str]:
    return {"app.kubernetes.io/name": front.name}


def proxies(front: plan.Front) -> apps.DeploymentSpecArgsDict:
    return {
        "replicas": front.replicas,
        "strategy": ONE_MORE_FIRST,
        "selector": {"match_labels": labels(front)},
        "template": {
            "metadata": {
                "labels": labels(front),
                # It does not read its file again: a changed one has to mean new pods.
                "annotations": {"llm-d.ai/config-sha256": digest(front.proxy.config)},
            },
            "spec": {
                "service_account_name": front.name,
                "automount_service_account_token": False,
                "enable_service_links": False,
                "termination_grace_period_seconds": DRAIN_SECONDS + END_SECONDS,
                "security_context": restricted(front.user),
                "containers": [envoy(front)],
                "volumes": [{"name": "config", "config_map": {"name": front.name}}],
            },
        },
    }


def envoy(front: plan.Front) -> core.ContainerArgsDict:
    proxy = front.proxy
    return {
        "name": "envoy",
        "image": proxy.image,
        "image_pull_policy": "IfNotPresent",
        "args": list(proxy.args),
        "ports": [
            {"name": "http", "container_port": proxy.port},
            {"name": ADMIN, "container_port": proxy.admin_port},
        ],
        "lifecycle": DRAIN,
        "readiness_probe": {
            "http_get": {"path": proxy.ready_path, "port": ADMIN},
            "period_seconds": 2,
        },
        "resources": {"requests": dict(front.requests), "limits": dict(front.limits)},
        "security_context": RESTRICTED,
        "volume_mounts": [{"name": "config", "mount_path": proxy.config_dir, "read_only": True}],
    }


def balancer(status: core.outputs.ServiceStatus | None) -> str | None:
    """The first address that a load balancer has given the Service."""
    balancer = status.load_balancer if status else None
    given = (balancer.ingress if balancer else None) or ()
    return next((host for one in given if (host := one.ip or one.hostname)), None)
