"""Where Pulumi's configuration becomes ours."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import ValidationError

from stack import config, crds, problems
from stack.kinds import ClusterKind, GatewayKind
from stack.plan import Plan
from stack.planner import plan


def load(*, clusters: Mapping[str, ClusterKind[Any]], gateways: Mapping[str, GatewayKind]) -> Plan:
    """Plan the selected stack, or stop with all its problems and no traceback."""
    model = config.stack_with((kind.settings for kind in clusters.values()), gateways)
    secret = pulumi.Config()
    try:
        found = plan(
            model.model_validate(_said()),
            name=pulumi.get_stack(),
            secrets=frozenset(key for key in config.SECRETS if secret.get_secret(key)),
            clusters=clusters,
            gateways=gateways,
        )
        for one in found.gateway.crds:
            if not one.adopt:
                crds.fetch(one.bundle)
    except ValidationError as error:
        listed = [*problems.of_shape(error, config.keys(model))]
    except problems.StackError as error:
        listed = [*error.problems]
    else:
        return found
    lines = "\n".join(f"  - {problem}" for problem in listed)
    raise pulumi.RunError(f"Pulumi.{pulumi.get_stack()}.yaml:\n{lines}")


def _said() -> dict[str, Any]:
    """Every key of this project that the stack sets but its secrets, blocks as objects."""
    prefix = f"{pulumi.get_project()}:"
    # `pulumi.Config` answers for a key that one knows; a misspelt one must not go unseen.
    everything = {**get_config_env(), **CONFIG.get()}
    ours = {key.removeprefix(prefix): v for key, v in everything.items() if key.startswith(prefix)}
    return {key: _value(text) for key, text in ours.items() if key not in config.SECRETS}


def _value(text: str) -> Any:
    """A block arrives as JSON, a word as it is."""
    return json.loads(text) if text.startswith(("{", "[")) else text
