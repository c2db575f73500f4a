"""Where each pod is, and what keeps one from where it should be: read from what is there. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from stack import quantity

Object = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pod:
    name: str
    node: str
    """Empty while it has none."""
    asks: Mapping[str, Decimal]
    """Of its node: resources, and devices by driver."""
    trouble: str
    """Why it is not placed or not ready; empty if it is."""
    undecided: bool
    """Whether waiting may still change something."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    pods: tuple[Pod, ...]
    offered: Mapping[str, Mapping[str, Decimal]]
    """Node -> what it has for pods."""
    missing: tuple[str, ...]
    """Pods that were not made, and why."""
    undecided: bool
    """Whether waiting may still change something."""

    @property
    def problems(self) -> list[str]:
        return [*self.missing, *(f"{one.name}: {one.trouble}" for one in self.pods if one.trouble)]

    def taken(self, node: str) -> Mapping[str, Decimal]:
        taken: Counter[str] = Counter()
        for pod in self.pods:
            if pod.node == node:
                taken.update(pod.asks)  # pyright: ignore[reportArgumentType]
        return taken  # pyright: ignore[reportReturnType]
