"""Whose provider plugins the engine uses, and for how long that is remembered."""

from pathlib import Path

import pytest

from tests.tools.machine import Machine, plugin_versions, serving
from tools import Missing, providers, records
from tools.providers import RETRY_SECONDS
from tools.search import Found

NOBODY = ("http://127.0.0.1:9",)

INSTALLS = """#!/bin/sh
echo "pulumi $*" >> "{calls}"
{before}
mkdir -p "$PULUMI_HOME/plugins/resource-$4-v$5"
"""


@pytest.fixture(autouse=True)
def connected(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLMD_TOOLS_OFFLINE")
    plugin_versions(machine.places, kubernetes="4.34.2", command="v1.2.1")


def has_pulumi(machine: Machine, before: str = "") -> None:
    script = INSTALLS.format(calls=machine.calls, before=before)
    pulumi = machine.program("pulumi", script, machine.home / "pulumi")
    found = Found({"pulumi": str(pulumi)}, "3.246.0", "built")
    records.save(records.Records("", {"pulumi": found}), machine.places)


def plugins(home: Path, *names: str) -> None:
    for name in names:
        (home / "plugins" / name).mkdir(parents=True)
        (home / "plugins" / name / "binary").write_text("")


def test_versions_come_from_the_locked_packages(machine: Machine) -> None:
    assert providers.versions(machine.places) == {"kubernetes": "4.34.2", "command": "1.2.1"}


def test_without_the_environment_the_way_out_is_told(machine: Machine) -> None:
    for said in machine.places.venv.rglob("pulumi-plugin.json"):
        said.unlink()

    with pytest.raises(Missing, match="make tools"):
        providers.versions(machine.places)


def test_plugins_in_place_are_used_without_asking_anyone(machine: Machine) -> None:
    plugins(machine.places.pulumi_home, "resource-kubernetes-v4.34.2", "resource-command-v1.2.1")

    assert providers.decide(machine.places, hosts=NOBODY).vendor


def test_plugins_of_the_users_own_pulumi_are_taken_over(machine: Machine) -> None:
    plugins(machine.home / ".pulumi", "resource-kubernetes-v4.34.2", "resource-command-v1.2.1")

    assert providers.decide(machine.places, hosts=NOBODY).vendor
    taken = machine.places.pulumi_home / "plugins" / "resource-kubernetes-v4.34.2"
    assert (taken / "binary").exists()


def test_a_half_installed_plugin_does_not_count(machine: Machine) -> None:
    home = machine.places.pulumi_home
    plugins(home, "resource-kubernetes-v4.34.2", "resource-command-v1.2.1")
    (home / "plugins" / "resource-command-v1.2.1.partial").write_text("")

    assert not providers.decide(machine.places, hosts=NOBODY).vendor


def test_plugins_on_path_are_used_as_the_engine_does(machine: Machine) -> None:
    for name in providers.NAMES:
        machine.says(f"pulumi-resource-{name}", "")

    assert providers.decide(machine.places, hosts=NOBODY).vendor


def test_our_stand_ins_on_path_are_not_taken_for_the_vendors(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in providers.NAMES:
        machine.says(f"pulumi-resource-{name}", "", folder=machine.places.stand_ins)
    monkeypatch.setenv("PATH", f"{machine.places.stand_ins}:{machine.path}")

    assert not providers.decide(machine.places, hosts=NOBODY).vendor


def test_what_cannot_be_downloaded_is_told_in_one_line(machine: Machine) -> None:
    decision = providers.decide(machine.places, hosts=NOBODY)

    assert decision.notice == (
        "providers: the vendor's kubernetes 4.34.2 and command 1.2.1 cannot be downloaded here"
        " (no answer from the vendor's hosts); using this project's stand-ins"
    )


def test_a_download_that_works_is_used(machine: Machine) -> None:
    has_pulumi(machine)

    with serving() as site:
        decision = providers.decide(machine.places, hosts=(site.url,))

    assert decision.notice == "providers: the vendor's kubernetes 4.34.2 and command 1.2.1"
    assert machine.called() == [
        "pulumi plugin install resource kubernetes 4.34.2",
        "pulumi plugin install resource command 1.2.1",
    ]


def test_a_download_that_fails_is_not_tried_again_for_a_day(machine: Machine) -> None:
    has_pulumi(machine, before="echo 'error: 403 HTTP error fetching plugin'; exit 1")

    with serving() as site:
        first = providers.decide(machine.places, now=lambda: 1000.0, hosts=(site.url,))
        later = providers.decide(
            machine.places, now=lambda: 999.0 + RETRY_SECONDS, hosts=(site.url,)
        )
        assert len(machine.called()) == 1
        providers.decide(machine.places, now=lambda: 1001.0 + RETRY_SECONDS, hosts=(site.url,))

    assert first.why == later.why == "error: 403 HTTP error fetching plugin"
    assert len(machine.called()) == 2  # the first, and the one a day later


def test_a_download_that_hangs_is_given_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_pulumi(machine, before="exec sleep 5")
    monkeypatch.setattr(providers, "INSTALL_SECONDS", 0.1)

    with serving() as site:
        decision = providers.decide(machine.places, hosts=(site.url,))

    assert decision.why == "no answer within 0.1 s"


def test_other_versions_are_tried_at_once(machine: Machine) -> None:
    providers.decide(machine.places, hosts=NOBODY)
    assert providers.peek(machine.places) is not None

    said = next(machine.places.venv.rglob("pulumi_command/pulumi-plugin.json"))
    said.write_text('{"version": "1.3.0"}')

    assert providers.peek(machine.places) is None


def test_a_broken_memory_is_no_memory(machine: Machine) -> None:
    machine.places.state.mkdir(parents=True)
    for text in ("", "[]", '{"at": "x"}'):
        machine.places.provider_memory.write_text(text)
        assert providers.peek(machine.places) is None


def test_offline_is_respected_and_not_remembered(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMD_TOOLS_OFFLINE", "1")

    assert providers.decide(machine.places).why == "LLMD_TOOLS_OFFLINE is set"
    assert not machine.places.provider_memory.exists()
