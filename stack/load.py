"""Where Pulumi's configuration becomes ours."""

from collections.abc import Callable
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from stack import config, crds
from stack.machine import Verdict
from stack.plan import Plan
from stack.problems import StackError
from stack.reading import Clusters, Gateways, read, value


def load(*, clusters: Clusters, gateways: Gateways, preflight: Callable[[Plan], Verdict]) -> Plan:
    """Plan the selected stack, or stop with all its problems and no traceback.

    Before anything is created `preflight` looks at this machine; a preview needs none.
    """
    secret = pulumi.Config()
    try:
        found = read(
            _said(),
            name=pulumi.get_stack(),
            secrets=frozenset(key for key in config.SECRETS if secret.get_secret(key)),
            clusters=clusters,
            gateways=gateways,
        )
        for one in found.crds:
            if not one.adopt:
                crds.fetch(one.bundle)
    except StackError as error:
        raise pulumi.RunError(error.told(pulumi.get_stack())) from None
    if not pulumi.runtime.is_dry_run():
        _heed(preflight(found))
    return found


def _heed(verdict: Verdict) -> None:
    if verdict.warning:
        pulumi.warn(verdict.warning)
    if verdict.refusal:
        raise pulumi.RunError(verdict.refusal)


def _said() -> dict[str, Any]:
    """Every key of this project that the stack sets but its secrets, blocks as objects."""
    prefix = f"{pulumi.get_project()}:"
    # `pulumi.Config` answers for a key that one knows; a misspelt one must not go unseen.
    everything = {**get_config_env(), **CONFIG.get()}
    ours = {key.removeprefix(prefix): v for key, v in everything.items() if key.startswith(prefix)}
    return {key: value(text) for key, text in ours.items() if key not in config.SECRETS}
