"""Runs a program that does not outlive whoever asked for it.

    python3 -m machines.leash PARENT SECONDS LOCK COMMAND...

Ends the program when the process PARENT is no longer our parent, when SECONDS have passed, or when
told to. While it runs the file LOCK is locked: the next run waits until a killed run's is over.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tools.process import end

LATE = 124
"""Exit code of a program that took too long, as timeout(1) has it."""
ORPHANED = 125
NOT_STARTED = 127
LOOK_SECONDS = 0.1


class _AskedError(Exception):
    pass


def _ask(_number: int, _frame: FrameType | None) -> None:
    raise _AskedError


def hold(parent: int, seconds: float, lock: Path, command: Sequence[str]) -> int:
    """The program's exit code, or why it was ended."""
    deadline = time.monotonic() + seconds
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if os.getppid() != parent:
            return ORPHANED
        try:
            # In a session of its own: all that it starts is ended with it.
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - callers name the program
        except OSError as problem:
            sys.stderr.write(f"{command[0]}: {problem.strerror}\n")
            return NOT_STARTED
        try:
            while time.monotonic() < deadline:
                try:
                    return child.wait(LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    if os.getppid() != parent:
                        end(child)
                        return ORPHANED
        except _AskedError:
            end(child)
            raise
        end(child)
        sys.stderr.write(f"no end within {seconds:g} s\n")
        return LATE


def main(words: Sequence[str]) -> int:
    parent, seconds, lock, *command = words
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ask)
    try:
        return hold(int(parent), float(seconds), Path(lock), command)
    except _AskedError:
        return ORPHANED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
