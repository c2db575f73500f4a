"""What is built, when it is built again, and what a failure says."""

from collections.abc import Callable, Mapping

import pytest

from tests.tools.machine import Machine
from tools import gobuild
from tools.catalog import FAMILIES, TOOLS, GoPackage, pin, pins
from tools.errors import Missing
from tools.versions import show


def test_every_tool_is_pinned_in_the_module_that_builds_it(machine: Machine) -> None:
    for tool in TOOLS.values():
        assert pin(tool, machine.places.go_modules) > (0, 0, 0)
        for part in tool.files.values():
            go_mod = machine.places.go_modules / part.family / "go.mod"
            if isinstance(part, GoPackage):
                assert part.package in go_mod.read_text().split("require")[0]
            else:
                assert part.module in pins(go_mod)


def test_every_program_of_a_go_mod_is_a_tool(machine: Machine) -> None:
    built = {
        part.package
        for tool in TOOLS.values()
        for part in tool.files.values()
        if isinstance(part, GoPackage)
    }
    for family in FAMILIES:
        lines = (machine.places.go_modules / family / "go.mod").read_text().split("require")[0]
        named = lines[lines.index("\ntool") :].replace("tool", " ", 1).split()
        assert {word for word in named if "/" in word} <= built


def test_a_changed_pin_is_built_anew_and_others_are_kept(
    machine: Machine, edit_pin: Callable[[Mapping[str, str]], None]
) -> None:
    before = {name: gobuild.digest(tool, machine.places) for name, tool in TOOLS.items()}

    edit_pin({"pulumi": "// another pin\n"})

    after = {name: gobuild.digest(tool, machine.places) for name, tool in TOOLS.items()}
    assert {name for name in TOOLS if before[name] != after[name]} == {"pulumi"}


def test_another_go_has_another_entry(machine: Machine) -> None:
    machine.has_go("go1.26.8")
    one = gobuild.entry(TOOLS["etcd"], machine.places, gobuild.toolchain(machine.places))
    machine.has_go("go1.27.0")
    two = gobuild.entry(TOOLS["etcd"], machine.places, gobuild.toolchain(machine.places))

    assert one != two
    assert one.name.startswith("3.6.8-")


def test_flags_are_part_of_what_an_entry_is_called(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = gobuild.digest(TOOLS["etcd"], machine.places)
    monkeypatch.setattr(gobuild, "FLAGS", ("-race",))

    assert gobuild.digest(TOOLS["etcd"], machine.places) != before


def test_without_go_what_any_go_has_built_is_found(machine: Machine) -> None:
    tool = TOOLS["etcd"]
    machine.has_go("go1.99.0")
    entry = gobuild.entry(tool, machine.places, gobuild.toolchain(machine.places))
    entry.mkdir(parents=True)

    assert [*gobuild.built_before(tool, machine.places, "linux", "amd64")] == [entry]
    assert not [*gobuild.built_before(tool, machine.places, "darwin", "arm64")]


def test_no_go_is_told_with_the_way_out(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.bin))

    with pytest.raises(Missing) as told:
        gobuild.toolchain(machine.places)

    first, second = str(told.value).splitlines()
    assert first == "go: not found on PATH"
    assert second.startswith("  way out: install Go 1.26 or newer")


def test_an_old_go_is_told_with_its_version(machine: Machine) -> None:
    machine.has_go("go1.25.3")

    with pytest.raises(Missing, match=r"go: go1.25.3 is older than 1\.26\.0"):
        gobuild.toolchain(machine.places)


def test_a_go_that_refuses_the_module_is_told_as_too_old(machine: Machine) -> None:
    said = "go: go.mod requires go >= 1.26.0 (running go 1.22.2; GOTOOLCHAIN=local)"
    machine.program("go", f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")

    with pytest.raises(Missing) as told:
        gobuild.toolchain(machine.places)

    assert (told.value.why, told.value.said) == ("older than 1.26.0", said)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "go: example.com/m@v1.2.3: https://proxy.invalid/m/@v/v1.2.3.zip: 403 Forbidden",
            "the Go proxy does not have a module",
        ),
        (
            'Get "https://proxy.invalid/x": dial tcp: lookup proxy.invalid: no such host',
            "the Go proxy cannot be reached",
        ),
        ("write $WORK/b001/_pkg_.a: no space left on device", "the disk is full"),
        ("k8s.io/kubernetes/pkg/apis: compile: signal: killed", "the machine ran out of memory"),
        (
            "verifying x@v1: checksum mismatch",
            "the Go proxy served something else than go.sum pins",
        ),
        ("missing go.sum entry for module", "go.mod and go.sum do not fit together"),
        ("./main.go:7:2: undefined: x", "go could not build it"),
    ],
)
def test_what_go_says_is_explained(line: str, cause: str) -> None:
    problem = gobuild.explain("etcd", ["internal/abi", "runtime", line])

    assert problem.why == cause
    assert problem.said == line
    assert problem.way_out
    assert str(problem).startswith(f"etcd: {cause}\n  | ")


def test_packages_go_names_while_compiling_are_not_quoted_as_errors() -> None:
    names = ["internal/abi", "k8s.io/api/core/v1", "github.com/x/y-z/v3"]

    assert gobuild.explain("etcd", [*names, "boom: really"]).said == "boom: really"


def test_what_the_user_has_set_for_cross_builds_does_not_reach_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    monkeypatch.setenv("GOPROXY", "https://mine.invalid")

    environment = gobuild.environment()

    assert "GOOS" not in environment
    assert "GOFLAGS" not in environment
    assert environment["GOPROXY"] == "https://mine.invalid"
    assert environment["GOWORK"] == "off"


def test_programs_are_stamped_with_the_pins(machine: Machine) -> None:
    machine.has_go()
    tool = TOOLS["kube-apiserver"]
    folder = machine.home / "work"
    folder.mkdir()

    gobuild.build("cluster", [tool], machine.places, folder, lambda _how: None, lambda _name: None)

    version = show(pin(tool, machine.places.go_modules))
    (call,) = machine.builds()
    assert f"-X k8s.io/component-base/version.gitVersion=v{version}" in call
    assert "-X k8s.io/component-base/version.gitMinor=36" in call
    assert call.endswith(" k8s.io/kubernetes/cmd/kube-apiserver")
