"""Go modules as data: what they hold beside Go."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path


@cache
def folder(module: str, version: str) -> Path | None:
    """Where Go keeps it, downloaded if need be; None where it is not to be had."""
    if not (go := shutil.which("go")):
        return None
    # Outside of any module, so that it is no module of this project's that is changed.
    done = subprocess.run(  # noqa: S603 - words of tests
        [go, "mod", "download", "-json", f"{module}@{version}"],
        cwd="/",
        capture_output=True,
        check=False,
    )
    return Path(json.loads(done.stdout)["Dir"]) if done.returncode == 0 else None
