"""The annotation `pulumi.com/waitFor`: when an object of any kind counts as ready.

One expression, or a JSON array of expressions that must all hold::

    condition=Programmed            .status.conditions[type=Programmed].status is True
    condition=Programmed=False      ... is False
    jsonpath={.status.phase}        the path (RFC 9535) selects something
    jsonpath={.status.phase}=Ready  ... and the first of it is `Ready`
"""

import json
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from plugins.kubernetes.readiness import READY, Verdict, Waiting
from plugins.values import Object, at

ANNOTATION = "pulumi.com/waitFor"

Check: TypeAlias = Callable[[Object], Verdict]


class MalformedError(ValueError):
    """The annotation cannot be understood; the message says why."""


def parse(annotation: str) -> list[Check]:
    """The checks that an annotation stands for."""
    try:
        values = json.loads(annotation)
    except json.JSONDecodeError:
        values = [annotation]
    if not isinstance(values, list):
        values = [annotation]
    if not values:
        raise MalformedError(f"`{ANNOTATION}` is an empty list: name at least one condition")
    return [_parse(str(value)) for value in cast("list[object]", values)]


def _parse(expression: str) -> Check:
    if expression.startswith("condition="):
        return _condition(expression.removeprefix("condition="))
    if expression.startswith("jsonpath="):
        return _jsonpath(expression.removeprefix("jsonpath="))
    raise MalformedError(
        f"`{ANNOTATION}` is `{expression}`: expected `condition=…` or `jsonpath={{…}}`"
    )


def _condition(text: str) -> Check:
    name, _, status = text.partition("=")
    wanted = status or "True"
    if not name:
        raise MalformedError(f"`{ANNOTATION}` is `condition={text}`: the condition has no name")

    def check(obj: Object) -> Verdict:
        conditions: list[Any] = at(obj, "status", "conditions") or []
        for condition in conditions:
            if str(at(condition, "type")).lower() == name.lower():
                return _judge(obj, condition, name, wanted)
        return Waiting(f"it has no condition {name} yet")

    return check


def _judge(obj: Object, condition: Object, name: str, wanted: str) -> Verdict:
    generation = at(obj, "metadata", "generation")
    observed = condition.get("observedGeneration")
    if observed is None:
        observed = at(obj, "status", "observedGeneration")
    if generation is not None and observed is not None and observed < generation:
        return Waiting(f"condition {name} is about generation {observed}, not yet {generation}")
    status = str(condition.get("status"))
    if status.lower() == wanted.lower():
        return READY
    why = ": ".join(str(condition[k]) for k in ("reason", "message") if condition.get(k))
    return Waiting(f"condition {name} is {status}" + (f" ({why})" if why else ""))


def _jsonpath(text: str) -> Check:
    # Imported here: only programs that use it pay for it.
    from jsonpath_rfc9535 import JSONPathError, compile  # noqa: A004, PLC0415

    path, value = _split(text)
    inner = path[1:-1].strip()
    try:
        query = compile(inner if inner.startswith("$") else f"${inner}")
    except JSONPathError as error:
        raise MalformedError(f"`{path}` is not a JSONPath of RFC 9535: {error}") from error

    def check(obj: Object) -> Verdict:
        found = query.find_one(obj)
        if found is None:
            return Waiting(f"{path} selects nothing yet")
        if value is None:
            return READY
        if isinstance(found.value, dict | list):
            raise MalformedError(f"{path} selects an object or a list, which is never `{value}`")
        text = _as_text(found.value)
        return READY if text == value else Waiting(f"{path} is {text}, not {value}")

    return check


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)


def _split(text: str) -> tuple[str, str | None]:
    """``{path}`` and the value after ``=``, which is looked for outside the braces only."""
    end = _closing_brace(text)
    path, rest = text[: end + 1], text[end + 1 :]
    if not rest:
        return path, None
    value = rest[1:]
    if not rest.startswith("=") or "=" in value or not value or value.startswith("{"):
        raise MalformedError(
            f"`jsonpath={text}`: expected `{{.path}}` or `{{.path}}=value`, with a literal value"
        )
    return path, value


def _closing_brace(text: str) -> int:
    depth, quote, position = 0, "", 0
    while position < len(text):
        sign = text[position]
        if quote:
            if sign == "\\":
                position += 1
            elif sign == quote:
                quote = ""
        elif sign in "'\"":
            quote = sign
        elif sign == "{":
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                break
        position += 1
    if depth or not text.startswith("{") or position >= len(text):
        raise MalformedError(f"`jsonpath={text}`: the path has to stand in braces, {{.like.this}}")
    return position
