"""One process, never mistaken for another one that has its number now."""

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    pid: int
    started: str
    """When, in the kernel's own counting since the machine's start."""

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """None where there is none, or only what is left of it until its parent asks."""
        try:
            said = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name, in parentheses, may hold anything.
        fields = said.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, fields[19])

    @classmethod
    def recorded(cls, file: Path) -> "Process | None":
        """The process that the file tells of, if it is alive."""
        try:
            pid, started = file.read_text().split()
        except FileNotFoundError:
            return None
        alive = cls.of(int(pid))
        return alive if alive == cls(int(pid), started) else None

    def record(self, file: Path) -> None:
        replace(file, f"{self.pid} {self.started}")

    def kill(self) -> None:
        """Until it is gone, and what it was the first process of."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if Process.of(self.pid) == self:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    select.select([handle], [], [])
            finally:
                os.close(handle)


def replace(file: Path, text: str) -> None:
    """Write a file that is never seen half-written."""
    (new := file.with_name(f"{file.name}.new")).write_text(text)
    new.replace(file)
