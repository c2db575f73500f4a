"""What a container sees of the machine's files.

The operating system's own folders and some trees, read-only at their real places, the program's
mounts, and what a running system has: /proc, /sys, /dev. Everything else is empty and
in memory, so nothing of the machine is written to, and no other folder of it can be seen.
"""

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedded.agent import syscalls
from embedded.agent.machine import Mount

SYSTEM = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "nix", "sbin", "sys", "usr")
"""What programs of the operating system's packages, or linked against them, need."""

EMPTY = {"home": 0o755, "root": 0o755, "run": 0o755, "tmp": 0o1777, "var": 0o755, "var/tmp": 0o1777}
DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
STREAMS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}
CONTROLS = ("bus", "fs", "irq", "sys", "sysrq-trigger")
"""Below /proc: what the machine's root could turn without any capability."""


@dataclass(frozen=True, kw_only=True)
class View:
    trees: Sequence[Path]
    mounts: Sequence[Mount]
    directory: Path
    """Made, where nothing else has it."""
    hidden: Path
    """The machine's own folder, should a tree contain it."""
    read_only: bool


def change(view: View, staging: Path) -> None:
    """Have the process's mount namespace, a new one, show the view alone.

    `staging` is a folder to build it on.
    """
    # Names into the old root mean nothing in the new one: everything is opened first.
    system = {Path("/", name): _handle(Path("/", name)) for name in SYSTEM if _is_folder(name)}
    trees = {place: _handle(tree) for tree in view.trees for place in {tree, tree.resolve()}}
    devices = {Path("/dev", name): _handle(Path("/dev", name)) for name in DEVICES}
    mounts = [
        (mount, _handle(mount.source))
        for mount in sorted(view.mounts, key=lambda mount: mount.target.count("/"))
    ]
    # A volume at /tmp would hide a clone that lies below it, and with it the program.
    above = [one for one in mounts if any(Path(one[0].target) in tree.parents for tree in trees)]
    links = {link: link.readlink() for name in SYSTEM if (link := Path("/", name)).is_symlink()}

    syscalls.mount("tmpfs", staging, "mode=755")
    (staging / "proc").mkdir()
    syscalls.mount("proc", staging / "proc")
    with syscalls.changed_root(staging):
        root = _Root()
        for link, to in links.items():
            link.symlink_to(to)
        for place, handle in system.items():
            root.show(handle, place)
        root.mount(above)
        for place, handle in trees.items():
            root.show(handle, place)
        if view.hidden.is_dir():
            _cover(view.hidden)
        _make_dev(devices)
        root.mount([one for one in mounts if one not in above])
        root.have(view.directory, folder=True)
        for control in (Path("/proc", name) for name in CONTROLS):
            if control.exists():
                syscalls.bind(control, control)
                syscalls.seal(control, below=True)
        if view.read_only:
            root.seal()


class _Root:
    """The new root, in memory, and whatever had to be put in memory to mount on."""

    def __init__(self) -> None:
        self._in_memory = [Path("/")]
        for name, mode in EMPTY.items():
            Path("/", name).mkdir()
            Path("/", name).chmod(mode)
        Path("/var/run").symlink_to("/run")

    def seal(self) -> None:
        for place in self._in_memory:
            syscalls.seal(place, below=False)

    def mount(self, mounts: Sequence[tuple[Mount, Path]]) -> None:
        for mount, handle in mounts:
            self.show(handle, Path(mount.target), read_only=mount.read_only)

    def show(self, handle: Path, place: Path, *, read_only: bool = True) -> None:
        # A link of the machine's may lead to what is not there: /etc/resolv.conf often does.
        place = place.resolve()
        self.have(place, folder=handle.is_dir())
        syscalls.bind(handle, place)
        syscalls.seal(place, below=True, read_only=read_only)

    def have(self, place: Path, *, folder: bool) -> None:
        """Have something at `place`."""
        if place.exists():
            return
        self.have(place.parent, folder=True)
        try:
            _make(place, folder=folder)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            self._open_up(place.parent)
            _make(place, folder=folder)

    def _open_up(self, folder: Path) -> None:
        """Put a folder in memory over one of the machine's, with the same in it."""
        below = _handle(folder)
        syscalls.mount("tmpfs", folder, f"mode={stat.S_IMODE(folder.stat().st_mode):o}")
        self._in_memory.append(folder)
        for kept in below.iterdir():
            place = folder / kept.name
            if kept.is_symlink():
                place.symlink_to(kept.readlink())
            else:
                _make(place, folder=kept.is_dir())
                syscalls.bind(kept, place)
                syscalls.seal(place, below=True)


def _is_folder(name: str) -> bool:
    return (place := Path("/", name)).is_dir() and not place.is_symlink()


def _handle(source: Path) -> Path:
    """A name by which the file is reached from anywhere, for as long as this process lives."""
    return Path("/proc/self/fd", str(os.open(source, os.O_PATH | os.O_CLOEXEC)))


def _make(place: Path, *, folder: bool) -> None:
    if folder:
        place.mkdir(mode=0o755)
    else:
        place.touch(mode=0o644)


def _cover(folder: Path) -> None:
    syscalls.mount("tmpfs", folder, "mode=755")
    syscalls.seal(folder, below=False)


def _make_dev(devices: Mapping[Path, Path]) -> None:
    dev = Path("/dev")
    dev.mkdir()
    syscalls.mount("tmpfs", dev, "mode=755")
    for place, handle in devices.items():
        place.touch()
        syscalls.bind(handle, place)
    for name, to in STREAMS.items():
        (dev / name).symlink_to(f"/proc/self/fd{to}")
    (dev / "shm").mkdir()
    syscalls.mount("tmpfs", dev / "shm", "mode=1777")
    syscalls.seal(dev, below=False, devices=True)
