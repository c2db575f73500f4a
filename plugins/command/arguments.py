"""What a program may ask of `command:local`."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from plugins.command.process import Stream
from plugins.values import PropertyMap, has_unknown, plain_value

_Model = TypeVar("_Model", bound="Base")

SHELL = ("/bin/sh", "-c")


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
