"""Which installed programs are used, and which are passed over."""

import pytest

from tests.tools.machine import Machine
from tools import search
from tools.catalog import TOOLS, pin
from tools.search import Found, PassedOver
from tools.versions import find, show


def look(machine: Machine, name: str, path: str | None = None) -> tuple[Found | None, list[str]]:
    tool = TOOLS[name]
    assert tool.suits is not None
    found, passed = search.search(
        name,
        files=tool.files,
        ask=tool.ask,
        wanted=tool.suits(pin(tool, machine.places.go_modules)),
        places=machine.places,
        path=machine.path.split(":")[0] if path is None else path,
    )
    return found, [one.why for one in passed]


@pytest.mark.parametrize(
    ("name", "says", "suitable"),
    [
        ("kubectl", "Client Version: v1.30.0", True),
        ("kubectl", "Client Version: v1.32.4-dispatcher", True),
        ("kubectl", "Client Version: v1.29.9", False),
        ("helm", "v3.8.0+gd141386", True),
        ("helm", "v3.7.2", False),
        ("helm", "v4.3.0", False),
        ("etcd", "etcd Version: 3.6.0", True),
        ("etcd", "etcd Version: 3.5.21", False),
        ("kube-apiserver", "Kubernetes v1.36.0", True),
        ("kube-apiserver", "Kubernetes v1.35.4", False),
        ("kube-scheduler", "Kubernetes v1.37.0", False),
        ("kwok", "kwok version v0.8.3 go1.26.8 (linux/amd64)", True),
        ("kwokctl", "kwokctl version v0.7.0 go1.26.8 (linux/amd64)", False),
    ],
)
def test_a_version_is_suitable_or_not(
    machine: Machine, name: str, says: str, *, suitable: bool
) -> None:
    machine.says(name, says)

    found, passed = look(machine, name)

    assert (found is not None) is suitable
    assert suitable or "needed is" in passed[0]


def test_a_pulumi_needs_its_language_host_and_the_executor_beside_it(machine: Machine) -> None:
    machine.says("pulumi", "v3.250.0")
    _, passed = look(machine, "pulumi")
    assert passed == ["has no pulumi-language-python and no pulumi-language-python-exec beside it"]

    machine.says("pulumi-language-python", "")
    machine.says("pulumi-language-python-exec", "")
    found, passed = look(machine, "pulumi")
    assert found is not None
    assert (found.version, found.source, passed) == ("3.250.0", "installed", [])
    assert found.files["pulumi-language-python"] == str(machine.bin / "pulumi-language-python")


def test_a_link_to_a_pulumi_is_followed_to_its_language_host(machine: Machine) -> None:
    cellar = machine.home / "cellar"
    for name in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec"):
        machine.says(name, "v3.250.0", folder=cellar)
    (machine.bin / "pulumi").symlink_to(cellar / "pulumi")

    found, _ = look(machine, "pulumi")

    assert found is not None
    assert found.files["pulumi-language-python"] == str(cellar / "pulumi-language-python")


def test_what_is_broken_is_passed_over_and_the_next_on_path_is_used(machine: Machine) -> None:
    machine.says("etcd", "wrong architecture", code=126)
    second = machine.says("etcd", "etcd Version: 3.6.9", folder=machine.home / "second")

    found, passed = look(machine, "etcd", f"{machine.bin}:{second.parent}")

    assert found is not None
    assert found.files == {"etcd": str(second)}
    assert passed == ["fails: wrong architecture"]


def test_what_never_answers_is_passed_over(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "ANSWER_SECONDS", 0.1)
    machine.program("etcd", "#!/bin/sh\nexec sleep 5\n")

    assert look(machine, "etcd") == (None, ["does not answer `--version` within 0.1 s"])


def test_what_cannot_be_run_is_passed_over(machine: Machine) -> None:
    machine.program("etcd", "#!/no/such/interpreter\n")

    assert look(machine, "etcd") == (None, ["cannot be run: No such file or directory"])


def test_what_does_not_say_its_version_is_passed_over(machine: Machine) -> None:
    machine.says("etcd", "hello")

    assert look(machine, "etcd") == (None, ["does not say its version"])


def test_links_of_any_clone_are_not_taken_for_installed(machine: Machine) -> None:
    kept = machine.says("etcd", "etcd Version: 3.6.8", folder=machine.places.store / "etcd" / "x")
    (machine.bin / "etcd").symlink_to(kept)

    assert look(machine, "etcd") == (None, [])


def test_a_passed_over_program_is_told_with_its_path(machine: Machine) -> None:
    program = machine.says("helm", "v4.0.0")
    tool = TOOLS["helm"]
    assert tool.suits

    _, passed = search.search(
        "helm",
        files=tool.files,
        ask=tool.ask,
        wanted=tool.suits((3, 20, 2)),
        places=machine.places,
        path=str(machine.bin),
    )

    why = "is 4.0.0, needed is >= 3.8.0, < 4.0.0"
    assert passed == [PassedOver("helm", str(program), why)]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.246.0\n", "3.246.0"),
        ("go1.26.8", "1.26.8"),
        ("GNU Make 4.3\nBuilt for x86", "4.3.0"),
        ("no numbers", None),
        ("7", None),
    ],
)
def test_a_version_is_found_in_what_a_program_says(text: str, version: str | None) -> None:
    found = find(text)

    assert (show(found) if found else None) == version
