"""Holds one command's session, and ends it when the owner lets go of the leash.

A program of its own, on the standard library alone, because the plugin can be killed at any
moment: the kernel then closes the plugin's end of the leash (a socket), whatever killed it.

Usage: `python -I -S warden.py FD`, where FD is the leash. One line of JSON comes down it,
`{"argv": [...], "env": {...}, "dir": "...", "grace": seconds}`, and one goes back:
`{"status": n}` as `subprocess` counts (negative: a signal), or `{"refused": "why"}`.
The end of the stream from the owner means: end the session.

A process that has made a session of its own (a daemon) is not in this one and lives on.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
POLL = 0.02


def from_proc() -> Iterator[int]:
    """Processes that have not ended, where the kernel lists them as files (Linux)."""
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_text(errors="replace").rpartition(") ")[2][:1]
                if state not in "ZX":
                    yield int(entry.name)


def from_ps() -> Iterator[int]:
    """The same from `ps`, which macOS has and a slim Linux image may lack."""
    listing = subprocess.run(
        ["/bin/ps", "-axo", "pid=,stat="], capture_output=True, text=True, check=False
    )
    for line in listing.stdout.splitlines():
        pid, state = line.split(maxsplit=1)
        if not state.startswith("Z"):
            yield int(pid)


def groups(session: int) -> set[int]:
    """Process groups of a session that still have somebody in them."""
    alive = from_proc() if (PROC / "self/stat").exists() else from_ps()
    found: set[int] = set()
    for pid in alive:
        with contextlib.suppress(OSError):
            if os.getsid(pid) == session:
                found.add(os.getpgid(pid))
    return found


def end(session: int, grace: float) -> None:
    """SIGTERM to everybody in the session, SIGKILL to who is left after `grace` seconds."""
    deadline = time.monotonic() + grace
    signum = signal.SIGTERM
    told: set[int] = set()
    while alive := groups(session):
        if time.monotonic() >= deadline:
            signum, told = signal.SIGKILL, set[int]()
        for group in alive - told:
            with contextlib.suppress(OSError):
                os.killpg(group, signum)
        told |= alive
        time.sleep(POLL)


def hold(leash: socket.socket) -> dict[str, object]:
    """Run what comes down the leash; answers how it ended, or why it never began."""
    spec = json.loads(leash.makefile("rb").readline())
    try:
        command = subprocess.Popen(  # noqa: S603 -- what it is for
            spec["argv"], env=spec["env"], cwd=spec["dir"], start_new_session=True
        )
    except OSError as error:
        return {"refused": f"{error.strerror}: {error.filename}"}
    except ValueError as error:  # a NUL in an argument or in the environment
        return {"refused": str(error)}
    # The command's pipes must end with the command, not with its warden.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)

    let_go = threading.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):
            while leash.recv(1):
                pass
        let_go.set()
        end(command.pid, spec["grace"])

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    status = command.wait()
    if let_go.is_set():
        watcher.join()
    return {"status": status}


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as leash:
        answer = hold(leash)
        with contextlib.suppress(OSError):  # nobody is left to hear it
            leash.sendall(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
