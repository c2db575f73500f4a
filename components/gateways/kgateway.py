"""kgateway up to 2.1, which gave up InferencePool afterwards."""

from components.objects import STRICT
from stack.charts import Chart
from stack.kinds import Asked, ControlPlane, Entrance, Flag, Manifest, Offer, Provider, reference
from stack.platforms import Platform

NAMESPACE = "kgateway-system"
CHARTS = "oci://cr.kgateway.dev/kgateway-dev/charts"
REQUESTS = {"cpu": "100m", "memory": "128Mi"}
"""Of its controller."""
LONGEST_SECONDS = 24 * 3600
"""Of an answer, where the stack file does not say: up to 2.1.1 it takes 0s, no limit, for none."""
FILL_SECONDS = {"second": 1, "minute": 60, "hour": 3600}


def control_plane(version: str, _platform: Platform) -> ControlPlane:
    return ControlPlane(
        controller="kgateway.dev/kgateway",
        charts=(
            Chart(
                name="kgateway-crds",
                namespace=NAMESPACE,
                chart=f"{CHARTS}/kgateway-crds",
                version=version,
                defines=True,
            ),
            Chart(
                name="kgateway",
                namespace=NAMESPACE,
                chart=f"{CHARTS}/kgateway",
                version=version,
                values={
                    "inferenceExtension": {"enabled": True},
                    "resources": {"requests": REQUESTS},
                },
                pods=(REQUESTS,),
            ),
        ),
        flag=Flag(
            namespace=NAMESPACE,
            deployment="kgateway",
            variable="KGW_ENABLE_INFER_EXT",
            value="true",
        ),
    )


def entrance(asked: Asked) -> Entrance:
    seconds = asked.timeout_seconds or LONGEST_SECONDS
    return Entrance(
        gateway_class="kgateway",
        service=(asked.namespace, asked.name),
        parameters=Manifest(
            role="parameters",
            api_version="gateway.kgateway.dev/v1alpha1",
            kind="GatewayParameters",
            name=asked.name,
            body={"spec": {"kube": how_it_runs(asked)}},
        ),
        beside=limits(asked),
        timeouts=dict.fromkeys(("request", "backendRequest"), f"{seconds}s"),
    )


def how_it_runs(asked: Asked) -> dict[str, object]:
    return {
        "deployment": {"replicas": asked.replicas},
        "envoyContainer": {
            "securityContext": STRICT,
            "resources": {"requests": dict(asked.requests), "limits": dict(asked.limits)},
        },
        "service": {"type": str(asked.service_type)},
    }


def limits(asked: Asked) -> tuple[Manifest, ...]:
    rate = asked.settings.rate_limit
    if rate is None:
        return ()
    bucket = {
        "maxTokens": rate.requests,
        "tokensPerFill": rate.requests,
        "fillInterval": f"{FILL_SECONDS[rate.per]}s",
    }
    return (
        Manifest(
            role="limits",
            api_version="gateway.kgateway.dev/v1alpha1",
            kind="TrafficPolicy",
            name=asked.name,
            body={
                "spec": {
                    "targetRefs": [reference(asked.name)],
                    "rateLimit": {"local": {"tokenBucket": bucket}},
                }
            },
        ),
    )


KIND = Provider(
    crds=frozenset({"gatewayApi", "inferenceExtension"}),
    lacks={
        Offer.API_KEYS: "kgateway has them since 2.2, which has no InferencePool",
        Offer.JWT: "kgateway has them since 2.2, which has no InferencePool",
        Offer.SEVERAL: "up to 2.1 it chooses a route before it reads a body; `istio`, "
        "`agentgateway` and `standalone` tell models apart",
    },
    control_plane=control_plane,
    entrance=entrance,
    simulated="its controller is published as an image only",
)
