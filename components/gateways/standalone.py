"""No Gateway: an Envoy of the stack's own asks an endpoint picker where each request goes.

Envoy answers by itself, with a 500, what its question to the endpoint picker fails for, and such an
answer no route tries again. So a request passes two listeners of one Envoy: the outer one keeps it
until an answer begins, and tries again; the inner one asks, and passes it on once.

    client --> inference -- twice --> scheduled -- where the endpoint picker says --> a pod
                         -- then, past the endpoint picker ----------------------> any pod

Where there are several models, the outer one reads which is asked for from the request's body, and
there is an inner one for each: what ails one model's endpoint picker is nothing to the others.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import yaml

from components.envoy import (
    EVERYTHING,
    Piece,
    address,
    answer,
    asking,
    balancing,
    cluster,
    endpoints,
    extension,
    http,
    resolved,
    route,
    type_url,
)
from stack import proxy_metrics
from stack.kinds import PICKER_PORT, Behind, Offer, Proxy, Route, Standalone
from stack.releases import Release

PORT = 8081
ADMIN_PORT = 19001
DESTINATION = "x-gateway-destination-endpoint"
"""Header in which the endpoint picker answers with a pod's address."""
ASKED = 2
"""How often a request is sent where the endpoint picker says."""
RETRIES = ASKED + 1
"""Past the endpoint picker it may meet the pod again that failed it; after that, another."""
ASKED_FOR = ("llm-d", "model")
"""Namespace and key of Envoy's metadata that hold the model's name."""


def proxy(release: Release, behind: Sequence[Behind], routes: Sequence[Route]) -> Proxy:
    return Proxy(
        image=release.envoy,
        args=("--config-path", "/etc/envoy/envoy.yaml", "--log-level", "warning"),
        port=PORT,
        admin_port=ADMIN_PORT,
        ready_path="/ready",
        config_dir="/etc/envoy",
        config={"envoy.yaml": yaml.safe_dump(bootstrap(behind, routes), sort_keys=False)},
    )


def bootstrap(behind: Sequence[Behind], routes: Sequence[Route]) -> Piece:
    """Envoy's configuration. One pool takes whatever is asked for; several, by `routes`."""
    several = len(behind) > 1
    return {
        "admin": {"address": address("0.0.0.0", ADMIN_PORT)},  # noqa: S104 - the probe's way in
        "bootstrap_extensions": [
            extension(
                "envoy.bootstrap.internal_listener",
                "envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
            )
        ],
        "static_resources": {
            "listeners": [
                http(
                    "inference",
                    {"address": address("0.0.0.0", PORT)},  # noqa: S104 - in a pod
                    filters=[_read_the_model()] if several else [],
                    routes=_by_model(behind, routes) if several else [_to(behind[0])],
                    # Where a request goes is not for its sender to say.
                    without=[DESTINATION],
                ),
                *map(_scheduled, behind),
            ],
            "clusters": [part for one in behind for part in _clusters(one)],
        },
    }


def named(role: str, pool: str) -> str:
    """A listener or cluster of one pool's."""
    return f"{role}-{pool}"


def _read_the_model() -> Piece:
    """The whole body is there before it goes on: one beyond the listener's buffer is refused."""
    namespace, key = ASKED_FOR
    return extension(
        "envoy.filters.http.json_to_metadata",
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata",
        request_rules={
            "rules": [
                {
                    "selectors": [{"key": "model"}],
                    "on_present": {"metadata_namespace": namespace, "key": key},
                }
            ],
            # With a charset, too.
            "allow_content_types_regex": {"regex": "application/json.*"},
        },
    )


def _by_model(behind: Sequence[Behind], routes: Sequence[Route]) -> list[Piece]:
    """Each name to its pools; what names no model, or one that is not served, Envoy answers."""
    pools = {one.pool: one for one in behind}
    names = {"object": "list", "data": [{"id": one.model, "object": "model"} for one in routes]}
    unknown = "The model is not served here; GET /v1/models lists those that are."
    return [
        *(_shared_out(one, pools) for one in routes),
        answer({"path": "/v1/models"}, HTTPStatus.OK.value, json.dumps(names)),
        answer(EVERYTHING, HTTPStatus.NOT_FOUND.value, unknown),
    ]


def _shared_out(asked: Route, behind: Mapping[str, Behind]) -> Piece:
    namespace, key = ASKED_FOR
    model = {
        "filter": namespace,
        "path": [{"key": key}],
        "value": {"string_match": {"exact": asked.model}},
    }
    fails_open = all(behind[pool].fails_open for pool in asked.pools)
    shares = [
        {"name": named("answers", pool), "weight": share} for pool, share in asked.pools.items()
    ]
    return route(
        {**EVERYTHING, "dynamic_metadata": [model]},
        weighted_clusters={"clusters": shares},
        retry_policy=_again(fails_open=fails_open),
    )


def _to(behind: Behind) -> Piece:
    return route(
        EVERYTHING,
        cluster=named("answers", behind.pool),
        retry_policy=_again(fails_open=behind.fails_open),
    )


def _again(*, fails_open: bool) -> Piece:
    """Whatever fails before the first byte of an answer; nothing has reached the client then."""
    policy: Piece = {
        "retry_on": "5xx",
        "num_retries": RETRIES,
        "retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"},
    }
    if not fails_open:
        return policy
    return {
        **policy,
        "retry_priority": extension(
            "envoy.retry_priorities.previous_priorities",
            "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=ASKED,
        ),
        "retry_host_predicate": [
            extension(
                "envoy.retry_host_predicates.previous_hosts",
                "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": 10,
    }


def _scheduled(behind: Behind) -> Piece:
    return http(
        named("scheduled", behind.pool),
        {"internal_listener": {}},
        filters=[_ask_the_endpoint_picker(behind)],
        routes=[route(EVERYTHING, cluster=named("pods", behind.pool))],
    )


def _clusters(behind: Behind) -> tuple[Piece, ...]:
    inner = named("scheduled", behind.pool)
    listener = {"envoy_internal_address": {"server_listener_name": inner}}
    return (
        _answers(behind),
        cluster(inner, load_assignment=endpoints(inner, listener)),
        _pods(behind),
        _endpoint_picker(behind),
    )


def _answers(behind: Behind) -> Piece:
    """The endpoint picker's choice; after it, if that is allowed, any pod."""
    after = [named("pods", behind.pool)] if behind.fails_open else []
    return cluster(
        named("answers", behind.pool),
        lb_policy="CLUSTER_PROVIDED",
        cluster_type=extension(
            "envoy.clusters.aggregate",
            "envoy.extensions.clusters.aggregate.v3.ClusterConfig",
            clusters=[named("scheduled", behind.pool), *after],
        ),
    )


def _ask_the_endpoint_picker(behind: Behind) -> Piece:
    return extension(
        "envoy.filters.http.ext_proc",
        "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
        **asking(named("picker", behind.pool), answers=True),
    )


def _pods(behind: Behind) -> Piece:
    """The ready pods; which one, the endpoint picker's header says."""
    name = named("pods", behind.pool)
    return cluster(
        name,
        connect_timeout="10s",
        cluster_type=resolved(),
        load_assignment=endpoints(name, address(behind.pods, behind.port)),
        load_balancing_policy=balancing(
            "override_host",
            "OverrideHost",
            override_host_sources=[{"header": DESTINATION}],
            fallback_policy=balancing("least_request", "LeastRequest"),
        ),
    )


def _endpoint_picker(behind: Behind) -> Piece:
    name = named("picker", behind.pool)
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return cluster(
        name,
        connect_timeout="2s",
        cluster_type=resolved(),
        load_assignment=endpoints(name, address(behind.picker, PICKER_PORT)),
        typed_extension_protocol_options={
            options: {
                "@type": type_url(options),
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        # The endpoint picker signs its own certificate at every start: there is nobody to ask.
        transport_socket=extension(
            "envoy.transport_sockets.tls",
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            common_tls_context={"alpn_protocols": ["h2"]},
        ),
    )


OWN = "these Envoys are the stack's own, for one cluster's users; a Gateway of a provider's has it"

KIND = Standalone(
    crds=frozenset({"inferenceExtension"}),
    metrics=proxy_metrics.STANDALONE,
    lacks={
        Offer.CONTROL_PLANE: "its Envoys need none",
        Offer.HOST: OWN,
        Offer.TLS: OWN,
        Offer.API_KEYS: OWN,
        Offer.JWT: OWN,
        Offer.RATE_LIMIT: OWN,
        Offer.PORT: f"its Envoys listen at {PORT}",
        Offer.TIMEOUT: "an answer takes as long as it takes",
    },
    proxy=proxy,
)
