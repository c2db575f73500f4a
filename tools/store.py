"""The shared cache of tools: an entry is there whole or not at all.

    <cache>/tools/<tool>/<version>-<digest>-<go version>/   built
    <cache>/tools/<tool>/<version>-<os>-<arch>/             downloaded

An entry is filled in a folder of its own and then renamed; the lock makes sure that two installs
don't do the same work, and that what a killed one left behind can be removed safely.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from tools.places import Places

_UNFINISHED = ".unfinished-"


def whole(entry: Path, files: Iterable[str]) -> bool:
    """Whether an entry holds these files, each of them executable."""
    return all(os.access(entry / file, os.X_OK) and (entry / file).is_file() for file in files)


@contextmanager
def locked(places: Places, waiting: Callable[[], None]) -> Generator[None]:
    """Be the only install that works; `waiting` is called while another one is."""
    places.cache.mkdir(parents=True, exist_ok=True)
    with places.lock.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(0.2)
        for left in places.store.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


@contextmanager
def workshop(places: Places) -> Generator[Path]:
    """Give a folder on the store's file system that is gone afterwards."""
    places.store.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=places.store))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put(filled: Path, entry: Path) -> Path:
    """Make a filled folder the entry; one that is there already and broken is replaced."""
    for file in filled.iterdir():
        file.chmod(0o755)
    entry.parent.mkdir(parents=True, exist_ok=True)
    if entry.exists():
        shutil.rmtree(entry)
    return filled.rename(entry)
