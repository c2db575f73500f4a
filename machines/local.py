"""What a tool that makes local clusters is asked to do."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from machines.settings import Settings
from machines.tool import Shop


class State(StrEnum):
    ABSENT = "absent"
    STOPPED = "stopped"
    RUNNING = "running"


class Local(Protocol):
    """One cluster, by the tool that makes such clusters."""

    @property
    def context(self) -> str:
        """Of its kubeconfig."""
        ...

    def state(self) -> State: ...
    def create(self) -> None: ...
    def start(self) -> None:
        """Start it, with its kubeconfig as it is from then on."""
        ...

    def connect(self) -> None:
        """Have the kubeconfig of one that runs."""
        ...

    def stop(self) -> None: ...
    def delete(self) -> None: ...


Make = Callable[[Shop, Settings, str], Local]
"""With the platform's name, as `sys.platform` says it."""
