"""Helm charts of what a stack needs on its cluster, by version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Chart:
    name: str
    """Of the release."""
    namespace: str
    """Made and removed with all charts of a stack that are in it."""
    chart: str
    """`oci://` and all, or its name in the repository."""
    repository: str | None = None
    version: str
    path: str | None = None
    """Of the chart itself, where it does not come from its publisher."""
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    defines: bool = False
    """Whether it is definitions alone, which Helm removes with it, and with them all objects."""
    pods: tuple[Mapping[str, str], ...] = ()
    """What each of its pods asks for, as far as the nodes have to have room for it."""
