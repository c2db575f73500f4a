"""python3 -m tools: every failure is a few lines with a way out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.machine import Machine, plugin_versions
from tools import __main__ as cli

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Make the test's clone the one that commands work on."""
    for module in ("__main__", "install", "shell", "doctor", "clean", "records"):
        monkeypatch.setattr(sys.modules[f"tools.{module}"], "here", lambda: machine.places)
    return machine


def test_a_failure_is_a_few_lines_and_exit_code_1(
    here: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    (here.bin / "go").unlink(missing_ok=True)

    assert cli.main(["install", "epp"]) == 1

    assert capsys.readouterr().err.splitlines()[0] == "tools: go: not found on PATH"


def test_an_install_says_whose_providers_are_used(
    here: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    here.has_go()
    here.has_uv()

    assert cli.main(["install"]) == 0

    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("providers: the vendor's kubernetes 4.34.2 and command 1.2.1 cannot")


@pytest.mark.parametrize(("command", "package"), cli.PACKAGES.items())
def test_a_package_s_command_runs_in_the_virtual_environment_for_a_stack_that_there_is(
    command: str,
    package: str,
    here: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    became: list[list[str]] = []

    def become(_name: str, words: list[str], env: dict[str, str]) -> None:
        assert env["PATH"].startswith(f"{here.places.venv / 'bin'}{os.pathsep}")
        became.append(words)

    def nothing(_names: object) -> None:
        pass

    plugin_versions(here.places, kubernetes="4.34.2", command="1.2.1")
    (here.places.root / "Pulumi.mine.yaml").write_text("")
    monkeypatch.setattr(cli.install, "ensure", nothing)
    monkeypatch.setattr(os, "execvpe", become)

    cli.main([command, "mine"])
    assert became == [["python", "-m", package, "mine"]]

    assert cli.main([command, "mime"]) == 1
    assert "did you mean STACK=mine?" in capsys.readouterr().err
    assert len(became) == 1


def test_even_the_unexpected_is_no_traceback(
    here: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(cli.doctor, "main", broken)

    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "tools: RuntimeError: boom",
        "  way out: LLMD_TOOLS_DEBUG=1 shows where",
    ]
    monkeypatch.setenv("LLMD_TOOLS_DEBUG", "1")
    with pytest.raises(RuntimeError):
        cli.main(["doctor"])
    assert here.called() == []


def test_a_folder_that_cannot_be_written_is_named(
    here: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    here.has_go()
    here.places.cache.write_text("a file where a folder has to be")

    assert cli.main(["install", "epp"]) == 1

    assert capsys.readouterr().err.startswith(f"tools: {here.places.cache}: File exists\n")


def test_an_interrupt_says_that_nothing_is_lost(
    here: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.doctor, "main", interrupted)

    assert cli.main(["doctor"]) == cli.INTERRUPTED
    assert "goes on from here" in capsys.readouterr().err
    assert here.called() == []


def test_a_command_that_is_not_there_is_told(
    here: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin_versions(here.places, kubernetes="4.34.2", command="1.2.1")

    assert cli.main(["run", "--", "no-such-command"]) == cli.NOT_FOUND
    assert "no-such-command: No such file" in capsys.readouterr().err
    assert cli.main(["run"]) == 1


def test_clean_keeps_stacks_and_the_shared_cache(
    here: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin_versions(here.places, kubernetes="4.34.2", command="1.2.1")
    for kept in (here.places.backend, here.places.store, here.places.pulumi_home):
        kept.mkdir(parents=True)

    assert cli.main(["clean"]) == 0

    said = capsys.readouterr().out
    assert f"removed {here.places.venv}" in said
    assert not here.places.venv.exists()
    assert here.places.backend.is_dir()
    assert here.places.store.is_dir()


def test_an_old_python_is_told_before_anything_it_cannot_read() -> None:
    """The package's first file must be readable by Pythons that cannot read the rest."""
    script = (
        "import sys; sys.version_info = (3, 8, 1, 'final', 0); sys.version = '3.8.1 (x)';"
        "import tools"
    )
    answer = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert answer.returncode == 1
    assert answer.stderr.startswith("tools: Python 3.11 or newer is needed, and this is 3.8.1")
    assert "way out: install one and name it: make PYTHON=python3.13" in answer.stderr


def test_make_without_a_target_says_what_can_be_done_from_anywhere(tmp_path: Path) -> None:
    answer = subprocess.run(  # noqa: S603 - make is what is tested
        ["make", "-C", ROOT],  # noqa: S607
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
    )

    for target in (
        "up",
        "preview",
        "down",
        "rehearse",
        "smoke",
        "test",
        "check",
        "doctor",
        "tools",
        "clean",
        "shell",
    ):
        assert f"make {target} " in answer.stdout
