"""The pieces of Envoy's configuration (API v3) that every Envoy of ours is made of."""

from collections.abc import Sequence
from typing import Any

from components.pods import DRAIN_SECONDS

Piece = dict[str, Any]

BODY = 64 * 2**20
"""Bytes of a request that are kept to be sent again. Envoy's own limit of 1 MiB is less than a
long context in JSON; what is longer passes, but is not tried twice."""
UNLIMITED = 40_000
"""Requests in flight. Envoy's own 1,024 refuses bursts, as an empty 500 that looks like a fault
of the endpoint picker: each request holds one stream to it for as long as its answer takes."""


def http(
    name: str,
    where: Piece,
    *,
    filters: Sequence[Piece] = (),
    routes: Sequence[Piece],
    without: Sequence[str] = (),
) -> Piece:
    """A listener that passes requests through `filters` along the first route that matches,
    `without` such headers."""
    host = {
        "name": name,
        "domains": ["*"],
        "request_headers_to_remove": list(without),
        "routes": list(routes),
    }
    router = extension(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        suppress_envoy_headers=True,
    )
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        local_reply_config=_errors(),
        route_config={"virtual_hosts": [host]},
        http_filters=[*filters, router],
        # A client that keeps its connection keeps its Envoy, be that one on its way out: it has to
        # come anew before a pod has drained.
        common_http_protocol_options={"max_connection_duration": f"{DRAIN_SECONDS // 2}s"},
        http1_safe_max_connection_duration=True,
    )
    return {
        "name": name,
        **where,
        "per_connection_buffer_limit_bytes": BODY,
        "filter_chains": [{"filters": [manager]}],
    }


def _errors() -> Piece:
    """What is refused on the way, in words of its own, becomes an error of the API."""

    def status(op: str, code: int) -> Piece:
        value = {"default_value": code, "runtime_key": f"inference.errors.{op.lower()}.{code}"}
        return {"status_code_filter": {"comparison": {"op": op, "value": value}}}

    def told_as(kind: str, which: Piece) -> Piece:
        error = {
            "message": "%LOCAL_REPLY_BODY%",
            "type": kind,
            "param": None,
            "code": "%RESPONSE_CODE%",
        }
        return {"filter": which, "body_format_override": {"json_format": {"error": error}}}

    refused = {"and_filter": {"filters": [status("GE", 400), status("LE", 499)]}}
    return {
        "mappers": [
            told_as("NotFoundError", status("EQ", 404)),
            told_as("invalid_request_error", refused),
        ]
    }


PATIENT: Piece = {"timeout": "0s", "idle_timeout": "0s"}
"""An answer takes as long as the model takes."""
EVERYTHING: Piece = {"prefix": "/"}


def route(match: Piece, **towards: Any) -> Piece:
    return {"match": match, "route": {**PATIENT, **towards}}


def answer(match: Piece, status: int, body: str) -> Piece:
    """A route to nowhere: Envoy answers by itself."""
    json_type = {"header": {"key": "content-type", "value": "application/json"}}
    return {
        "match": match,
        "direct_response": {"status": status, "body": {"inline_string": body}},
        "response_headers_to_add": [
            {**json_type, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
        ],
    }


def asking(cluster: str, *, answers: bool) -> Piece:
    """Settings of a filter that has another process look at each request, and maybe at its answer.

    Bodies of any length, piece by piece.
    """
    heads, bodies = ("SEND", "FULL_DUPLEX_STREAMED") if answers else ("SKIP", "NONE")
    return {
        "grpc_service": {"envoy_grpc": {"cluster_name": cluster}},
        "message_timeout": "1000s",
        "processing_mode": {
            "request_header_mode": "SEND",
            "request_body_mode": "FULL_DUPLEX_STREAMED",
            "request_trailer_mode": "SEND",
            "response_header_mode": heads,
            "response_body_mode": bodies,
            "response_trailer_mode": heads,
        },
    }


def cluster(name: str, **settings: Any) -> Piece:
    """Somewhere to send requests, as many at once as there are."""
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    thresholds = [dict.fromkeys(limits, UNLIMITED)]
    return {"name": name, "circuit_breakers": {"thresholds": thresholds}, **settings}


def endpoints(name: str, *addresses: Piece) -> Piece:
    """The hosts of the cluster `name`."""
    hosts = [{"endpoint": {"address": one}} for one in addresses]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}


def address(host: str, port: int) -> Piece:
    return {"socket_address": {"address": host, "port_value": port}}


def resolved() -> Piece:
    """A cluster's hosts are all the addresses that a name resolves to."""
    resolver = extension(
        "envoy.network.dns_resolver.cares",
        "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        # The addresses of many pods may be more than a datagram holds.
        dns_resolver_options={"use_tcp_for_dns_lookups": True},
    )
    return extension(
        "envoy.clusters.dns",
        "envoy.extensions.clusters.dns.v3.DnsCluster",
        dns_refresh_rate="2s",
        typed_dns_resolver_config=resolver,
    )


def balancing(name: str, message: str, **settings: Any) -> Piece:
    """A load-balancing policy."""
    package = f"envoy.extensions.load_balancing_policies.{name}.v3"
    policy = extension(f"envoy.load_balancing_policies.{name}", f"{package}.{message}", **settings)
    return {"policies": [{"typed_extension_config": policy}]}


def extension(name: str, message: str, **settings: Any) -> Piece:
    return {"name": name, "typed_config": {"@type": type_url(message), **settings}}


def type_url(message: str) -> str:
    return f"type.googleapis.com/{message}"
