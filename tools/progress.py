"""What a person sees while waiting: live seconds on a terminal, plain lines elsewhere."""

import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO

HEARTBEAT_SECONDS = 30.0
"""Where nobody watches live, silence never lasts longer."""

WIDTH = 28


class Progress:
    """Lines of the form `what  how  elapsed`."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._live = out.isatty()
        self._started = clock()
        self._spoke = clock()
        self._what = ""

    def say(self, what: str, how: str) -> None:
        """Print a line that stays."""
        self._clear()
        print(f"{what:<{WIDTH}} {how}", file=self._out, flush=True)
        self._spoke = self._clock()

    def done(self, what: str, how: str) -> None:
        """Print that a part of the current step is done, and how long the step has taken."""
        self.say(what, f"{how:<34} {elapsed(self._clock() - self._started):>8}")

    def pulse(self, how: str) -> None:
        """Show that the current step goes on; call it as often as you like."""
        now = self._clock()
        line = f"{self._what:<{WIDTH}} {how}, {elapsed(now - self._started)}"
        if self._live:
            columns = shutil.get_terminal_size().columns  # a wrapped line could not be taken back
            print(f"\r\033[K{line[: columns - 1]}", end="", file=self._out, flush=True)
        elif now - self._spoke >= HEARTBEAT_SECONDS:
            print(line, file=self._out, flush=True)
            self._spoke = now

    @contextmanager
    def step(self, what: str) -> Generator[None]:
        """Measure from here on."""
        self._what = what
        self._started = self._clock()
        try:
            yield
        finally:
            self._clear()

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=self._out, flush=True)


def elapsed(seconds: float) -> str:
    """Write seconds as 7 s, or as 3 min 07 s."""
    whole = int(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"  # noqa: PLR2004
