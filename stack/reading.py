"""From what a stack file says to its plan, or to everything that is wrong with it."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from stack import config, problems
from stack.kinds import ClusterKind, GatewayKind
from stack.plan import Plan
from stack.planner import plan
from stack.problems import StackError

Clusters = Mapping[str, ClusterKind[Any]]
Gateways = Mapping[str, GatewayKind]


def value(said: Any) -> Any:
    """A block that the engine hands over, or that was set by command, is JSON; a word is itself."""
    is_block = isinstance(said, str) and said.startswith(("{", "["))
    return json.loads(said) if is_block else said


def shape(said: Mapping[str, Any], *, clusters: Clusters, gateways: Gateways) -> config.Stack:
    """The stack's words, by block. StackError where one is unknown or of the wrong type."""
    model = config.stack_with((kind.settings for kind in clusters.values()), gateways)
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise StackError([*problems.of_shape(error, config.keys(model))]) from error


def read(
    said: Mapping[str, Any],
    *,
    name: str,
    secrets: frozenset[str],
    clusters: Clusters,
    gateways: Gateways,
) -> Plan:
    """What the stack called `name` means. StackError tells everything that is wrong with it."""
    return plan(
        shape(said, clusters=clusters, gateways=gateways),
        name=name,
        secrets=secrets,
        clusters=clusters,
        gateways=gateways,
    )
