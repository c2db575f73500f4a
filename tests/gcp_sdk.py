"""Google's SDK for Pulumi, for the tests alone: no machine has it installed for every stack."""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from recording import ROOT

import tools


@cache
def folder() -> Path:
    """Where the locked version lies; fetched once for a clone, 14 MB."""
    uv = tools.resolve("uv")
    exporting = ("export", "--frozen", "--only-group", "gke", "--no-emit-project", "--quiet")
    locked = _uv(uv, *exporting)
    version = next(line for line in locked.splitlines() if line.startswith("pulumi-gcp=="))
    home = ROOT / ".state" / "test-packages" / version.split()[0]
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=home.parent))
        (part / "locked.txt").write_text(locked)
        # What it needs is there already.
        words = ("--no-deps", "--require-hashes", "--quiet", "--requirements", part / "locked.txt")
        _uv(uv, "pip", "install", "--target", part / "packages", *words)
        try:
            (part / "packages").rename(home)
        except OSError:  # another worker's, in the meantime
            assert home.exists()
        shutil.rmtree(part)
    return home


def _uv(uv: Path, *words: str | os.PathLike[str]) -> str:
    return subprocess.run(  # noqa: S603 - our own words
        [uv, *words], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    ).stdout
