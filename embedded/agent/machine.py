"""What the node agent asks of the machine under it; nothing here knows Kubernetes.

Pods live on a network of their own, `Side.PODS`, where every pod has an address and may listen on
any port. The machine's own network is `Side.HOST`, of which only loopback is ever used. Nothing
crosses from one to the other but what `forward` and the checks carry.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class MachineError(RuntimeError):
    """What the machine cannot do, and the way out, in one line."""


class Side(StrEnum):
    HOST = "host"
    PODS = "pods"


@dataclass(frozen=True)
class Endpoint:
    """Where TCP is listened or connected to."""

    side: Side
    address: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A file or folder of the machine, seen in the container at `target`."""

    source: Path
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class Program:
    """A container with everything resolved: what runs, as whom, and what it sees."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """All of it: nothing is inherited."""
    directory: str
    user: int
    group: int
    groups: tuple[int, ...]
    """Further groups, fsGroup among them."""
    mounts: tuple[Mount, ...]
    read_only_root: bool
    log: Path
    """Where standard output and error are appended."""


@dataclass(frozen=True, kw_only=True)
class Running:
    started: float
    """Seconds since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    started: float
    ended: float
    code: int
    """Exit code, or 128 + the signal that ended it."""


class Forward(Protocol):
    """Listens until it is closed; connections that are open then are cut."""

    def close(self) -> None: ...


class Machine(Protocol):
    """Everything outlives the process that asked for it, but for forwards: what an agent that was
    killed had running is found again by the next one. Every method may be repeated.
    """

    def open(self) -> None:
        """Have the pods' network, or find it again. MachineError where the machine cannot."""
        ...

    def close(self) -> None:
        """End every program and remove every trace, whatever state they are in."""
        ...

    def pods(self) -> Mapping[str, str]:
        """Pod -> address, of all that were added and not removed."""
        ...

    def add_pod(self, pod: str, address: str) -> None: ...

    def remove_pod(self, pod: str) -> None:
        """Kill what runs in it, and forget its containers and its address."""
        ...

    def start(self, pod: str, container: str, program: Program) -> None:
        """Start a container, or start one anew that has ended; nothing while it runs."""
        ...

    def state(self, pod: str, container: str) -> Running | Ended | None:
        """None for one that was never started."""
        ...

    def signal(self, pod: str, container: str, number: int) -> None:
        """Send a signal to the container's first process; nothing if it has ended."""
        ...

    def check_http(
        self, at: Endpoint, path: str, headers: Mapping[str, str], seconds: float
    ) -> str | None:
        """Ask for `path`: None for an answer from 200 to 399, else what was wrong."""
        ...

    def check_tcp(self, at: Endpoint, seconds: float) -> str | None: ...

    def check_grpc(self, at: Endpoint, service: str, seconds: float) -> str | None:
        """The gRPC health protocol: None where `service` is SERVING."""
        ...

    def forward(self, at: Endpoint, targets: Callable[[], Sequence[Endpoint]]) -> Forward:
        """Carry each connection to one of `targets`, by chance; cut it where there is none.

        MachineError where the address or port is taken.
        """
        ...

    def tunnel(self, at: Path) -> Forward:
        """Carry each connection to the pods' address that it asks for, by HTTP's CONNECT.

        `at` is a socket that is made there, for whoever may enter its folder.
        """
        ...
