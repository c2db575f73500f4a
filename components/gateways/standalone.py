"""No Gateway: an Envoy in the endpoint picker's own pod asks it where each request goes."""

from typing import Any

import yaml

from stack.kinds import PICKER_PORT, GatewayKind, Sidecar
from stack.releases import Release

PORT = 8081
ADMIN_PORT = 19001
DESTINATION = "x-gateway-destination-endpoint"
"""Header in which the endpoint picker answers with the address of a pod."""
UNLIMITED = 40_000
"""Requests in flight. Envoy's own 1,024 refuses bursts, as an empty 500 that looks like a fault
of the endpoint picker: each request holds one stream to it for as long as its answer takes."""


def sidecar(release: Release) -> Sidecar:
    return Sidecar(
        name="envoy",
        image=release.envoy,
        args=("--config-path", "/etc/envoy/envoy.yaml", "--log-level", "warning"),
        port=PORT,
        admin_port=ADMIN_PORT,
        ready_path="/ready",
        config_dir="/etc/envoy",
        config={"envoy.yaml": yaml.safe_dump(bootstrap(), sort_keys=False)},
        requests={"cpu": "100m", "memory": "256Mi"},
        limits={"memory": "1Gi"},
    )


def bootstrap() -> dict[str, Any]:
    """Envoy's configuration: a listener, the endpoint picker, and where it says to go."""
    return {
        "admin": {"address": _address("0.0.0.0", ADMIN_PORT)},  # noqa: S104 - the probe's way in
        "static_resources": {
            "listeners": [
                {
                    "name": "inference",
                    "address": _address("0.0.0.0", PORT),  # noqa: S104 - in a pod
                    "filter_chains": [{"filters": [_connection_manager()]}],
                }
            ],
            "clusters": [_pods(), _endpoint_picker()],
        },
    }


def _connection_manager() -> dict[str, Any]:
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
                        "routes": [
                            # An answer takes as long as the model takes.
                            {
                                "match": {"prefix": "/"},
                                "route": {"cluster": "pods", "timeout": "0s", "idle_timeout": "0s"},
                            }
                        ],
                    }
                ]
            },
            "http_filters": [
                _ask_the_endpoint_picker(),
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


def _ask_the_endpoint_picker() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.ext_proc",
        "typed_config": {
            "@type": _type("envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"),
            "grpc_service": {"envoy_grpc": {"cluster_name": "endpoint-picker"}},
            "message_timeout": "1000s",
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


def _pods() -> dict[str, Any]:
    return {
        "name": "pods",
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "10s",
        "original_dst_lb_config": {"use_http_header": True, "http_header_name": DESTINATION},
        "circuit_breakers": _circuit_breakers(),
    }


def _endpoint_picker() -> dict[str, Any]:
    return {
        "name": "endpoint-picker",
        "type": "STATIC",
        "connect_timeout": "10s",
        "circuit_breakers": _circuit_breakers(),
        "load_assignment": {
            "cluster_name": "endpoint-picker",
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _address("127.0.0.1", PICKER_PORT)}}]}
            ],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _type("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        # The endpoint picker signs its own certificate at every start; the two share a pod.
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


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _type(message: str) -> str:
    return f"type.googleapis.com/{message}"


KIND = GatewayKind(crds=frozenset({"inferenceExtension"}), sidecar=sidecar)
