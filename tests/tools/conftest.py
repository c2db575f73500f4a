"""What these tests run on: see machine.py."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.tools.machine import Machine
from tools.places import Places

ROOT = Path(__file__).resolve().parents[2]

SYSTEM = ("chmod", "ln", "mkdir", "sleep")
"""What the recording programs call; a real /usr/bin may have any tool in it."""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a bare machine: an sh, and a clone whose path is as hostile as a path may be."""
    root = tmp_path / "it's a $clone"
    shutil.copytree(ROOT / "tools" / "go", root / "tools" / "go")
    for name in ("uv.lock", "pyproject.toml"):
        (root / name).write_text("")
    bin_folder, system = tmp_path / "bin", tmp_path / "system"
    bin_folder.mkdir()
    system.mkdir()
    for name in SYSTEM:
        program = shutil.which(name)
        assert program, f"these tests need {name}"
        (system / name).symlink_to(program)
    made = Machine(
        home=tmp_path,
        places=Places(root=root, cache=tmp_path / "cache"),
        bin=bin_folder,
        system=system,
        calls=tmp_path / "calls",
    )
    for name in [*os.environ]:
        if name.startswith(("PULUMI_", "LLMD_", "GO", "UV_", "VIRTUAL_ENV")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setenv("LLMD_TOOLS_OFFLINE", "1")
    return made


@pytest.fixture
def edit_pin(machine: Machine) -> Callable[[Mapping[str, str]], None]:
    """Give a way to change a go.mod, as an update of a pin does."""

    def edit(changes: Mapping[str, str]) -> None:
        for family, more in changes.items():
            file = machine.places.go_modules / family / "go.mod"
            file.write_text(file.read_text() + more)

    return edit
