"""Podman's virtual machine, in which its containers run elsewhere than on Linux."""

import json
from dataclasses import dataclass
from typing import Any

from machines.settings import Machine
from machines.tool import Shop
from tools.errors import Missing

INIT_SECONDS = 1800.0
"""Of which most go into the download of its image."""
START_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Found:
    cpus: int
    memory: int
    """MiB."""
    disk: int
    """GiB."""
    rootful: bool
    running: bool


@dataclass(frozen=True)
class PodmanMachine:
    shop: Shop
    wanted: Machine

    def look(self) -> Found | None:
        """What is there under its name; None where nothing is."""
        listed = self._ask("list", "--format=json")
        # With an asterisk where it is the default, in some versions.
        names = {str(one["Name"]).rstrip("*") for one in listed or ()}
        if self.wanted.name not in names:
            return None
        [said] = self._ask("inspect", self.wanted.name)
        resources = said["Resources"]
        return Found(
            cpus=resources["CPUs"],
            memory=resources["Memory"],
            disk=resources["DiskSize"],
            rootful=bool(said.get("Rootful")),
            running=said.get("State") == "running",
        )

    def create(self) -> None:
        self._act(
            "init",
            *(f"--cpus={self.wanted.cpus}", f"--memory={self.wanted.memory}"),
            *(f"--disk-size={self.wanted.disk}", "--rootful", self.wanted.name),
            seconds=INIT_SECONDS,
        )
        self.start()

    def start(self) -> None:
        self._act("start", self.wanted.name, seconds=START_SECONDS)

    def stop(self) -> None:
        self._act("stop", self.wanted.name, seconds=START_SECONDS)

    def remove(self) -> None:
        self._act("rm", "--force", self.wanted.name, seconds=START_SECONDS)

    def resize(self) -> None:
        """All that can be changed; its disk cannot."""
        self._act(
            "set",
            *(f"--cpus={self.wanted.cpus}", f"--memory={self.wanted.memory}", "--rootful"),
            self.wanted.name,
            seconds=START_SECONDS,
        )

    def is_as_wanted(self, found: Found) -> bool:
        """As far as it can be changed."""
        return found.rootful and (found.cpus, found.memory) == (
            self.wanted.cpus,
            self.wanted.memory,
        )

    def check(self, found: Found) -> None:
        """Missing where one that somebody else made will not do, which is theirs to change."""
        wanted, name = self.wanted, self.wanted.name
        mended = (
            f"podman machine stop {name}; podman machine set --rootful --cpus={wanted.cpus} "
            f"--memory={wanted.memory} {name}"
        )
        another = "name another in `cluster.machine.name`, which is then made"
        if not found.rootful:
            raise self._lacks("is rootless, and Kubernetes sets limits that only root may", mended)
        for what, there, needed in (
            ("CPUs", found.cpus, wanted.cpus),
            ("MiB of memory", found.memory, wanted.memory),
        ):
            if there < needed:
                raise self._lacks(f"has {there} {what}, and {needed} are needed", mended)
        if found.disk < wanted.disk:
            raise self._lacks(
                f"has a disk of {found.disk} GiB, {wanted.disk} are needed, and no disk can be "
                "changed",
                f"`podman machine rm {name}`, or {another}",
            )

    def _lacks(self, why: str, way_out: str) -> Missing:
        return Missing(f"podman machine {self.wanted.name}", why, way_out=way_out)

    def _act(self, *words: str, seconds: float) -> None:
        self.shop.act("podman", "machine", *words, seconds=seconds)

    def _ask(self, *words: str) -> list[dict[str, Any]]:
        said = self.shop.ask("podman", "machine", *words)
        try:
            if not said.code:
                return json.loads(said.out or "[]")
        except ValueError:
            pass
        raise Missing(
            "podman",
            f"`podman machine {words[0]}` failed",
            way_out=f"mend what `podman machine {' '.join(words)}` says, then run this again",
            said=said.last,
        )
