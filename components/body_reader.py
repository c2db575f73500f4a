import pulumi
import pulumi_kubernetes.apps.v1 as apps
import pulumi_kubernetes.core.v1 as core
import pulumi_kubernetes.meta.v1 as meta
import pulumi_kubernetes.rbac.v1 as rbac

from components import rights
from components.pods import (
    DRAIN,
    DRAIN_SECONDS,
    END_SECONDS,
    ONE_MORE_FIRST,
    RESTRICTED,
    restricted,
)
from stack import plan
from stack.kinds import READER_PORT

HEALTH_PORT = 9005


class BodyReader(pulumi.ComponentResource):
    """Reads which model each request asks for and tells the Gateway, which routes by it."""

    def __init__(
        self, name: str, *, reader: plan.BodyReader, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-d:components:BodyReader", name, None, opts)
        child, metadata = pulumi.ResourceOptions(parent=self), metadata_of(reader)
        account = core.ServiceAccount(f"{name}-account", metadata=metadata, opts=child)
        binding = rights.granted(
            f"{name}-role",
            reader.name,
            metadata=metadata,
            rules=RULES,
            to=rights.account(reader.name, reader.namespace),
            opts=child,
            after=[account],
        )
        deployment = apps.Deployment(
            f"{name}-pods",
            metadata=metadata,
            spec=pods(reader),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[binding]),
        )
        core.Service(
            f"{name}-service",
            metadata=metadata,
            spec={
                "type": "ClusterIP",
                "selector": labels(reader),
                "ports": [
                    {
                        "name": "grpc",
                        "port": READER_PORT,
                        "target_port": READER_PORT,
                        "protocol": "TCP",
                        # It is asked by gRPC alone.
                        "app_protocol": "HTTP2",
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        self.register_outputs({})


RULES: list[rbac.PolicyRuleArgsDict] = [
    # It looks for adapters' names there, which this stack's routes say instead.
    {"api_groups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}
]


def metadata_of(reader: plan.BodyReader) -> meta.ObjectMetaArgsDict:
    return {"name": reader.name, "namespace": reader.namespace, "labels": labels(reader)}


def labels(reader: plan.BodyReader) -> dict[str, str]:
    return {"app.kubernetes.io/name": reader.name}


def pods(reader: plan.BodyReader) -> apps.DeploymentSpecArgsDict:
    return {
        "replicas": reader.replicas,
        "strategy": ONE_MORE_FIRST,
        "selector": {"match_labels": labels(reader)},
        "template": {
            "metadata": {"labels": labels(reader)},
            "spec": {
                "service_account_name": reader.name,
                "enable_service_links": False,
                "termination_grace_period_seconds": DRAIN_SECONDS + END_SECONDS,
                "security_context": restricted(reader.user),
                "containers": [container(reader)],
            },
        },
    }


def container(reader: plan.BodyReader) -> core.ContainerArgsDict:
    return {
        "name": "bbr",
        "image": reader.image,
        "image_pull_policy": "IfNotPresent",
        "args": [
            "--streaming",
            f"--grpc-port={READER_PORT}",
            f"--grpc-health-port={HEALTH_PORT}",
            "--v=1",
        ],
        "env": [
            {
                "name": "NAMESPACE",
                "value_from": {"field_ref": {"field_path": "metadata.namespace"}},
            }
        ],
        "ports": [
            {"name": "grpc", "container_port": READER_PORT},
            {"name": "grpc-health", "container_port": HEALTH_PORT},
        ],
        "lifecycle": DRAIN,
        "readiness_probe": {"tcp_socket": {"port": READER_PORT}, "period_seconds": 2},
        "liveness_probe": {
            "grpc": {"port": HEALTH_PORT},
            "initial_delay_seconds": 5,
            "period_seconds": 10,
            "timeout_seconds": 5,
        },
        "resources": {"requests": dict(reader.requests), "limits": dict(reader.limits)},
        "security_context": RESTRICTED,
    }
