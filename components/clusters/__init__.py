"""Kinds of cluster: one module each, holding one `KIND`."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Generic, Protocol

import pulumi

from stack.kinds import ClusterKind, Settings
from stack.plan import Cluster


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach a cluster, and what it stands and falls with."""

    kubeconfig: str | None
    """Path; None takes what the environment says, for this context alone."""
    context: str
    owner: pulumi.Resource | None
    """What makes the cluster and removes it, where the stack does."""
    before: tuple[pulumi.Resource, ...] = ()
    """What else has to be there before anything can run on it."""
    goes_along: bool = True
    """Whether what is on it goes with its owner; else each object is removed by itself."""
    credentials: pulumi.Output[str] | None = None
    """Content of a kubeconfig, where it is in no file."""


class Connect(Protocol):
    """Make the cluster or find it, before anything is put on it."""

    def __call__(self, name: str, cluster: Cluster, opts: pulumi.ResourceOptions) -> Access: ...


@dataclass(frozen=True, kw_only=True)
class Kind(ClusterKind[Settings], Generic[Settings]):
    connect: Connect


@cache
def kinds() -> Mapping[str, Kind[Any]]:
    """Every kind, named after its module."""
    return {
        module.name.replace("_", "-"): import_module(f"{__name__}.{module.name}").KIND
        for module in pkgutil.iter_modules(__path__)
    }
