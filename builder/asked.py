"""What is to be built, as the plan says it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Patch:
    file: str
    find: str
    replace: str


@dataclass(frozen=True, kw_only=True)
class Part:
    platform: str
    name: str
    patches: tuple[Patch, ...]

    @classmethod
    def of(cls, said: dict[str, Any]) -> "Part":
        said["patches"] = tuple(Patch(**one) for one in said["patches"])
        return cls(**said)


@dataclass(frozen=True, kw_only=True)
class Image:
    """The fields of `stack.plan.Image`, which says what they mean."""

    stack: str
    recipe: str
    name: str
    parts: tuple[Part, ...]
    repository: str
    tag: str | None
    commit: str
    dockerfile: str
    target: str | None
    args: Mapping[str, str]
    engine: str | None
    seconds: int
    username: str | None
    loads: tuple[str, ...]

    @classmethod
    def read(cls, said: str) -> "Image":
        fields: dict[str, Any] = json.loads(said)
        fields["loads"] = tuple(fields["loads"])
        fields["parts"] = tuple(Part.of(one) for one in fields["parts"])
        return cls(**fields)

    def told(self) -> str:
        return json.dumps(asdict(self))

    @property
    def folder(self) -> str:
        """Its name without the tag."""
        return self.name.rpartition(":")[0]
