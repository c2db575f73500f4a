"""What is there, where it came from, and the command that mends what is not."""

import os
import platform
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tools import disk, gobuild, install, providers, records, search, uv
from tools.catalog import TOOLS, pin
from tools.errors import Missing
from tools.gobuild import Go
from tools.places import Places, here, offline
from tools.versions import show

MAKE_TOOLS = "make tools"

LOOPBACK = {"Linux": ("127.0.0.1", "127.64.0.1")}
"""Linux serves all of 127/8, and fake pods get addresses from 127.64/16."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    version: str
    where: str
    mend: str = ""
    """The command or advice that makes it well; empty where all is well."""
    needed: bool = True
    """Whether anything fails without it."""


def main(places: Places | None = None, out: TextIO | None = None) -> int:
    """Print the table; 1 if something needed is missing."""
    places = places or here()
    rows = [*examine(places)]
    print(table(rows), file=out or sys.stdout)
    return int(any(row.mend and row.needed for row in rows))


def table(rows: Sequence[Row]) -> str:
    """Lay the rows out: ok, or what to do."""
    what, version = (max(len(cell) for cell in column) for column in _columns(rows))
    lines: list[str] = []
    for row in rows:
        mark = "ok" if not row.mend else "MISSING" if row.needed else "note"
        lines.append(f"{mark:<8}{row.what:<{what}}  {row.version:<{version}}  {row.where}".rstrip())
        if row.mend:
            lines.append(f"{'':<8}{'':<{what}}  way out: {row.mend}")
    return "\n".join(lines)


def _columns(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    return [row.what for row in rows], [row.version for row in rows]


def examine(places: Places) -> Iterator[Row]:
    """Look at everything; nothing is changed and no host is asked."""
    go = install.toolchain(places)
    path = os.environ.get("PATH", os.defpath)
    known = records.load(places)
    lacking = [name for name in install.embedded() if name in TOOLS and not known.present(name)]
    yield Row("python", platform.python_version(), sys.executable)
    yield _go(go, needed=bool(lacking))
    yield _program("make", needed=False)
    yield _program("git", needed=False)
    yield _uv(places, path)
    yield from _tools(places, path, known)
    yield _environment(places)
    yield _crds(places, go)
    yield _providers(places)
    yield _disk(places, go, needed=bool(lacking))
    yield _ports()


def _go(go: Go | Missing, *, needed: bool) -> Row:
    if isinstance(go, Go):
        return Row("go", go.version.removeprefix("go"), shutil.which("go") or "")
    return Row("go", "-", go.why, mend=go.way_out, needed=needed)


def _program(name: str, *, needed: bool) -> Row:
    where = shutil.which(name)
    if where is None:
        return Row(name, "-", "not on PATH", mend=f"install {name}", needed=needed)
    version = search.ask_version(Path(where), ("--version",))
    return Row(name, version if isinstance(version, str) else show(version), where)


def _uv(places: Places, path: str) -> Row:
    found, _ = uv.find(places, path)
    if found is None:
        where = "none that is suitable; `make tools` installs it"
        return Row("uv", uv.VERSION, where, needed=False)
    return Row("uv", found.version, f"{found.source}: {found.files['uv']}")


def _tools(places: Places, path: str, known: records.Records) -> Iterator[Row]:
    for tool in TOOLS.values():
        version = pin(tool, places.go_modules)
        if known.present(tool.name):
            found = known.tools[tool.name]
            yield Row(tool.name, found.version, f"{found.source}: {found.files[tool.name]}")
        else:
            only = f"; only for the gateway {tool.gateway}" if tool.gateway else ""
            yield Row(
                tool.name,
                show(version),
                f"not in place{only}",
                mend=tool.command,
                needed=not tool.gateway,
            )
        if tool.suits is None:
            continue
        _, passed = search.search(
            tool.name,
            files=tool.files,
            ask=tool.ask,
            wanted=tool.suits(version),
            places=places,
            path=path,
        )
        for one in passed:
            yield Row("", "", f"passed over {one.path}: {one.why}")


def _environment(places: Places) -> Row:
    if uv.fresh(places):
        return Row(".venv", "", f"in step with uv.lock: {places.venv}")
    there = places.venv.exists()
    where = "not in step with uv.lock" if there else "not in place"
    return Row(".venv", "", where, mend=MAKE_TOOLS)


def _crds(places: Places, go: Go | Missing) -> Row:
    if isinstance(go, Missing):
        return Row("CRDs", "", "no Go to fetch them with", mend=go.way_out)
    if gobuild.crds_present(places, go.modules):
        return Row("CRDs", "", f"in {go.modules}")
    return Row("CRDs", "", "not in Go's module cache", mend=MAKE_TOOLS)


def _providers(places: Places) -> Row:
    try:
        decision = providers.peek(places)
    except Missing as problem:
        return Row("providers", "", f"{problem.what} is {problem.why}", mend=MAKE_TOOLS)
    if decision is None:
        return Row("providers", "", "not tried yet; the next run does")
    wanted = ", ".join(f"{name} {version}" for name, version in decision.versions.items())
    if decision.vendor:
        return Row("providers", "", f"the vendor's: {wanted}")
    lacking = [n for n in providers.NAMES if not _executable(places, f"pulumi-resource-{n}")]
    where = f"stand-ins for {wanted} ({decision.why}): {places.stand_ins}"
    if lacking:
        return Row("providers", "", where, mend="git checkout -- plugins")
    if not offline():
        where += f"; `rm {shlex.quote(str(places.provider_memory))}` makes it try again"
    return Row("providers", "", where)


def _executable(places: Places, name: str) -> bool:
    return os.access(places.stand_ins / name, os.X_OK)


def _disk(places: Places, go: Go | Missing, *, needed: bool) -> Row:
    free = disk.free(places.cache)
    where = f"free for {places.cache}"
    shown = f"{free / disk.GB:.0f} GB"
    if not needed or isinstance(go, Missing):
        return Row("disk", shown, where)
    try:
        install.room(go, places)
    except Missing as problem:
        return Row("disk", shown, problem.why, mend=problem.way_out)
    return Row("disk", shown, where)


def _ports() -> Row:
    addresses = LOOPBACK.get(platform.system(), ("127.0.0.1",))
    for address in addresses:
        with socket.socket() as listener:
            try:
                listener.bind((address, 0))
            except OSError as problem:
                why = f"cannot listen on {address}: {problem.strerror}"
                return Row("ports", "", why, mend="allow listening on loopback addresses")
    return Row("ports", "", f"free ones can be had on {' and '.join(addresses)}")
