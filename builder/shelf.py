"""What is kept of an image on this machine beside the image itself: locks, and who needs it."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from builder.asked import Image
from tools import Missing
from tools.progress import Progress

LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Shelf:
    """A folder for one image, shared by all stacks of this user that have it built."""

    folder: Path
    user: str
    """Whose turn it is: a stack, and the project that it is deployed from."""

    @classmethod
    def of(cls, image: Image, cache: Path) -> "Shelf":
        key = re.sub(r"[/:]", "_", image.name)
        return cls(cache / "images" / key, f"{Path.cwd()}\n{image.stack}\n")

    @property
    def work(self) -> Path:
        """For what is gone once a run has ended: source, archive, credentials."""
        return self.folder / "work"

    @property
    def before(self) -> Path:
        """Tells, while something is built, which engine does and what it had before."""
        return self.folder.with_name("building.json")

    @property
    def _users(self) -> Path:
        return self.folder / "users"

    @property
    def _mark(self) -> Path:
        return self._users / hashlib.sha256(self.user.encode()).hexdigest()

    def note(self, image: Image, engine: str) -> None:
        """Write down that the stack needs the image, and what builds it."""
        self._users.mkdir(parents=True, exist_ok=True)
        (self.folder / "image.json").write_text(image.told())
        (self.folder / "engine").write_text(engine)
        self._mark.write_text(self.user)

    def is_needed(self) -> bool:
        """Whether the stack has said so."""
        return self._mark.exists()

    def engine(self) -> str | None:
        """What has built it; None where nobody has, or where the folder was deleted since."""
        file = self.folder / "engine"
        return file.read_text() if file.exists() else None

    def leave(self) -> bool:
        """Take the stack off those that need the image; whether others still do."""
        self._mark.unlink(missing_ok=True)
        return self._users.exists() and any(self._users.iterdir())

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def taken(self, progress: Progress, seconds: float) -> Generator[int]:
        """Be the only run that works on the image, in an empty folder."""
        lock = self.folder.with_name(f"{self.folder.name}.lock")
        with locked(lock, progress, seconds) as number:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True, mode=0o700)
            try:
                yield number
            finally:
                shutil.rmtree(self.work, ignore_errors=True)
                with contextlib.suppress(OSError):
                    self.folder.rmdir()  # where nothing else is in it

    def alone(self, progress: Progress, seconds: float) -> AbstractContextManager[int]:
        """Be the only one of this user's runs that builds: two at once take twice the memory."""
        return locked(self.folder.with_name("building.lock"), progress, seconds)


@contextmanager
def locked(path: Path, progress: Progress, seconds: float) -> Generator[int]:
    """Hold a lock; programs that are given its number hold it too, for as long as they live.

    A run that is killed leaves what it started working: it is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + seconds
    while True:
        file = path.open("a")
        if _has(file, path):
            break
        file.close()
        if time.monotonic() > until:
            raise Missing(
                str(path),
                f"another run has held it for {seconds:g} s",
                way_out="wait until it is done, or end it",
            )
        progress.pulse("waiting for another run to end")
        time.sleep(LOOK_SECONDS)
    with file:
        try:
            yield file.fileno()
        finally:
            path.unlink(missing_ok=True)


def _has(file: IO[str], path: Path) -> bool:
    """Take the lock if it is free, and still the one that others see."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
