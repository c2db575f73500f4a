"""A machine for a test: a clone, a cache, a PATH, and programs that record how they are called."""

import hashlib
import json
import os
import shlex
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools import disk
from tools.catalog import CRD_FAMILY, TOOLS, ModuleChart, ModuleFile, pin, requirements
from tools.gobuild import escaped
from tools.places import Places
from tools.versions import show

# Says what `go env`, `list`, `mod download` and `build` say, and notes each call.
GO = """#!/bin/sh
echo "$*" >> "{calls}"
case "$1 $2" in
"env -json") printf '{{"GOVERSION":"%s","GOOS":"linux","GOARCH":"amd64",' "{version}"
    printf '"GOCACHE":"{home}/gocache","GOMODCACHE":"{home}/mod"}}' ; exit 0 ;;
"mod download") {crds} ; exit 0 ;;
"list -mod=readonly") [ "$3" = -m ] && echo "{home}/sdk" ; exit {list_code} ;;
esac
{before_build}
out=
while [ $# -gt 0 ]; do
    case "$1" in
    -o) out="$2"; shift ;;
    *.*/*) name="${{1##*/}}"; [ "$name" = v3 ] && name=server
        echo "$1"; echo '#!/bin/sh' > "$out$name"; chmod +x "$out$name" ;;
    esac
    shift
done
"""

# Makes what `uv sync` makes, as far as anyone looks.
UV = """#!/bin/sh
echo "uv $*" >> "{calls}"
[ "$1" = --version ] && echo "uv 0.13.8" && exit 0
mkdir -p {venv}/bin
ln -sf {python} {venv}/bin/python
for plugin in kubernetes:4.34.2 command:1.2.1; do
    folder={venv}"/lib/python3.11/site-packages/pulumi_${{plugin%%:*}}"
    mkdir -p "$folder"
    printf '{{"version": "%s"}}' "${{plugin##*:}}" > "$folder/pulumi-plugin.json"
done
"""


@dataclass
class Machine:
    """What a test's machine has; `path` and `places` are what the tools get to see."""

    home: Path
    places: Places
    bin: Path
    system: Path
    calls: Path

    @property
    def path(self) -> str:
        return os.pathsep.join((str(self.bin), str(self.system)))

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def builds(self) -> list[str]:
        return [call for call in self.called() if call.startswith("build ")]

    def program(self, name: str, script: str, folder: Path | None = None) -> Path:
        file = (folder or self.bin) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script)
        file.chmod(0o755)
        return file

    def says(self, name: str, text: str, *, code: int = 0, folder: Path | None = None) -> Path:
        """Put a program on PATH that prints a text."""
        return self.program(name, f"#!/bin/sh\necho '{text}'\nexit {code}\n", folder)

    def has_go(
        self, version: str = "go1.26.8", *, before_build: str = "", list_code: int = 0
    ) -> None:
        folders = [
            f"'{self.home}/mod/{escaped(f'{module}@{version}')}'"
            for module, version in requirements(
                self.places.go_modules / CRD_FAMILY / "go.mod"
            ).items()
        ]
        words = {
            "calls": self.calls,
            "home": self.home,
            "version": version,
            "crds": f"mkdir -p {' '.join(folders)}",
            "before_build": before_build,
            "list_code": list_code,
        }
        self.program("go", GO.format(**words))
        for part in (part for tool in TOOLS.values() for part in tool.files.values()):
            if isinstance(part, ModuleFile):
                self._module_file(part.path)
            elif isinstance(part, ModuleChart):
                self._module_file(f"{part.path}/Chart.yaml")

    def _module_file(self, path: str) -> None:
        file = self.home / "sdk" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/usr/bin/env python3\n")

    def has_uv(self) -> None:
        venv, python = (shlex.quote(str(one)) for one in (self.places.venv, sys.executable))
        self.program("uv", UV.format(calls=self.calls, venv=venv, python=python))

    def has_all_tools(self, but: str = "") -> None:
        """Install everything that may be installed by hand, in the pinned version."""
        for tool in TOOLS.values():
            if tool.suits is not None and tool.name != but:
                version = show(pin(tool, self.places.go_modules))
                for file in tool.files:
                    self.says(file, f"v{version}")


def has_free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Make every disk have this many bytes left."""

    def free(_folder: Path) -> int:
        return size

    monkeypatch.setattr(disk, "free", free)


def plugin_versions(places: Places, **versions: str) -> None:
    """Write what the locked provider packages say."""
    for name, version in versions.items():
        folder = places.venv / "lib" / "python3.11" / "site-packages" / f"pulumi_{name}"
        folder.mkdir(parents=True)
        (folder / "pulumi-plugin.json").write_text(json.dumps({"version": version}))


class Site(ThreadingHTTPServer):
    """Serves `files` by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        body = self.server.files.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Say nothing."""


@contextmanager
def serving() -> Generator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def vendor_site(name: str, body: bytes, *, published: str | None = None) -> Generator[str]:
    """Serve a program and its checksum; give the address."""
    with serving() as site:
        digest = published or hashlib.sha256(body).hexdigest()
        site.files = {f"/{name}": body, f"/{name}.sha256": digest.encode()}
        yield site.url
