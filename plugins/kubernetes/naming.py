"""Names: those that the program left to us, and the ids by which the engine knows objects."""

import hashlib
import secrets
from typing import Any

from plugins.values import UNKNOWN, Object, at

AUTONAMED = "pulumi.com/autonamed"
_SUFFIX = 8  # hexadecimal digits, as the vendor's


def suffix(seed: bytes = b"") -> str:
    """Eight hexadecimal digits: the same for the same seed, random without one."""
    return hashlib.sha256(seed).hexdigest()[:_SUFFIX] if seed else secrets.token_hex(_SUFFIX // 2)


def named(obj: Object) -> bool:
    """Whether the object has a name, be it one that is not known yet."""
    return bool(at(obj, "metadata", "name"))


def autonamed(obj: Object) -> bool:
    return at(obj, "metadata", "annotations", AUTONAMED) == "true"


def with_name(obj: Object, old: Object, *, logical: str, seed: bytes) -> Object:
    """The object with a name: its own, the one it had, or a new one."""
    if obj.get("metadata") is UNKNOWN or named(obj) or at(obj, "metadata", "generateName"):
        return obj
    if old:
        return _autonamed(obj, old["metadata"]["name"]) if autonamed(old) else obj
    return _autonamed(obj, f"{logical}-{suffix(seed)}")


def _autonamed(obj: Object, name: str) -> Object:
    metadata: Object = obj.get("metadata") or {}
    annotations: Any = metadata.get("annotations") or {}
    if annotations is not UNKNOWN:
        annotations = {**annotations, AUTONAMED: "true"}
    return {**obj, "metadata": {**metadata, "annotations": annotations, "name": name}}


def identity(obj: Object) -> str:
    """``namespace/name``, or ``name`` for what lies in no namespace."""
    namespace, name = at(obj, "metadata", "namespace"), at(obj, "metadata", "name")
    return f"{namespace}/{name}" if namespace else str(name)


def parse_identity(resource_id: str) -> tuple[str | None, str]:
    """Namespace and name of an id; ValueError when it is neither form."""
    match resource_id.split("/"):
        case [name] if name:
            return None, name
        case [namespace, name] if namespace and name:
            return namespace, name
        case _:
            raise ValueError(
                f"`{resource_id}` names no object: expected `namespace/name`, or `name` for "
                "objects outside namespaces"
            )
