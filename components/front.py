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
from stack import plan


class Front(pulumi.ComponentResource):
    """The Envoys that take requests for all pools, where no Gateway does."""

    url: pulumi.Output[str | None]
    """Where requests are taken; None where only a port-forward leads there."""

    def __init__(
        self, name: str, *, front: plan.Front, opts: pulumi.ResourceOptions | None = None
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
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, configs]),
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
        self.url = service.status.apply(lambda status: url(status, front.proxy.port))
        self.register_outputs({"url": self.url})


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
            {"name": "admin", "container_port": proxy.admin_port},
        ],
        "lifecycle": DRAIN,
        "readiness_probe": {
            "http_get": {"path": proxy.ready_path, "port": "admin"},
            "period_seconds": 2,
        },
        "resources": {"requests": dict(proxy.requests), "limits": dict(proxy.limits)},
        "security_context": RESTRICTED,
        "volume_mounts": [{"name": "config", "mount_path": proxy.config_dir, "read_only": True}],
    }


def url(status: core.outputs.ServiceStatus | None, port: int) -> str | None:
    """Of the first address that a load balancer has given the Service."""
    balancer = status.load_balancer if status else None
    for ingress in (balancer.ingress if balancer else None) or ():
        if host := ingress.ip or ingress.hostname:
            return f"http://{host}:{port}"
    return None
