"""What a cluster is to be: words of the stack file, in the units of the tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Podman's virtual machine, which containers run in elsewhere than on Linux."""

    name: str
    cpus: int
    memory: int
    """MiB."""
    disk: int
    """GiB."""
    keep: bool = False
    """Whether it stays when the cluster goes."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    kind: str
    """A module of this package that has a `Tool`."""
    name: str
    driver: str
    """docker or podman; auto finds out."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of that kind alone."""
    machine: Machine
    architecture: str | None = None
    """That the stack's images are for, as Kubernetes calls it; None: any."""
    adopt: bool = False
    """Whether a cluster of this name that somebody else made is taken, and left in the end."""
    retain: str = "nothing"
    """What `down` leaves: nothing, the cluster stopped, or the cluster running."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """From what `dataclasses.asdict` makes of it."""
        words: dict[str, Any] = {**said, "machine": Machine(**said["machine"])}
        return cls(**words)
