"""Linux' namespaces, mounts and capabilities; Python has most of it only from 3.12 on, or not."""

import contextlib
import ctypes
import os
from collections.abc import Generator
from pathlib import Path

NEW_USER = 0x10000000
NEW_MOUNTS = 0x00020000
NEW_NAMES = 0x04000000
NEW_IPC = 0x08000000
NEW_PIDS = 0x20000000
NEW_NETWORK = 0x40000000

_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18
_DETACH = 2
_AT_RECURSIVE = 0x8000
_READ_ONLY, _NO_SET_ID, _NO_DEVICES = 1, 2, 4
_MOUNT_SETATTR = 442
"""The same number on every architecture, and newer than the C libraries' function for it."""

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITIES_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(namespaces: int) -> None:
    _call(_libc.unshare(namespaces))


def enter(namespace: int, kind: int) -> None:
    _call(_libc.setns(namespace, kind))


def private_mounts() -> None:
    """No mount made from here on is seen by anybody else."""
    _mount("none", "/", "", _RECURSIVE | _PRIVATE)


def mount(filesystem: str, target: Path, options: str = "") -> None:
    _mount(filesystem, str(target), filesystem, 0, options)


def bind(source: Path, target: Path) -> None:
    """With everything mounted below it, as it must be in a user namespace."""
    _mount(str(source), str(target), "", _BIND | _RECURSIVE)


def seal(target: Path, *, below: bool, read_only: bool = True, devices: bool = False) -> None:
    """Take away from a mount, and from those `below` it, what is not to be done there."""
    flags = _NO_SET_ID | (_READ_ONLY if read_only else 0) | (0 if devices else _NO_DEVICES)
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    _call(
        _libc.syscall(
            ctypes.c_long(_MOUNT_SETATTR),
            ctypes.c_int(-100),
            os.fsencode(target),
            ctypes.c_uint(_AT_RECURSIVE if below else 0),
            ctypes.byref(attributes),
            ctypes.c_size_t(ctypes.sizeof(attributes)),
        ),
        f"mount_setattr {target}",
    )


@contextlib.contextmanager
def changed_root(root: Path) -> Generator[None]:
    """Move to `root`, a mount; what was there before can be mounted from until the end of this."""
    old = os.open("/", os.O_PATH | os.O_CLOEXEC)
    os.chdir(root)
    _call(_libc.pivot_root(b".", b"."), "pivot_root")
    os.chdir("/")
    yield
    os.chdir(old)
    _call(_libc.umount2(b".", _DETACH), "umount")
    os.chdir("/")


def drop_bounding_set() -> None:
    """No program executed from here on gains a capability, not even as root."""
    capability = 0
    while _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1


def drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _call(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)), "capset")


def no_new_privileges() -> None:
    _call(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    _call(
        _libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            os.fsencode(kind),
            ctypes.c_ulong(flags),
            os.fsencode(options),
        ),
        f"mount {kind or source} at {target}",
    )


def _call(result: int, what: str = "") -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what or None)
