"""Kubernetes objects as JSON: what is left out is empty."""

from typing import Any, cast

Object = dict[str, Any]
"""An object, or a part of one."""


def part(of: Object, *path: str) -> Object:
    """The part at a path."""
    found: Any = of
    for key in path:
        found = cast("Object", found).get(key) or {}
    return found


def parts(of: Object, *path: str) -> list[Object]:
    """The list at a path."""
    return part(of, *path[:-1]).get(path[-1]) or []
