"""Istio from its own charts on a control plane of this machine, and objects for it to serve."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import tools
from embedded.cluster import Cluster
from tools.catalog import ISTIO_BASE_CHART, ISTIOD_CHART

SYSTEM = "istio-system"
CHARTS = {"istio-base": ISTIO_BASE_CHART, "istiod": ISTIOD_CHART}
EXTENSION = "ENABLE_GATEWAY_API_INFERENCE_EXTENSION"
VALUES: dict[str, Any] = {
    "global": {"hub": "docker.io/istio", "tag": "1.28.1"},
    "meshConfig": {"defaultConfig": {"proxyMetadata": {EXTENSION: "true"}}},
    "pilot": {
        "env": {EXTENSION: "true"},
        # The chart's own are for a mesh: two GiB, which a small machine may not have free.
        "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}},
        "autoscaleEnabled": False,
    },
}

NAMESPACE = "llm-d-inference-scheduling"
GATEWAY = "infra-inference-scheduling-inference-gateway"
SERVICE = f"{GATEWAY}-istio"
ROUTE = "llm-d-inference-scheduling"
POOL = "gaie-inference-scheduling"
PICKER = f"{POOL}-epp"
MODEL = "Qwen/Qwen3-0.6B"
GROUP = "inference.networking.k8s.io"

PLUGINS = """\
apiVersion: inference.networking.x-k8s.io/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: queue-scorer
"""
PROXY = """\
spec:
  template:
    spec:
      containers:
        - name: istio-proxy
          resources:
            requests: {cpu: 50m, memory: 128Mi}
"""


def helm(cluster: Cluster, *words: str, values: Mapping[str, Any] | None = None) -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        [
            *(tools.resolve("helm"), *words),
            *(f"--kubeconfig={cluster.kubeconfig}", f"--namespace={SYSTEM}"),
            *(("--values=-",) if values else ()),
        ],
        input=json.dumps(values) if values else "",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def install(cluster: Cluster) -> None:
    """As a user does, waiting until it is ready."""
    for name, chart in CHARTS.items():
        helm(
            cluster,
            *("install", name, str(tools.resolve(chart))),
            *("--create-namespace", "--wait", "--timeout=2m"),
            values=VALUES,
        )


def uninstall(cluster: Cluster) -> None:
    for name in reversed(CHARTS):
        helm(cluster, "uninstall", name, "--wait", "--timeout=2m")


def service(kind: str) -> dict[str, str]:
    """What a Gateway's ConfigMap says of its Service and its proxy."""
    return {"service": f"spec: {{type: {kind}}}", "deployment": PROXY}


def gateway(
    name: str = GATEWAY, kind: str = "ClusterIP", ports: Sequence[int] = (80,)
) -> list[dict[str, Any]]:
    parameters = {"group": "", "kind": "ConfigMap", "name": name}
    everyone = {"namespaces": {"from": "All"}}
    listeners = [
        {"name": f"http-{port}", "port": port, "protocol": "HTTP", "allowedRoutes": everyone}
        for port in ports
    ]
    return [
        _object("v1", "ConfigMap", name, data=service(kind)),
        _object(
            "gateway.networking.k8s.io/v1",
            "Gateway",
            name,
            spec={
                "gatewayClassName": "istio",
                "infrastructure": {"parametersRef": parameters},
                "listeners": listeners,
            },
        ),
    ]


def route(name: str = ROUTE, *, to: str = POOL) -> dict[str, Any]:
    backend = {"group": GROUP, "kind": "InferencePool", "name": to, "port": 8000}
    return _object(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        name,
        spec={
            "parentRefs": [{"name": GATEWAY}],
            "rules": [
                {"backendRefs": [backend], "timeouts": {"request": "0s", "backendRequest": "0s"}}
            ],
        },
    )


def destination_rule(name: str = PICKER, **policy: Any) -> dict[str, Any]:
    return _object(
        "networking.istio.io/v1",
        "DestinationRule",
        name,
        spec={
            "host": f"{name}.{NAMESPACE}.svc.cluster.local",
            "trafficPolicy": {"tls": {"mode": "SIMPLE", "insecureSkipVerify": True}, **policy},
        },
    )


def pool() -> list[dict[str, Any]]:
    """A pool of two servers, and who picks among them."""
    watch = ["get", "list", "watch"]
    groups = [GROUP, "inference.networking.x-k8s.io"]
    return [
        _object("v1", "ServiceAccount", PICKER),
        _object(
            "rbac.authorization.k8s.io/v1",
            "Role",
            PICKER,
            rules=[
                {"apiGroups": groups, "resources": ["*"], "verbs": watch},
                {"apiGroups": [""], "resources": ["pods"], "verbs": watch},
            ],
        ),
        _object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            PICKER,
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": PICKER},
            subjects=[{"kind": "ServiceAccount", "name": PICKER, "namespace": NAMESPACE}],
        ),
        _object("v1", "ConfigMap", PICKER, data={"config.yaml": PLUGINS}),
        _object(
            f"{GROUP}/v1",
            "InferencePool",
            POOL,
            spec={
                "targetPorts": [{"number": 8000}],
                "selector": {"matchLabels": {"app": "model"}},
                "endpointPickerRef": {"name": PICKER, "port": {"number": 9002}},
            },
        ),
        _deployment(PICKER, _picker(), serviceAccountName=PICKER, volumes=[_config()]),
        _object(
            "v1",
            "Service",
            PICKER,
            spec={"selector": {"app": PICKER}, "ports": [{"name": "grpc", "port": 9002}]},
        ),
        destination_rule(),
        _deployment("model", _server(), replicas=2),
    ]


def _picker() -> dict[str, Any]:
    return {
        "image": "ghcr.io/llm-d/llm-d-inference-scheduler:v0.5.1",
        "args": [
            f"--pool-name={POOL}",
            f"--pool-namespace={NAMESPACE}",
            f"--pool-group={GROUP}",
            "--config-file=/config/config.yaml",
            "--tracing=false",
        ],
        "env": [{"name": "NAMESPACE", "value": NAMESPACE}],
        "startupProbe": {"tcpSocket": {"port": 9002}, "periodSeconds": 1, "failureThreshold": 60},
        "readinessProbe": {"grpc": {"port": 9003, "service": "inference-extension"}},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }


def _config() -> dict[str, Any]:
    return {"name": "config", "configMap": {"name": PICKER}}


def _server() -> dict[str, Any]:
    return {
        "image": "ghcr.io/llm-d/llm-d-inference-sim:v0.7.1",
        "args": [f"--model={MODEL}", "--port=8000"],
        "readinessProbe": {"httpGet": {"path": "/v1/models", "port": 8000}, "periodSeconds": 1},
    }


def _deployment(
    name: str, container: dict[str, Any], replicas: int = 1, **spec: Any
) -> dict[str, Any]:
    labels = {"app": name}
    return _object(
        "apps/v1",
        "Deployment",
        name,
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", **container}], **spec},
            },
        },
    )


def _object(api: str, kind: str, name: str, **said: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **said}
