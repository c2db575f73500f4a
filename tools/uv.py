"""The project's virtual environment: made and kept equal to uv.lock by uv."""

import hashlib
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

from tools import process, store
from tools.errors import Missing
from tools.places import Places
from tools.search import Found, PassedOver, search
from tools.versions import Range

VERSION = "0.13.8"
"""What is installed where there is none; uv.lock was made with it."""

SUITABLE = Range((0, 8, 0), (1, 0, 0))
"""0.8 is the first whose lock files are of the revision series that 0.13 writes."""

INSTALL_SECONDS = 300.0
SYNC_SECONDS = 1800.0

_STAMP = ".in-step-with"


def fresh(places: Places) -> bool:
    """Whether the environment is what uv.lock says, for this Python, at this path."""
    if not (places.venv / "bin" / "python").exists():  # or its base is no longer there
        return False
    try:
        return (places.venv / _STAMP).read_text() == _state(places)
    except FileNotFoundError:
        return False


def find(places: Places, path: str) -> tuple[Found | None, Sequence[PassedOver]]:
    """Look for a suitable uv, on PATH and then in the store."""
    found, passed = search(
        "uv", files=("uv",), ask=("--version",), wanted=SUITABLE, places=places, path=path
    )
    if found is None and store.whole(_entry(places), ("uv",)):
        found = _stored(places)
    return found, passed


def install(places: Places, pulse: Callable[[str], None]) -> Found:
    """Get uv from PyPI into the store; Missing says what a machine lacks for that."""
    with store.workshop(places) as folder:
        said: list[str] = []
        pip = ["install", "--quiet", "--only-binary=:all:", f"uv=={VERSION}"]
        environment, target = folder / "venv", folder / "target"
        for attempt, program in (
            (
                [
                    [sys.executable, "-m", "venv", environment],
                    [environment / "bin" / "python", "-m", "pip", *pip],
                ],
                environment / "bin" / "uv",
            ),
            # Debian keeps venv's pip in a package of its own (python3-venv).
            (
                [[sys.executable, "-m", "pip", *pip, "--target", target]],
                target / "bin" / "uv",
            ),
        ):
            answers = (
                process.run(
                    command, seconds=INSTALL_SECONDS, pulse=lambda _lines: pulse("installing")
                )
                for command in attempt
            )
            failed = next((answer for answer in answers if answer.code != 0), None)
            if failed is None and program.exists():
                filled = folder / "uv"
                filled.mkdir()
                shutil.copyfile(program, filled / "uv")
                store.put(filled, _entry(places))
                return _stored(places)
            said.append(failed.tail() if failed else "pip installed no program")
        raise Missing(
            f"uv {VERSION}",
            "cannot be installed from PyPI",
            said="\n".join(said),
            way_out="check the network (pip's index: `python3 -m pip config list`), on Debian and"
            " Ubuntu `apt-get install python3-venv`, or put a uv on PATH; then run `make tools`",
        )


def sync(uv: Path, places: Places, pulse: Callable[[str], None]) -> None:
    """Make the environment equal to uv.lock; Missing if that cannot be had."""
    stamp = places.venv / _STAMP
    if stamp.exists() and stamp.read_text().split("\n")[0] != str(places.venv):
        shutil.rmtree(places.venv)  # the clone was moved: the scripts in there name the old path
    stamp.unlink(missing_ok=True)
    # An active environment, ours perhaps, must not become the base of itself.
    base = Path(sys.base_prefix) / "bin" / f"python{sysconfig.get_python_version()}"
    python = base if base.exists() else Path(sys.executable)
    dropped = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "PYTHONHOME", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    answer = process.run(
        # Compiled here, once: a run of Pulumi starts three interpreters, and takes half the time.
        [
            *(uv, "sync", "--frozen", "--all-groups", "--compile-bytecode"),
            *("--project", places.root, "--python", python),
        ],
        env=env | {"UV_PYTHON_DOWNLOADS": "never"},
        cwd=places.root,
        seconds=SYNC_SECONDS,
        pulse=lambda lines: pulse(lines[-1].strip() if lines else "resolving"),
    )
    if answer.code != 0:
        raise _explain(answer)
    stamp.write_text(_state(places))


def _explain(answer: process.Result) -> Missing:
    said = answer.tail()
    if re.search(r"[Nn]o space left|os error 28|[Qq]uota exceeded", said):
        why = "the disk is full"
        way_out = "free some space (`uv cache clean` empties uv's), then run `make tools` again"
    elif re.search(r"[Ff]ailed to (?:fetch|download)|dns error|[Cc]onnection|certificate", said):
        why = "PyPI cannot be reached"
        way_out = (
            "check the network and the proxy settings; where a proxy has a certificate of its own,"
            " set SSL_CERT_FILE to it; then run `make tools` again"
        )
    else:
        why = "uv could not make it"
        way_out = "remove .venv and run `make tools` again"
    return Missing("virtual environment .venv", why, said=said, way_out=way_out)


def _state(places: Places) -> str:
    """First line: where; then all that decides what is in there."""
    locked = hashlib.sha256()
    for name in ("uv.lock", "pyproject.toml"):
        locked.update((places.root / name).read_bytes())
    return f"{places.venv}\nPython {sysconfig.get_python_version()}\n{locked.hexdigest()}\n"


def _entry(places: Places) -> Path:
    return places.store / "uv" / f"{VERSION}-{sysconfig.get_platform()}"


def _stored(places: Places) -> Found:
    return Found({"uv": str(_entry(places) / "uv")}, VERSION, "from PyPI")
