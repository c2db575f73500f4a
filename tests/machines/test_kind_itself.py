"""kind itself, on an engine that writes down what it is asked. Its build takes a minute, once."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import go_modules
import pytest
from bench_of_tools import KIND

from components.clusters import kind as kind_of_cluster
from machines.kind import Kind
from machines.local import State
from machines.tool import Shop
from tools.errors import Missing

pytestmark = pytest.mark.engine

MODULE, VERSION = "sigs.k8s.io/kind", "v0.30.0"
"""Whose node image is the one that stacks have where they say no other."""

# Knows of no container and makes none: kind gets as far as asking for its node.
ENGINE = """#!/bin/sh
echo "$*" >> '{calls}'
case "$1" in
info) echo '{{"CgroupVersion":"2","CgroupDriver":"systemd","MemoryLimit":true,"CPUShares":true}}' ;;
network) [ "$2" = ls ] && echo 0123 ;;
run) echo 'no containers here' >&2; exit 1 ;;
esac
exit 0
"""


@pytest.fixture(scope="module")
def module() -> Path:
    found = go_modules.folder(MODULE, VERSION)
    assert found, "Go has it from its module proxy"
    return found


@pytest.fixture(scope="module")
def program(module: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kind") / "kind"
    subprocess.run(["go", "build", "-C", module, "-o", made, "."], check=True)  # noqa: S603, S607 - ours
    return made


@pytest.fixture
def kind(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kind").symlink_to(program)
    (folder / "docker").write_text(ENGINE.format(calls=tmp_path / "calls"))
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    (tmp_path / "root").mkdir()
    shop = Shop(root=tmp_path / "root", env={"KIND_EXPERIMENTAL_PROVIDER": "docker"})
    return Kind(shop, replace(KIND, driver="docker"), "linux")


def test_it_reads_our_file_and_asks_for_the_node_that_the_stack_file_says(
    kind: Kind, tmp_path: Path
) -> None:
    with pytest.raises(Missing, match="no containers here"):
        kind.create()

    calls = (tmp_path / "calls").read_text().splitlines()
    [run] = [line.split() for line in calls if line.startswith("run ")]
    assert run[-1] == KIND.options["image"]
    assert "--name llm-d-cpu-control-plane" in " ".join(run)
    published = [word for word in run if word.startswith("--publish=")]
    assert "--publish=127.0.0.1:8080:30080/TCP" in published
    assert all(word.startswith("--publish=127.0.0.1:") for word in published)


def test_it_refuses_a_key_that_it_does_not_know(kind: Kind) -> None:
    """So that what it takes it has understood."""
    file = kind.shop.root / "kind.yaml"
    file.write_text(json.dumps(kind.config() | {"networkin": {}}))

    said = kind.shop.ask("kind", "create", "cluster", f"--config={file}")

    assert said.code
    assert "networkin" in said.err


def test_it_knows_of_no_cluster_where_there_is_none(kind: Kind) -> None:
    assert kind.state() is State.ABSENT
    kind.delete()


def test_the_node_image_left_out_is_its_own(module: Path) -> None:
    said = (module / "pkg" / "apis" / "config" / "defaults" / "image.go").read_text()

    assert f'"{kind_of_cluster.IMAGE}"' in said
