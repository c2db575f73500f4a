"""Running git and container engines: what they say is shown line by line."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools import Missing, process
from tools.progress import Progress

ASK_SECONDS = 120.0
"""For what is only looked up."""


@dataclass(frozen=True)
class Runner:
    what: str
    """What is being made, for people."""
    progress: Progress
    keep: tuple[int, ...] = ()
    """Locks that are held for as long as what is started lives."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Over this process's own."""

    def stream(self, command: Sequence[str | Path], *, seconds: float, way_out: str) -> None:
        """Run to the end; Missing where it fails or takes longer."""
        told = 0

        def tell(lines: Sequence[str]) -> None:
            nonlocal told
            for line in lines[told:]:
                self.progress.say(self.what, line)
            told = len(lines)
            self.progress.pulse("at work")

        words = [str(word) for word in command]
        with self.progress.step(self.what):
            try:
                ended = process.run(
                    words, env=self._env, seconds=seconds, pulse=tell, keep=self.keep
                )
            except OSError as error:
                raise Missing(words[0], str(error), way_out=way_out) from None
            tell(ended.lines)
        if ended.code:
            raise Missing(
                self.what,
                f"`{' '.join(words[:2])}` failed ({ended.code})",
                said=ended.tail(),
                way_out=way_out,
            )

    def ask(self, command: Sequence[str | Path]) -> str | None:
        """What a command prints that only looks; None where it fails or does not answer."""
        try:
            done = subprocess.run(  # noqa: S603 - our words, and no shell reads them
                [str(word) for word in command],
                env=self._env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=ASK_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.env}
