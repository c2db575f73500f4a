"""Stacks rehearsed on one control plane, one after the other."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine.project import Project

import tools
from embedded.cluster import Cluster
from rehearsal.rehearse import rehearse
from tools.places import Places, here

NAMESPACE = "llm-d-inference-scheduler"
THEIRS = "theirs"
"""What objects are called that stacks only name."""
WELL = "all pods are placed; destroyed, and nothing is left"


@dataclass(frozen=True)
class Rehearsed:
    well: bool
    said: str

    def line(self, beginning: str) -> str:
        """The one line that begins so."""
        [found] = [one for one in self.said.splitlines() if one.startswith(beginning)]
        return found

    @property
    def placed(self) -> list[tuple[str, str, str]]:
        """Pod, node and what the pod asks for, of each."""
        _, _, table = self.said.partition("\npod ")
        rows = [row.split(maxsplit=2) for row in table.partition("\n\n")[0].splitlines()[1:]]
        return [(pod, node, asks) for pod, node, asks in rows]


Rehearse = Callable[[Mapping[str, Any]], Rehearsed]
"""Takes the blocks of a stack file."""


def places(root: Path, stack: str, blocks: Mapping[str, Any]) -> Places:
    """A clone in which the stack is the only one."""
    return Places(root=Project.create(root, stack, blocks).root, cache=here().cache)


def on(cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]) -> Rehearse:
    """Rehearse on a cluster that is cleared for the next one."""

    def run(blocks: Mapping[str, Any]) -> Rehearsed:
        (folder := root / "rehearsal").mkdir()
        well = rehearse("tried", places(root / "clone", "tried", blocks), folder, cluster)
        for gone in (
            ("namespace", NAMESPACE),
            ("crds,persistentvolumes", "--all"),
            ("priorityclass", THEIRS),
        ):
            subprocess.run(  # noqa: S603 - our own words
                [
                    *(tools.resolve("kubectl"), f"--kubeconfig={cluster.kubeconfig}"),
                    *("delete", "--ignore-not-found", *gone),
                ],
                stdout=subprocess.DEVNULL,
                check=True,
            )
        return Rehearsed(well, capsys.readouterr().out)

    return run
