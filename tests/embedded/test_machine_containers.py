"""What a program has, sees and may do in a container."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from agent_machines import ADDRESS, POD, ended, is_running, left_of, log_of, program, said_by, until

from embedded.agent.linux import Linux
from embedded.agent.machine import Mount

pytestmark = pytest.mark.slow

ANY_PROGRAMS_SIGNALS = sum(1 << number - 1 for number in signal.valid_signals())
"""As /proc tells sets of signals; those that the C library keeps to itself nobody can set back."""

TARGETS = (
    "/config",
    "/etc/envoy",
    "/home/llm-d",
    "/model-cache/hub",
    "/tmp",  # noqa: S108 - a container's
    "/var/run/secrets/kubernetes.io/serviceaccount",
)


def open_folder(at: Path, *files: str) -> Path:
    at.mkdir()
    at.chmod(0o777)
    for name in files:
        (at / name).write_text(f"this is {name}")
    return at


def test_the_environment_is_exactly_the_given_one(machine: Linux, root: Path) -> None:
    env = {"PATH": "/usr/bin", "WITH": "spaces and\nlines", "EMPTY": ""}

    machine.start(POD, "env", program(root, "env", "-0", env=env))

    assert ended(machine, "env").code == 0
    assert sorted(log_of(root).read_text().split("\0")) == [
        "", "EMPTY=", "PATH=/usr/bin", "WITH=spaces and\nlines"
    ]  # fmt: skip


@pytest.mark.parametrize("user", [0, 65532])
def test_no_user_has_a_capability_or_a_way_to_one(machine: Linux, root: Path, user: int) -> None:
    said = said_by(
        machine, root, "cat /proc/self/status", user=user, group=101, groups=(2000, 3000)
    )

    status = {name: text.split() for name, _, text in (x.partition(":") for x in said.splitlines())}
    assert status["Uid"] == [str(user)] * 4
    assert status["Gid"] == ["101"] * 4
    assert set(status["Groups"]) == {"2000", "3000"}
    assert {int(status[f"Cap{kind}"][0], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    assert status["NoNewPrivs"] == ["1"]
    assert int(status["SigBlk"][0], 16) == 0
    assert int(status["SigIgn"][0], 16) & ANY_PROGRAMS_SIGNALS == 0


def test_not_even_root_turns_the_machines_controls(machine: Linux, root: Path) -> None:
    said = said_by(
        machine,
        root,
        "(echo 1 > /proc/sys/kernel/panic || mount -t tmpfs x /tmp || chown 1 /tmp) 2>&1; true",
        user=0,
        read_only_root=False,
    )

    assert "Read-only file system" in said


def test_a_read_only_root_takes_nothing(machine: Linux, root: Path) -> None:
    said_by(machine, root, "! touch /a /tmp/a /var/a /etc/a /usr/a /root/a /dev/a", user=0)


def test_a_root_that_is_not_read_only_is_written_in_memory(machine: Linux, root: Path) -> None:
    before = os.listdir("/")  # noqa: PTH208 - names

    said_by(
        machine, root, "touch /a /tmp/a /root/a && ! touch /usr/a", user=0, read_only_root=False
    )

    assert os.listdir("/") == before  # noqa: PTH208 - names
    assert not Path("/root/a").exists()


@pytest.mark.parametrize("target", TARGETS)
def test_a_mount_is_at_its_real_path_and_nowhere_on_the_machine(
    machine: Linux, root: Path, tmp_path: Path, target: str
) -> None:
    there = Path(target).exists()
    mount = Mount(source=open_folder(tmp_path / "m", "f"), target=target, read_only=True)

    said = said_by(
        machine, root, f"cat {target}/f; ! touch {target}/g; cat /etc/passwd", mounts=(mount,)
    )

    assert said.startswith("this is f")
    assert Path("/etc/passwd").read_text() in said, "what lies beside a mount is still seen"
    assert Path(target).exists() is there


def test_a_writable_mount_is_written_and_holds_other_mounts(
    machine: Linux, root: Path, tmp_path: Path
) -> None:
    outer = Mount(source=open_folder(tmp_path / "outer"), target="/data", read_only=False)
    inner = Mount(
        source=open_folder(tmp_path / "inner", "f") / "f", target="/data/one/f", read_only=True
    )

    said = said_by(machine, root, "cat /data/one/f; echo made > /data/new", mounts=(inner, outer))

    assert said == "this is f"
    assert (tmp_path / "outer" / "new").read_text() == "made\n"


def test_a_tree_is_seen_though_a_mount_lies_over_where_it_is(root: Path, tmp_path: Path) -> None:
    tree = tmp_path / "clone"
    tree.mkdir()
    (tree / "program").write_text("this is a program")
    tmp_path.chmod(0o755)
    linux = Linux(root, trees=(tree,))
    linux.open()
    linux.add_pod(POD, ADDRESS)
    over = Mount(
        source=open_folder(tmp_path / "volume"), target=str(tmp_path.parent), read_only=False
    )

    said = said_by(
        linux,
        root,
        f"cat {tree}/program; ! touch {tree}/a; echo made > {tmp_path.parent}/new",
        mounts=(over,),
    )

    assert said.startswith("this is a program")
    assert (tmp_path / "volume" / "new").read_text() == "made\n"


def test_nothing_else_of_the_machine_is_seen(machine: Linux, root: Path, tmp_path: Path) -> None:
    (secret := tmp_path / "secret").write_text("s")
    secret.chmod(0o644)

    said_by(
        machine, root, f"! test -e {secret}; ! test -e {root}; ! test -e {Path.cwd()}/README.md"
    )


def test_the_machines_folder_is_empty_even_in_a_tree_that_contains_it(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "seen").write_text("this is seen")
    tmp_path.chmod(0o755)
    linux = Linux(root, trees=(tmp_path,))
    linux.open()
    (root / "token").write_text("s")
    linux.add_pod(POD, "10.64.0.1")
    mount = Mount(source=root / "token", target="/token", read_only=True)

    said = said_by(linux, root, f"cat {root.parent}/seen /token; ls -A {root}", mounts=(mount,))

    assert said == "this is seens"


def test_programs_run_from_below_a_folder_that_only_the_machines_root_may_enter(
    root: Path, tmp_path: Path
) -> None:
    (locked := tmp_path / "locked").mkdir(mode=0o700)
    (tree := locked / "bin").mkdir()
    shutil.copy("/bin/sh", tree / "own-shell")
    linux = Linux(root, trees=(tree,))
    linux.open()
    linux.add_pod(POD, "10.64.0.1")

    linux.start(POD, "c", program(root, str(tree / "own-shell"), "-c", "exit 4"))

    assert ended(linux, "c").code == 4


def test_it_is_alone_and_named_after_its_pod(machine: Linux, root: Path) -> None:
    machine.start(POD, "other", program(root, "sleep", "1000"))

    said = said_by(machine, root, "echo $$; hostname; echo /proc/[0-9]*; ls -l /proc/self/fd")

    lines = said.splitlines()
    assert lines[:2] == ["1", POD.replace("/", "-")]
    assert lines[2] == "/proc/1"
    assert len(lines[4:]) == 4, "standard streams, and the folder that ls reads"


def test_output_is_appended_and_may_be_opened_by_name(machine: Linux, root: Path) -> None:
    for number in range(2):
        machine.start(
            POD, "c", program(root, "sh", "-c", f"echo {number} >> /dev/stdout; echo {number} >&2")
        )
        ended(machine, "c")

    assert log_of(root).read_text().split() == ["0", "0", "1", "1"]


def test_a_program_is_asked_to_end_and_answers_as_it_likes(machine: Linux, root: Path) -> None:
    waits = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done"
    machine.start(POD, "c", program(root, "sh", "-c", waits))
    until(lambda: "ready" in log_of(root).read_text())

    machine.signal(POD, "c", signal.SIGTERM)

    state = ended(machine, "c")
    assert state.code == 7
    assert 0 < state.ended - state.started < 10
    machine.signal(POD, "c", signal.SIGTERM)


def test_a_program_that_is_killed_takes_along_all_that_it_started(
    machine: Linux, root: Path
) -> None:
    machine.start(
        POD, "c", program(root, "sh", "-c", "(setsid sleep 1000) & echo ready; sleep 1000")
    )
    until(lambda: "ready" in log_of(root).read_text())

    machine.signal(POD, "c", signal.SIGKILL)

    assert ended(machine, "c").code == 128 + signal.SIGKILL
    assert len(left_of(root)) == 1, "the node process alone"


@pytest.mark.parametrize(
    ("argv", "code", "reason"),
    [
        (("/nonexistent",), 127, "cannot run /nonexistent: [Errno 2] No such file"),
        (("nonexistent",), 127, "cannot run nonexistent: [Errno 2] No such file"),
        (("/etc/passwd",), 126, "cannot run /etc/passwd: [Errno 13] Permission denied"),
    ],
)
def test_what_cannot_run_has_ended_at_once_and_says_why(
    machine: Linux, root: Path, argv: tuple[str, ...], code: int, reason: str
) -> None:
    machine.start(POD, "c", program(root, *argv))

    state = machine.state(POD, "c")
    assert state == ended(machine, "c")
    assert ended(machine, "c").code == code
    assert reason in log_of(root).read_text()


def test_a_mount_of_nothing_is_said_in_the_log(machine: Linux, root: Path) -> None:
    mount = Mount(source=root / "nothing", target="/config", read_only=True)

    machine.start(POD, "c", program(root, "true", mounts=(mount,)))

    assert ended(machine, "c").code == 126
    assert f"No such file or directory: '{mount.source}'" in log_of(root).read_text()


def test_starting_is_for_what_does_not_run(machine: Linux, root: Path) -> None:
    assert machine.state(POD, "c") is None
    machine.start(POD, "c", program(root, "sleep", "1000"))
    first = machine.state(POD, "c")

    machine.start(POD, "c", program(root, "true"))
    assert machine.state(POD, "c") == first

    machine.signal(POD, "c", signal.SIGKILL)
    ended(machine, "c")
    machine.start(POD, "c", program(root, "sleep", "1000"))
    assert is_running(machine, "c")
    assert machine.state(POD, "c") != first
