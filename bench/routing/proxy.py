"""An Envoy with the settings of the endpoint picker's own, that asks nobody where to send."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from components.gateways import standalone
from stack.kinds import Behind
from stack.servers import PORT

BEHIND = Behind(pool="none", picker="none", pods="none", port=PORT, fails_open=False)
"""What is asked for the settings of an Envoy; where it would send requests is replaced."""


def bootstrap(pods: Mapping[str, str], arms: Mapping[str, str]) -> dict[str, Any]:
    """Envoy's configuration, of addresses of pods and `lb_policy` of arms.

    A request for `/<arm>/…` goes to any pod, chosen the arm's way; one for `/<pod>/…` to that pod.
    """
    made = standalone.bootstrap([BEHIND], [])
    # The inner one asks.
    listener, _ = made["static_resources"]["listeners"]
    made["static_resources"]["listeners"] = [listener]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    pods_cluster = standalone.named("pods", BEHIND.pool)
    [theirs] = (one for one in made["static_resources"]["clusters"] if one["name"] == pods_cluster)
    clusters = [
        *(_cluster(theirs, name, policy, tuple(pods.values())) for name, policy in arms.items()),
        *(_cluster(theirs, name, "ROUND_ROBIN", (address,)) for name, address in pods.items()),
    ]
    made["static_resources"]["clusters"] = clusters
    [host] = manager["route_config"]["virtual_hosts"]
    [route] = host["routes"]
    host["routes"] = [
        {
            "match": {"prefix": f"/{one['name']}/"},
            "route": {**deepcopy(route["route"]), "cluster": one["name"], "prefix_rewrite": "/"},
        }
        for one in clusters
    ]
    return made


def _cluster(
    theirs: Mapping[str, Any], name: str, policy: str, addresses: tuple[str, ...]
) -> dict[str, Any]:
    """A fixed set of addresses, with the limits of the endpoint picker's Envoy."""
    return {
        "name": name,
        "type": "STATIC",
        "lb_policy": policy,
        "connect_timeout": theirs["connect_timeout"],
        "circuit_breakers": deepcopy(theirs["circuit_breakers"]),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_endpoint(address) for address in addresses]}],
        },
    }


def _endpoint(address: str) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": address, "port_value": PORT}}}}
