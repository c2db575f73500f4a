"""What of an object's inputs is different in the cluster.

Only what was asked for is compared: what the server or others added stays out. A value that means
the same (``500m`` and ``0.5``, an empty list and none) is not drift.
"""

import base64
import binascii
import re
from decimal import Decimal
from typing import Any, TypeAlias, cast

from plugins.values import Object

_Items: TypeAlias = list[Any]


def drifted(live: Object, asked: Object) -> Object:
    """The inputs as they are in the cluster now."""
    inputs = _map(live, asked)
    if asked.get("kind") == "Secret" and isinstance(asked.get("stringData"), dict):
        # The server takes it and keeps it as `data`.
        inputs["stringData"] = _texts(live.get("data") or {}, asked["stringData"])
    return inputs


def _map(live: Object, asked: Object) -> Object:
    return {
        key: _value(live[key], value) if key in live else value
        for key, value in asked.items()
        if key in live or _means_nothing(value)
    }


def _value(live: Any, asked: Any) -> Any:
    if isinstance(live, dict) and isinstance(asked, dict):
        return _map(cast("Object", live), cast("Object", asked))
    if isinstance(live, list) and isinstance(asked, list):
        return _list(cast("_Items", live), cast("_Items", asked))
    return asked if same(live, asked) else cast("Any", live)


def _list(live: _Items, asked: _Items) -> _Items:
    """Lists whose elements have names are compared by name; other elements are none of ours."""
    for key in _MERGE_KEYS:
        ours, theirs = _by(key, asked), _by(key, live)
        if ours is not None and theirs is not None:
            return [_value(theirs[name], item) for name, item in ours.items() if name in theirs]
    if len(live) == len(asked):
        return [_value(theirs, ours) for theirs, ours in zip(live, asked, strict=True)]
    return live


# Fields by which server-side apply tells the elements of lists apart, as far as one is enough.
_MERGE_KEYS = ("name", "mountPath", "containerPort", "ip", "topologyKey", "devicePath", "key")


def _by(key: str, items: _Items) -> dict[Any, Object] | None:
    """The elements by one of their fields, if all have it and no two the same."""
    found: dict[Any, Object] = {}
    for item in items:
        if not isinstance(item, dict) or key not in item:
            return None
        name = cast("Object", item)[key]
        if not isinstance(name, str | int) or name in found:
            return None
        found[name] = item
    return found


def _means_nothing(value: Any) -> bool:
    """Whether the server may drop the value without changing the meaning."""
    return value in (None, "", False, 0) or value in ({}, [])


def _texts(data: Object, asked: Object) -> Object:
    return {key: _decoded(data[key], value) for key, value in asked.items() if key in data}


def _decoded(encoded: str, asked: Any) -> Any:
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return asked if asked == encoded else ""


def same(live: Any, asked: Any) -> bool:
    """Whether two scalars mean the same to Kubernetes."""
    if isinstance(live, bool) or isinstance(asked, bool):
        return live is asked
    if live == asked:
        return True
    left, right = quantity(live), quantity(asked)
    return left is not None and left == right


_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?P<unit>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {unit: 1024 ** (power + 1) for power, unit in enumerate("KMGTPE")}


def quantity(value: Any) -> Decimal | None:
    """The number a resource quantity stands for: ``500m`` is 0.5, ``1Gi`` is 1073741824."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    number, unit = Decimal(match["number"]), match["unit"] or ""
    if unit.endswith("i"):
        return number * _BINARY[unit[0]]
    if unit in _DECIMAL:
        return number.scaleb(_DECIMAL[unit])
    return number.scaleb(int(unit[1:])) if unit else number
