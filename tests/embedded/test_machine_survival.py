"""Whatever is killed, and whenever: the next agent finds what runs, and can end all of it."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from agent_machines import ADDRESS, POD, ended, is_running, left_of, program, until

from embedded.agent import node
from embedded.agent.linux import PROJECT, Linux
from embedded.agent.machine import Ended, MachineError, Running

pytestmark = pytest.mark.slow

AGENT = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/embedded")
from agent_machines import program
from embedded.agent.linux import Linux
root = Path(sys.argv[1])
for turn in range(1000):
    machine = Linux(root)
    machine.open()
    for number in range(3):
        machine.add_pod(f"pod-{number}", f"10.64.0.{number}")
        machine.start(f"pod-{number}", "c", program(root, "sleep", "1000"))
    machine.remove_pod("pod-1")
    if turn % 2:
        machine.close()
"""
AGENT_SECONDS = 0.6
"""In which it begins, and takes a turn or two."""


def node_of(root: Path) -> int:
    return int((root / node.PROCESS).read_text().split()[0])


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def left_in(root: Path) -> list[str]:
    return sorted(file.name for file in root.iterdir())


def test_the_next_agent_finds_what_the_last_one_began(machine: Linux, root: Path) -> None:
    machine.start(POD, "c", program(root, "sleep", "1000"))
    machine.start(POD, "done", program(root, "false"))
    state = ended(machine, "done")

    following = Linux(root)
    following.open()

    assert following.pods() == {POD: ADDRESS}
    assert following.state(POD, "done") == state
    assert following.state(POD, "c") == machine.state(POD, "c")
    following.signal(POD, "c", signal.SIGKILL)
    assert ended(following, "c").code == 128 + signal.SIGKILL


def test_a_program_killed_by_somebody_else_has_ended(machine: Linux, root: Path) -> None:
    machine.start(POD, "c", program(root, "sleep", "1000"))
    [killed] = set(left_of(root)) - {node_of(root)}

    os.kill(killed, signal.SIGKILL)

    assert ended(machine, "c").code == 137


def test_with_the_node_process_all_has_ended_and_can_begin_again(
    machine: Linux, root: Path
) -> None:
    machine.start(POD, "c", program(root, "sh", "-c", "(setsid sleep 1000) & sleep 1000"))
    machine.start(POD, "done", program(root, "sh", "-c", "exit 3"))
    done = ended(machine, "done")

    os.kill(node_of(root), signal.SIGKILL)

    until(lambda: not left_of(root))
    state = ended(machine, "c")
    assert state.code == 137
    assert machine.pods() == {}
    machine.signal(POD, "c", signal.SIGTERM)

    machine.open()
    assert machine.pods() == {}
    assert machine.state(POD, "c") == state
    assert machine.state(POD, "done") == done

    machine.add_pod(POD, ADDRESS)
    machine.start(POD, "c", program(root, "sleep", "1000"))
    assert is_running(machine, "c")


@pytest.mark.parametrize("seed", range(6))
def test_an_agent_killed_at_any_time_leaves_what_the_next_one_puts_right(
    root: Path, seed: int
) -> None:
    mounted = mounts()
    agent = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", AGENT, str(root)], cwd=PROJECT
    )
    time.sleep(random.Random(seed).uniform(0.1, AGENT_SECONDS))  # noqa: S311 - spreads, hides nothing
    agent.kill()
    agent.wait()

    following = Linux(root)
    following.open()
    begun = [pod for pod in following.pods() if following.state(pod, "c")]
    assert all(is_running(following, "c", pod) for pod in begun)
    following.add_pod(POD, "10.64.1.1")
    following.start(POD, "c", program(root, "sleep", "1000"))
    assert is_running(following, "c")
    following.close()

    assert not left_of(root)
    assert left_in(root) == []
    assert mounts() == mounted


@pytest.mark.parametrize("seed", range(6))
def test_any_process_of_it_may_be_killed_while_it_opens(root: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - spreads, hides nothing
    root.mkdir()

    def kill() -> None:
        time.sleep(chance.uniform(0, 0.12))
        for process in left_of(root):
            os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    machine = Linux(root)
    with contextlib.suppress(MachineError):  # if it was killed in time
        machine.open()
    killer.join()

    machine.open()
    machine.add_pod(POD, ADDRESS)
    machine.close()
    assert not left_of(root)
    assert left_in(root) == []


def test_closing_a_dead_machine_removes_what_is_left(machine: Linux, root: Path) -> None:
    os.kill(node_of(root), signal.SIGKILL)
    (root / "not-ours").touch()

    for _ in range(2):
        machine.close()
        assert left_in(root) == ["not-ours"]


def test_a_process_that_has_the_number_of_a_dead_one_is_left_alone(root: Path) -> None:
    root.mkdir()
    with subprocess.Popen(["sleep", "1000"]) as other:  # noqa: S607 - any program
        (root / node.PROCESS).write_text(f"{other.pid} 1")
        machine = Linux(root)

        machine.open()
        machine.close()

        assert other.poll() is None
        other.kill()


def test_what_was_never_opened_is_empty_and_closes(root: Path) -> None:
    machine = Linux(root)

    assert machine.pods() == {}
    assert machine.state(POD, "c") is None
    machine.signal(POD, "c", signal.SIGTERM)
    machine.close()
    assert not root.exists()


def test_agents_that_open_at_once_share_one_node_process(root: Path) -> None:
    agents = [Linux(root) for _ in range(4)]
    threads = [threading.Thread(target=agent.open) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert left_of(root) == [node_of(root)]
    agents[0].close()


def test_who_is_slow_to_ask_is_not_told_that_all_is_lost(
    machine: Linux, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node process that is taken for dead is killed, and with it all that runs."""
    before, connected, pauses = node_of(root), node.connected, [1.5 * node.REQUEST_SECONDS]

    @contextlib.contextmanager
    def slowly(folder: Path) -> Generator[socket.socket]:
        with connected(folder) as line:
            time.sleep(pauses.pop() if pauses else 0)
            yield line

    monkeypatch.setattr(node, "connected", slowly)

    assert machine.pods() == {POD: ADDRESS}
    assert not pauses
    assert node_of(root) == before


def test_opening_again_changes_nothing(machine: Linux, root: Path) -> None:
    before = node_of(root)

    machine.open()

    assert node_of(root) == before
    assert machine.pods() == {POD: ADDRESS}


def test_elsewhere_than_on_linux_it_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(MachineError, match="this machine is darwin: running pods takes Linux"):
        Linux(root).open()


def test_states_tell_running_from_ended(machine: Linux, root: Path) -> None:
    began = time.time()
    machine.start(POD, "c", program(root, "sleep", "1000"))
    state = machine.state(POD, "c")

    assert isinstance(state, Running)
    assert began <= state.started <= time.time()
    machine.signal(POD, "c", signal.SIGKILL)
    assert isinstance(ended(machine, "c"), Ended)
    assert ended(machine, "c").started == state.started
