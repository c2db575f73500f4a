"""Field managers: on the server, every field of an object has owners.

Server-side apply removes a field when its last owner stops applying it. An object that was created
by a plain POST has its fields owned by an ``Update``, which no later apply can give up:
`taken_over` turns that into an ``Apply`` of the same manager.
"""

import copy
from collections.abc import Iterable
from typing import Any, cast

from plugins.kubernetes.diff import parse
from plugins.values import Object, at

# How the managers begin whose fields an update takes over: people with kubectl, what owned the
# object before anything was applied, and creations by this plugin or the vendor's. His list.
_FORMER = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)


def taken_over(live: Object, manager: str) -> list[Object] | None:
    """The object's managed fields with `manager` applying what it created, or what former managers
    had; None if they are so already."""
    entries = _entries(live)
    ours = [entry for entry in entries if _is_former(entry, manager)]
    if not ours:
        return None
    applied = [entry for entry in entries if _is_ours(entry, manager)]
    fields: Object = {}
    for entry in [*applied, *ours]:
        fields = _union(fields, entry.get("fieldsV1") or {})
    mine: Object = {**ours[-1], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    others = [entry for entry in entries if entry not in ours and entry not in applied]
    return [mine, *others]


def _entries(live: Object) -> list[Object]:
    return at(live, "metadata", "managedFields") or []


def _is_former(entry: Object, manager: str) -> bool:
    name, operation = str(entry.get("manager")), entry.get("operation")
    return not entry.get("subresource") and any(
        name.startswith(prefix) and operation == theirs
        for prefix, theirs in (*_FORMER, (manager, "Update"))
    )


def _is_ours(entry: Object, manager: str) -> bool:
    return (
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and not entry.get("subresource")
    )


def _union(left: Object, right: Object) -> Object:
    """All fields of two sets; ``{}`` is a leaf, and a set may hold both a field and parts of it."""
    merged = dict(left)
    for key, value in right.items():
        merged[key] = _union(merged[key], value) if key in merged else value
    return merged


def without_ignored(inputs: Object, live: Object, manager: str, ignored: Iterable[str]) -> Object:
    """What to apply when some paths are to be left as they are in the cluster.

    A path that only others own is not sent, so that we neither change nor own it; any other is
    sent with its live value, for leaving it out would remove it. Paths through lists are sent as
    they are.
    """
    result = copy.deepcopy(inputs)
    for text in ignored:
        path = parse(text)
        steps = [step for step in path if isinstance(step, str) and step != "*"]
        if len(steps) != len(path):
            continue
        if _owned(live, steps, manager, ours=False) and not _owned(live, steps, manager, ours=True):
            _remove(result, steps)
        elif (value := at(live, *steps)) is not None:
            _put(result, steps, value)
    return result


def _owned(live: Object, steps: list[str], manager: str, *, ours: bool) -> bool:
    keys = [f"f:{step}" for step in steps]
    return any(
        at(entry.get("fieldsV1"), *keys) is not None
        for entry in _entries(live)
        if _is_ours(entry, manager) is ours
    )


def _remove(obj: Object, steps: list[str]) -> None:
    parent: Any = at(obj, *steps[:-1])
    if isinstance(parent, dict):
        cast("Object", parent).pop(steps[-1], None)


def _put(obj: Object, steps: list[str], value: object) -> None:
    for step in steps[:-1]:
        obj = obj.setdefault(step, {})
    obj[steps[-1]] = value
