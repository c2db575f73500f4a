"""What the gateway providers are told fits the definitions of their kinds.

kgateway's and agentgateway's own definitions are not to be had here: of their objects only those
of the Gateway API and of InferencePool are looked at.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from definitions import unfit
from recording import TOKEN, Deploy, stack_config

from stack.crd_bundles import (
    CERT_MANAGER,
    ENVOY_GATEWAY_1_8,
    GKE_GATEWAY,
    ISTIO_1_28,
    OPENSHIFT_ROUTE,
    CrdBundle,
)
from stack.releases import releases

NOT_HAD = {"agentgateway.dev", "gateway.kgateway.dev"}
"""API groups whose definitions no registry of packages has."""
OTHERS = {
    "",
    "apiextensions.k8s.io",
    "apps",
    "batch",
    "monitoring.coreos.com",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
}
"""API groups that are no gateway's."""
TLS = {"host": "models.example.com", "tls": {"secret": "models-tls"}}
ISSUED = {"host": "models.example.com", "tls": {"secret": "models-tls", "issuer": "letsencrypt"}}
KEYS = {"apiKeys": "keys"}
LIMIT = {"rateLimit": {"requests": 10, "per": "minute"}}
JWT = {
    "jwt": {
        "issuer": "https://issuer.example.com",
        "jwksUri": "https://issuer.example.com/jwks",
        "audiences": ["models"],
    }
}
CASES: Mapping[str, tuple[str, str, tuple[Mapping[str, Any], ...]]] = {
    "agentgateway": ("x86-cpu", "v0.6", ({}, TLS, KEYS, JWT, LIMIT)),
    "envoy-ai-gateway": ("x86-cpu", "current", ({}, ISSUED, KEYS, JWT, LIMIT)),
    "gke": ("gke-gpu", "v0.5", ({}, TLS)),
    "istio": ("x86-cpu", "v0.5", ({}, ISSUED, JWT)),
    "kgateway": ("x86-cpu", "v0.5", ({}, TLS, LIMIT)),
    "openshift": ("openshift", "v0.5", ({}, JWT)),
}
"""Provider -> a stack file that it fits, a release that has it, and what may be asked of it."""


def bundles(release: str) -> tuple[CrdBundle, ...]:
    own = (CERT_MANAGER, ENVOY_GATEWAY_1_8, GKE_GATEWAY, ISTIO_1_28, OPENSHIFT_ROUTE)
    return (*releases()[release].crds.values(), *own)


@pytest.mark.parametrize(
    ("provider", "asked"),
    [(name, asked) for name, (_, _, cases) in CASES.items() for asked in cases],
    ids=lambda one: one if isinstance(one, str) else " ".join(one) or "plain",
)
def test_what_a_provider_is_told_fits_the_definitions_that_are_to_be_had(
    provider: str, asked: Mapping[str, Any], deploy: Deploy
) -> None:
    stack, release, _ = CASES[provider]
    config = stack_config(stack) | {
        "llm-d:release": release,
        "llm-d:gateway": {"provider": provider, **asked},
    }
    made = [one.inputs for one in deploy(stack, config=config, secrets=TOKEN) if one.is_object]

    told = [one for one in made if group(one) not in OTHERS | NOT_HAD]

    assert {"Gateway", "HTTPRoute", "InferencePool"} <= {one["kind"] for one in told}
    assert [fault for one in told for fault in unfit(one, *bundles(release))] == []


def group(made: Mapping[str, Any]) -> str:
    return made.get("apiVersion", "").rpartition("/")[0]
