"""Values on their way between the engine and plain Python.

Three shapes, and the functions between them::

    protobuf Struct  <- decode / encode ->  PropertyValue  <- plain / typed ->  plain Python

A *plain* value is what ``json`` would give: ``None``, ``bool``, ``int``, ``float``, ``str``,
``list`` and ``dict``; whole numbers are ``int`` although the wire only knows doubles. One more
thing may stand in it: ``UNKNOWN``, where a preview cannot say the value yet. Assets and archives
pass through.

``PropertyValue.unmarshal`` and ``marshal`` are not used for everything: the first takes an unknown
for the string that stands for it on the wire, the second cannot send one.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias, cast

from google.protobuf import struct_pb2
from pulumi.provider.experimental.property_value import Computed, PropertyValue
from pulumi.runtime import rpc

Object: TypeAlias = dict[str, Any]
"""A plain mapping, such as a Kubernetes object."""

PropertyMap: TypeAlias = dict[str, PropertyValue]
Path: TypeAlias = tuple[str, ...]

_KIND = rpc._special_sig_key  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the wire format
_SECRET = rpc._special_secret_sig  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
_OUTPUT = rpc._special_output_value_sig  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

# Strings that stand for "not known yet" on the wire, one for each type of value.
_UNKNOWN_ON_WIRE: Final = rpc.UNKNOWN
_UNKNOWNS_ON_WIRE: Final = frozenset(
    {
        rpc.UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


class Unknown(Enum):
    """The type of `UNKNOWN`: one value, however often it is copied."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN
"""Equal to itself only, and never to be sent to a server."""


def decode(struct: struct_pb2.Struct) -> PropertyMap:
    """Properties as the engine sent them."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: struct_pb2.Value) -> PropertyValue:  # noqa: PLR0911  # one for each kind
    match value.WhichOneof("kind"):
        case "bool_value":
            return PropertyValue(value.bool_value)
        case "number_value":
            return PropertyValue(value.number_value)
        case "string_value":
            if value.string_value in _UNKNOWNS_ON_WIRE:
                return PropertyValue.computed()
            return PropertyValue(value.string_value)
        case "list_value":
            return PropertyValue([_decode(item) for item in value.list_value.values])
        case "struct_value":
            return _decode_struct(value)
        case _:
            return PropertyValue.null()


def _decode_struct(value: struct_pb2.Value) -> PropertyValue:
    fields = value.struct_value.fields
    kind = fields[_KIND].string_value if _KIND in fields else None
    if kind is None:
        return PropertyValue({key: _decode(item) for key, item in fields.items()})
    if kind == _SECRET:
        return _decode(fields["value"]).with_secret(is_secret=True)
    if kind == _OUTPUT:
        # An output without a value is one that is not known yet.
        inner = _decode(fields["value"]) if "value" in fields else PropertyValue.computed()
        secret = "secret" in fields and fields["secret"].bool_value
        urns = [urn.string_value for urn in fields["dependencies"].list_value.values]
        return inner.with_secret(is_secret=secret or inner.is_secret).with_dependencies(urns)
    return PropertyValue.unmarshal(value)


def encode(properties: Mapping[str, PropertyValue]) -> struct_pb2.Struct:
    """Properties as the engine reads them."""
    return struct_pb2.Struct(fields={key: _encode(value) for key, value in properties.items()})


def _encode(value: PropertyValue) -> struct_pb2.Value:
    inner: struct_pb2.Value
    match value.value:
        case Computed():
            inner = struct_pb2.Value(string_value=_UNKNOWN_ON_WIRE)
        case str() as text:
            inner = struct_pb2.Value(string_value=text)
        case Mapping() as items:
            inner = struct_pb2.Value(struct_value=encode(items))
        case Sequence() as items:
            values = [_encode(item) for item in items]
            inner = struct_pb2.Value(list_value=struct_pb2.ListValue(values=values))
        case other:
            inner = PropertyValue(other).marshal()
    if not value.is_secret:
        return inner
    secret = {_KIND: struct_pb2.Value(string_value=_SECRET), "value": inner}
    return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=secret))


def plain(properties: Mapping[str, PropertyValue]) -> Object:
    """Properties as plain Python; secrets lose their mark (see `secret_paths`)."""
    return {key: plain_value(value) for key, value in properties.items()}


def plain_value(value: PropertyValue) -> Any:  # JSON has no narrower type
    match value.value:
        case Computed():
            return UNKNOWN
        case float() as number:
            return int(number) if number.is_integer() else number
        case str() as text:
            return text
        case Mapping() as items:
            return plain(items)
        case Sequence() as items:
            return [plain_value(item) for item in items]
        case other:
            return other


def typed(value: Mapping[str, Any], secrets: Iterable[Path] = ()) -> PropertyMap:
    """Plain Python as properties; what lies at one of the `secrets` paths is marked secret."""
    paths = set(secrets)
    return {key: _typed(item, (key,), paths) for key, item in value.items()}


def _typed(value: object, path: Path, secrets: set[Path]) -> PropertyValue:
    secret = path in secrets
    if value is UNKNOWN:
        return PropertyValue(Computed(), secret)
    if isinstance(value, dict):
        items = cast("Object", value)
        inner = {key: _typed(item, (*path, key), secrets) for key, item in items.items()}
        return PropertyValue(inner, secret)
    if isinstance(value, list):
        # Secret paths go through mappings only, so nothing inside a list can match one.
        items = [_typed(item, (), set()) for item in cast("list[object]", value)]
        return PropertyValue(items, secret)
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value), secret)
    return PropertyValue(cast("Any", value), secret)


def secret_paths(properties: Mapping[str, PropertyValue], prefix: Path = ()) -> set[Path]:
    """Where secrets lie: through mappings to the secret itself, or to the list that holds one."""
    found: set[Path] = set()
    for key, value in properties.items():
        path = (*prefix, key)
        if value.is_secret:
            found.add(path)
        elif isinstance(value.value, Mapping):
            found |= secret_paths(value.value, path)
        elif value.contains_secret():
            found.add(path)
    return found


def has_unknown(value: object) -> bool:
    """Whether a plain value cannot be sent anywhere yet."""
    if isinstance(value, dict):
        return any(map(has_unknown, cast("Object", value).values()))
    if isinstance(value, list):
        return any(map(has_unknown, cast("list[object]", value)))
    return value is UNKNOWN


def at(value: object, *path: str) -> Any:  # JSON has no narrower type
    """What lies at `path` in nested mappings, or ``None``."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = cast("Object", value).get(key)
    return value
