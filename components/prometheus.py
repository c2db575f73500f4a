from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes.apps.v1 as apps
import pulumi_kubernetes.core.v1 as core
import pulumi_kubernetes.meta.v1 as meta
import pulumi_kubernetes.rbac.v1 as rbac
import yaml

from components import rights
from components.front import balancer
from components.pods import RESTRICTED, digest, ports, restricted
from stack import plan
from telemetry import scraping

PORT = 9091
"""On this machine all Services share an address, and 9090 is an endpoint picker's."""
CONFIG_DIR, DATA_DIR = "/etc/prometheus", "/prometheus"
CONFIG_FILE, RULES_FILE = "prometheus.yml", "rules.yml"


class Prometheus(pulumi.ComponentResource):
    """One pod that scrapes what monitors select, where no operator would start any."""

    url: pulumi.Output[str | None]

    def __init__(
        self,
        name: str,
        *,
        monitoring: plan.Monitoring,
        prometheus: plan.OwnPrometheus,
        monitors: Sequence[Mapping[str, Any]],
        rules: Mapping[str, Any] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("llm-d:components:Prometheus", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        metadata: meta.ObjectMetaArgsDict = {
            "name": prometheus.name,
            "namespace": monitoring.namespace,
            "labels": labels(prometheus),
        }
        account = core.ServiceAccount(f"{name}-account", metadata=metadata, opts=child)
        binding = rights.granted(
            f"{name}-role",
            prometheus.name,
            metadata=metadata,
            rules=discovery(),
            to=rights.account(prometheus.name, monitoring.namespace),
            opts=child,
            after=[account],
        )
        files = config(monitoring, monitors, rules)
        configs = core.ConfigMap(f"{name}-config", metadata=metadata, data=files, opts=child)
        deployment = apps.Deployment(
            f"{name}-deployment",
            metadata=metadata,
            spec=spec(prometheus, monitoring.retention, files, scraping.secrets(monitors)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[binding, configs]),
        )
        service = core.Service(
            f"{name}-service",
            metadata=metadata,
            spec={
                "type": prometheus.service_type,
                "selector": labels(prometheus),
                "ports": ports({"http": PORT}),
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        self.url = service.status.apply(balancer).apply(
            lambda host: f"http://{host}:{PORT}" if host else None
        )
        self.register_outputs({"url": self.url})


def labels(prometheus: plan.OwnPrometheus) -> dict[str, str]:
    return {"app.kubernetes.io/name": prometheus.name}


def discovery() -> list[rbac.PolicyRuleArgsDict]:
    """What it finds its targets by, in the stack's namespace."""
    watch = ["get", "list", "watch"]
    return [
        {"api_groups": [""], "resources": ["pods", "services"], "verbs": watch},
        {"api_groups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": watch},
    ]


def config(
    monitoring: plan.Monitoring,
    monitors: Sequence[Mapping[str, Any]],
    rules: Mapping[str, Any] | None,
) -> dict[str, str]:
    """File name -> content."""
    said = {
        "global": {"evaluation_interval": monitoring.interval},
        "rule_files": [RULES_FILE] if rules else [],
        "scrape_configs": scraping.scrape_configs(monitors),
    }
    files = {CONFIG_FILE: yaml.safe_dump(said, sort_keys=False)}
    if rules:
        files[RULES_FILE] = yaml.safe_dump(rules["spec"], sort_keys=False)
    return files


def spec(
    prometheus: plan.OwnPrometheus,
    retention: str,
    files: Mapping[str, str],
    secrets: Mapping[str, str],
) -> apps.DeploymentSpecArgsDict:
    """`secrets` are those that hold tokens, with the key in each."""
    tokens: list[core.VolumeArgsDict] = [
        {"name": secret, "secret": {"secret_name": secret, "items": [{"key": key, "path": key}]}}
        for secret, key in secrets.items()
    ]
    return {
        "replicas": 1,
        # Two would write into one folder.
        "strategy": {"type": "Recreate"},
        "selector": {"match_labels": labels(prometheus)},
        "template": {
            "metadata": {
                "labels": labels(prometheus),
                # It does not read its files again: changed ones have to mean a new pod.
                "annotations": {"llm-d.ai/config-sha256": digest(files)},
            },
            "spec": {
                "service_account_name": prometheus.name,
                "enable_service_links": False,
                "security_context": restricted(prometheus.user),
                "containers": [container(prometheus, retention, [*secrets])],
                "volumes": [
                    {"name": "config", "config_map": {"name": prometheus.name}},
                    {"name": "data", "empty_dir": {}},
                    *tokens,
                ],
            },
        },
    }


def container(
    prometheus: plan.OwnPrometheus, retention: str, secrets: Sequence[str]
) -> core.ContainerArgsDict:
    return {
        "name": "prometheus",
        "image": prometheus.image,
        "image_pull_policy": "IfNotPresent",
        "args": [
            f"--config.file={CONFIG_DIR}/{CONFIG_FILE}",
            f"--storage.tsdb.path={DATA_DIR}",
            f"--storage.tsdb.retention.time={retention}",
            f"--web.listen-address=0.0.0.0:{PORT}",
        ],
        "ports": [{"name": "http", "container_port": PORT}],
        "readiness_probe": {"http_get": {"path": "/-/ready", "port": "http"}, "period_seconds": 2},
        "liveness_probe": {"http_get": {"path": "/-/healthy", "port": "http"}},
        "resources": {"requests": dict(prometheus.requests), "limits": dict(prometheus.limits)},
        "security_context": RESTRICTED,
        "volume_mounts": [
            {"name": "config", "mount_path": CONFIG_DIR, "read_only": True},
            {"name": "data", "mount_path": DATA_DIR},
            *(
                core.VolumeMountArgsDict(
                    name=secret, mount_path=f"{scraping.TOKENS}/{secret}", read_only=True
                )
                for secret in secrets
            ),
        ],
    }
