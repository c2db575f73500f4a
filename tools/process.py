"""Running a program to its end, with a pulse, and never leaving it behind."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PULSE_SECONDS = 0.2
GRACE_SECONDS = 5.0
TAIL_LINES = 12


@dataclass(frozen=True)
class Result:
    code: int
    lines: Sequence[str]
    """What it said on both streams, in order."""

    def tail(self) -> str:
        return "\n".join(self.lines[-TAIL_LINES:])


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float | None = None,
    pulse: Callable[[Sequence[str]], None] = lambda _lines: None,
    keep: Sequence[int] = (),
) -> Result:
    """Run to the end or until `seconds` have passed; OSError if it cannot be started.

    `pulse` is called several times a second with the lines so far. A program that is stopped for
    taking too long has code -9 and says so in its last line. `keep` are files that stay open in it,
    such as a lock that is held for as long as it lives.
    """
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - callers name the program
        [str(word) for word in command],
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # its own children are ended with it
        pass_fds=keep,
    ) as child:
        reader = threading.Thread(target=_collect, args=(child.stdout, lines), daemon=True)
        reader.start()
        left = seconds
        try:
            while True:
                try:
                    child.wait(PULSE_SECONDS if left is None else min(PULSE_SECONDS, left))
                    break
                except subprocess.TimeoutExpired:
                    if left is not None and (left := left - PULSE_SECONDS) <= 0:
                        end(child)
                        return Result(-9, [*lines, f"no answer within {seconds:g} s"])
                    pulse(lines)
        except BaseException:
            end(child)
            raise
        reader.join(GRACE_SECONDS)
    return Result(child.returncode, lines)


def _collect(stream: IO[str] | None, lines: list[str]) -> None:
    lines.extend(line.rstrip("\n") for line in stream or ())


def end(
    child: subprocess.Popen[Any],
    *,
    first: signal.Signals = signal.SIGTERM,
    grace: float = GRACE_SECONDS,
) -> None:
    """End the session that the child leads: first by asking, after `grace` seconds by force."""
    for kind in (first, signal.SIGKILL):
        try:
            os.killpg(child.pid, kind)
            child.wait(grace)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        else:
            return


def command_line(pid: int) -> str:
    """How the process was started; empty where there is none, or only its zombie."""
    if (proc := Path("/proc")).joinpath("self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    return subprocess.run(  # noqa: S603 - a number, and no shell reads it
        ["ps", "-o", "command=", "-p", str(pid)],  # noqa: S607 - macOS has it in /bin
        capture_output=True,
        text=True,
        check=False,
    ).stdout
