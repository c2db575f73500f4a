"""Helm charts of what a stack needs on its cluster, by version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Chart:
    name: str
    """Of the release."""
    namespace: str
    """Its own, made and removed with it."""
    chart: str
    version: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
