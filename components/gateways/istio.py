"""Istio: a Gateway whose Envoys are told by istiod, which the stack installs or finds there."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import yaml

from components.envoy import asking, type_url
from stack import conditions, proxy_metrics
from stack.charts import Chart
from stack.crd_bundles import ISTIO_1_29
from stack.kinds import (
    READER_PORT,
    Asked,
    Behind,
    ControlPlane,
    Entrance,
    Flag,
    Manifest,
    Offer,
    Provider,
    ServiceType,
    reference,
)
from stack.plan import dns
from stack.platforms import PLATFORMS, Platform

CLASS = "istio"
NAMESPACE = "istio-system"
CHARTS = "https://istio-release.storage.googleapis.com/charts"
POOLS = "ENABLE_GATEWAY_API_INFERENCE_EXTENSION"
"""Without it istiod answers a route to a pool with InvalidKind."""
CONTROL_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
"""Of istiod; the chart's own 500m and 2Gi are for thousands of pods."""


def control_plane(version: str, platform: Platform) -> ControlPlane:
    where: Mapping[str, Any] = (
        {"platform": "openshift"} if platform is PLATFORMS["openshift"] else {}
    )
    chart = partial(Chart, namespace=NAMESPACE, repository=CHARTS, version=version)
    return ControlPlane(
        controller="istio.io/gateway-controller",
        charts=(
            chart(name="istio-base", chart="base"),
            chart(
                name="istiod",
                chart="istiod",
                values={
                    "global": {"hub": "docker.io/istio", "tag": version, **where},
                    "pilot": {
                        "env": {POOLS: "true"},
                        "resources": {"requests": CONTROL_REQUESTS, "limits": {"memory": "2Gi"}},
                    },
                },
                pods=(CONTROL_REQUESTS,),
            ),
        ),
        flag=Flag(namespace=NAMESPACE, deployment="istiod", variable=POOLS, value="true"),
    )


def entrance(asked: Asked, gateway_class: str = CLASS) -> Entrance:
    service = f"{asked.name}-{gateway_class}"
    return Entrance(
        gateway_class=gateway_class,
        service=(asked.namespace, service),
        parameters=Manifest(
            role="parameters",
            api_version="v1",
            kind="ConfigMap",
            name=asked.name,
            body={"data": {key: yaml.safe_dump(one) for key, one in overlays(asked).items()}},
        ),
        beside=(*tokens(asked), *(reads_models(asked) if asked.several else ())),
        ready=(
            conditions.reached_at(
                dns(service, asked.namespace),
                from_outside=asked.service_type is ServiceType.LOAD_BALANCER,
            ),
        ),
        health_port=15021,
        # No limit is what 0s says; Istio sets none of its own.
        timeouts=dict.fromkeys(("request", "backendRequest"), f"{asked.timeout_seconds or 0}s"),
    )


def overlays(asked: Asked) -> dict[str, object]:
    """What is laid over the objects that istiod makes for the Gateway."""
    proxy = {
        "name": "istio-proxy",
        "resources": {"requests": dict(asked.requests), "limits": dict(asked.limits)},
    }
    # Without it the restricted Pod Security Standard refuses them.
    security = {"seccompProfile": {"type": "RuntimeDefault"}}
    pod = {"spec": {"securityContext": security, "containers": [proxy]}}
    return {
        "deployment": {"spec": {"replicas": asked.replicas, "template": pod}},
        "service": {"spec": {"type": str(asked.service_type)}},
    }


def tokens(asked: Asked) -> tuple[Manifest, ...]:
    """Bad tokens are refused by the first; requests without one, by the second."""
    jwt = asked.settings.jwt
    if jwt is None:
        return ()
    rule = {"issuer": jwt.issuer, "audiences": [*jwt.audiences], "jwksUri": jwt.jwks_uri}
    holders = {"from": [{"source": {"requestPrincipals": ["*"]}}]}
    return (
        _policy(asked, "tokens", "RequestAuthentication", {"jwtRules": [rule]}),
        _policy(
            asked,
            "token-holders",
            "AuthorizationPolicy",
            {"action": "ALLOW", "rules": [holders]},
        ),
    )


def _policy(asked: Asked, role: str, kind: str, spec: Mapping[str, Any]) -> Manifest:
    return Manifest(
        role=role,
        api_version="security.istio.io/v1",
        kind=kind,
        name=asked.name,
        body={"spec": {"targetRefs": [reference(asked.name)], **spec}},
    )


def reads_models(asked: Asked) -> tuple[Manifest, ...]:
    """Has each request's body read before a route is chosen."""
    name = "envoy.filters.http.ext_proc"
    filtering = {
        "name": name,
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"),
            **asking(f"outbound|{READER_PORT}||{asked.reader}", answers=False),
        },
    }
    manager = {"name": "envoy.filters.network.http_connection_manager"}
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": manager}}},
        "patch": {"operation": "INSERT_FIRST", "value": filtering},
    }
    return (
        Manifest(
            role="reads-models",
            api_version="networking.istio.io/v1alpha3",
            kind="EnvoyFilter",
            name=asked.name,
            body={"spec": {"targetRefs": [reference(asked.name)], "configPatches": [patch]}},
        ),
        _trusting(asked.reader),
    )


def pool(_asked: Asked, behind: Behind) -> tuple[Manifest, ...]:
    return (_trusting(behind.picker),)


def _trusting(host: str) -> Manifest:
    """How Istio's Envoys ask what makes a certificate of its own at every start."""
    return Manifest(
        role="destination-rule",
        api_version="networking.istio.io/v1",
        kind="DestinationRule",
        name=host.partition(".")[0],
        body={
            "spec": {
                "host": host,
                # How many requests there may be at once, Istio does not limit by itself.
                "trafficPolicy": {"tls": {"mode": "SIMPLE", "insecureSkipVerify": True}},
            }
        },
    )


KIND = Provider(
    crds=frozenset({"gatewayApi", "inferenceExtension"}),
    lacks={
        Offer.API_KEYS: "Istio knows no keys; it takes tokens, by `gateway.jwt`",
        Offer.RATE_LIMIT: "Istio has none but by EnvoyFilter; agentgateway has one",
    },
    control_plane=control_plane,
    entrance=entrance,
    pool=pool,
    asks_reader=True,
    metrics=proxy_metrics.ISTIO,
    definitions=(ISTIO_1_29,),
    suffix=f"-{CLASS}",
    leaves=frozenset({"istio", "istio-ca-crl", "istio-ca-root-cert", "istio-remote"}),
)
