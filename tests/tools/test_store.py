"""An entry of the shared cache is whole or not there."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from tests.tools.machine import Machine
from tools import store
from tools.places import Places


def fill(folder: Path, text: str = "x") -> Path:
    filled = folder / "filled"
    filled.mkdir()
    (filled / "etcd").write_text(text)
    return filled


def never() -> None:
    pytest.fail("nobody else holds the lock")


def test_an_entry_is_there_only_when_whole(machine: Machine) -> None:
    entry = machine.places.store / "etcd" / "1"
    assert not store.whole(entry, ["etcd"])

    with store.workshop(machine.places) as folder:
        store.put(fill(folder), entry)

    assert store.whole(entry, ["etcd"])
    assert not store.whole(entry, ["etcd", "etcdctl"])


def test_a_broken_entry_is_replaced(machine: Machine) -> None:
    entry = machine.places.store / "etcd" / "1"
    entry.mkdir(parents=True)
    (entry / "half").write_text("")

    with store.workshop(machine.places) as folder:
        store.put(fill(folder), entry)

    assert [file.name for file in entry.iterdir()] == ["etcd"]


def _start_and_hang(places: Places, ready: str) -> None:
    with store.locked(places, never), store.workshop(places) as folder:
        fill(folder)
        Path(ready).write_text("")
        time.sleep(60)


def test_what_a_killed_install_left_is_gone_after_the_next(machine: Machine) -> None:
    places, ready = machine.places, machine.home / "ready"
    spawn = multiprocessing.get_context("spawn")
    child = spawn.Process(target=_start_and_hang, args=(places, str(ready)))
    child.start()
    while not ready.exists():
        time.sleep(0.01)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    child.close()
    assert [*places.store.iterdir()]

    with store.locked(places, never):
        assert not [*places.store.iterdir()]


def test_only_one_install_works_at_a_time(machine: Machine) -> None:
    class Waited(Exception):  # noqa: N818 - how this test gets out of the wait
        pass

    def waiting() -> None:
        raise Waited

    with (
        store.locked(machine.places, never),
        pytest.raises(Waited),
        store.locked(machine.places, waiting),
    ):
        pytest.fail("both hold the lock")
    with store.locked(machine.places, never):
        pass
