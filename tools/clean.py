"""Removes what can be made again, and says so; stacks' state is never touched."""

import shutil
import sys
from pathlib import Path
from typing import TextIO

from tools.places import Places, here

CACHES = (".pytest_cache", ".ruff_cache", ".hypothesis")


def main(places: Places | None = None, out: TextIO | None = None) -> int:
    places = places or here()
    say = (out or sys.stdout).write
    targets = [
        places.venv,
        places.links,
        places.records,
        places.provider_memory,
        *(places.root / name for name in CACHES),
        *_bytecode(places),
    ]
    for target in targets:
        if not target.exists():
            continue
        _remove(target)
        if target.name != "__pycache__":
            say(f"removed {target}\n")
    say(
        f"kept    {places.state} (stacks and their cluster: `make down` removes those)\n"
        f"kept    {places.cache} (tools of all clones: `rm -r` it to have them built anew)\n"
    )
    return 0


def _bytecode(places: Places) -> list[Path]:
    """List compiled modules outside of .venv."""
    own = (folder for folder in places.root.iterdir() if folder.is_dir())
    return [
        cache
        for folder in own
        if not folder.name.startswith(".")
        for cache in (folder, *folder.rglob("__pycache__"))
        if cache.name == "__pycache__"
    ]


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
