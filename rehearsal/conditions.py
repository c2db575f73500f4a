"""What a Gateway, its routes and its pools still lack, where their controller runs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stack.conditions import ACCEPTED, PROGRAMMED, RESOLVED

Object = Mapping[str, Any]

WANTED: Mapping[str, tuple[str, ...]] = {
    "Gateway": (ACCEPTED, PROGRAMMED),
    "HTTPRoute": (ACCEPTED, RESOLVED),
    "InferencePool": (ACCEPTED, RESOLVED),
}
KINDS = (
    "gateways.gateway.networking.k8s.io,httproutes.gateway.networking.k8s.io,"
    "inferencepools.inference.networking.k8s.io"
)


def problems(objects: Sequence[Object]) -> Iterator[str]:
    for one in objects:
        said = {condition["type"]: condition for condition in _conditions(one)}
        for wanted in WANTED[one["kind"]]:
            condition = said.get(wanted, {})
            if condition.get("status") != "True":
                why = condition.get("message") or condition.get("reason") or "nobody says why"
                yield f"{one['kind']} {one['metadata']['name']} is not {wanted}: {why}"


def _conditions(one: Object) -> Iterator[Object]:
    """Its own, and those that each Gateway it belongs to has of it."""
    status: Object = one.get("status") or {}
    for holder in (status, *(status.get("parents") or ())):
        yield from holder.get("conditions") or ()
