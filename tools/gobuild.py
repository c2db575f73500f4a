"""Building tools from Go modules, reproducibly, with errors that say what to do."""

import hashlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import process
from tools.catalog import (
    CRD_FAMILY,
    FAMILIES,
    GoPackage,
    ModuleChart,
    ModuleFile,
    Tool,
    pin,
    pins,
    requirements,
)
from tools.errors import Missing
from tools.places import Places
from tools.versions import Version, find, show

FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-pgo=off")
"""-mod=readonly: go.sum decides what is built. -pgo=off: the shipped profiles make the same
packages be compiled again for each program that has one."""

LINK = "-s -w"
"""Neither symbol table nor debug information: a third less to write and keep."""

SETTINGS = {
    "CGO_ENABLED": "0",
    "GOWORK": "off",
    "GO111MODULE": "on",
    # Takes 6 % off a cold build of the language host on 2 cores (31.2 s to 29.3 s; `off` took
    # 29.0 s, but has no bound on memory; -p 4 was slower).
    "GOGC": "400",
}
_HOST_ONLY = ("GOOS", "GOARCH", "GOBIN", "GOFLAGS")
"""Would change what is built; the tools run on this machine."""

NO_NETWORK = (
    "check the network and the proxy settings, then run `make tools` again;"
    " what was fetched is kept"
)

_CAUSES: Sequence[tuple[str, str, str]] = (
    (
        r"no space left on device|disk quota exceeded",
        "the disk is full",
        "free some space (`go clean -cache` empties Go's), then run `make tools` again",
    ),
    (
        r"checksum mismatch|SECURITY ERROR",
        "the Go proxy served something else than go.sum pins",
        "see `go env GOPROXY`; `go clean -modcache` drops what that proxy gave",
    ),
    (
        r"\b40[347]\b|\b410\b|403 Forbidden|404 Not Found|unknown revision",
        "the Go proxy does not have a module",
        "set GOPROXY to one that has it (`go env GOPROXY` shows the present one)",
    ),
    (
        (
            r"dial tcp|no such host|connection re(?:fused|set)|i/o timeout|network is unreachable"
            r"|TLS handshake|proxyconnect|unexpected EOF|x509:|context deadline|lookup disabled"
        ),
        "the Go proxy cannot be reached",
        NO_NETWORK,
    ),
    (
        r"signal: killed|cannot allocate memory|out of memory",
        "the machine ran out of memory",
        "close other programs and run `make tools` again: it goes on where it stopped",
    ),
    (
        r"missing go\.sum entry|updates to go\.mod needed|go\.mod file not found",
        "go.mod and go.sum do not fit together",
        "restore tools/go from the repository (git checkout -- tools/go)",
    ),
)
"""What go's output says, what that means, the way out; the first that fits."""


@dataclass(frozen=True)
class Go:
    """A Go toolchain that can build what is pinned here."""

    version: str
    """As Go writes it: go1.26.8."""
    system: str
    arch: str
    cache: Path
    modules: Path


def wanted(places: Places) -> Version:
    """Read which Go the modules ask for."""
    said = (places.go_modules / "cluster" / "go.mod").read_text()
    return find(re.findall(r"^go (\S+)$", said, re.MULTILINE)[0]) or (1, 26, 0)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _HOST_ONLY}
    return kept | SETTINGS | more


def toolchain(places: Places) -> Go:
    """Find the Go that would build here; Missing where there is none, or one that is too old."""
    needs = wanted(places)
    way_out = (
        f"install Go {needs[0]}.{needs[1]} or newer from your system's packages or go.dev/dl,"
        " and put it on PATH"
    )
    if shutil.which("go") is None:
        raise Missing("go", "not found on PATH", way_out=way_out)
    names = ("GOVERSION", "GOOS", "GOARCH", "GOCACHE", "GOMODCACHE")
    # In the module's folder, where a Go that may do so has switched to the version asked for.
    answer = process.run(
        ["go", "env", "-json", *names], env=environment(), cwd=places.go_modules / "cluster"
    )
    if answer.code != 0:
        too_old = "requires go >=" in answer.tail()
        why = f"older than {show(needs)}" if too_old else "does not work"
        raise Missing("go", why, said=answer.tail(), way_out=way_out)
    said: dict[str, str] = json.loads("\n".join(answer.lines))
    version = find(said["GOVERSION"])
    if version is None or version < needs:
        raise Missing("go", f"{said['GOVERSION']} is older than {show(needs)}", way_out=way_out)
    return Go(
        version=said["GOVERSION"],
        system=said["GOOS"],
        arch=said["GOARCH"],
        cache=Path(said["GOCACHE"]),
        modules=Path(said["GOMODCACHE"]),
    )


def families(tools: Iterable[Tool]) -> list[str]:
    """Name the families that take part in building these, in the order to build them in."""
    asked = {part.family for tool in tools for part in tool.files.values()}
    return [name for name in FAMILIES if name in asked]


def digest(tool: Tool, places: Places) -> str:
    """Digest all that decides what is built, but for the platform and Go's version."""
    told = hashlib.sha256()
    for family in families([tool]):
        for name in ("go.mod", "go.sum"):
            told.update((places.go_modules / family / name).read_bytes())
        told.update(_linker(family, places).encode())
        told.update(" ".join(_tags(family)).encode())
    told.update(repr((FLAGS, SETTINGS["CGO_ENABLED"], sorted(tool.files.items()))).encode())
    return told.hexdigest()[:12]


def entry(tool: Tool, places: Places, go: Go) -> Path:
    """Where the store keeps this tool as this Go builds it."""
    version = show(pin(tool, places.go_modules))
    name = f"{version}-{digest(tool, places)}-{go.version}-{go.system}-{go.arch}"
    return places.store / tool.name / name.replace(" ", "_").replace("/", "_")


def built_before(tool: Tool, places: Places, system: str, arch: str) -> Sequence[Path]:
    """List what any Go has built from the same sources, newest first: for machines without Go."""
    version = show(pin(tool, places.go_modules))
    pattern = f"{version}-{digest(tool, places)}-*-{system}-{arch}"
    entries = (places.store / tool.name).glob(pattern)
    return sorted(entries, key=lambda one: one.stat().st_mtime, reverse=True)


def fetch(tools: Sequence[Tool], places: Places, pulse: Callable[[str], None]) -> None:
    """Bring all source code here before anything is compiled: what is not to be had shows early."""
    for family in families(tools):
        packages = _packages(family, tools)
        _go(
            ["list", "-mod=readonly", *_tags(family), "-deps", *packages],
            what=f"source code of {_names(family, tools)}",
            family=family,
            places=places,
            pulse=lambda _lines: pulse("fetching source code"),
        )


def fetch_crds(places: Places, pulse: Callable[[str], None]) -> None:
    """Have the modules whose CRD files are read in Go's module cache."""
    modules = [*requirements(places.go_modules / CRD_FAMILY / "go.mod")]
    _go(
        ["mod", "download", *modules],
        what="CRDs",
        family=CRD_FAMILY,
        places=places,
        pulse=lambda _lines: pulse("fetching CRDs"),
    )


def crds_present(places: Places, modules: Path) -> bool:
    """Tell whether Go's module cache has the modules whose CRD files are read."""
    said = requirements(places.go_modules / CRD_FAMILY / "go.mod").items()
    return all((modules / escaped(f"{module}@{version}")).is_dir() for module, version in said)


def escaped(path: str) -> str:
    """As Go writes it into its cache, for file systems that do not tell cases apart."""
    return re.sub("[A-Z]", lambda capital: f"!{capital[0].lower()}", path)


def build(
    family: str,
    tools: Sequence[Tool],
    places: Places,
    folder: Path,
    pulse: Callable[[str], None],
    linked: Callable[[str], None],
) -> Path:
    """Build a family's part of these tools into `folder`; `linked` hears of each that is done."""
    out = folder / family
    out.mkdir()
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    programs = {
        part.output: name
        for tool in tools
        for name, part in tool.files.items()
        if isinstance(part, GoPackage) and part.family == family
    }
    ready: set[str] = set()

    def watch(lines: Sequence[str]) -> None:
        for output, name in programs.items():
            if output not in ready and (out / output).exists():
                ready.add(output)
                linked(name)
        pulse(f"compiling, {_compiled(lines)} of at most {FAMILIES[family].packages} packages")

    if programs:
        link = _linker(family, places)
        _go(
            [
                *("build", "-v", *FLAGS, *_tags(family), "-ldflags", link, "-o", f"{out}/"),
                *_packages(family, tools),
            ],
            what=_names(family, tools),
            family=family,
            places=places,
            pulse=watch,
            # Not /tmp, which may be small and in memory; and a rename needs the same file system.
            more={"GOTMPDIR": str(temporary)},
        )
        watch(())
    for output, name in programs.items():
        if output != name:
            (out / output).rename(out / name)
    for tool in tools:
        for name, part in tool.files.items():
            if part.family == family and not isinstance(part, GoPackage):
                _take(part, out / name, places)
    return out


def explain(what: str, said: Sequence[str]) -> Missing:
    """Turn go's output into what happened and the way out."""
    telling = [line for line in said if not _is_package(line)]
    tail = "\n".join(telling[-process.TAIL_LINES :])
    for pattern, cause, way_out in _CAUSES:
        if re.search(pattern, tail):
            return Missing(what, cause, said=tail, way_out=way_out)
    return Missing(
        what,
        "go could not build it",
        said=tail,
        way_out="run `make doctor`; if all is well there, `go clean -cache` and `make tools`",
    )


def _go(
    arguments: Sequence[str],
    *,
    what: str,
    family: str,
    places: Places,
    pulse: Callable[[Sequence[str]], None],
    more: Mapping[str, str] | None = None,
) -> Sequence[str]:
    answer = process.run(
        ["go", *arguments],
        env=environment(**(more or {})),
        cwd=places.go_modules / family,
        pulse=pulse,
    )
    if answer.code != 0:
        raise explain(what, answer.lines)
    return answer.lines


def _take(part: ModuleFile | ModuleChart, target: Path, places: Places) -> None:
    source = _module(part, places) / part.path
    if isinstance(part, ModuleFile):
        shutil.copyfile(source, target)
        return
    with tarfile.open(target, "w:gz") as archive:
        archive.add(source, arcname=source.name)


def _module(part: ModuleFile | ModuleChart, places: Places) -> Path:
    lines = _go(
        ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", part.module],
        what=part.path,
        family=part.family,
        places=places,
        pulse=lambda _lines: None,
    )
    return Path(lines[-1])


def _packages(family: str, tools: Iterable[Tool]) -> list[str]:
    parts = [part for tool in tools for part in tool.files.values()]
    return [p.package for p in parts if isinstance(p, GoPackage) and p.family == family]


def _names(family: str, tools: Iterable[Tool]) -> str:
    named = [t.name for t in tools if any(p.family == family for p in t.files.values())]
    return ", ".join(named)


def _tags(family: str) -> Sequence[str]:
    tags = FAMILIES[family].tags
    return ("-tags", ",".join(tags)) if tags else ()


def _linker(family: str, places: Places) -> str:
    known = pins(places.go_modules / family / "go.mod")
    stamps = (
        f"-X {variable}={template.format(*known[module])}"
        for variable, (module, template) in FAMILIES[family].stamps.items()
    )
    return " ".join((LINK, *stamps))


def _is_package(line: str) -> bool:
    """With -v, go names each package that it compiles on a line of its own."""
    return re.fullmatch(r"[\w./~-]+", line) is not None


def _compiled(lines: Sequence[str]) -> int:
    return sum(_is_package(line) for line in lines)
