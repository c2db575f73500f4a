"""A machine for a test: tools that record how they are called, and what they have made."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from machines.lifecycle import Lifecycle
from machines.settings import Machine, Settings

RECORDER = Path(__file__).with_name("recorder.py")
PROJECT = Path(__file__).parents[2]
QUESTIONS = {"list", "inspect", "status", "get"}

ON_PODMAN = Machine(name="podman-machine-default", cpus=10, memory=28672, disk=120)
MINIKUBE = Settings(
    kind="minikube",
    name="llm-d-cpu",
    driver="docker",
    options={
        "cpus": 8,
        "memory": 24576,
        "disk": 102400,
        "gpus": None,
        "kubernetes": "1.34.0",
    },
    machine=ON_PODMAN,
)
IMAGE = f"kindest/node:v1.34.0@sha256:{'7' * 64}"
KIND = Settings(
    kind="kind",
    name="llm-d-cpu",
    driver="podman",
    options={"image": IMAGE, "ports": [{"node": 30080, "host": 8080}]},
    machine=replace(ON_PODMAN, cpus=8, memory=24576, disk=100),
)

RUN = """
import json, sys
from pathlib import Path
from machines.lifecycle import Lifecycle
from machines.settings import Settings
from tools.errors import Missing
cluster = Lifecycle(root=Path(sys.argv[1]), platform=sys.argv[2], architecture="amd64")
try:
    getattr(cluster, sys.argv[3])(*([Settings.of(json.loads(sys.argv[4]))] if sys.argv[4:] else []))
except Missing as problem:
    sys.exit(str(problem))
"""
"""`python3 -m machines`, on a platform that need not be this machine's."""


@dataclass(frozen=True)
class Bench:
    home: Path

    @classmethod
    def create(
        cls,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
        tools: Sequence[str] = ("docker", "kind", "kubectl", "minikube", "podman"),
    ) -> "Bench":
        (home / "bin").mkdir()
        for tool in tools:
            program = home / "bin" / tool
            words = [sys.executable, "-S", "-E", str(RECORDER), str(home), tool]
            program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            program.chmod(0o755)
        # Nothing of this machine's own.
        monkeypatch.setenv("PATH", str(home / "bin"))
        made = cls(home)
        made.world()
        return made

    @property
    def root(self) -> Path:
        return self.home / "state" / "clusters" / "mine"

    def world(self, **parts: Any) -> None:
        """What there is before anything is asked for."""
        empty: dict[str, Any] = {"minikube": {}, "kind": {}, "machine": {}}
        (self.home / "world.json").write_text(json.dumps(empty | parts))

    def there(self) -> dict[str, Any]:
        return json.loads((self.home / "world.json").read_text())

    def is_empty(self) -> bool:
        now = self.there()
        return not any(now[part] for part in ("minikube", "kind", "machine"))

    def cluster(self, platform: str = "linux") -> Lifecycle:
        return Lifecycle(root=self.root, platform=platform, architecture="amd64")

    def calls(self) -> list[dict[str, Any]]:
        file = self.home / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def did(self) -> list[str]:
        """Calls since the last time that were no questions."""
        said = [
            " ".join(one["words"])
            for one in self.calls()
            if one["words"][0] != "kubectl" and not QUESTIONS & {*one["words"]}
        ]
        (self.home / "calls").unlink(missing_ok=True)
        return said

    def kill(self, point: str, platform: str, action: str, settings: Settings | None = None) -> int:
        """Run the action until a tool is at the point, and kill it there with no time to tidy up.

        The tool's number.
        """
        (self.home / "pause").write_text(point)
        said = [json.dumps(asdict(settings))] if settings else []
        running = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-c", RUN, self.root, platform, action, *said],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        reached = self.home / "reached"
        while not reached.exists() or not reached.read_text():
            assert running.poll() is None, f"{action} ended before {point}"
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
        running.wait()
        (self.home / "pause").unlink()
        tool = int(reached.read_text())
        reached.unlink()
        return tool


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
