"""No Gateway: an Envoy of the stack's own asks the endpoint picker where each request goes."""

from typing import Any

import yaml

from stack.kinds import PICKER_PORT, Behind, GatewayKind, Proxy
from stack.releases import Release

PORT = 8081
ADMIN_PORT = 19001
DESTINATION = "x-gateway-destination-endpoint"
"""Header in which the endpoint picker answers with pods' addresses, the best first."""
ENDPOINTS = 3
"""The pod that was picked, and those that a request goes to when that one fails."""
BODY = 64 * 2**20
"""Bytes of a request that are kept to be sent again. Envoy's own limit of 1 MiB is less than a
long context in JSON; what is longer passes, but is not tried twice."""
UNLIMITED = 40_000
"""Requests in flight. Envoy's own 1,024 refuses bursts, as an empty 500 that looks like a fault
of the endpoint picker: each request holds one stream to it for as long as its answer takes."""


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


def bootstrap(behind: Behind) -> dict[str, Any]:
    """Envoy's configuration: a listener, the endpoint picker, and where it says to go."""
    return {
        "admin": {"address": _address("0.0.0.0", ADMIN_PORT)},  # noqa: S104 - the probe's way in
        "static_resources": {
            "listeners": [
                {
                    "name": "inference",
                    "address": _address("0.0.0.0", PORT),  # noqa: S104 - in a pod
                    "per_connection_buffer_limit_bytes": BODY,
                    "filter_chains": [{"filters": [_connection_manager(behind)]}],
                }
            ],
            "clusters": [_pods(behind), _endpoint_picker(behind)],
        },
    }


def _connection_manager(behind: Behind) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": _type(
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
            ),
            "stat_prefix": "inference",
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "inference",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": _route()}],
                    }
                ]
            },
            "http_filters": [
                _ask_the_endpoint_picker(behind),
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {
                        "@type": _type("envoy.extensions.filters.http.router.v3.Router"),
                        "suppress_envoy_headers": True,
                    },
                },
            ],
        },
    }


def _route() -> dict[str, Any]:
    return {
        "cluster": "pods",
        # An answer takes as long as the model takes.
        "timeout": "0s",
        "idle_timeout": "0s",
        # Nothing has reached the client yet when a pod fails before its first byte.
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset,5xx",
            "num_retries": ENDPOINTS - 1,
            "retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"},
        },
    }


def _ask_the_endpoint_picker(behind: Behind) -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.ext_proc",
        "typed_config": {
            "@type": _type("envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"),
            "grpc_service": {"envoy_grpc": {"cluster_name": "endpoint-picker"}},
            "message_timeout": "1000s",
            "failure_mode_allow": behind.fails_open,
            # Bodies of any length, both ways, piece by piece.
            "processing_mode": {
                "request_header_mode": "SEND",
                "request_body_mode": "FULL_DUPLEX_STREAMED",
                "request_trailer_mode": "SEND",
                "response_header_mode": "SEND",
                "response_body_mode": "FULL_DUPLEX_STREAMED",
                "response_trailer_mode": "SEND",
            },
        },
    }


def _pods(behind: Behind) -> dict[str, Any]:
    """The ready pods; which one, the endpoint picker's header says."""
    return {
        "name": "pods",
        "connect_timeout": "10s",
        "cluster_type": _names(),
        "circuit_breakers": _circuit_breakers(),
        "load_assignment": _load_assignment("pods", behind.pods, behind.port),
        "load_balancing_policy": _policy(
            "override_host",
            "OverrideHost",
            override_host_sources=[{"header": DESTINATION}],
            fallback_policy=_policy("least_request", "LeastRequest"),
        ),
    }


def _endpoint_picker(behind: Behind) -> dict[str, Any]:
    return {
        "name": "endpoint-picker",
        "connect_timeout": "2s",
        "cluster_type": _names(),
        "circuit_breakers": _circuit_breakers(),
        "load_assignment": _load_assignment("endpoint-picker", behind.picker, PICKER_PORT),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _type("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        # The endpoint picker signs its own certificate at every start: there is nobody to ask.
        "transport_socket": {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": _type("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
                "common_tls_context": {"alpn_protocols": ["h2"]},
            },
        },
    }


def _circuit_breakers() -> dict[str, Any]:
    return {
        "thresholds": [
            {
                "max_connections": UNLIMITED,
                "max_pending_requests": UNLIMITED,
                "max_requests": UNLIMITED,
            }
        ]
    }


def _names() -> dict[str, Any]:
    """Hosts are all the addresses that a name resolves to."""
    resolver = _extension(
        "envoy.network.dns_resolver.cares",
        "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        # The addresses of many pods may be more than a datagram holds.
        dns_resolver_options={"use_tcp_for_dns_lookups": True},
    )
    return _extension(
        "envoy.clusters.dns",
        "envoy.extensions.clusters.dns.v3.DnsCluster",
        dns_refresh_rate="2s",
        typed_dns_resolver_config=resolver,
    )


def _load_assignment(name: str, host: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(host, port)}}
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}


def _policy(name: str, message: str, **settings: Any) -> dict[str, Any]:
    package = f"envoy.extensions.load_balancing_policies.{name}.v3"
    extension = _extension(
        f"envoy.load_balancing_policies.{name}", f"{package}.{message}", **settings
    )
    return {"policies": [{"typed_extension_config": extension}]}


def _extension(name: str, message: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": _type(message), **settings}}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _type(message: str) -> str:
    return f"type.googleapis.com/{message}"


KIND = GatewayKind(crds=frozenset({"inferenceExtension"}), proxy=proxy, endpoints=ENDPOINTS)
