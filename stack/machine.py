"""What a kind of cluster takes of the machine that `pulumi up` runs on: data.

The kinds say it, `preflight/` holds it against the machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class PodmanMachine:
    """The virtual machine that Podman runs containers in, where it is not on Linux; rootful."""

    name: str
    cpus: int
    memory: int
    """MiB."""
    disk: int
    """GiB."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a cluster is found."""

    kubeconfig: str | None
    """Path; None takes what the environment says."""
    context: str


@dataclass(frozen=True, kw_only=True)
class MachineNeeds:
    tools: tuple[str, ...] = ()
    """Programs that have to be on PATH."""
    useful: tuple[str, ...] = ()
    """Programs without which something is not looked at."""
    engines: Mapping[str, str] = field(default_factory=dict[str, str])
    """`docker`, `podman` -> the oldest version that will do. The first that is installed runs the
    cluster's nodes; none where nodes are elsewhere, or need none."""
    builds: tuple[str, ...] = ()
    """Programs of which one builds the stack's images; none where there are none to build."""
    runtimes: tuple[str, ...] = ()
    """Container runtimes that the engine has to have."""
    gives_devices: bool = False
    """Whether containers get this machine's accelerators."""
    node: Mapping[str, str] = field(default_factory=dict[str, str])
    """Cpu and memory that the node is given of the machine; what is left out has no limit."""
    podman_machine: PodmanMachine | None = None
    """That is made where there is none of its name, for Podman on what is not Linux."""
    ports: tuple[int, ...] = ()
    """Of this machine, on which something of the cluster will listen."""
    version: str | None = None
    """Of Kubernetes, as far as the stack file says or makes it."""
    asks: Address | None = None
    """What else knows that version, where the cluster is someone else's."""

    @property
    def runs_here(self) -> bool:
        """Whether pods are containers of this machine."""
        return bool(self.engines)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Of a machine that something is to be created from."""

    refusal: str = ""
    """Everything that it lacks; empty where it lacks nothing."""
    warning: str = ""
    """What may go wrong all the same."""
