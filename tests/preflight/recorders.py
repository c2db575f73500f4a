"""Programs that note how they were called, and say what a test wants them to."""

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recorders:
    folder: Path
    calls: Path

    def has(self, name: str, says: str = "", *, code: int = 0, first: str = "") -> None:
        """Put a program in place; `first` is shell that it does before it answers."""
        file = self.folder / name
        calls, said = shlex.quote(str(self.calls)), shlex.quote(says)
        file.write_text(
            f'#!/bin/sh\nprintf "%s\\n" {name}"$(printf " <%s>" "$@")" >> {calls}\n'
            f"{first}\nprintf '%s\\n' {said}\nexit {code}\n"
        )
        file.chmod(0o755)

    def called(self) -> list[str]:
        """Each call: the program, and each of its arguments in brackets."""
        return sorted(self.calls.read_text().splitlines()) if self.calls.exists() else []
