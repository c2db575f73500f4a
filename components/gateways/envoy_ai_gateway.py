"""Envoy AI Gateway: Envoy Gateway, and beside it a controller that teaches it InferencePools."""

from collections.abc import Iterator, Mapping
from typing import Any

from stack.charts import Chart
from stack.crd_bundles import ENVOY_GATEWAY_1_8
from stack.kinds import (
    Asked,
    Behind,
    ControlPlane,
    Entrance,
    Manifest,
    Offer,
    Provider,
    reference,
)
from stack.platforms import Platform

API = "gateway.envoyproxy.io/v1alpha1"
ENVOY_GATEWAY = "v1.8.3"
"""Of the line that AI Gateway 0.7.0 is made for; 1.8.1's own definitions refuse every limit."""
NAMESPACE, AI_NAMESPACE = "envoy-gateway-system", "envoy-ai-gateway-system"
CHARTS = "oci://docker.io/envoyproxy"
BUFFER = "50Mi"
"""Of one request's body, which Envoy Gateway would refuse from 32 KiB on."""
UNITS = {"second": "Second", "minute": "Minute", "hour": "Hour"}
REQUESTS = {"cpu": "100m", "memory": "256Mi"}
"""Of its controllers."""


def control_plane(version: str, _platform: Platform) -> ControlPlane:
    return ControlPlane(
        controller="gateway.envoyproxy.io/gatewayclass-controller",
        charts=(
            Chart(
                name="ai-gateway-crds",
                namespace=AI_NAMESPACE,
                chart=f"{CHARTS}/ai-gateway-crds-helm",
                version=version,
                defines=True,
            ),
            Chart(
                name="ai-gateway",
                namespace=AI_NAMESPACE,
                chart=f"{CHARTS}/ai-gateway-helm",
                version=version,
                pods=(REQUESTS,),
            ),
            Chart(
                name="envoy-gateway",
                namespace=NAMESPACE,
                chart=f"{CHARTS}/gateway-helm",
                version=ENVOY_GATEWAY,
                values={
                    "config": {"envoyGateway": {"extensionManager": extension()}},
                    # They are Gateway API's too, and experimental, with a policy that guards them.
                    "crds": {"enabled": False},
                },
                pods=(REQUESTS,),
            ),
        ),
        definitions={"envoyGateway": ENVOY_GATEWAY_1_8},
    )


def extension() -> dict[str, Any]:
    """Where Envoy Gateway asks what to make of a route to an InferencePool."""
    everything = {kind: {"includeAll": True} for kind in ("listener", "route", "cluster", "secret")}
    pool = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "version": "v1"}
    host = f"ai-gateway-controller.{AI_NAMESPACE}.svc.cluster.local"
    return {
        "backendResources": [pool],
        "hooks": {
            "xdsTranslator": {
                "translation": everything,
                "post": ["Translation", "Cluster", "Route"],
            }
        },
        "service": {"fqdn": {"hostname": host, "port": 1063}},
    }


def entrance(asked: Asked) -> Entrance:
    return Entrance(
        gateway_class="envoy-ai-gateway",
        makes_class=True,
        # It puts proxies beside itself; by a name of its own making unless it is told one.
        service=(NAMESPACE, service(asked)),
        parameters=_manifest(asked, "parameters", "EnvoyProxy", {"provider": how_it_runs(asked)}),
        beside=(*policies(asked),),
        timeouts={"request": f"{asked.timeout_seconds or 0}s"},
    )


def service(asked: Asked) -> str:
    """Of one name in one namespace, whatever the Gateway's own is."""
    return f"{asked.name}-{asked.namespace}"[:63].rstrip("-")


def how_it_runs(asked: Asked) -> dict[str, Any]:
    resources = {"requests": dict(asked.requests), "limits": dict(asked.limits)}
    return {
        "type": "Kubernetes",
        "kubernetes": {
            "envoyDeployment": {
                "replicas": asked.replicas,
                # Without it the restricted Pod Security Standard refuses them.
                "pod": {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}},
                "container": {"resources": resources},
            },
            "envoyService": {"type": str(asked.service_type), "name": service(asked)},
        },
    }


def policies(asked: Asked) -> Iterator[Manifest]:
    said = asked.settings
    yield _on_gateway(
        asked, "buffer", "ClientTrafficPolicy", {"connection": {"bufferLimit": BUFFER}}
    )
    admission: dict[str, Any] = {}
    if said.api_keys:
        secret = {"group": "", "kind": "Secret", "name": said.api_keys}
        admission["apiKeyAuth"] = {
            "credentialRefs": [secret],
            "extractFrom": [{"headers": ["Authorization"]}],
            "sanitize": True,
        }
    if said.jwt:
        issuer = {
            "name": "issuer",
            "issuer": said.jwt.issuer,
            "audiences": [*said.jwt.audiences],
            "remoteJWKS": {"uri": said.jwt.jwks_uri},
        }
        admission["jwt"] = {"providers": [issuer]}
    if admission:
        yield _on_gateway(asked, "admission", "SecurityPolicy", admission)
    if said.rate_limit:
        limit = {"requests": said.rate_limit.requests, "unit": UNITS[said.rate_limit.per]}
        rules = {"type": "Local", "local": {"rules": [{"limit": limit}]}}
        yield _on_gateway(asked, "limits", "BackendTrafficPolicy", {"rateLimit": rules})


def _on_gateway(asked: Asked, role: str, kind: str, spec: Mapping[str, Any]) -> Manifest:
    return _manifest(asked, role, kind, {"targetRefs": [reference(asked.name)], **spec})


def _manifest(asked: Asked, role: str, kind: str, spec: Mapping[str, Any]) -> Manifest:
    return Manifest(role=role, api_version=API, kind=kind, name=asked.name, body={"spec": spec})


def pool(asked: Asked, behind: Behind) -> tuple[Manifest, ...]:
    """Envoy Gateway reads pools, and its chart gives it no right to."""
    name = f"{behind.pool}-{asked.namespace}-envoy-gateway"
    account = {"kind": "ServiceAccount", "name": "envoy-gateway", "namespace": NAMESPACE}
    rule = {
        "apiGroups": ["inference.networking.k8s.io"],
        "resources": ["inferencepools"],
        "verbs": ["get", "list", "watch"],
    }
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    return (
        Manifest(
            role="reads-pools",
            api_version="rbac.authorization.k8s.io/v1",
            kind="ClusterRole",
            name=name,
            is_namespaced=False,
            body={"rules": [rule]},
        ),
        Manifest(
            role="reads-pools-binding",
            api_version="rbac.authorization.k8s.io/v1",
            kind="ClusterRoleBinding",
            name=name,
            is_namespaced=False,
            body={"roleRef": role, "subjects": [account]},
        ),
    )


KIND = Provider(
    crds=frozenset({"gatewayApi", "inferenceExtension"}),
    lacks={
        Offer.SEVERAL: "it tells models apart by AIGatewayRoute, not by HTTPRoute; `istio`, "
        "`agentgateway` and `standalone` do",
    },
    control_plane=control_plane,
    entrance=entrance,
    pool=pool,
    definitions=(ENVOY_GATEWAY_1_8,),
    simulated="its controllers are published as images only",
)
