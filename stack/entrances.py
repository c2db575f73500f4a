"""What stands in front of the pools where a Gateway does: from a stack's words to the plan."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from stack import conditions, config, routing, servers
from stack.charts import Chart
from stack.kinds import (
    Asked,
    ClusterKind,
    ControlPlane,
    Entrance,
    GatewayKind,
    Manifest,
    Offer,
    Provider,
    ServiceType,
)
from stack.plan import BodyReader, Gateway, GatewayClass, HttpRoute, Rule, dns
from stack.platforms import PLATFORMS, Platform
from stack.problems import wrong
from stack.releases import Release

REQUESTS = {"cpu": "100m", "memory": "128Mi"}
"""Of one Envoy; at 20 requests/s it takes a tenth of a core."""
LIMITS = {"memory": "1Gi"}
LOCAL_PORT = 8080
READERS = 2
"""No request gets past them: one goes on while the other is away."""
READER_REQUESTS = {"cpu": "50m", "memory": "64Mi"}
READER_LIMITS = {"memory": "256Mi"}
SECONDS = {"s": 1, "m": 60, "h": 3600}
MATCHES = 62
"""Of one rule of an HTTPRoute, which takes 64: there is room for `NAMELESS`."""
NAMELESS = ("/health", "/v1/models")
"""Paths that a person asks without saying which model."""
RULES = 16
"""Of one HTTPRoute, at most."""


def control_plane(
    stack: config.Stack,
    release: Release,
    provider: Provider,
    cluster: ClusterKind[config.Cluster],
) -> ControlPlane:
    return provider.control_plane(_version(stack, release), cluster.platform(stack.cluster))


def _version(stack: config.Stack, release: Release) -> str:
    """Of its control plane; none of one that comes with the cluster."""
    return release.gateways.get(stack.gateway.provider, "")


def asked(
    stack: config.Stack,
    release: Release,
    provider: Provider,
    cluster: ClusterKind[config.Cluster],
) -> Asked:
    said = stack.gateway
    return Asked(
        name=name(stack),
        namespace=stack.names.namespace,
        version=_version(stack, release),
        service_type=ServiceType(said.service or provider.service_type or cluster.service_type),
        replicas=said.replicas,
        requests=amounts(REQUESTS, said.resources.requests),
        limits=amounts(LIMITS, said.resources.limits),
        timeout_seconds=seconds(said.timeout) if said.timeout else None,
        several=len(stack.models) > 1,
        reader=dns(reader(stack), stack.names.namespace),
        assigns_users=cluster.platform(stack.cluster).assigns_users,
        settings=said,
    )


def name(stack: config.Stack) -> str:
    """The guides' name of what requests come in by."""
    return f"infra-{stack.names.postfix}-inference-gateway"


def reader(stack: config.Stack) -> str:
    """Of the body reader's objects."""
    return f"bbr-{stack.names.postfix}"


def seconds(said: str) -> int:
    return int(said[:-1]) * SECONDS[said[-1]]


def amounts(default: Mapping[str, str], said: config.Amounts) -> Mapping[str, str]:
    words = {"cpu": said.cpu, "memory": said.memory}
    return {**default, **{kind: one for kind, one in words.items() if one}}


def gateway(
    stack: config.Stack,
    release: Release,
    ask: Asked,
    provider: Provider,
    *,
    pools: Mapping[str, str],
    platform: Platform,
    is_local: bool,
    user: int | None,
) -> Gateway:
    """`pools` are by model; `is_local`: it takes requests at this machine's own addresses."""
    # The first thousand are for a machine's administrator alone.
    default = LOCAL_PORT if is_local else 443 if ask.settings.tls else 80
    port = ask.settings.port or default
    made, tls, waits = provider.entrance(ask), ask.settings.tls, ask.settings.wait
    plane = provider.control_plane(ask.version, platform)
    waited = ask.service_type is ServiceType.LOAD_BALANCER and not (is_local or platform.balances)
    return Gateway(
        name=ask.name,
        namespace=ask.namespace,
        gateway_class=made.gateway_class,
        port=port,
        makes_class=plane.controller
        if made.makes_class and stack.gateway.control_plane != "adopt"
        else None,
        host=stack.gateway.host,
        tls_secret=tls.secret if tls else None,
        parameters=made.parameters,
        beside=(*_certificate(ask), *made.beside),
        replicas=ask.replicas if made.service else 0,
        requests=ask.requests,
        service=made.service,
        # Programmed alone tells nothing of a listener that lacks its certificate.
        ready=(*_ready(made, is_programmed=not waited),) if waits else (),
        health_port=made.health_port if waits else None,
        routes=(*_routes(stack, pools),),
        route_ready=tuple(
            conditions.of_parent(kind, ask.name, plane.controller)
            for kind in (conditions.ACCEPTED, conditions.RESOLVED, *made.also_says)
            if waits
        ),
        pool_group=release.pool_group,
        pool_port=servers.PORT if made.names_port else None,
        timeouts=made.timeouts,
        reader=BodyReader(
            name=reader(stack),
            namespace=ask.namespace,
            image=release.body_reader,
            replicas=READERS,
            requests=READER_REQUESTS,
            limits=READER_LIMITS,
            user=user,
        )
        if ask.several and provider.asks_reader
        else None,
        route=_public(ask, made.service[1], port) if platform.has_routes and made.service else None,
    )


def _ready(made: Entrance, *, is_programmed: bool) -> Iterator[str]:
    yield conditions.condition(conditions.ACCEPTED)
    if is_programmed:
        yield conditions.condition(conditions.PROGRAMMED)
        yield from made.ready


def pool_ready(ask: Asked, plane: ControlPlane) -> tuple[str, ...]:
    """What a pool's status says once a route leads to it."""
    accepted = conditions.of_parent(conditions.ACCEPTED, ask.name, plane.controller)
    return (accepted,) if ask.settings.wait else ()


def _public(ask: Asked, service: str, port: int) -> Manifest:
    """The way in from outside OpenShift: its router cuts an answer off after 30 s unless told."""
    said = ask.settings
    return Manifest(
        role="public-route",
        api_version="route.openshift.io/v1",
        kind="Route",
        name=ask.name,
        annotations={"haproxy.router.openshift.io/timeout": said.timeout or "24h"},
        body={
            "spec": {
                **({"host": said.host} if said.host else {}),
                "to": {"kind": "Service", "name": service, "weight": 100},
                "port": {"targetPort": port},
                "tls": {
                    "termination": "passthrough" if said.tls else "edge",
                    "insecureEdgeTerminationPolicy": "Redirect",
                },
            }
        },
    )


def _certificate(ask: Asked) -> Iterator[Manifest]:
    tls = ask.settings.tls
    if tls and tls.issuer:
        issuer = {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": tls.issuer}
        hosts = [ask.settings.host]
        yield Manifest(
            role="certificate",
            api_version="cert-manager.io/v1",
            kind="Certificate",
            name=ask.name,
            body={"spec": {"secretName": tls.secret, "dnsNames": hosts, "issuerRef": issuer}},
        )


def _routes(stack: config.Stack, pools: Mapping[str, str]) -> Iterator[HttpRoute]:
    """One for each model, with the names that are its own: nothing of it changes with another's."""
    postfix = f"llm-d-{stack.names.postfix}"
    shares = routing.shares(stack)
    for model in stack.models:
        yield HttpRoute(
            id=model.id,
            name=f"{postfix}-{model.id}" if model.id else postfix,
            rules=(*_rules(routing.names(model), shares, pools, is_first=model is stack.models[0]),)
            if len(stack.models) > 1
            else (Rule(models=(), pools={pools[model.name]: 1}),),
        )


def _rules(
    names: Sequence[str],
    shares: Mapping[str, Mapping[str, int]],
    pools: Mapping[str, str],
    *,
    is_first: bool,
) -> Iterator[Rule]:
    """Names that are answered alike stand in one rule."""
    alike: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for one in names:
        alike.setdefault((*shares[one].items(),), []).append(one)
    for owners, models in alike.items():
        for start in range(0, len(models), MATCHES):
            yield Rule(
                models=(*models[start : start + MATCHES],),
                paths=NAMELESS if is_first and names[0] in models[start : start + MATCHES] else (),
                pools={pools[owner]: share for owner, share in owners},
            )


def charts(
    said: config.Gateway, plane: ControlPlane, cluster: ClusterKind[config.Cluster]
) -> Iterator[Chart]:
    """Of the control plane, where the stack installs it; left out, it does."""
    if said.control_plane in {None, True}:
        for chart in plane.charts:
            folder = said.charts or cluster.charts
            yield replace(chart, path=f"{folder}/{chart.name}.tgz" if folder else None)


def adopted(
    said: config.Gateway, plane: ControlPlane, gateway: Gateway
) -> tuple[GatewayClass, ...]:
    """What is checked of a control plane that is somebody else's."""
    if said.control_plane != "adopt":
        return ()
    return (GatewayClass(name=gateway.gateway_class, controller=plane.controller, flag=plane.flag),)


def of_release(stack: config.Stack, release: Release, gateway: GatewayKind) -> Iterator[str]:
    """A provider that the release has no version of."""
    said = stack.gateway.provider
    if isinstance(gateway, Provider) and not gateway.platform and said not in release.gateways:
        yield wrong(
            "gateway.provider",
            said,
            f"one of standalone, {', '.join(sorted(release.gateways))}, or one that comes with the "
            f"cluster: release `{stack.release}` has no version of it",
        )


def problems(
    stack: config.Stack,
    release: Release,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
) -> Iterator[str]:
    """What is asked of a gateway that it is not, or not on this cluster."""
    said, provider = stack.gateway, f"`{stack.gateway.provider}`"
    asked: dict[Offer, object] = {
        Offer.CONTROL_PLANE: said.control_plane,
        Offer.HOST: said.host,
        Offer.TLS: said.tls and "given",
        Offer.API_KEYS: said.api_keys,
        Offer.JWT: said.jwt and "given",
        Offer.RATE_LIMIT: said.rate_limit and "given",
        Offer.TIMEOUT: said.timeout,
        Offer.PORT: said.port,
        Offer.SEVERAL: f"{len(stack.models)} of them" if len(stack.models) > 1 else None,
    }
    for offer, value in asked.items():
        if value is not None and (why := gateway.lacks.get(offer)):
            wanted = "one" if offer is Offer.SEVERAL else "left out"
            yield wrong(offer, value, f"{wanted} with gateway {provider}: {why}")
    if said.tls and said.tls.issuer and not said.host:
        yield wrong("gateway.tls.issuer", said.tls.issuer, "`gateway.host` beside it: for whom?")
    if isinstance(gateway, Provider):
        yield from _of_provider(stack, release, gateway, cluster)


def _of_provider(
    stack: config.Stack,
    release: Release,
    provider: Provider,
    cluster: ClusterKind[config.Cluster],
) -> Iterator[str]:
    said = stack.gateway
    platform = cluster.platform(stack.cluster)
    if provider.platform and platform is not PLATFORMS[provider.platform]:
        yield wrong(
            "gateway.provider",
            said.provider,
            f"one that can be installed: this one comes with {provider.platform}; if the cluster "
            f"is one, say `cluster.platform: {provider.platform}`",
        )
    if said.control_plane in {None, True} and cluster.is_local and provider.simulated:
        yield wrong(
            "gateway.provider",
            said.provider,
            f"one that runs on a cluster of this machine: {provider.simulated}; `make rehearse` "
            "tries it without, and `gateway.controlPlane: false` deploys it so",
        )
    if said.service and ServiceType(said.service) not in provider.service_types:
        yield wrong(
            "gateway.service",
            said.service,
            f"one of {', '.join(sorted(provider.service_types))} with gateway `{said.provider}`",
        )
    # One model takes whatever is asked for; and names that are wrong are told already.
    if len(stack.models) > 1 and not [*routing.problems(stack, release)]:
        yield from _too_many_rules(stack)


def _too_many_rules(stack: config.Stack) -> Iterator[str]:
    shares = routing.shares(stack)
    owners = {one.name: one.name for one in stack.models}
    for index, model in enumerate(stack.models):
        rules = [*_rules(routing.names(model), shares, owners, is_first=index == 0)]
        if len(rules) > RULES:
            yield wrong(
                f"models[{index}].aliases",
                f"{len(model.aliases)} of them",
                f"fewer: with the model's own names they take {len(rules)} rules, and a route has "
                f"at most {RULES}",
            )
