"""What doctor says, on machines that have everything, something and nothing."""

import io

import pytest

from tests.tools.machine import Machine
from tools import doctor, install
from tools.catalog import TOOLS
from tools.doctor import Row


def examine(machine: Machine) -> tuple[int, str]:
    out = io.StringIO()
    return doctor.main(machine.places, out), out.getvalue()


def test_on_a_machine_with_nothing_every_tool_is_missing_with_a_way_out(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine.bin))

    code, said = examine(machine)

    assert code == 1
    lines = said.splitlines()
    for tool in TOOLS.values():
        said = ["note" if tool.gateway else "MISSING", tool.name]
        at = next(i for i, line in enumerate(lines) if line.split()[:2] == said)
        assert lines[at + 1].strip() == f"way out: {tool.command}"
    assert any(line.startswith("MISSING go ") for line in lines)
    assert any(line.startswith("note    git") for line in lines)


def test_on_a_machine_with_everything_all_is_well(machine: Machine) -> None:
    machine.has_go()
    machine.has_uv()
    install.ensure(places=machine.places, out=io.StringIO())
    for name in ("kubernetes", "command"):
        machine.says(f"pulumi-resource-{name}", "", folder=machine.places.stand_ins)

    code, said = examine(machine)

    assert (code, "MISSING" in said) == (0, False)
    assert f"built: {machine.places.store / 'etcd'}" in said
    assert "stand-ins for kubernetes 4.34.2, command 1.2.1 (LLMD_TOOLS_OFFLINE is set)" in said


def test_missing_stand_ins_are_told_where_they_are_needed(machine: Machine) -> None:
    machine.has_go()
    machine.has_uv()
    install.ensure(places=machine.places, out=io.StringIO())

    code, said = examine(machine)

    assert code == 1
    assert "git checkout -- plugins" in said


def test_go_is_not_needed_once_everything_is_there(machine: Machine) -> None:
    machine.has_go()
    install.ensure([*TOOLS], places=machine.places, out=io.StringIO())
    machine.has_go("go1.20.0")

    _, said = examine(machine)

    assert "note    go " in said


def test_a_stale_environment_is_told(machine: Machine) -> None:
    machine.has_go()
    machine.has_uv()
    install.ensure(["venv"], places=machine.places, out=io.StringIO())
    (machine.places.root / "uv.lock").write_text("changed")

    _, said = examine(machine)

    assert "not in step with uv.lock" in said


def test_what_is_passed_over_on_path_is_told(machine: Machine) -> None:
    program = machine.says("kubectl", "Client Version: v1.20.0")

    _, said = examine(machine)

    assert f"passed over {program}: is 1.20.0, needed is >= 1.30.0, < 2.0.0" in said


def test_a_table_lines_up_and_an_optional_lack_is_a_note() -> None:
    rows = [
        Row("etcd", "3.6.8", "here"),
        Row("git", "-", "not on PATH", mend="install git", needed=False),
        Row("kube-apiserver", "1.36.1", "not in place", mend="make tools"),
    ]

    assert doctor.table(rows).splitlines() == [
        "ok      etcd            3.6.8   here",
        "note    git             -       not on PATH",
        "                        way out: install git",
        "MISSING kube-apiserver  1.36.1  not in place",
        "                        way out: make tools",
    ]
