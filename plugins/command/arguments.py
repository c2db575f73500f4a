"""What a program may ask of `command:local`, and what of it must stay secret."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from pulumi.provider.experimental.property_value import PropertyValue
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from plugins.command.process import Stream
from plugins.values import PropertyMap, has_unknown, plain_value

_Model = TypeVar("_Model", bound="Base")

SHELL = ("/bin/sh", "-c")
MASK = "[secret]"
SHORTEST_SECRET = 3
"""Masking shorter ones would mask half of what is said; the engine draws the same line."""
SHORTEST_SECRET_LINE = 8


class Logging(StrEnum):
    """Which streams the engine is told of."""

    STDOUT = "stdout"
    STDERR = "stderr"
    BOTH = "stdoutAndStderr"
    NONE = "none"

    @property
    def streams(self) -> frozenset[Stream]:
        return {
            Logging.STDOUT: frozenset({Stream.STDOUT}),
            Logging.STDERR: frozenset({Stream.STDERR}),
            Logging.BOTH: frozenset(Stream),
            Logging.NONE: frozenset[Stream](),
        }[self]


class Base(BaseModel):
    """What the resource and the invoke have in common."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )

    interpreter: Sequence[str] = SHELL
    dir: str | None = None
    environment: Mapping[str, str] = {}
    stdin: str = ""
    logging: Logging = Logging.BOTH
    add_previous_output_in_env: bool = True


class Command(Base):
    """The resource `command:local:Command`."""

    create: str | None = None
    update: str | None = None
    delete: str | None = None
    triggers: Sequence[Any] = ()


class Run(Base):
    """The function `command:local:run`."""

    command: str


REFUSED = ("assetPaths", "archivePaths")
INPUTS = tuple(field.alias or name for name, field in Command.model_fields.items())


def problems(model: type[Base], properties: PropertyMap) -> Iterator[tuple[str, str]]:
    """Each property that is wrong and why; what a preview does not know yet is taken on trust."""
    values = _values(properties)
    known = {key: value for key, value in values.items() if not has_unknown(value)}
    for key in REFUSED:
        if known.pop(key, None):
            yield key, "this stand-in for pulumi-resource-command does not collect files"
    try:
        model.model_validate(known)
    except ValidationError as error:
        for one in error.errors():
            path = [str(part) for part in one["loc"]]
            if path[0] in known or path[0] not in values:
                yield ".".join(path), one["msg"]


def parse(model: type[_Model], properties: PropertyMap) -> _Model:
    """Properties without `problems`, all known; outputs that stand among them are left out."""
    wanted = {field.alias or name for name, field in model.model_fields.items()}
    values = _values(properties)
    return model.model_validate({key: values[key] for key in values.keys() & wanted})


def _values(properties: PropertyMap) -> Mapping[str, Any]:
    """Plain values; null is as good as absent."""
    values = {key: plain_value(value) for key, value in properties.items()}
    return {key: value for key, value in values.items() if value is not None}


def secrets(values: Iterable[PropertyValue], *, inside: bool = False) -> frozenset[str]:
    """Texts that must not be shown: each secret string, and the lines of one that has several."""
    found: set[str] = set()
    for value in values:
        secret = inside or value.is_secret
        match value.value:
            case str() as text if secret:
                lines = {line.strip() for line in text.splitlines()}
                found |= {text, *(line for line in lines if len(line) >= SHORTEST_SECRET_LINE)}
            case Mapping() as items:
                found |= secrets(items.values(), inside=secret)
            case Sequence() as items if not isinstance(items, str):
                found |= secrets(items, inside=secret)
            case _:
                pass
    return frozenset(text for text in found if len(text) >= SHORTEST_SECRET)


def masked(text: str, hidden: Iterable[str]) -> str:
    """`text` with each of `hidden` masked, the longest first: one may be part of another."""
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
