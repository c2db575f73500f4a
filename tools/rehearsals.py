"""Where a rehearsal has everything of its own, so that removing the folder removes it."""

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

from tools import clusters
from tools.errors import Missing
from tools.places import Places

CLUSTER = "cluster"
"""The control plane's folder in it."""


class GoingOnError(Missing):
    """Another rehearsal of the stack has its folder."""


@contextlib.contextmanager
def folder(stack: str, places: Places) -> Generator[Path]:
    """Give an empty one, without what a killed rehearsal left; nothing is left of it afterwards."""
    home = places.state / "rehearsals"
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{stack}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GoingOnError(
                f"rehearsal of {stack}",
                "another one is going on in this clone",
                way_out="wait until it is done, or end it",
            ) from None
        ours = home / stack
        _remove(ours, places)
        ours.mkdir()
        try:
            # Another name each time: a Pulumi that outlived its rehearsal still writes to its own.
            yield Path(tempfile.mkdtemp(dir=ours))
        finally:
            _remove(ours, places)


def clear(stack: str, places: Places) -> None:
    """Remove what a killed rehearsal left; one that goes on is left alone."""
    if (places.state / "rehearsals" / stack).exists():
        with contextlib.suppress(GoingOnError), folder(stack, places):
            pass


def _remove(ours: Path, places: Places) -> None:
    """Remove everything; who is impatient then has to wait."""
    if not ours.exists():
        return
    interrupts = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.signal(number, signal.SIG_IGN) for number in interrupts]
    for cluster in ours.glob(f"*/{CLUSTER}"):
        clusters.act("down", cluster, places, os.environ)
    shutil.rmtree(ours)
    for number, handler in zip(interrupts, handlers, strict=True):
        signal.signal(number, handler)
