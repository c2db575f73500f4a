"""GKE's own Gateways: load balancers of Google Cloud's, outside the cluster."""

from collections.abc import Mapping
from typing import Any

from stack.crd_bundles import GKE_GATEWAY
from stack.kinds import (
    READER_PORT,
    Asked,
    Behind,
    ControlPlane,
    Entrance,
    Manifest,
    Offer,
    Provider,
    ServiceType,
    reference,
)
from stack.platforms import Platform

CLASSES = {
    ServiceType.LOAD_BALANCER: "gke-l7-regional-external-managed",
    ServiceType.CLUSTER_IP: "gke-l7-rilb",
}
"""Reached from everywhere, or from the cluster's own network."""
LONGEST_SECONDS = 24 * 3600
"""Of an answer, where the stack file does not say: a backend service has to have some limit, and
cuts off what takes longer than 30 s when it is not told."""
HEALTH_PORT = 9005


def control_plane(_version: str, _platform: Platform) -> ControlPlane:
    return ControlPlane(controller="networking.gke.io/gateway")


def entrance(asked: Asked) -> Entrance:
    return Entrance(
        gateway_class=CLASSES[asked.service_type],
        service=None,
        beside=reads_models(asked) if asked.several else (),
        # It refuses routes that have timeouts, and pools with a port.
        names_port=False,
        also_says=("Reconciled",),
    )


def pool(asked: Asked, behind: Behind) -> tuple[Manifest, ...]:
    there = {
        "group": "inference.networking.k8s.io",
        "kind": "InferencePool",
        "name": behind.pool,
    }
    seconds = asked.timeout_seconds or LONGEST_SECONDS
    health = {"type": "HTTP", "httpHealthCheck": {"requestPath": "/health", "port": behind.port}}
    return (
        _policy("health-check", "HealthCheckPolicy", behind.pool, there, checked(health)),
        _policy(
            "backend",
            "GCPBackendPolicy",
            behind.pool,
            there,
            {"timeoutSec": seconds, "logging": {"enabled": True}},
        ),
    )


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Often enough that a pod which is gone is sent nothing for long."""
    return {"timeoutSec": 2, "checkIntervalSec": 2, "config": config}


def _policy(
    role: str, kind: str, name: str, target: Mapping[str, str], default: Mapping[str, Any]
) -> Manifest:
    return Manifest(
        role=role,
        api_version="networking.gke.io/v1",
        kind=kind,
        name=name,
        body={"spec": {"targetRef": target, "default": default}},
    )


def reads_models(asked: Asked) -> tuple[Manifest, ...]:
    """Has each request's body read before a route is chosen."""
    service = asked.reader.partition(".")[0]
    there = {"group": "", "kind": "Service", "name": service}
    health = {
        "type": "GRPC",
        "grpcHealthCheck": {"portSpecification": "USE_FIXED_PORT", "port": HEALTH_PORT},
    }
    extension = {
        "name": "model",
        "authority": asked.reader,
        "timeout": "1s",
        "supportedEvents": ["RequestHeaders", "RequestBody", "RequestTrailers"],
        "requestBodySendMode": "FullDuplexStreamed",
        "backendRef": {**there, "port": READER_PORT},
    }
    chain = {"name": "reads-models", "extensions": [extension]}
    return (
        Manifest(
            role="reads-models",
            api_version="networking.gke.io/v1",
            kind="GCPRoutingExtension",
            name=asked.name,
            body={"spec": {"targetRefs": [reference(asked.name)], "extensionChains": [chain]}},
        ),
        _policy("reader-health", "HealthCheckPolicy", service, there, checked(health)),
    )


KIND = Provider(
    crds=frozenset({"gatewayApi", "inferenceExtension"}),
    lacks={
        Offer.CONTROL_PLANE: "it comes with the cluster",
        Offer.API_KEYS: "Google Cloud checks keys in Apigee, outside the cluster",
        Offer.JWT: "Google Cloud checks tokens in IAP or Apigee, outside the cluster",
        Offer.RATE_LIMIT: "Google Cloud limits by Cloud Armor, outside the cluster",
    },
    control_plane=control_plane,
    entrance=entrance,
    pool=pool,
    asks_reader=True,
    definitions=(GKE_GATEWAY,),
    platform="gke",
    service_type=ServiceType.LOAD_BALANCER,
    service_types=frozenset(CLASSES),
    simulated="Google Cloud makes its load balancers",
)
