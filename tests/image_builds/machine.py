"""A machine that builds images: fixture repositories, an engine or its recorder, a registry."""

import base64
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCKERFILE = "FROM scratch\nENV GOARCH=amd64\nCOPY file /file\n"
PATCH = {"file": "Dockerfile", "find": "ENV GOARCH=amd64", "replace": "ENV GOARCH={arch}"}

# Notes each call, and does what the real one would as far as anyone looks. `RECORDER` is a folder:
# `calls`, the names of images that are there, and `say-<words>` to fail or wait at a call.
RECORDER = """#!{python} -IS
import json, os, pathlib, sys, time
home = pathlib.Path(os.environ["RECORDER"])
program, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
seen = {{key: os.environ[key] for key in sorted(os.environ) if key in {watched}}}
line = json.dumps([[program, *words], seen])
with (home / "calls").open("a") as calls:
    calls.write(line + "\\n")
def image(name):
    return home / "images" / name.replace("/", "_")
def do():
    if program == "git":
        if "rev-parse" in words:
            print((home / "commit").read_text())
        if "init" in words:
            folder = pathlib.Path(words[-1])
            folder.mkdir(parents=True)
            (folder / "Dockerfile").write_text({dockerfile!r})
    elif "--tag" in words and "imagetools" not in words:
        image(words[words.index("--tag") + 1]).touch()
    elif words[:2] == ["image", "inspect"]:
        if not image(words[-1]).exists():
            sys.exit(1)
        folder = words[-1].rpartition(":")[0]
        known = json.dumps([folder + "@sha256:" + "d" * 64])
        print(known if "Repo" in words[3] else "a" * 64)
    elif "inspect" in words:
        print(json.dumps(dict(digest="sha256:" + "e" * 64)))
    elif words[:2] == ["image", "rm"]:
        image(words[-1]).unlink()
    elif "--digestfile" in words:
        pathlib.Path(words[words.index("--digestfile") + 1]).write_text("sha256:" + "d" * 64)
    elif "--output" in words:
        pathlib.Path(words[words.index("--output") + 1]).touch()
    elif words[:1] == ["ps"] and (home / "containers").exists():
        print((home / "containers").read_text())
for file in home.glob("say-*"):
    if file.name[4:] in [program, *words]:
        said = json.loads(file.read_text())
        if said.get("leaves"):
            (home / "containers").write_text(said["leaves"])
        time.sleep(said.get("sleep", 0))
        if said.get("code"):
            print(said.get("text", ""))
            sys.exit(said["code"])
do()
"""
WATCHED = ("LLMD_REGISTRY_PASSWORD", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "GIT_TERMINAL_PROMPT")


@dataclass
class Machine:
    """`run` is a run of the builder there."""

    home: Path
    programs: tuple[str, ...] = ("podman", "docker", "git")
    env: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        folder = self.home / "bin"
        (self.home / "images").mkdir(parents=True)
        folder.mkdir()
        for name in self.programs:
            text = RECORDER.format(python=sys.executable, watched=WATCHED, dockerfile=DOCKERFILE)
            file = folder / name
            file.write_text(text)
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
        # `ps`, and nothing that builds.
        (folder / "ps").symlink_to(str(shutil.which("ps")))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": str(self.home / "bin"),
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "RECORDER": str(self.home),
            **self.env,
        }

    @property
    def kept(self) -> list[str]:
        """All that the builder keeps on disk."""
        folder = self.home / "cache" / "llm-d-pulumi" / "images"
        return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))

    def start(self, action: str, image: Mapping[str, Any] | str) -> "subprocess.Popen[str]":
        said = image if isinstance(image, str) else json.dumps(image)
        words = [action] if isinstance(image, Mapping) else [action, image]
        return subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "builder", *words],
            cwd=ROOT,
            env={**self.environment, "LLMD_IMAGE": said},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, action: str, image: Mapping[str, Any] | str, *, fails: bool = False
    ) -> tuple[dict[str, str], str]:
        """What it answered, and what it told people."""
        running = self.start(action, image)
        out, told = running.communicate(timeout=120)
        assert bool(running.returncode) == fails, told
        return (json.loads(out) if out else {}), told

    def says(self, word: str, **how: Any) -> None:
        """Of a call that has this word: `code` to fail with, seconds to `sleep`, `leaves`."""
        (self.home / f"say-{word}").write_text(json.dumps(how))

    def heals(self) -> None:
        for file in self.home.glob("say-*"):
            file.unlink()

    @property
    def calls(self) -> list[list[str]]:
        return [call for call, _ in self._noted]

    def seen(self, word: str) -> dict[str, str]:
        """The environment of the first call with this word, as far as it is watched."""
        return next(env for call, env in self._noted if word in call)

    @property
    def _noted(self) -> list[tuple[list[str], dict[str, str]]]:
        file = self.home / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(call, env) for call, env in map(json.loads, lines)]

    def forget(self) -> None:
        (self.home / "calls").unlink(missing_ok=True)


def asked(commit: str, *, arches: tuple[str, ...] = ("arm64",), **changes: Any) -> dict[str, Any]:
    """An image as the plan says it, of a repository that has `DOCKERFILE`."""
    folder = changes.pop("folder", "localhost/llm-d-endpoint-picker")
    parts: list[dict[str, Any]] = [
        {
            "platform": f"linux/{arch}",
            "name": f"{folder}:v1-{arch}-abc",
            "patches": [PATCH | {"replace": f"ENV GOARCH={arch}"}],
        }
        for arch in arches
    ]
    return {
        "stack": "test",
        "recipe": "endpoint-picker",
        "name": parts[0]["name"] if len(parts) == 1 else f"{folder}:v1-abc",
        "parts": parts,
        "repository": "https://example.com/picker",
        "tag": "v1",
        "commit": commit,
        "dockerfile": "Dockerfile",
        "target": None,
        "args": {},
        "engine": None,
        "seconds": 60,
        "username": None,
        "loads": [],
        **changes,
    }


def repository(folder: Path, files: Mapping[str, str], *, tag: str = "v1") -> str:
    """A repository with one commit, which is returned."""
    git = ("git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    for words in (
        ("init", "--quiet"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", "Files"),
        ("tag", "--force", tag),
    ):
        subprocess.run([*git, *words], check=True, capture_output=True)  # noqa: S603 - our own words
    done = subprocess.run(  # noqa: S603 - our own words
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def podman(folder: Path) -> dict[str, str]:
    """Environment for a podman that keeps its images in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "storage.conf"
    file.write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{folder / "run"}"\n'
        f'graphroot = "{folder / "images"}"\n'
    )
    return {"CONTAINERS_STORAGE_CONF": str(file)}


def why_no_podman() -> str:
    """Empty where podman builds here, and where CI wants to know if it does not."""
    if os.environ.get("LLMD_TEST_IMAGES") == "required":
        return ""
    if not shutil.which("podman"):
        return "podman is not installed: `apt-get install podman`, `brew install podman`"
    done = subprocess.run(["podman", "info"], capture_output=True, text=True, check=False)  # noqa: S607
    return f"podman does not work here: {done.stderr[-200:]}" if done.returncode else ""


@dataclass
class Registry:
    """What was pushed; where there is a `password`, by a user called me."""

    address: str
    password: str | None = None
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    """By `<repository>:<tag>` and `<repository>:<digest>`."""

    def manifest(self, name: str) -> dict[str, Any]:
        return json.loads(self.manifests[name.partition("/")[2]][1])


@contextmanager
def registry(password: str | None = None) -> Generator[Registry]:
    """A registry of this machine, as much of one as engines need to push to it."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        kept = server.kept = Registry(f"127.0.0.1:{server.server_port}", password)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield kept
        server.shutdown()
        thread.join()


class _Server(ThreadingHTTPServer):
    kept: Registry


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its parent's word
        """Nothing: tests read what was pushed."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if not self._may():
            return
        if found := re.fullmatch(r"/v2/(.+)/blobs/(sha256:\w+)", self.path):
            blob = self._kept.blobs.get(found[2])
            self._answer(200 if blob is not None else 404, blob or b"")
        elif found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", self.path):
            kind, body = self._kept.manifests.get(f"{found[1]}:{found[2]}", ("", b""))
            self._answer(200 if body else 404, body, kind)
        else:
            self._answer(200, b"{}")

    def do_POST(self) -> None:
        if self._may():
            self._body()
            self._answer(202, b"", where=f"{self.path.partition('?')[0]}{id(self)}")

    def do_PATCH(self) -> None:
        body = self._body()
        self._kept.blobs[self.path] = body
        self._answer(202, b"", where=self.path)

    def do_PUT(self) -> None:
        body = self._body()
        if found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", self.path):
            named = f"sha256:{hashlib.sha256(body).hexdigest()}"
            for ref in (found[2], named):
                kind = self.headers["Content-Type"]
                self._kept.manifests[f"{found[1]}:{ref}"] = (kind, body)
            self._answer(201, body)
        else:
            where, _, said = self.path.partition("?")
            begun = self._kept.blobs.pop(where, b"")
            self._kept.blobs[said.partition("=")[2].replace("%3A", ":")] = begun + body
            self._answer(201, b"")

    @property
    def _kept(self) -> Registry:
        assert isinstance(self.server, _Server)
        return self.server.kept

    def _may(self) -> bool:
        login = base64.b64encode(f"me:{self._kept.password}".encode()).decode()
        if self._kept.password is None or self.headers.get("Authorization") == f"Basic {login}":
            return True
        self._answer(401, b"")
        return False

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, code: int, body: bytes, kind: str = "", where: str = "") -> None:
        told = body if self.command in {"GET", "HEAD"} else b""
        self.send_response(code)
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        if where:
            self.send_header("Location", where)
        self.send_header("Content-Type", kind or "application/json")
        self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)


def environment() -> dict[str, str]:
    """For the real programs."""
    return {"PATH": os.environ["PATH"]}
