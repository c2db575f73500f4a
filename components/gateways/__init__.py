"""Gateway providers: one module each, holding one `KIND`."""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module

from stack.kinds import GatewayKind


@cache
def kinds() -> Mapping[str, GatewayKind]:
    """Every provider, named after its module."""
    return {
        module.name.replace("_", "-"): import_module(f"{__name__}.{module.name}").KIND
        for module in pkgutil.iter_modules(__path__)
    }
