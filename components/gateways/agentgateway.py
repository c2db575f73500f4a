"""agentgateway: a proxy made for models and agents, with a controller of its own."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from components.objects import STRICT
from stack.charts import Chart
from stack.config import Jwt
from stack.kinds import (
    MODEL_HEADER,
    Asked,
    ControlPlane,
    Entrance,
    Flag,
    Manifest,
    Provider,
    reference,
)
from stack.platforms import Platform

API = "agentgateway.dev/v1alpha1"
NAMESPACE = "agentgateway-system"
CHARTS = {
    "v2": "oci://ghcr.io/kgateway-dev/charts",
    "v1": "oci://cr.agentgateway.dev/charts",
}
"""By major version: it was kgateway's, and numbered so, before it was a project of its own."""
FLAGS = {"v2": "KGW_ENABLE_INFER_EXT", "v1": "AGW_ENABLE_INFER_EXT"}
REQUESTS = {"cpu": "100m", "memory": "128Mi"}
"""Of its controller."""
UNITS = {"second": "Seconds", "minute": "Minutes", "hour": "Hours"}


def control_plane(version: str, _platform: Platform) -> ControlPlane:
    major = version.partition(".")[0]
    return ControlPlane(
        controller="agentgateway.dev/agentgateway",
        charts=(
            Chart(
                name="agentgateway-crds",
                namespace=NAMESPACE,
                chart=f"{CHARTS[major]}/agentgateway-crds",
                version=version,
                defines=True,
            ),
            Chart(
                name="agentgateway",
                namespace=NAMESPACE,
                chart=f"{CHARTS[major]}/agentgateway",
                version=version,
                values={
                    "inferenceExtension": {"enabled": True},
                    "resources": {"requests": REQUESTS},
                },
                pods=(REQUESTS,),
            ),
        ),
        flag=Flag(
            namespace=NAMESPACE, deployment="agentgateway", variable=FLAGS[major], value="true"
        ),
    )


def entrance(asked: Asked) -> Entrance:
    return Entrance(
        # Official charts of 2026-01 say agentgateway-v2, a class that nothing makes.
        gateway_class="agentgateway",
        service=(asked.namespace, asked.name),
        parameters=Manifest(
            role="parameters",
            api_version=API,
            kind="AgentgatewayParameters",
            name=asked.name,
            body={"spec": how_it_runs(asked)},
        ),
        beside=(*policies(asked),),
        timeouts=dict.fromkeys(("request", "backendRequest"), f"{asked.timeout_seconds or 0}s"),
    )


def how_it_runs(asked: Asked) -> dict[str, Any]:
    # Without it the restricted Pod Security Standard refuses them.
    pod = {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
    template = {"spec": {**pod, **(as_assigned() if asked.assigns_users else {})}}
    return {
        "resources": {"requests": dict(asked.requests), "limits": dict(asked.limits)},
        "deployment": {"spec": {"replicas": asked.replicas, "template": template}},
        "service": {"spec": {"type": str(asked.service_type)}},
    }


def as_assigned() -> dict[str, Any]:
    """Without the user that it would run as, which the cluster refuses."""
    rights = {"$patch": "replace", **STRICT}
    return {"containers": [{"name": "agentgateway", "securityContext": rights}]}


def policies(asked: Asked) -> Iterator[Manifest]:
    said = asked.settings
    admission: dict[str, Any] = {}
    if said.api_keys:
        admission["apiKeyAuthentication"] = {
            "mode": "Strict",
            "secretRef": {"name": said.api_keys},
        }
    if said.jwt:
        admission["jwtAuthentication"] = {
            "mode": "Strict",
            "providers": [issuer(said.jwt, asked.name)],
        }
        yield keys(said.jwt, asked.name)
    if said.rate_limit:
        limit = {"requests": said.rate_limit.requests, "unit": UNITS[said.rate_limit.per]}
        admission["rateLimit"] = {"local": [limit]}
    if admission:
        yield _policy(asked, "admission", asked.name, admission)
    if asked.several:
        model = {"name": MODEL_HEADER, "value": "json(request.body).model"}
        yield _policy(
            asked,
            "reads-models",
            f"{asked.name}-models",
            # Before a route is chosen.
            {"phase": "PreRouting", "transformation": {"request": {"set": [model]}}},
        )


def _policy(asked: Asked, role: str, name: str, traffic: Mapping[str, Any]) -> Manifest:
    return Manifest(
        role=role,
        api_version=API,
        kind="AgentgatewayPolicy",
        name=name,
        body={"spec": {"targetRefs": [reference(asked.name)], "traffic": traffic}},
    )


def issuer(jwt: Jwt, name: str) -> dict[str, Any]:
    where = {"group": "agentgateway.dev", "kind": "AgentgatewayBackend", "name": f"{name}-issuer"}
    path = urlsplit(jwt.jwks_uri).path.removeprefix("/")
    return {
        "issuer": jwt.issuer,
        "audiences": [*jwt.audiences],
        "jwks": {"remote": {"jwksPath": path, "cacheDuration": "5m", "backendRef": where}},
    }


def keys(jwt: Jwt, name: str) -> Manifest:
    """Where the issuer's keys are had from."""
    where = urlsplit(jwt.jwks_uri)
    static = {"host": where.hostname, "port": where.port or 443}
    return Manifest(
        role="issuer",
        api_version=API,
        kind="AgentgatewayBackend",
        name=f"{name}-issuer",
        body={"spec": {"static": static, "policies": {"tls": {}}}},
    )


KIND = Provider(
    crds=frozenset({"gatewayApi", "inferenceExtension"}),
    control_plane=control_plane,
    entrance=entrance,
    simulated="its controller is published as an image only",
)
