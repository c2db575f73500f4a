from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pulumi_kubernetes.apps.v1 as apps
import pulumi_kubernetes.core.v1 as core
import pulumi_kubernetes.meta.v1 as meta
import pulumi_kubernetes.rbac.v1 as rbac

from components import rights
from components.image_build import Images, running
from components.objects import made, waiting_for
from components.pods import (
    DRAIN,
    DRAIN_SECONDS,
    END_SECONDS,
    ONE_MORE_FIRST,
    RESTRICTED,
    digest,
    ports,
    restricted,
    spread,
    token,
)
from stack import plan
from stack.kinds import PICKER_PORT

HEALTH_PORT = 9003
METRICS_PORT = 9090
POD_METRICS, SERVICE_METRICS = "metrics", "http-metrics"
"""What pods and their Service call that port."""
OBJECTIVES_VERSION = "v1alpha2"
HEALTH = "inference-extension"
"""Of the only picker; where there are several, each says whether it lives and whether it picks."""
TOKENIZERS = "/tmp"  # noqa: S108 - in a pod
CONFIG_DIR = "/config"
CONFIG_FILE = "default-plugins.yaml"


class InferencePool(pulumi.ComponentResource):
    """A pool over one model's pods, and the endpoint picker that chooses among them."""

    picker: core.Service
    """Before which nothing is routed to the pool."""

    def __init__(
        self,
        name: str,
        *,
        pool: plan.Pool,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("llm-d:components:InferencePool", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        metadata = metadata_of(pool)

        account = core.ServiceAccount(f"{name}-account", metadata=metadata, opts=child)
        itself = rights.account(pool.picker, pool.namespace)
        binding = rights.granted(
            f"{name}-role",
            pool.picker,
            metadata=metadata,
            rules=rules(pool),
            to=itself,
            opts=child,
            after=[account],
        )
        cluster_role = rbac.ClusterRole(
            f"{name}-cluster-role",
            metadata={"name": pool.cluster_role, "labels": labels(pool)},
            rules=metrics_rules(),
            opts=child,
        )
        cluster_binding = rbac.ClusterRoleBinding(
            f"{name}-cluster-role-binding",
            metadata={"name": pool.cluster_role, "labels": labels(pool)},
            role_ref=rights.reference("ClusterRole", pool.cluster_role),
            subjects=[itself],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[cluster_role, account]),
        )
        configs = core.ConfigMap(f"{name}-config", metadata=metadata, data=config(pool), opts=child)
        # The picker is not ready before its pool is there, so the pool comes first, but where it is
        # waited for: a Gateway takes it once a route leads to it, and that comes last.
        inference_pool = k8s.apiextensions.CustomResource(
            f"{name}-pool",
            api_version=f"{pool.group}/v1",
            kind="InferencePool",
            metadata={**metadata, "name": pool.name, **waiting_for(pool.ready)},
            spec=spec(pool),
            opts=child,
        )
        first = () if pool.ready else (inference_pool,)
        for objective in pool.objectives:
            k8s.apiextensions.CustomResource(
                f"{name}-objective-{objective.name}",
                api_version=f"{pool.objectives_group}/{OBJECTIVES_VERSION}",
                kind="InferenceObjective",
                metadata={**metadata, "name": objective.name},
                spec={"priority": objective.priority, "poolRef": pool_reference(pool)},
                opts=child,
            )
        if pool.rewrites:
            k8s.apiextensions.CustomResource(
                f"{name}-rewrites",
                api_version=f"{pool.objectives_group}/{OBJECTIVES_VERSION}",
                kind="InferenceModelRewrite",
                metadata={**metadata, "name": pool.name},
                spec={"poolRef": pool_reference(pool), "rules": rewrite_rules(pool)},
                opts=child,
            )
        for manifest in pool.beside:
            made(name, manifest, pool.namespace, labels(pool), child)
        deployment = apps.Deployment(
            f"{name}-endpoint-picker",
            metadata={**metadata, **ready_when(pool)},
            spec=running(picker(pool), images),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[account, binding, cluster_binding, configs, *first],
            ),
        )
        self.picker = core.Service(
            f"{name}-service",
            metadata=metadata,
            spec={
                "type": pool.service_type,
                "selector": selector(pool),
                "ports": ports({"grpc-ext-proc": PICKER_PORT, SERVICE_METRICS: METRICS_PORT}),
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        self.register_outputs({})


def metadata_of(pool: plan.Pool) -> meta.ObjectMetaArgsDict:
    return {"name": pool.picker, "namespace": pool.namespace, "labels": labels(pool)}


def labels(pool: plan.Pool) -> dict[str, str]:
    return {"app.kubernetes.io/name": pool.picker}


def selector(pool: plan.Pool) -> dict[str, str]:
    """The label that the guides find the endpoint picker's pods by."""
    return {"inferencepool": pool.picker}


def rules(pool: plan.Pool) -> list[rbac.PolicyRuleArgsDict]:
    """What the endpoint picker watches, in its own namespace, and nothing more."""
    watch = ["get", "list", "watch"]
    election: list[rbac.PolicyRuleArgsDict] = [
        {
            "api_groups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "create", "update"],
        },
        {"api_groups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
    return [
        {"api_groups": [pool.group], "resources": ["inferencepools"], "verbs": watch},
        *(
            rbac.PolicyRuleArgsDict(api_groups=[group], resources=[*resources], verbs=watch)
            for group, resources in pool.watches.items()
        ),
        {"api_groups": [""], "resources": ["pods"], "verbs": watch},
        *(election if pool.replicas > 1 else ()),
    ]


def metrics_rules() -> list[rbac.PolicyRuleArgsDict]:
    """Metrics are served to those whom the API server knows and lets read /metrics.

    Without the first two rules every scrape fails, whoever asks; the third lets the picker's own
    account be the one that asks.
    """
    return [
        {
            "api_groups": ["authentication.k8s.io"],
            "resources": ["tokenreviews"],
            "verbs": ["create"],
        },
        {
            "api_groups": ["authorization.k8s.io"],
            "resources": ["subjectaccessreviews"],
            "verbs": ["create"],
        },
        {"non_resource_urls": ["/metrics"], "verbs": ["get"]},
    ]


def config(pool: plan.Pool) -> dict[str, str]:
    return {CONFIG_FILE: pool.picker_config}


def spec(pool: plan.Pool) -> dict[str, Any]:
    return {
        "targetPorts": [{"number": pool.target_port}],
        "selector": {"matchLabels": dict(pool.selects)},
        "endpointPickerRef": {
            "name": pool.picker,
            "port": {"number": PICKER_PORT},
            "failureMode": pool.failure_mode,
        },
    }


def pool_reference(pool: plan.Pool) -> dict[str, str]:
    return {"group": pool.group, "kind": "InferencePool", "name": pool.name}


def rewrite_rules(pool: plan.Pool) -> list[dict[str, Any]]:
    return [
        {
            "matches": [{"model": {"type": "Exact", "value": rewrite.model}}],
            "targets": [
                {"modelRewrite": model, "weight": weight}
                for model, weight in rewrite.targets.items()
            ],
        }
        for rewrite in pool.rewrites
    ]


def ready_when(pool: plan.Pool) -> meta.ObjectMetaArgsDict:
    """Of several pickers one is ready, the one that picks: no more is to be waited for."""
    if pool.replicas == 1:
        return {}
    return {"annotations": {"pulumi.com/waitFor": "jsonpath={.status.readyReplicas}"}}


def picker(pool: plan.Pool) -> apps.DeploymentSpecArgsDict:
    """The endpoint picker's Deployment: one picks, whose view of the caches is its own."""
    spec: core.PodSpecArgsDict = {
        "service_account_name": pool.picker,
        "enable_service_links": False,
        "termination_grace_period_seconds": DRAIN_SECONDS + END_SECONDS,
        "security_context": restricted(pool.user),
        "containers": [picker_container(pool)],
        "volumes": volumes(pool),
    }
    if pool.pull_secrets:
        spec["image_pull_secrets"] = [{"name": name} for name in pool.pull_secrets]
    if pool.replicas > 1:
        spec["topology_spread_constraints"] = [spread(selector(pool))]
    return {
        "replicas": pool.replicas,
        # Of several, a new picker is not ready before the one that picks is gone.
        "strategy": {"type": "Recreate"} if pool.replicas > 1 else ONE_MORE_FIRST,
        "selector": {"match_labels": selector(pool)},
        "template": {
            "metadata": {
                "labels": selector(pool),
                # It does not read its file again: a changed one has to mean a new pod.
                "annotations": {"llm-d.ai/config-sha256": digest(config(pool))},
            },
            "spec": spec,
        },
    }


def volumes(pool: plan.Pool) -> list[core.VolumeArgsDict]:
    tokenizer: list[core.VolumeArgsDict] = [{"name": "tmp", "empty_dir": {}}]
    return [
        {"name": "config", "config_map": {"name": pool.picker}},
        *(tokenizer if pool.reads_tokenizer else ()),
    ]


def picker_container(pool: plan.Pool) -> core.ContainerArgsDict:
    alive, ready = ("liveness", "readiness") if pool.replicas > 1 else (HEALTH, HEALTH)
    return {
        "name": "epp",
        "image": pool.image,
        "image_pull_policy": "IfNotPresent",
        "args": [
            f"--pool-name={pool.name}",
            f"--pool-namespace={pool.namespace}",
            f"--pool-group={pool.group}",
            f"--config-file={CONFIG_DIR}/{CONFIG_FILE}",
            f"--grpc-port={PICKER_PORT}",
            f"--grpc-health-port={HEALTH_PORT}",
            f"--metrics-port={METRICS_PORT}",
            "--zap-encoder=json",
            "--v=1",
            f"--tracing={str(bool(pool.traces)).lower()}",
            *pool.args,
            *(["--ha-enable-leader-election"] if pool.replicas > 1 else []),
        ],
        "env": environment(pool),
        "ports": [
            {"name": "grpc", "container_port": PICKER_PORT},
            {"name": "grpc-health", "container_port": HEALTH_PORT},
            {"name": POD_METRICS, "container_port": METRICS_PORT},
        ],
        "lifecycle": DRAIN,
        # It says that it serves before it has made the certificate that it listens with, which
        # takes seconds: requests until then would be refused.
        "startup_probe": {
            "tcp_socket": {"port": PICKER_PORT},
            "period_seconds": 2,
            "failure_threshold": 60,
        },
        "liveness_probe": {
            "grpc": {"port": HEALTH_PORT, "service": alive},
            "initial_delay_seconds": 5,
            "period_seconds": 10,
            "termination_grace_period_seconds": END_SECONDS,
        },
        "readiness_probe": {"grpc": {"port": HEALTH_PORT, "service": ready}, "period_seconds": 2},
        "resources": {"requests": dict(pool.requests), "limits": dict(pool.limits)},
        "security_context": RESTRICTED,
        "volume_mounts": mounts(pool),
    }


def environment(pool: plan.Pool) -> list[core.EnvVarArgsDict]:
    env: list[core.EnvVarArgsDict] = [
        {"name": name, "value_from": {"field_ref": {"field_path": path}}}
        for name, path in (("NAMESPACE", "metadata.namespace"), ("POD_NAME", "metadata.name"))
    ]
    env.extend({"name": name, "value": value} for name, value in pool.traces.items())
    if pool.reads_tokenizer:
        env.append({"name": "HOME", "value": TOKENIZERS})
        env.extend(token(pool.hf_token_secret))
    return env


def mounts(pool: plan.Pool) -> list[core.VolumeMountArgsDict]:
    tokenizer: list[core.VolumeMountArgsDict] = [{"name": "tmp", "mount_path": TOKENIZERS}]
    return [
        {"name": "config", "mount_path": CONFIG_DIR, "read_only": True},
        *(tokenizer if pool.reads_tokenizer else ()),
    ]
