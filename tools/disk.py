"""Whether there is room for what an install writes, asked before it starts."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tools.errors import Missing

GB = 1_000_000_000


def free(folder: Path) -> int:
    """Bytes that may still be written where a folder is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require(needs: Mapping[Path, int]) -> None:
    """Raise Missing where the bytes that folders will grow to are not free; disks are added up."""
    by_disk: dict[int, list[tuple[Path, int]]] = {}
    for folder, size in needs.items():
        by_disk.setdefault(_disk(folder), []).append((folder, size))
    for wanted in by_disk.values():
        left = free(wanted[0][0])
        if left >= sum(size for _, size in wanted):
            continue
        # Close: look at what an earlier run has written already.
        missing = {folder: max(0, size - _size(folder)) for folder, size in wanted}
        if left < sum(missing.values()):
            said = "\n".join(f"{size / GB:.1f} GB in {one}" for one, size in missing.items())
            raise Missing(
                "disk",
                f"{left / GB:.1f} GB are free, {sum(missing.values()) / GB:.1f} GB are needed",
                said=said,
                way_out="free some space, or set GOCACHE, GOMODCACHE or XDG_CACHE_HOME to"
                " folders on a disk that has it",
            )


def _disk(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return folder.stat().st_dev


def _size(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(Path(parent) / name).st_size
            except FileNotFoundError:
                continue
    return total
