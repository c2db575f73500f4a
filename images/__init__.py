"""Recipes of images that can be built where nobody publishes them: one module each, one `RECIPE`.

Data alone. Whether a stack builds one, and what the image is called, is decided in `stack/builds`.
"""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Source:
    """A commit, and the tag that has to point at it."""

    commit: str
    tag: str | None = None
    """None where the commit has none."""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A line that is rewritten, where it is found exactly once."""

    file: str
    """From the source's root."""
    find: str
    replace: str
    """`{arch}` is the architecture that is built for, in Go's words."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    stands_for: Literal["endpoint picker", "routing proxy", "server"]
    """Which of a release's images it is instead of."""
    hardware: frozenset[str] = frozenset()
    """Targets whose server it is; none for what is no model server."""
    repository: str
    sources: Mapping[str, Source]
    """Release -> what is built for it."""
    lacks: Mapping[str, str] = field(default_factory=dict[str, str])
    """Release -> why there is no source for it, as the user should read it."""
    published: frozenset[str]
    """Architectures that the releases' own image is published for."""
    dockerfile: str = "Dockerfile"
    target: str | None = None
    """Stage that is the image; None for the last."""
    args: Mapping[str, str] = field(default_factory=dict[str, str])
    patches: tuple[Patch, ...] = ()
    seconds: int
    """How long it may take to build, where programs run at their own speed."""


@cache
def recipes() -> Mapping[str, Recipe]:
    """Every recipe, named after its module: `vllm_cpu.py` is `vllm-cpu`."""
    return {
        module.name.replace("_", "-"): import_module(f"{__name__}.{module.name}").RECIPE
        for module in pkgutil.iter_modules(__path__)
    }
