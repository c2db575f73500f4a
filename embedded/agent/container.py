"""How a process becomes a container's program: alone, with the wanted user and without rights."""

import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from embedded.agent import files, syscalls
from embedded.agent.machine import Program

CANNOT_RUN, NOT_FOUND = 126, 127
"""A shell's exit codes for them."""

HOSTNAME_MAX = 63


class CannotRunError(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def become(
    program: Program,
    *,
    pod: str,
    network: int,
    log: int,
    trees: Sequence[Path],
    hidden: Path,
    staging: Path,
    privileged: bool,
) -> NoReturn:
    """Turn this process, the first one of its PID namespace, into the program.

    `network` and `log` are open files. `privileged` is whether this is the machine's root, not an
    ordinary user's in a user namespace. CannotRunError where it cannot.
    """
    view = files.View(
        trees=trees,
        mounts=program.mounts,
        directory=Path(program.directory),
        hidden=hidden,
        read_only=program.read_only_root,
    )
    try:
        os.setsid()
        os.dup2(log, 1)
        os.dup2(log, 2)
        syscalls.enter(network, syscalls.NEW_NETWORK)
        syscalls.unshare(syscalls.NEW_MOUNTS | syscalls.NEW_IPC | syscalls.NEW_NAMES)
        socket.sethostname(pod.replace("/", "-")[:HOSTNAME_MAX])
        files.change(view, staging)
        os.chdir(program.directory)
        _change_user(program, privileged=privileged)
        _forget_signals()
        os.umask(0o022)
    except (OSError, ValueError) as error:
        raise CannotRunError(CANNOT_RUN, f"cannot make the container: {error}") from error
    try:
        os.execvpe(program.argv[0], program.argv, dict(program.env))  # noqa: S606 - no shell is meant
    except (OSError, ValueError) as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN
        raise CannotRunError(code, f"cannot run {program.argv[0]}: {error}") from error


def map_ids(*, user: int, group: int, outer_user: int, outer_group: int) -> None:
    """Say who this process is in the user namespace that it made."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {outer_user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {outer_group} 1")


def _change_user(program: Program, *, privileged: bool) -> None:
    """Be the program's user, with no capability and no way to one.

    An ordinary user has no other to be: inside, its own number is the wanted one. Further groups
    are not to be had then.
    """
    if privileged:
        os.setgroups(program.groups)
    else:
        syscalls.unshare(syscalls.NEW_USER)
        map_ids(user=program.user, group=program.group, outer_user=0, outer_group=0)
    syscalls.drop_bounding_set()
    os.setresgid(program.group, program.group, program.group)
    os.setresuid(program.user, program.user, program.user)
    syscalls.drop_capabilities()
    syscalls.no_new_privileges()


def _forget_signals() -> None:
    """Python ignores some, and whoever started the agent may have had it ignore more."""
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
