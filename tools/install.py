"""Puts in place whatever is missing, in the order in which trouble shows early.

    look on PATH and in the store -> is Go there, is there room -> downloads -> .venv
    -> all source code -> builds, smallest first

All of it may be stopped at any moment and run again: it goes on where it was.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tools import catalog, disk, gobuild, records, search, store, uv, vendor
from tools.architecture import architecture
from tools.catalog import TOOLS, Tool, pin
from tools.errors import Missing
from tools.gobuild import Go
from tools.places import Places, here, offline
from tools.progress import Progress
from tools.records import Records
from tools.search import Found, PassedOver
from tools.versions import show

VENV = "venv"
CRDS = "crds"

EVERYTHING = (*TOOLS, VENV, CRDS)
EVERY_STACK = (*(name for name, tool in TOOLS.items() if tool.every_stack), VENV, CRDS)
"""What a stack needs that does not run on the embedded cluster."""


def embedded(options: Collection[str] = ()) -> tuple[str, ...]:
    """Name what a stack with these options needs on the embedded cluster."""
    others = {name for name, tool in TOOLS.items() if tool.option not in {"", *options}}
    return tuple(name for name in EVERYTHING if name not in others)


SEARCHERS = 4
"""Each waits for programs that print their version."""

# What a cold install of everything was seen to write (linux/amd64).
COMPILED = 5 * disk.GB
SOURCES = 3 * disk.GB
BINARIES = 4 * disk.GB
"""0.8 GB stay; the rest is go's, until the programs are linked."""


@dataclass
class Work:
    """An install in progress: what is known, and how to tell."""

    places: Places
    progress: Progress
    path: str
    go: Go | Missing
    found: dict[str, Found] = field(default_factory=dict[str, Found])
    passed: list[PassedOver] = field(default_factory=list[PassedOver])

    def needed_go(self) -> Go:
        if isinstance(self.go, Missing):
            raise self.go
        return self.go

    def platform(self) -> tuple[str, str]:
        if isinstance(self.go, Go):
            return self.go.system, self.go.arch
        return platform.system().lower(), architecture()


def ensure(
    names: Sequence[str] = EVERYTHING, *, places: Places | None = None, out: TextIO | None = None
) -> None:
    """Have these in place, or raise Missing; quick and one line long when they are."""
    places = places or here()
    progress = Progress(out or sys.stdout)
    if unknown := [name for name in names if name not in EVERYTHING]:
        raise Missing(
            ", ".join(unknown),
            "not a tool of this project",
            way_out=f"one of {', '.join(EVERYTHING)}",
        )
    path = os.environ.get("PATH", os.defpath)
    go = toolchain(places)
    mark = fingerprint(places, path, go)
    if missing(names, places, mark, go):

        def waiting() -> None:
            progress.pulse("waiting for another install to end")

        with progress.step("tools"), store.locked(places, waiting):
            # The other install may have been in this clone.
            if lacking := missing(names, places, mark, go):
                _install(lacking, places, progress, path, go, mark)
    progress.say("tools", f"all in place ({len(names)})")


def toolchain(places: Places) -> Go | Missing:
    """Find Go, or why it cannot be used: many an install needs none."""
    try:
        return gobuild.toolchain(places)
    except Missing as problem:
        return problem


def fingerprint(places: Places, path: str, go: Go | Missing) -> str:
    """Digest all that would make a new look worth while."""
    told = hashlib.sha256()
    for family in (*catalog.FAMILIES, catalog.CRD_FAMILY):
        for name in ("go.mod", "go.sum"):
            told.update((places.go_modules / family / name).read_bytes())
    told.update(Path(catalog.__file__).read_bytes())
    for folder in search.folders(places, path):
        changed = folder.stat().st_mtime_ns if folder.is_dir() else 0
        told.update(f"{folder} {changed}\n".encode())
    built_by = (go.version, go.system, go.arch) if isinstance(go, Go) else None
    told.update(repr((platform.platform(), built_by, offline(), places)).encode())
    return told.hexdigest()


def missing(names: Iterable[str], places: Places, mark: str, go: Go | Missing) -> list[str]:
    """Name those that are not in place."""
    known = records.load(places)
    if known.fingerprint != mark:
        known = Records()
    there = {name: known.present(name) for name in TOOLS}
    there[VENV] = uv.fresh(places)
    # Without Go nothing can be fetched into its cache, and doctor says so.
    there[CRDS] = isinstance(go, Missing) or gobuild.crds_present(places, go.modules)
    return [name for name in names if not there[name]]


def _install(
    names: Sequence[str],
    places: Places,
    progress: Progress,
    path: str,
    go: Go | Missing,
    mark: str,
) -> None:
    known = records.load(places)
    work = Work(places, progress, path, go)
    if known.fingerprint == mark:
        work.found |= known.tools
        work.passed += known.passed_over

    lacking = look([TOOLS[name] for name in names if name in TOOLS], work)
    _save(work, mark)
    offered = offers(lacking, work)
    must_build = [tool for tool in lacking if tool.name not in offered]
    if must_build:
        room(work.needed_go(), places)
    with store.workshop(places) as folder:
        must_build += download(offered, folder, work)
        _save(work, mark)
        if VENV in names:
            environment(work)
        if CRDS in names or must_build:
            sources(must_build, work, crds=CRDS in names)
        build(must_build, folder, work)
    _save(work, mark)


def _save(work: Work, mark: str) -> None:
    found = {name: work.found[name] for name in sorted(work.found)}
    records.save(Records(mark, found, tuple(work.passed)), work.places)


def look(tools: Sequence[Tool], work: Work) -> list[Tool]:
    """Find what is installed or in the store; give back what is not."""
    places = work.places

    def on_path(tool: Tool) -> tuple[Found | None, Sequence[PassedOver]]:
        if tool.suits is None:
            return None, ()
        return search.search(
            tool.name,
            files=tool.files,
            ask=tool.ask,
            wanted=tool.suits(pin(tool, places.go_modules)),
            places=places,
            path=work.path,
        )

    with ThreadPoolExecutor(SEARCHERS) as pool:
        answers = [*pool.map(on_path, tools)]
    lacking: list[Tool] = []
    for tool, (found, passed) in zip(tools, answers, strict=True):
        work.passed += passed
        for one in passed:
            work.progress.say(tool.name, f"passed over {one.path}: {one.why}")
        if found := found or stored(tool, work):
            work.found[tool.name] = found
            if found.source == "installed":
                where = found.files[tool.name]
                work.progress.say(tool.name, f"{found.version} installed at {where}")
        else:
            lacking.append(tool)
    return lacking


def stored(tool: Tool, work: Work) -> Found | None:
    """Find what an earlier install, of any clone, has downloaded or built."""
    system, arch = work.platform()
    if isinstance(work.go, Go):
        built = [gobuild.entry(tool, work.places, work.go)]
    else:
        built = [*gobuild.built_before(tool, work.places, system, arch)]
    downloaded = _download_entry(tool, work)
    for entry in (downloaded, *built):
        if store.whole(entry, tool.files):
            return _found(tool, entry, "downloaded" if entry == downloaded else "built", work)
    return None


def _download_entry(tool: Tool, work: Work) -> Path:
    system, arch = work.platform()
    version = show(pin(tool, work.places.go_modules))
    return work.places.store / tool.name / f"{version}-{system}-{arch}"


def _found(tool: Tool, entry: Path, source: str, work: Work) -> Found:
    files = {file: str(entry / file) for file in tool.files}
    return Found(files, show(pin(tool, work.places.go_modules)), source)


def offers(tools: Iterable[Tool], work: Work) -> dict[str, vendor.Source]:
    """Find which of these a vendor publishes for this machine, on a host that answers."""
    if offline():
        return {}
    system, arch = work.platform()
    sources = {
        tool.name: source
        for tool in tools
        if tool.vendor
        and (source := vendor.source(tool.vendor, pin(tool, work.places.go_modules), system, arch))
    }
    urls = {name: (source.url, source.sums) for name, source in sources.items()}
    hosts = vendor.reachable(url for pair in urls.values() for url in pair)
    return {
        name: source
        for name, source in sources.items()
        if all(vendor.host(url) in hosts for url in urls[name])
    }


def download(offered: Mapping[str, vendor.Source], folder: Path, work: Work) -> list[Tool]:
    """Download what is offered; give back what has to be built after all."""
    failed: list[Tool] = []
    for name, source in offered.items():
        tool = TOOLS[name]
        with work.progress.step(name):
            filled = folder / f"{name}.vendor"
            try:
                vendor.download(source, tool.files, filled, work.progress.pulse)
            except vendor.DownloadError as problem:
                work.progress.say(name, f"not downloaded, will be built: {problem}")
                failed.append(tool)
                continue
            entry = store.put(filled, _download_entry(tool, work))
            work.found[name] = _found(tool, entry, "downloaded", work)
            work.progress.done(name, f"{work.found[name].version} downloaded")
    if failed:
        room(work.needed_go(), work.places)
    return failed


def room(go: Go, places: Places) -> None:
    """Raise Missing where a build would fill the disk."""
    disk.require({go.cache: COMPILED, go.modules: SOURCES, places.store: BINARIES})


def environment(work: Work) -> None:
    """Make the virtual environment, with a uv that is there or got for it."""
    progress, places = work.progress, work.places
    found, passed = uv.find(places, work.path)
    work.passed += passed
    if found is None:
        with progress.step("uv"):
            found = uv.install(places, progress.pulse)
            progress.done("uv", f"{found.version} from PyPI")
    work.found["uv"] = found
    with progress.step(places.venv.name):
        uv.sync(Path(found.files["uv"]), places, progress.pulse)
        progress.done(places.venv.name, "in step with uv.lock")


def sources(tools: Sequence[Tool], work: Work, *, crds: bool) -> None:
    """Fetch all that will be compiled or read."""
    with work.progress.step("source code"):
        if crds and isinstance(work.go, Go):
            gobuild.fetch_crds(work.places, work.progress.pulse)
        gobuild.fetch(tools, work.places, work.progress.pulse)
        work.progress.done("source code", "in Go's module cache")


def build(tools: Sequence[Tool], folder: Path, work: Work) -> None:
    """Build family by family, and give the store each tool as soon as all its files are there."""
    go, progress = work.go, work.progress
    made: dict[str, Path] = {}
    for family in gobuild.families(tools):
        taking_part = [t for t in tools if family in {p.family for p in t.files.values()}]
        named = ", ".join(tool.name for tool in taking_part)
        with progress.step(named if len(taking_part) == 1 else f"{len(taking_part)} tools"):
            out = gobuild.build(
                family,
                taking_part,
                work.places,
                folder,
                progress.pulse,
                lambda name: progress.done(name, "built"),
            )
        made |= {file.name: file for file in out.iterdir()}
        for tool in taking_part:
            if not made.keys() >= tool.files.keys() or isinstance(go, Missing):
                continue
            filled = folder / f"{tool.name}.whole"
            filled.mkdir()
            for file in tool.files:
                made[file].rename(filled / file)
            entry = store.put(filled, gobuild.entry(tool, work.places, go))
            work.found[tool.name] = _found(tool, entry, "built", work)
