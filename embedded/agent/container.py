"""What a container sees and may do, made by the process that then becomes its program.

Its files are the operating system's own folders and `trees`, read-only at their real places, then
the program's mounts, then what a running system has: /proc, /sys, /dev. Everything else is empty
and in memory, so nothing of the machine is written to, and no other folder of it can be seen.
"""

import errno
import os
import signal
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from embedded.agent import syscalls
from embedded.agent.machine import Program

SYSTEM = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "nix", "sbin", "sys", "usr")
"""What programs of the operating system's packages, or linked against them, need."""

EMPTY = {"home": 0o755, "root": 0o755, "run": 0o755, "tmp": 0o1777, "var": 0o755, "var/tmp": 0o1777}
DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
CONTROLS = ("bus", "fs", "irq", "sys", "sysrq-trigger")
"""Below /proc: what the machine's root could turn without any capability."""

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
    root: Path,
    privileged: bool,
) -> NoReturn:
    """Turn this process, the first one of its PID namespace, into the program.

    `network` and `log` are open files. `root`, a folder of the machine's, is hidden. `privileged`
    is whether this is the machine's root, not an ordinary user's in a user namespace.
    CannotRunError where it cannot.
    """
    try:
        os.setsid()
        os.dup2(log, 1)
        os.dup2(log, 2)
        syscalls.enter(network, syscalls.NEW_NETWORK)
        syscalls.unshare(syscalls.NEW_MOUNTS | syscalls.NEW_IPC | syscalls.NEW_NAMES)
        socket.sethostname(pod.replace("/", "-")[:HOSTNAME_MAX])
        _change_files(program, trees, root)
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


def _change_files(program: Program, trees: Sequence[Path], root: Path) -> None:
    """Build the new root, out of handles on the old one's files, and move there."""
    new = root / "empty"
    system = [(_handle(Path("/", name)), Path("/", name)) for name in SYSTEM if _is(name)]
    seen = [(_handle(tree), place) for tree in trees for place in {tree, tree.resolve()}]
    mounts = [
        (_handle(mount.source), Path(mount.target), mount.read_only)
        for mount in sorted(program.mounts, key=lambda mount: mount.target.count("/"))
    ]
    devices = [(_handle(Path("/dev", name)), Path("/dev", name)) for name in DEVICES]
    links = {
        Path("/", name): os.readlink(f"/{name}") for name in SYSTEM if Path("/", name).is_symlink()
    }

    syscalls.mount("tmpfs", new, "mode=755")
    (new / "proc").mkdir()
    syscalls.mount("proc", new / "proc")
    with syscalls.changed_root(new):
        ours = [Path("/")]
        for name, mode in EMPTY.items():
            Path("/", name).mkdir()
            Path("/", name).chmod(mode)
        Path("/var/run").symlink_to("/run")
        for link, to in links.items():
            link.symlink_to(to)
        for handle, place in (*system, *seen):
            _show(handle, place, ours)
        if root.is_dir():
            _hide(root)
        _devices(devices)
        for handle, place, read_only in mounts:
            _show(handle, place, ours, read_only=read_only)
        _appear(Path(program.directory), ours)
        for name in CONTROLS:
            if (control := Path("/proc", name)).exists():
                syscalls.bind(control, control)
                syscalls.seal(control, below=True)
        if program.read_only_root:
            for mount in ours:
                syscalls.seal(mount, below=False)


def _is(name: str) -> bool:
    return (place := Path("/", name)).is_dir() and not place.is_symlink()


def _handle(source: Path) -> Path:
    """A name by which the file is reached from anywhere, for as long as this process lives."""
    return Path("/proc/self/fd", str(os.open(source, os.O_PATH | os.O_CLOEXEC)))


def _show(handle: Path, place: Path, ours: list[Path], *, read_only: bool = True) -> None:
    _appear(place, ours, folder=handle.is_dir())
    syscalls.bind(handle, place)
    syscalls.seal(place, below=True, read_only=read_only)


def _appear(place: Path, ours: list[Path], *, folder: bool = True) -> None:
    """Have something at `place` to mount on; `ours` are the mounts in memory, and grows."""
    if place.exists():
        return
    _appear(place.parent, ours)
    try:
        _make(place, folder=folder)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        _open_up(place.parent, ours)
        _make(place, folder=folder)


def _make(place: Path, *, folder: bool) -> None:
    if folder:
        place.mkdir(mode=0o755)
    else:
        place.touch(mode=0o644)


def _open_up(folder: Path, ours: list[Path]) -> None:
    """Put a folder in memory over one of the machine's that shows the same."""
    handle = _handle(folder)
    syscalls.mount("tmpfs", folder, f"mode={stat.S_IMODE(folder.stat().st_mode):o}")
    ours.append(folder)
    for name in os.listdir(handle):  # noqa: PTH208 - names are wanted, of what the handle leads to
        kept, place = handle / name, folder / name
        if kept.is_symlink():
            place.symlink_to(os.readlink(kept))
        else:
            _make(place, folder=kept.is_dir())
            syscalls.bind(kept, place)
            syscalls.seal(place, below=True)


def _hide(folder: Path) -> None:
    syscalls.mount("tmpfs", folder, "mode=755")
    syscalls.seal(folder, below=False)


def _devices(handles: Sequence[tuple[Path, Path]]) -> None:
    dev = Path("/dev")
    dev.mkdir()
    syscalls.mount("tmpfs", dev, "mode=755")
    for handle, place in handles:
        place.touch()
        syscalls.bind(handle, place)
    for name, to in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        (dev / name).symlink_to(f"/proc/self/fd{to}")
    (dev / "shm").mkdir()
    syscalls.mount("tmpfs", dev / "shm", "mode=1777")
    syscalls.seal(dev, below=False, devices=True)


def _change_user(program: Program, *, privileged: bool) -> None:
    """Be the program's user, with no capability and no way to one.

    An ordinary user has no other to be: inside, its own number is the wanted one. Further groups
    are not to be had then.
    """
    if not privileged:
        syscalls.unshare(syscalls.NEW_USER)
        map_ids(user=program.user, group=program.group, outer_user=0, outer_group=0)
    syscalls.drop_bounding_set()
    if privileged:
        os.setgroups(program.groups)
    os.setresgid(program.group, program.group, program.group)
    os.setresuid(program.user, program.user, program.user)
    syscalls.drop_capabilities()
    syscalls.no_new_privileges()


def map_ids(*, user: int, group: int, outer_user: int, outer_group: int) -> None:
    """Say who this process is in the user namespace that it made."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {outer_user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {outer_group} 1")


def _forget_signals() -> None:
    """Python ignores some, and whoever started the agent may have had it ignore more."""
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
