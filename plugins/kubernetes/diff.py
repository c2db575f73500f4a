"""What changed between two versions of an object's inputs, and what of it replaces the object."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, cast

from plugins.kubernetes.kinds import Pattern
from plugins.values import UNKNOWN, Object

Step: TypeAlias = str | int
Path: TypeAlias = tuple[Step, ...]


class Change(Enum):
    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True)
class Difference:
    path: Path
    change: Change
    replaces: bool


def differences(
    old: Object, new: Object, fixed: Sequence[Pattern] = (), ignored: Iterable[str] = ()
) -> list[Difference]:
    """All that differs, outermost first; nothing below an `ignored` path.

    Numbers are equal by value (the wire makes doubles of them all), and an unknown new value
    differs from everything.
    """
    skip = [parse(path) for path in ignored]
    return [
        Difference(path, change, _replaces(path, (before, after), fixed))
        for path, change, before, after in _walk((), old, new)
        if not any(_matches(path, pattern) for pattern in skip)
    ]


def _walk(path: Path, old: object, new: object) -> Iterator[tuple[Path, Change, object, object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("Object", old), cast("Object", new)
        keys = [*after, *(key for key in before if key not in after)]
        for key in keys:
            yield from _walk_item((*path, key), before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        former, latter = cast("list[object]", old), cast("list[object]", new)
        for index in range(max(len(former), len(latter))):
            yield from _walk_item((*path, index), _item(former, index), _item(latter, index))
    elif not _same(cast("Any", old), new):
        yield path, Change.UPDATE, old, new


class _Absent:
    """Where one side has nothing, which is not the same as null."""


_ABSENT = _Absent()


def _item(values: list[object], index: int) -> object:
    return values[index] if index < len(values) else _ABSENT


def _walk_item(
    path: Path, old: object, new: object
) -> Iterator[tuple[Path, Change, object, object]]:
    if old is _ABSENT:
        yield path, Change.ADD, old, new
    elif new is _ABSENT:
        yield path, Change.DELETE, old, new
    else:
        yield from _walk(path, old, new)


def _same(old: object, new: object) -> bool:
    if new is UNKNOWN or isinstance(old, bool) is not isinstance(new, bool):
        return False
    return old == new


def _replaces(path: Path, values: tuple[object, object], fixed: Sequence[Pattern]) -> bool:
    """Whether a change at `path` touches a fixed path: the path itself, above, or below it."""
    return any(
        _matches(path, pattern)
        or (
            _matches(pattern[: len(path)], path)
            and any(_holds(value, pattern[len(path) :]) for value in values)
        )
        for pattern in fixed
    )


def _matches(path: Path, pattern: Path) -> bool:
    """Whether `path` is what `pattern` names, or lies below it."""
    return len(path) >= len(pattern) and all(
        "*" in (step, expected) or step == expected
        for step, expected in zip(path, pattern, strict=False)
    )


def _holds(value: object, pattern: Pattern) -> bool:
    """Whether something lies at `pattern` in a value."""
    if not pattern:
        return not isinstance(value, _Absent)
    first, rest = pattern[0], pattern[1:]
    if isinstance(value, dict):
        items = cast("Object", value)
        return first in items and _holds(items[first], rest)
    if isinstance(value, list) and first == "*":
        return any(_holds(item, rest) for item in cast("list[object]", value))
    return False


_STEP = re.compile(
    r"\.?(?P<name>[^.\[\]\"]+)|\[(?P<index>\d+|\*)\]|\[\"(?P<key>(?:[^\"\\]|\\.)*)\"\]"
)


def parse(path: str) -> Path:
    """The steps of a property path, such as ``spec.ports[0]["x.y"]``."""
    steps: list[Step] = []
    for match in _STEP.finditer(path):
        if match["index"] is not None:
            steps.append("*" if match["index"] == "*" else int(match["index"]))
        elif match["key"] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", match["key"]))
        else:
            steps.append(match["name"])
    return tuple(steps)


def render(path: Path) -> str:
    """A path as the engine writes property paths."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif any(sign in step for sign in '."[]\\'):
            escaped = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f".{step}" if text else step
    return text
