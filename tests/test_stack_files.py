"""Stack files say nothing that goes without saying."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, cast

import pytest
from pydantic import ValidationError
from recording import STACKS, stack_config
from test_bad_input import SHAPE

from components import clusters, gateways
from stack.plan import Plan
from stack.planner import plan
from stack.problems import StackError

Path = tuple[int | str, ...]


def leaves(value: Any, at: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from leaves(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from leaves(inner, (*at, index))
    else:
        yield at


def without(said: dict[str, Any], path: Path) -> dict[str, Any]:
    copied = deepcopy(said)
    holder: Any = copied
    for part in path[:-1]:
        holder = holder[part]
    del holder[path[-1]]
    return copied


def planned(said: dict[str, Any]) -> Plan | None:
    try:
        return plan(
            SHAPE.model_validate(said),
            name="test",
            secrets=frozenset({"hfToken"}),
            clusters=clusters.kinds(),
            gateways=gateways.kinds(),
        )
    except (StackError, ValidationError):
        return None


@pytest.mark.parametrize("stack", STACKS)
def test_every_word_of_a_stack_file_changes_what_is_deployed(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    said = {key.removeprefix("llm-d:"): value for key, value in stack_config(stack).items()}
    whole = planned(said)

    assert whole
    assert [path for path in leaves(said) if planned(without(said, path)) == whole] == []
