"""A stack that makes its own minikube, which is a control plane of this machine here. 100 s."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from engine.project import EMBEDDED, ROOT, Project

import tools
from embedded.cluster import Cluster

pytestmark = pytest.mark.engine

MINIKUBE = Path(__file__).with_name("minikube.py")
CLUSTER = {
    "kind": "minikube",
    "profile": "llm-d-cpu",
    "driver": "docker",
    "cpus": 8,
    "memory": "24Gi",
    "disk": "100Gi",
}
DOCKER = {
    "ServerVersion": "28.5.1",
    "OperatingSystem": "Docker Desktop",
    "NCPU": 16,
    "MemTotal": 64 * 2**30,
}
"""As a preflight wants it, whatever machine the test is on."""
MODELS = [{"name": "Qwen/Qwen3-0.6B"}]
NAMESPACE = "llm-d-inference-scheduler"


@dataclass(frozen=True)
class Laptop:
    home: Path
    project: Project

    @property
    def plane(self) -> Cluster:
        return Cluster(root=self.home / "plane", tools=tools.resolve)

    def did(self) -> list[str]:
        """What minikube was asked to do since the last time, in a word each."""
        calls = self.home / "calls"
        said = [line.split()[0] for line in calls.read_text().splitlines()]
        calls.write_text("")
        return [one for one in said if one not in {"profile", "status", "update-context"}]

    def namespaces(self) -> str:
        return self.project.kubectl("get", "namespaces", "--output=name")


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laptop]:
    home = tmp_path / "laptop"
    (home / "bin").mkdir(parents=True)
    (home / "calls").touch()
    program = home / "bin" / "minikube"
    words = shlex.join(["env", f"PYTHONPATH={ROOT}", sys.executable, str(MINIKUBE), str(home)])
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    docker = home / "bin" / "docker"
    docker.write_text(f"#!/bin/sh\necho '{json.dumps(DOCKER)}'\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}")
    config = EMBEDDED | {"cluster": CLUSTER, "models": MODELS}
    made = Laptop(home, Project.create(tmp_path / "project", "laptop", config))
    yield made
    made.plane.down()


def test_a_killed_creation_is_finished_by_the_next_up_and_one_step_removes_everything(
    laptop: Laptop,
) -> None:
    project = laptop.project
    (laptop.home / "pause").touch()
    running = project.start("up")
    while not (laptop.home / "reached").exists():
        assert running.poll() is None, project.finish(running).said
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)
    project.finish(running)
    (laptop.home / "pause").unlink()
    assert laptop.did() == ["start"]

    up = project.act("up")
    assert up.code == 0, up.said
    assert laptop.did() == ["delete", "start"], "half made, and made anew"
    assert NAMESPACE in laptop.namespaces()
    again = project.pulumi("up", "--yes", "--skip-preview")
    assert (again.code, again.touched) == (0, {}), again.said
    larger = project.root / "Pulumi.laptop.yaml"
    larger.write_text(larger.read_text().replace("memory: 24Gi", "memory: 28Gi"))
    project.act("preview")
    preview = project.pulumi("preview")
    assert preview.touched["cluster"] in {"replace", "create-replacement", "delete-replaced"}
    assert laptop.did() == []

    destroyed = project.pulumi("destroy", "--yes", "--skip-preview")
    assert destroyed.code == 0, destroyed.said
    assert laptop.did() == ["delete"]
    assert not project.cluster.exists()
    assert project.processes() == []


def test_a_cluster_is_kept_stopped_taken_up_again_and_forgotten_once_it_is_gone(
    laptop: Laptop,
) -> None:
    project = laptop.project
    assert project.act("up").code == 0
    assert laptop.did() == ["start"]

    down = project.act("down", keep="stopped")
    assert down.code == 0, down.said
    assert laptop.did() == ["stop"]
    assert not laptop.plane.ready()
    up = project.act("up")
    assert up.code == 0, up.said
    assert laptop.did() == ["start"]
    assert NAMESPACE in laptop.namespaces()

    down = project.act("down", keep="running")
    assert down.code == 0, down.said
    assert laptop.did() == []
    assert NAMESPACE not in laptop.namespaces(), "what goes with a cluster that stays is removed"
    up = project.act("up")
    assert up.code == 0, up.said

    subprocess.run([laptop.home / "bin" / "minikube", "delete"], check=True)  # noqa: S603 - ours
    down = project.act("down")
    assert down.code == 0, down.said
    assert "the stack's cluster is gone: what was on it is forgotten" in down.said
    assert laptop.did() == ["delete"], "by hand"
    assert not project.cluster.exists()
