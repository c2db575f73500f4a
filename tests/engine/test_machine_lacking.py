"""A real update from a machine that lacks something: refused as a whole, with nothing created."""

import os
import stat
from pathlib import Path

import pytest
from engine.project import EMBEDDED, Project

pytestmark = pytest.mark.engine

CLUSTER = {"kind": "minikube", "cpus": 512, "memory": "9000Gi", "disk": "100Gi", "driver": "docker"}


def test_nothing_is_created_and_everything_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("docker", "minikube", "podman"):
        file = programs / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >> "{calls}"\nexit 1\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    project = Project.create(tmp_path / "project", "lacking", EMBEDDED | {"cluster": CLUSTER})

    preview = project.act("preview")
    assert preview.code == 0, preview.said
    assert not calls.exists()

    up = project.pulumi("up", "--yes", "--skip-preview")

    assert up.code != 0
    for what in ("container engine is docker does not answer", "CPUs is", "memory is"):
        assert f"  - {what}" in up.said
    assert "Traceback" not in up.said
    assert {urn.split("::")[2] for urn in up.created} <= {"pulumi:pulumi:Stack"}
    assert not project.cluster.exists()
    assert calls.read_text().splitlines() == ["docker info --format {{json .}}"]
