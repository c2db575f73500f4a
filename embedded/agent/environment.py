"""A container's environment and words, from its pod and what it refers to. Pure."""

import base64
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from kubernetes.utils import quantity

from embedded.agent.objects import Object, part, parts

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['(.+)'\]")


class NotYetError(Exception):
    """What a container refers to and the cluster does not have; kubelet asks again."""


class Sources(Protocol):
    """The ConfigMaps and Secrets of the pod's namespace; None for one that is not there."""

    def configmap(self, name: str) -> Object | None: ...

    def secret(self, name: str) -> Object | None: ...


@dataclass(frozen=True)
class Addresses:
    pod: str
    node: str


def data(
    kind: str, name: str, sources: Sources, *, optional: bool = False
) -> Mapping[str, bytes] | None:
    """Key -> value of a `configMap` or `secret`; None where an optional one is missing."""
    found = sources.configmap(name) if kind == "configMap" else sources.secret(name)
    if found is None:
        if optional:
            return None
        raise NotYetError(f"{kind.lower()} {name!r} not found")
    text: Mapping[str, str] = found.get("data") or {}
    if kind == "secret":
        return {key: base64.b64decode(value) for key, value in text.items()}
    binary: Mapping[str, str] = found.get("binaryData") or {}
    return {
        **{key: value.encode() for key, value in text.items()},
        **{key: base64.b64decode(value) for key, value in binary.items()},
    }


def environment(
    pod: Object,
    container: Object,
    sources: Sources,
    addresses: Addresses,
    given: Mapping[str, str],
) -> dict[str, str]:
    """All variables, later ones over earlier ones; `given` holds those of the services."""
    made = {"PATH": PATH, "HOSTNAME": hostname(pod), "HOME": "/", **given}
    for source in parts(container, "envFrom"):
        kind = "configMap" if "configMapRef" in source else "secret"
        reference: Object = source[f"{kind}Ref"]
        values = data(kind, reference["name"], sources, optional=bool(reference.get("optional")))
        made |= {
            f"{source.get('prefix', '')}{key}": value.decode(errors="replace")
            for key, value in (values or {}).items()
        }
    for one in parts(container, "env"):
        value = (
            _referred(pod, container, one["valueFrom"], sources, addresses)
            if one.get("valueFrom")
            else expand(one.get("value") or "", made)
        )
        if value is not None:
            made[one["name"]] = value
    return made


def _referred(
    pod: Object, container: Object, source: Object, sources: Sources, addresses: Addresses
) -> str | None:
    if reference := source.get("fieldRef"):
        return field(pod, reference["fieldPath"], addresses)
    if reference := source.get("resourceFieldRef"):
        return resource(pod, container, reference)
    kind = "configMap" if "configMapKeyRef" in source else "secret"
    reference = source[f"{kind}KeyRef"]
    optional = bool(reference.get("optional"))
    values = data(kind, reference["name"], sources, optional=optional)
    if values is None or reference["key"] not in values:
        if optional:
            return None
        raise NotYetError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    return values[reference["key"]].decode(errors="replace")


def expand(text: str, env: Mapping[str, str]) -> str:
    """Kubernetes's `$(NAME)`: what is not known stays as it is, and `$$` is one `$`."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else env.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


def hostname(pod: Object) -> str:
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63]


def field(pod: Object, path: str, addresses: Addresses) -> str:
    """A value of the downward API."""
    metadata: Object = pod["metadata"]
    spec: Object = pod["spec"]
    if match := _SUBSCRIPT.fullmatch(path):
        return str(part(pod, *match[1].split(".")).get(match[2], ""))
    if path in {"metadata.labels", "metadata.annotations"}:
        pairs = part(pod, *path.split("."))
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(pairs.items()))
    known: Mapping[str, Any] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        "status.podIP": addresses.pod,
        "status.podIPs": addresses.pod,
        "status.hostIP": addresses.node,
        "status.hostIPs": addresses.node,
    }
    return str(known[path] or "")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def resource(pod: Object, container: Object, reference: Object) -> str:
    """A request or limit, in whole units of the divisor; a request left out is the limit."""
    name = reference.get("containerName")
    everyone: Iterable[Object] = (
        *pod["spec"]["containers"],
        *parts(pod, "spec", "initContainers"),
    )
    of = next((one for one in everyone if one["name"] == name), container)
    kind, _, what = reference["resource"].partition(".")
    limit = part(of, "resources", "limits").get(what) or "0"
    request = part(of, "resources", "requests").get(what)
    amount = amount_of(request if request and kind == "requests" else limit)
    divisor = amount_of(reference.get("divisor") or "1") or Decimal(1)
    return str(math.ceil(amount / divisor))


def amount_of(text: str) -> Decimal:
    untyped: Any = quantity
    return Decimal(untyped.parse_quantity(text))


def service_variables(services: Iterable[Object], namespace: str, *, links: bool) -> dict[str, str]:
    """Where the API server is; with `links` where every Service of the namespace is, too."""
    made: dict[str, str] = {}
    for one in services:
        metadata, spec = one["metadata"], one["spec"]
        address = spec.get("clusterIP")
        is_api = (metadata["namespace"], metadata["name"]) == ("default", "kubernetes")
        mine = links and metadata["namespace"] == namespace
        if address not in {None, "", "None"} and (is_api or mine):
            made |= _links(metadata["name"].upper().replace("-", "_"), address, spec["ports"])
    return made


def _links(name: str, address: str, ports: list[Object]) -> dict[str, str]:
    first = f"tcp://{address}:{ports[0]['port']}"
    made = {
        f"{name}_SERVICE_HOST": address,
        f"{name}_SERVICE_PORT": str(ports[0]["port"]),
        f"{name}_PORT": first,
    }
    for port in ports:
        number, protocol = port["port"], str(port.get("protocol", "TCP"))
        if port.get("name"):
            made[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(number)
        prefix = f"{name}_PORT_{number}_{protocol}"
        made |= {
            prefix: f"{protocol.lower()}://{address}:{number}",
            f"{prefix}_PROTO": protocol.lower(),
            f"{prefix}_PORT": str(number),
            f"{prefix}_ADDR": address,
        }
    return made
