"""No Gateway: an Envoy of the stack's own asks the endpoint picker where each request goes.

Envoy answers by itself, with a 500, what its question to the endpoint picker fails for, and such an
answer no route tries again. So a request passes two listeners of one Envoy: the outer one keeps it
until an answer begins, and tries again; the inner one asks, and passes it on once.

    client --> inference -- twice --> scheduled -- where the endpoint picker says --> a pod
                         -- then, past the endpoint picker ----------------------> any pod
"""

import yaml

from components.envoy import (
    Piece,
    address,
    balancing,
    cluster,
    endpoints,
    extension,
    http,
    resolved,
    type_url,
)
from stack.kinds import PICKER_PORT, Behind, GatewayKind, Proxy
from stack.releases import Release

PORT = 8081
ADMIN_PORT = 19001
DESTINATION = "x-gateway-destination-endpoint"
"""Header in which the endpoint picker answers with a pod's address."""
ASKED = 2
"""How often a request is sent where the endpoint picker says."""
RETRIES = ASKED + 1
"""Past the endpoint picker it may meet the pod again that failed it; after that, another."""
INNER = "scheduled"


def proxy(release: Release, behind: Behind) -> Proxy:
    return Proxy(
        image=release.envoy,
        args=("--config-path", "/etc/envoy/envoy.yaml", "--log-level", "warning"),
        port=PORT,
        admin_port=ADMIN_PORT,
        ready_path="/ready",
        config_dir="/etc/envoy",
        config={"envoy.yaml": yaml.safe_dump(bootstrap(behind), sort_keys=False)},
        requests={"cpu": "100m", "memory": "128Mi"},
        limits={"memory": "1Gi"},
    )


def bootstrap(behind: Behind) -> Piece:
    """Envoy's configuration."""
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
                    route={"cluster": "answers", "retry_policy": _again(behind)},
                    # Where a request goes is not for its sender to say.
                    without=[DESTINATION],
                ),
                http(
                    INNER,
                    {"internal_listener": {}},
                    filters=[_ask_the_endpoint_picker()],
                    route={"cluster": "pods"},
                ),
            ],
            "clusters": [
                _answers(behind),
                cluster(
                    INNER,
                    load_assignment=endpoints(
                        INNER, {"envoy_internal_address": {"server_listener_name": INNER}}
                    ),
                ),
                _pods(behind),
                _endpoint_picker(behind),
            ],
        },
    }


def _again(behind: Behind) -> Piece:
    """Whatever fails before the first byte of an answer; nothing has reached the client then."""
    policy: Piece = {
        "retry_on": "5xx",
        "num_retries": RETRIES,
        "retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"},
    }
    if not behind.fails_open:
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


def _answers(behind: Behind) -> Piece:
    """The endpoint picker's choice; after it, if that is allowed, any pod."""
    after = ["pods"] if behind.fails_open else []
    return cluster(
        "answers",
        lb_policy="CLUSTER_PROVIDED",
        cluster_type=extension(
            "envoy.clusters.aggregate",
            "envoy.extensions.clusters.aggregate.v3.ClusterConfig",
            clusters=[INNER, *after],
        ),
    )


def _ask_the_endpoint_picker() -> Piece:
    return extension(
        "envoy.filters.http.ext_proc",
        "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
        grpc_service={"envoy_grpc": {"cluster_name": "endpoint-picker"}},
        message_timeout="1000s",
        # Bodies of any length, both ways, piece by piece.
        processing_mode={
            "request_header_mode": "SEND",
            "request_body_mode": "FULL_DUPLEX_STREAMED",
            "request_trailer_mode": "SEND",
            "response_header_mode": "SEND",
            "response_body_mode": "FULL_DUPLEX_STREAMED",
            "response_trailer_mode": "SEND",
        },
    )


def _pods(behind: Behind) -> Piece:
    """The ready pods; which one, the endpoint picker's header says."""
    return cluster(
        "pods",
        connect_timeout="10s",
        cluster_type=resolved(),
        load_assignment=endpoints("pods", address(behind.pods, behind.port)),
        load_balancing_policy=balancing(
            "override_host",
            "OverrideHost",
            override_host_sources=[{"header": DESTINATION}],
            fallback_policy=balancing("least_request", "LeastRequest"),
        ),
    )


def _endpoint_picker(behind: Behind) -> Piece:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return cluster(
        "endpoint-picker",
        connect_timeout="2s",
        cluster_type=resolved(),
        load_assignment=endpoints("endpoint-picker", address(behind.picker, PICKER_PORT)),
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


KIND = GatewayKind(crds=frozenset({"inferenceExtension"}), proxy=proxy)
