"""Ways for an endpoint picker to weigh pods: one module each, holding one `SCHEDULER`."""

import pkgutil
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

PREFIX_CACHE: Mapping[str, Any] = {"maxPrefixBlocksToMatch": 2048}
"""Of `prefix-cache-scorer`, which compares prompts in blocks of 64 characters. Its own limit of 256
blocks ends after 16,384 characters, about 4,000 tokens: prompts that differ later than that look
the same to it, and the guides' shared prefix alone has 6,000 tokens."""


REPOSITORY, NAME, SERVERS = "{repository}", "{name}", "{servers}"
"""Stand in a plugin's parameters for the model's repository on Hugging Face, the name that requests
ask for it by, and the URL under which its servers that are ready are found."""


@dataclass(frozen=True)
class KvEvents:
    """How model servers tell what their KV caches hold; both sides have to agree."""

    port: int = 5556
    topic: str = "kv@"
    block_size: int = 64
    """Tokens of a block."""
    hash_seed: str = "42"


KV_EVENTS = KvEvents()


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One plugin of the endpoint picker."""

    type: str
    weight: int | None = None
    """Of a scorer; None for what is no scorer."""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    plugins: tuple[Plugin, ...]
    """Of every profile."""
    profiles: Mapping[str, tuple[Plugin, ...]] = field(default_factory=lambda: {"default": ()})
    """Profile -> what comes first in it, before the plugins of all."""
    handlers: tuple[Plugin, ...] = ()
    """Of no profile."""
    extracts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Source of what is known of the pods -> the plugin that makes something of it."""
    before: "Scheduler | None" = None
    """For releases that lack one of its plugins."""

    def of(self, plugins: AbstractSet[str]) -> "Scheduler":
        """The newest that takes no more than these types of plugins; none does, itself."""
        one: Scheduler | None = self
        while one and not {plugin.type for plugin in one.everything} <= plugins:
            one = one.before
        return one or self

    @property
    def everything(self) -> tuple[Plugin, ...]:
        filters = (plugin for first in self.profiles.values() for plugin in first)
        return (*self.handlers, *filters, *self.plugins)


@cache
def schedulers() -> Mapping[str, Scheduler]:
    """Every preset, named after its module: `prefix_heavy.py` is `prefix-heavy`."""
    return {
        module.name.replace("_", "-"): import_module(f"{__name__}.{module.name}").SCHEDULER
        for module in pkgutil.iter_modules(__path__)
    }
