"""Whether there is room is asked before anything is written."""

import pytest

from tests.tools.machine import Machine, has_free
from tools import disk
from tools.errors import Missing


def test_enough_room_passes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    has_free(monkeypatch, 10 * disk.GB)

    disk.require({machine.home / "a": 4 * disk.GB, machine.home / "b": 6 * disk.GB})


def test_folders_on_one_disk_are_added_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_free(monkeypatch, 9 * disk.GB)

    with pytest.raises(Missing) as told:
        disk.require({machine.home / "a": 4 * disk.GB, machine.home / "b": 6 * disk.GB})

    assert told.value.why == "9.0 GB are free, 10.0 GB are needed"
    assert f"4.0 GB in {machine.home / 'a'}" in told.value.said
    assert "GOCACHE" in told.value.way_out


def test_what_an_earlier_run_wrote_is_not_needed_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_free(monkeypatch, 500)
    (machine.home / "a").mkdir()
    (machine.home / "a" / "written").write_bytes(bytes(600))

    disk.require({machine.home / "a": 1000})


def test_a_folder_that_is_not_there_yet_counts_for_its_disk(machine: Machine) -> None:
    assert disk.free(machine.home / "not" / "yet") > 0
