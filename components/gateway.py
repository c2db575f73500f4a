from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes.core.v1 as core

from components.answers import answering
from components.body_reader import BodyReader
from components.objects import KubernetesObject, made, told_if_there, waiting_for
from components.pods import ports
from stack import plan
from stack.kinds import MODEL_HEADER, reference

API = "gateway.networking.k8s.io/v1"
INSIDE = (".svc", ".svc.cluster.local")
"""How names end that only the cluster itself resolves."""


class Gateway(pulumi.ComponentResource):
    """A Gateway that requests for all models come in by, and its routes to their pools."""

    address: pulumi.Output[str | None]
    url: pulumi.Output[str | None]
    """Where requests are taken; None where only a port-forward leads there."""

    def __init__(
        self,
        name: str,
        *,
        gateway: plan.Gateway,
        pickers: Sequence[pulumi.Resource],
        servers: Sequence[pulumi.CustomResource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Nothing is routed to a pool before its endpoint picker is there, of `pickers`, and no
        answer expected before `servers` are."""
        super().__init__("llm-d:components:Gateway", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = labels_of(gateway)
        # Some providers take what is not there yet for an error that they do not come back to.
        before: list[pulumi.Resource] = []
        if gateway.makes_class:
            before.append(
                KubernetesObject(
                    f"{name}-class",
                    api_version=API,
                    kind="GatewayClass",
                    metadata={"name": gateway.gateway_class, "labels": labels},
                    body={"spec": {"controllerName": gateway.makes_class}},
                    opts=pulumi.ResourceOptions.merge(
                        child,
                        told_if_there(
                            f"{name}-class",
                            "`gateway.controlPlane: adopt` takes it, if it serves pools",
                        ),
                    ),
                )
            )
        if gateway.parameters:
            before.append(made(name, gateway.parameters, gateway.namespace, labels, child))
        if gateway.reader:
            before.append(BodyReader(f"{name}-body-reader", reader=gateway.reader, opts=child))
        after = pulumi.ResourceOptions(parent=self, depends_on=before)
        there = KubernetesObject(
            name,
            api_version=API,
            kind="Gateway",
            metadata={
                "name": gateway.name,
                "namespace": gateway.namespace,
                "labels": labels,
                **waiting_for(gateway.ready),
            },
            body={"spec": spec(gateway)},
            opts=after,
        )
        for manifest in gateway.beside:
            made(name, manifest, gateway.namespace, labels, after)
        if gateway.health_port:
            # A Service is there once one of its pods is ready: so are they.
            core.Service(
                f"{name}-proxies",
                metadata={
                    "name": f"{gateway.name}-proxies",
                    "namespace": gateway.namespace,
                    "labels": labels,
                },
                spec={
                    "selector": proxies(gateway),
                    "ports": ports({"health": gateway.health_port}),
                },
                opts=pulumi.ResourceOptions(parent=self, depends_on=[there]),
            )
        if gateway.route:
            made(name, gateway.route, gateway.namespace, labels, child)
        routes = [
            KubernetesObject(
                f"{name}-route-{route.id}" if route.id else f"{name}-route",
                api_version=API,
                kind="HTTPRoute",
                metadata={
                    "name": route.name,
                    "namespace": gateway.namespace,
                    "labels": labels,
                    **waiting_for(gateway.route_ready),
                },
                body={"spec": route_spec(gateway, route)},
                opts=pulumi.ResourceOptions(parent=self, depends_on=[there, *pickers]),
            )
            for route in gateway.routes
        ]
        self.address = there.status.apply(address)
        self.url = self.address.apply(lambda known: url(known, gateway))
        if gateway.ready:
            all_there = pulumi.Output.all(*(one.id for one in (*routes, *servers)))
            self.url = pulumi.Output.all(self.url, all_there).apply(
                lambda known: answering(known[0], gateway.host)
            )
        self.register_outputs({"address": self.address, "url": self.url})


def proxies(gateway: plan.Gateway) -> dict[str, str]:
    """Labels that its control plane puts on their pods."""
    return {"gateway.networking.k8s.io/gateway-name": gateway.name}


def labels_of(gateway: plan.Gateway) -> dict[str, str]:
    return {"app.kubernetes.io/name": gateway.name}


def spec(gateway: plan.Gateway) -> dict[str, Any]:
    made: dict[str, Any] = {
        "gatewayClassName": gateway.gateway_class,
        "listeners": [listener(gateway)],
    }
    if parameters := gateway.parameters:
        group = parameters.api_version.rpartition("/")[0]
        reference = {"group": group, "kind": parameters.kind, "name": parameters.name}
        made["infrastructure"] = {"parametersRef": reference}
    return made


def listener(gateway: plan.Gateway) -> dict[str, Any]:
    """For routes of the stack's own namespace alone."""
    made: dict[str, Any] = {
        "name": "default",
        "port": gateway.port,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    if gateway.host:
        made["hostname"] = gateway.host
    if gateway.tls_secret:
        certificate = {"group": "", "kind": "Secret", "name": gateway.tls_secret}
        made["protocol"] = "HTTPS"
        made["tls"] = {"mode": "Terminate", "certificateRefs": [certificate]}
    return made


def route_spec(gateway: plan.Gateway, route: plan.HttpRoute) -> dict[str, Any]:
    made: dict[str, Any] = {
        "parentRefs": [reference(gateway.name)],
        "rules": [rule_spec(gateway, rule) for rule in route.rules],
    }
    if gateway.host:
        made["hostnames"] = [gateway.host]
    return made


def rule_spec(gateway: plan.Gateway, rule: plan.Rule) -> dict[str, Any]:
    port = {} if gateway.pool_port is None else {"port": gateway.pool_port}
    made: dict[str, Any] = {
        "matches": matches(rule),
        "backendRefs": [
            {
                "group": gateway.pool_group,
                "kind": "InferencePool",
                "name": pool,
                "weight": weight,
                **port,
            }
            for pool, weight in rule.pools.items()
        ],
    }
    if gateway.timeouts:
        made["timeouts"] = dict(gateway.timeouts)
    return made


def matches(rule: plan.Rule) -> list[dict[str, Any]]:
    every = {"path": {"type": "PathPrefix", "value": "/"}}
    if not rule.models:
        return [every]
    named = [
        {**every, "headers": [{"type": "Exact", "name": MODEL_HEADER, "value": model}]}
        for model in rule.models
    ]
    return [*named, *({"path": {"type": "Exact", "value": path}} for path in rule.paths)]


def address(status: Mapping[str, Any] | None) -> str | None:
    """The first that the Gateway was given."""
    given: Sequence[Mapping[str, str]] = (status or {}).get("addresses") or ()
    return next((one["value"] for one in given), None)


def url(address: str | None, gateway: plan.Gateway) -> str | None:
    """By the stack's own host name where it has one: certificates are for that."""
    if address is None or address.endswith(INSIDE):
        return None
    host = gateway.host if gateway.is_secure and gateway.host else address
    scheme, usual = ("https", 443) if gateway.is_secure else ("http", 80)
    port = "" if gateway.port == usual else f":{gateway.port}"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{port}"
