"""What the engine keeps of an object: inputs, outputs, and which of them are secret."""

import copy
from collections.abc import Mapping
from typing import Any, cast

from pulumi.provider.experimental.property_value import PropertyValue

from plugins import masking
from plugins.values import (
    UNKNOWN,
    Object,
    Path,
    PropertyMap,
    at,
    plain,
    secret_paths,
    typed,
)

FIELD_MANAGER = "__fieldManager"
INITIAL_API_VERSION = "__initialApiVersion"
INPUTS = "__inputs"

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

# What only the server writes.
_READ_ONLY = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)

# Names that no SDK can spell: typed CRDs arrive with underscores.
_DASHED = {
    name.replace("-", "_"): name
    for name in (
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    )
}
_UNDERSCORED = {dashed: name for name, dashed in _DASHED.items()}


def wanted(properties: Mapping[str, PropertyValue]) -> Object:
    """Inputs as the object to send: no nulls, nothing that only the server writes."""
    obj = _renamed(plain(properties), _DASHED)
    for key in (INPUTS, FIELD_MANAGER, INITIAL_API_VERSION):
        obj.pop(key, None)
    return _without_read_only(obj)


def _without_read_only(obj: Object) -> Object:
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        kept = {k: v for k, v in cast("Object", metadata).items() if k not in _READ_ONLY}
        return {**obj, "metadata": kept}
    return obj


def _renamed(value: Object, names: Mapping[str, str]) -> Object:
    return {
        names.get(key, key): _renamed_item(item, names)
        for key, item in value.items()
        if item is not None
    }


def _renamed_item(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return _renamed(cast("Object", value), names)
    if isinstance(value, list):
        return [_renamed_item(item, names) for item in cast("list[Any]", value)]
    return value


def live_of(outputs: Mapping[str, PropertyValue]) -> Object:
    """The object as it was last seen, from the engine's state."""
    obj = _renamed(plain(outputs), _DASHED)
    for key in (INPUTS, FIELD_MANAGER, INITIAL_API_VERSION):
        obj.pop(key, None)
    return obj


def field_manager(outputs: Mapping[str, PropertyValue]) -> str | None:
    value = outputs.get(FIELD_MANAGER)
    return value.value if value is not None and isinstance(value.value, str) else None


def initial_api_version(outputs: Mapping[str, PropertyValue]) -> str | None:
    value = outputs.get(INITIAL_API_VERSION)
    return value.value if value is not None and isinstance(value.value, str) else None


def inputs(obj: Object, given: Mapping[str, PropertyValue]) -> PropertyMap:
    """An object as the inputs the engine keeps; what was `given` as a secret is one."""
    return typed(obj, _secrets(obj, given))


def outputs(
    live: Object,
    given: Mapping[str, PropertyValue],
    *,
    manager: str,
    initial_api_version: str,
) -> PropertyMap:
    """What the engine keeps of a live object that was made from the inputs `given`."""
    seen = _renamed(live, _UNDERSCORED)
    asked = _renamed(wanted(given), _UNDERSCORED)
    secrets = _secrets(seen, given) | {(INPUTS, *path) for path in _secrets(asked, given)}
    return typed(
        {
            **seen,
            INPUTS: asked,
            INITIAL_API_VERSION: initial_api_version,
            FIELD_MANAGER: manager,
        },
        secrets,
    )


def _secrets(obj: Object, given: Mapping[str, PropertyValue]) -> set[Path]:
    """Paths to hide: what was given as a secret, and all content of Secrets."""
    paths = secret_paths(given)
    if obj.get("kind") == "Secret" and obj.get("apiVersion") == "v1":
        paths |= {("data",), ("stringData",), ("metadata", "annotations", _LAST_APPLIED)}
    return paths


def secret_texts(given: Mapping[str, PropertyValue]) -> frozenset[str]:
    """Every secret text in the inputs, to keep out of messages: the server may quote it."""
    return masking.secrets(inputs(wanted(given), given).values())


# -- previews


# Paths the server fills, and those which settle them when they were asked for.
_SERVER_CHOOSES: dict[tuple[str, str], tuple[tuple[Path, Path], ...]] = {
    ("v1", "Service"): (
        (("spec", "clusterIP"), ("spec", "clusterIP")),
        (("spec", "clusterIPs"), ("spec", "clusterIP")),
    ),
    ("v1", "PersistentVolumeClaim"): ((("spec", "volumeName"), ("spec", "volumeName")),),
}
_BORN_WITH = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
_CHANGES = ("generation", "managedFields", "resourceVersion")


def previewed_creation(obj: Object, asked: Object) -> Object:
    """An object that does not exist yet, as far as a preview can know it.

    `obj` is the server's dry run, or the inputs where there was none; what it says of what only a
    real creation decides is made up.
    """
    result = copy.deepcopy(obj)
    metadata: Object = result.setdefault("metadata", {})
    metadata.update(dict.fromkeys(_BORN_WITH, UNKNOWN))
    result["status"] = UNKNOWN
    kind = (str(obj.get("apiVersion")), str(obj.get("kind")))
    for path, settled_by in _SERVER_CHOOSES.get(kind, ()):
        parent = at(result, *path[:-1])
        if isinstance(parent, dict) and at(asked, *settled_by) is None:
            parent[path[-1]] = UNKNOWN
    if kind == ("v1", "Service"):
        _forget_node_ports(result, asked)
    return result


def _forget_node_ports(service: Object, asked: Object) -> None:
    """A dry run gives back the ports it drew; the creation draws others."""
    ports: list[Object] = at(service, "spec", "ports") or []
    wanted: list[Object] = at(asked, "spec", "ports") or []
    for port, wish in zip(ports, wanted, strict=False):
        if "nodePort" in port and "nodePort" not in wish:
            port["nodePort"] = UNKNOWN


def previewed_update(obj: Object) -> Object:
    """An object after an update, by the server's dry run."""
    return {**obj, "metadata": {**obj["metadata"], **dict.fromkeys(_CHANGES, UNKNOWN)}}


def echoed_update(asked: Object, live: Object) -> Object:
    """An object after an update that could not be tried: the inputs, and what never changes."""
    kept = {k: v for k, v in live.get("metadata", {}).items() if k in {"uid", "creationTimestamp"}}
    metadata = asked.get("metadata")
    if not isinstance(metadata, dict):
        return asked
    return {
        **asked,
        "metadata": {**cast("Object", metadata), **kept, **dict.fromkeys(_CHANGES, UNKNOWN)},
        "status": UNKNOWN,
    }


# -- what an import takes over


def imported(live: Object) -> Object:
    """Inputs that would make an object like this one."""
    obj = _without_read_only(copy.deepcopy(live))
    obj.pop("status", None)
    annotations = at(obj, "metadata", "annotations")
    if annotations:
        annotations.pop("deployment.kubernetes.io/revision", None)
        annotations.pop(_LAST_APPLIED, None)
        if not annotations:
            del obj["metadata"]["annotations"]
    return obj
