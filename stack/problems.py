"""How a wrong value is told: its path in the stack file, the value, what was expected."""

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails


class StackError(ValueError):
    """Everything that is wrong with one stack, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    def told(self, stack: str) -> str:
        """The whole list, under the name of the stack's file."""
        return "\n".join([f"Pulumi.{stack}.yaml:", *(f"  - {one}" for one in self.problems)])


def wrong(path: str, value: object, expected: str) -> str:
    """One problem as the user reads it."""
    return f"`{path}` is {_shown(value)}, expected {expected}"


def unknown(path: str, value: str, known: Collection[str]) -> str:
    """A word that is not among those known there."""
    return wrong(path, value, f"one of {', '.join(sorted(known))}{_hint(value, known)}")


def of_shape(error: ValidationError, keys: Mapping[str, Collection[str]]) -> Iterator[str]:
    """What pydantic found, in our words.

    `keys` gives the keys that a block may have, by the block's path without indices.
    """
    for one in error.errors():
        yield _of_shape(one, keys)


_WORD = re.compile(r"'([^']*)'")
"""As pydantic lists the words that it would have taken."""


def _of_shape(error: ErrorDetails, keys: Mapping[str, Collection[str]]) -> str:
    # pydantic names the kind it chose in the path: `cluster.embedded.port`.
    where = [
        part for at, part in enumerate(error["loc"]) if (at, error["loc"][0]) != (1, "cluster")
    ]
    path, value, context = path_of(where), error["input"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            block = path_of([part for part in error["loc"][:-1] if isinstance(part, str)])
            known = keys.get(block, ())
            listed = ", ".join(sorted(known))
            return f"`{path}` is not a known key, expected {listed}{_hint(str(where[-1]), known)}"
        case "missing":
            return f"`{path}` is missing: the stack file has to say it"
        case "literal_error":
            known = _WORD.findall(context["expected"])
            said = "true" if value is True else "false" if value is False else str(value)
            return unknown(path, said, known)
        case "union_tag_invalid":
            return unknown(
                f"{path}.kind", str(context["tag"]), _WORD.findall(context["expected_tags"])
            )
        case "union_tag_not_found":
            return f"`{path}.kind` is missing: the stack file has to say it"
        case _:
            said = error["msg"].removeprefix("Value error, ")
            said = said.removeprefix("Input should be ").removeprefix("String should ")
            return wrong(path, value, said)


def path_of(location: Sequence[int | str]) -> str:
    """`("models", 0, "name")` as a person writes it: `models[0].name`."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in location
    ).removeprefix(".")


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"`{text if len(text) <= 80 else text[:77] + '...'}`"  # noqa: PLR2004 - a line's worth


def _hint(value: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(value, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
