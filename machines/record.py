"""What was made here: written before it is begun, struck out once it is gone."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from machines.settings import Settings
from tools import clusters

FILE = clusters.RECORD


class Thing(StrEnum):
    CLUSTER = "cluster"
    MACHINE = "machine"
    """Podman's."""


@dataclass(frozen=True, kw_only=True)
class Record:
    settings: Settings
    """With which the cluster was made, its driver found out."""
    ours: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """Thing that was begun here, and may be removed here -> whether it came to be."""
    adopted: bool = False
    """Whether the cluster is somebody else's, and taken."""
    identity: str = ""
    """UID of its namespace kube-system: another cluster of the same name has another."""

    @property
    def stands(self) -> bool:
        """Whether there is a cluster to be found."""
        return self.adopted or self.ours.get(Thing.CLUSTER, False)

    def begun(self, what: Thing) -> Self:
        return replace(self, ours={**self.ours, what: False})

    def came(self, what: Thing) -> Self:
        return replace(self, ours={**self.ours, what: True})

    def gone(self, what: Thing) -> Self:
        left = {one: came for one, came in self.ours.items() if one != what}
        if what is Thing.CLUSTER:
            return replace(self, ours=left, adopted=False, identity="")
        return replace(self, ours=left)


@dataclass(frozen=True)
class Book:
    """The record of one cluster."""

    file: Path

    def read(self) -> Record | None:
        try:
            said: dict[str, Any] = json.loads(self.file.read_text())
        except FileNotFoundError:
            return None
        said["settings"] = Settings.of(said["settings"])
        return Record(**said)

    def write(self, record: Record) -> Record:
        """In one step: a run that is cut short leaves no half-written file."""
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        part.write_text(json.dumps(asdict(record), indent=1))
        part.replace(self.file)
        return record
