"""What is installed already: the first suitable program on PATH, and why others are passed over."""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.places import Places
from tools.versions import Range, Version, find, show

ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Found:
    """A tool that can be used: where its files are, its version, how it came there."""

    files: Mapping[str, str]
    version: str
    source: str
    """`installed`, `downloaded`, `built` or `from PyPI`."""


@dataclass(frozen=True)
class PassedOver:
    """A program of the right name that will not do."""

    tool: str
    path: str
    why: str


def search(
    name: str, *, files: Iterable[str], ask: Sequence[str], wanted: Range, places: Places, path: str
) -> tuple[Found | None, Sequence[PassedOver]]:
    """Look through PATH in order, as a shell does, but past what will not do."""
    passed: list[PassedOver] = []
    for program in _programs(name, places, path):
        beside = {file: _beside(program, file) for file in files}
        version = ask_version(program, ask)
        if isinstance(version, str):
            why = version
        elif not wanted.holds(version):
            why = f"is {show(version)}, needed is {wanted}"
        elif lacks := [file for file, there in beside.items() if there is None]:
            why = f"has no {' and no '.join(lacks)} beside it"
        else:
            found = {file: str(there) for file, there in beside.items()}
            return Found(found, show(version), "installed"), passed
        passed.append(PassedOver(name, str(program), why))
    return None, passed


def folders(places: Places, path: str) -> list[Path]:
    """List what PATH names but for this project's own folders; relative entries are left out."""
    own = {places.links, places.venv / "bin", places.stand_ins}
    asked = dict.fromkeys(Path(entry) for entry in path.split(os.pathsep))
    return [entry for entry in asked if entry.is_absolute() and entry not in own]


def _programs(name: str, places: Places, path: str) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in folders(places, path):
        program = folder / name
        if not (program.is_file() and os.access(program, os.X_OK)):
            continue
        # What a shell of another clone has on PATH is ours too.
        real = program.resolve()
        if real in seen or real.is_relative_to(places.store.resolve()):
            continue
        seen.add(real)
        yield program


def _beside(program: Path, name: str) -> Path | None:
    """Look beside the link first, then beside what it points to."""
    for folder in (program.parent, program.resolve().parent):
        if os.access(folder / name, os.X_OK):
            return folder / name
    return None


def ask_version(program: Path, ask: Sequence[str]) -> Version | str:
    """Ask a program for its version; a text says why there is none."""
    try:
        answer = subprocess.run(  # noqa: S603 - a program of the user's own PATH
            [program, *ask],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"},  # or it asks the network first
        )
    except subprocess.TimeoutExpired:
        return f"does not answer `{' '.join(ask)}` within {ANSWER_SECONDS:g} s"
    except OSError as problem:
        return f"cannot be run: {problem.strerror}"
    if answer.returncode != 0:
        said = (answer.stderr or answer.stdout).strip().splitlines()
        return f"fails: {said[-1] if said else f'exit code {answer.returncode}'}"
    return find(answer.stdout) or find(answer.stderr) or "does not say its version"
