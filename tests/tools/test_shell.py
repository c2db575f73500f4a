"""The environment for pulumi, the tests and a person's shell."""

import os
import subprocess
from dataclasses import replace

import pytest

from tests.tools.machine import Machine, plugin_versions
from tools import Missing, shell
from tools.places import Places


@pytest.fixture(autouse=True)
def locked(machine: Machine) -> None:
    plugin_versions(machine.places, kubernetes="4.34.2", command="1.2.1")


def read_by_a_shell(machine: Machine, name: str) -> str:
    """Let sh read the exports, as a person's shell does."""
    answer = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", f'eval "$1"; printf %s "${name}"', "sh", shell.exports(machine.places)],
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout


def test_a_shell_reads_back_what_was_meant_whatever_the_clone_is_called(machine: Machine) -> None:
    assert "'" in str(machine.places.root)
    assert "$" in str(machine.places.root)

    for name, value in shell.changes(machine.places).items():
        assert read_by_a_shell(machine, name) == value


def test_path_starts_with_the_environment_and_the_tools(machine: Machine) -> None:
    path = shell.changes(machine.places)["PATH"].split(":")

    places = machine.places
    assert path[:3] == [str(places.venv / "bin"), str(places.links), str(places.stand_ins)]
    assert path[3:] == machine.path.split(":")


def test_a_shell_in_a_shell_has_the_same_path(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = shell.changes(machine.places)
    for name, value in once.items():
        monkeypatch.setenv(name, value)

    assert shell.changes(machine.places)["PATH"] == once["PATH"]


def test_the_backend_is_a_folder_of_the_clone_and_needs_no_passphrase(machine: Machine) -> None:
    changed = shell.changes(machine.places)

    assert changed["PULUMI_BACKEND_URL"].startswith("file:///")
    assert changed["PULUMI_BACKEND_URL"].endswith("/it%27s%20a%20%24clone/.state/backend")
    assert machine.places.backend.is_dir()
    assert changed["PULUMI_CONFIG_PASSPHRASE"] == ""


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_a_passphrase_of_the_user_stays(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "theirs")

    assert "PULUMI_CONFIG_PASSPHRASE" not in shell.changes(machine.places)


def test_a_backend_of_the_user_stays_and_gets_no_passphrase(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://theirs")

    changed = shell.changes(machine.places)

    assert "PULUMI_BACKEND_URL" not in changed
    assert "PULUMI_CONFIG_PASSPHRASE" not in changed
    assert not machine.places.backend.exists()


def test_the_shell_of_another_clone_does_not_hand_down_its_backend(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(machine.places, root=machine.home / "other")
    plugin_versions(other, kubernetes="4.34.2", command="1.2.1")
    for name, value in shell.changes(other).items():
        monkeypatch.setenv(name, value)

    assert "it%27s" in shell.changes(machine.places)["PULUMI_BACKEND_URL"]


def test_kubeconfig_and_go_are_left_alone(machine: Machine) -> None:
    assert not {"KUBECONFIG", "GOMODCACHE", "PYTHONPATH"} & shell.changes(machine.places).keys()


def test_a_path_that_path_cannot_hold_is_refused(machine: Machine) -> None:
    places = Places(root=machine.home / f"a{os.pathsep}b", cache=machine.places.cache)

    with pytest.raises(Missing, match="move or rename the folder"):
        shell.changes(places)
