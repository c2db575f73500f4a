"""The pinned definitions of the gateway providers, and what tells that an object does not fit.

kgateway's, agentgateway's and Envoy AI Gateway's are not here: no registry of packages has them.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from definitions import had, names, unfit

from stack.crd_bundles import (
    CERT_MANAGER,
    ENVOY_GATEWAY_1_8,
    GATEWAY_API_1_4,
    GKE_GATEWAY,
    ISTIO_1_28,
    ISTIO_1_29,
    OPENSHIFT_ROUTE,
    CrdBundle,
)

BUNDLES = [
    CERT_MANAGER,
    ENVOY_GATEWAY_1_8,
    GKE_GATEWAY,
    ISTIO_1_28,
    ISTIO_1_29,
    OPENSHIFT_ROUTE,
]
NOTHING: Mapping[str, object] = {}
POOL = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool"}


def policy(**default: object) -> dict[str, Any]:
    return {
        "apiVersion": "networking.gke.io/v1",
        "kind": "GCPBackendPolicy",
        "metadata": {"name": "pool"},
        "spec": {"targetRef": POOL, "default": default},
    }


def limit(size: object) -> dict[str, Any]:
    gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gateway"}
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "ClientTrafficPolicy",
        "metadata": {"name": "gateway"},
        "spec": {"targetRefs": [gateway], "connection": {"bufferLimit": size}},
    }


def rule(traffic: Mapping[str, object]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "pool-epp"},
        "spec": {"host": "pool-epp.llm-d.svc.cluster.local", "trafficPolicy": traffic},
    }


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda one: f"{one.module} {one.version}")
def test_a_bundle_holds_the_definitions_that_it_names(bundle: CrdBundle) -> None:
    named = [name for file in bundle.files for name in file.definitions]

    assert names(had(bundle)) == named


def test_an_object_that_fits_is_told_nothing() -> None:
    assert [*unfit(policy(timeoutSec=300, logging={"enabled": True}), GKE_GATEWAY)] == []


@pytest.mark.parametrize("bundle", [ISTIO_1_28, ISTIO_1_29], ids=lambda one: one.version)
def test_kinds_whose_definitions_leave_out_what_every_object_has_fit(bundle: CrdBundle) -> None:
    made = rule({"tls": {"mode": "SIMPLE", "insecureSkipVerify": True}})

    assert [*unfit(made, GATEWAY_API_1_4, bundle)] == []


@pytest.mark.parametrize("size", ["50Mi", 52428800])
def test_a_quantity_is_a_number_or_a_text(size: object) -> None:
    assert [*unfit(limit(size), ENVOY_GATEWAY_1_8)] == []


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (policy(timeoutSec="300"), "$.spec.default.timeoutSec: '300' is not of type 'integer'"),
        (policy(timeoutSec=0), "$.spec.default.timeoutSec: 0 is less than the minimum of 1"),
        (policy(timeout=300), "$.spec.default: Additional properties are not allowed"),
        (limit(True), "$.spec.connection.bufferLimit: True is not of type"),  # noqa: FBT003 - a value
        (rule({"tls": {"mode": "TLS"}}), "$.spec.trafficPolicy.tls.mode: 'TLS' is not one of"),
        ({**policy(), "spec": NOTHING}, "$.spec: 'targetRef' is a required property"),
        ({**policy(), "spec": "none"}, "$.spec: 'none' is not of type 'object'"),
        ({**policy(), "kind": "Policy"}, "networking.gke.io/v1 Policy: no definition of it"),
    ],
)
def test_an_object_that_does_not_fit_is_told_where(made: Mapping[str, Any], told: str) -> None:
    assert any(told in one for one in unfit(made, ENVOY_GATEWAY_1_8, GKE_GATEWAY, ISTIO_1_28))


def route(**more: str) -> dict[str, Any]:
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": "gateway"},
        "spec": {"to": {"kind": "Service", "name": "gateway"}, **more},
    }


def test_an_object_is_looked_at_as_the_api_server_fills_it_in() -> None:
    """A Route without a host is taken for the wildcard policy that is filled in."""
    assert [*unfit(route(), OPENSHIFT_ROUTE)] == []
    assert [*unfit(route(wildcardPolicy="Subdomain"), OPENSHIFT_ROUTE)]
