"""Running a command and taking its time; none is left behind."""

import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.process import end

GRACE_SECONDS = 30.0
"""For what a command has begun, when it is interrupted."""
TAIL_LINES = 60


class BenchError(Exception):
    """Why there is nothing to compare."""


def seconds(words: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> float:
    """Run to the end and return how long it took; BenchError with its last words if it failed."""
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        began = time.perf_counter()
        with subprocess.Popen(  # noqa: S603 - our words, and no shell reads them
            [str(word) for word in words],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us to hand on
        ) as child:
            try:
                # Without a time limit: Python would poll for the end, and that would be measured.
                child.wait()
            except BaseException:
                end(child, first=signal.SIGINT, grace=GRACE_SECONDS)
                raise
        took = time.perf_counter() - began
        if child.returncode:
            said.seek(0)
            last = "".join(f"\n  | {line}" for line in said.read().splitlines()[-TAIL_LINES:])
            raise BenchError(f"`{' '.join(map(str, words))}` failed:{last}")
    return took
