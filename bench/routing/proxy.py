"""An Envoy with the settings of the endpoint picker's own, that asks nobody where to send."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from bench.routing.parameters import Arm
from components.gateways import standalone
from stack.plan import MODEL_PORT


def bootstrap(pods: Mapping[str, str], arms: Mapping[str, Arm]) -> dict[str, Any]:
    """Envoy's configuration; `pods` are addresses by name.

    A request for `/<arm>/…` goes to any pod, chosen the arm's way; one for `/<pod>/…` to that pod.
    """
    made = standalone.bootstrap()
    [listener] = made["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [
        one for one in manager["http_filters"] if one["name"] == "envoy.filters.http.router"
    ]
    [host] = manager["route_config"]["virtual_hosts"]
    [route] = host["routes"]
    [theirs] = (one for one in made["static_resources"]["clusters"] if one["name"] == "pods")
    upstreams = {
        **{
            name: _upstream(theirs, name, tuple(pods.values()), str(arm.balancing))
            for name, arm in arms.items()
        },
        **{
            name: _upstream(theirs, name, (address,), "ROUND_ROBIN")
            for name, address in pods.items()
        },
    }
    host["routes"] = [
        {
            "match": {"prefix": f"/{name}/"},
            "route": {**deepcopy(route["route"]), "cluster": name, "prefix_rewrite": "/"},
        }
        for name in upstreams
    ]
    made["static_resources"]["clusters"] = list(upstreams.values())
    return made


def _upstream(
    theirs: Mapping[str, Any], name: str, addresses: tuple[str, ...], balancing: str
) -> dict[str, Any]:
    """A fixed set of addresses; limits and times are those of the endpoint picker's Envoy."""
    kept = {key: value for key, value in theirs.items() if key != "original_dst_lb_config"}
    return {
        **deepcopy(kept),
        "name": name,
        "type": "STATIC",
        "lb_policy": balancing,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_endpoint(address) for address in addresses]}],
        },
    }


def _endpoint(address: str) -> dict[str, Any]:
    return {
        "endpoint": {"address": {"socket_address": {"address": address, "port_value": MODEL_PORT}}}
    }
