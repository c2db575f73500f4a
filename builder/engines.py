"""Container engines: how each is told to build, keep, push and hand out an image."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from builder import registry
from builder.asked import Image, Part
from builder.running import Runner
from tools import Missing

PUSH_SECONDS = 3600.0
SAVE_SECONDS = 1800.0
REVISION = "org.opencontainers.image.revision"
FULL = "see whether there is room on this disk, and run this again"
EMULATED = (
    "mend what it says, and run this again; steps that run programs of another architecture than "
    "this machine's take QEMU (`qemu-user-static`)"
)


@dataclass(frozen=True)
class Engine:
    """Docker's words, which most engines understand."""

    runner: Runner
    program: ClassVar[str] = "docker"
    asks: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("docker", "version", "--format", "{{.Server.Version}}"),
    )
    """What it answers when it works."""
    builds: ClassVar[tuple[str, ...]] = ("docker", "build", "--force-rm")

    def works(self) -> bool:
        return all(self.runner.ask(command) is not None for command in self.asks)

    def build(self, image: Image, part: Part, folder: Path) -> None:
        args = [
            word for key, value in image.args.items() for word in ("--build-arg", f"{key}={value}")
        ]
        self.runner.stream(
            [
                *self.builds,
                *("--platform", part.platform),
                *("--tag", part.name),
                *("--label", f"{REVISION}={image.commit}"),
                *args,
                *(("--target", image.target) if image.target else ()),
                *("--file", folder / image.dockerfile),
                folder,
            ],
            seconds=image.seconds,
            way_out=EMULATED,
        )

    def identity(self, name: str) -> str | None:
        """Digest of its configuration, by which nodes know it; None where it is not here."""
        said = self.runner.ask([self.program, "image", "inspect", "--format", "{{.Id}}", name])
        return said and f"sha256:{said.removeprefix('sha256:')}"

    def save(self, name: str, archive: Path) -> None:
        self._keep([self.program, "save", "--output", archive, name])

    def push(self, name: str, _folder: Path) -> str:
        """The digest that the registry knows it by."""
        self._send([self.program, "push", name])
        said = self.runner.ask(
            [self.program, "image", "inspect", "--format", "{{json .RepoDigests}}", name]
        )
        listed: list[str] = json.loads(said or "[]")
        folder = name.rpartition(":")[0]
        return self._digest(
            next((one.partition("@")[2] for one in listed if one.startswith(f"{folder}@")), None),
            name,
        )

    def combine(self, name: str, parts: Sequence[str], _folder: Path) -> str:
        """Push one image for the platforms of all `parts`, which are pushed."""
        here = ["--insecure"] if registry.is_here(name) else []
        self._send(["docker", "manifest", "create", *here, "--amend", name, *parts])
        self._send(["docker", "manifest", "push", *here, "--purge", name])
        return self._digest(registry.digest(name, None, None), name)

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            if self.identity(name):
                self._keep([self.program, "image", "rm", name])

    def tidy(self, _before: frozenset[str]) -> None:
        """Clear away what a build left that did not end; Docker's server does by itself."""

    def drop(self, _image: Image) -> None:
        """Remove what was built and has no name, since the build was killed before it got one."""

    def containers(self) -> frozenset[str] | None:
        """Of builds that are at work, or have been cut short; None where nobody can tell."""
        return None

    def as_user(self, env: dict[str, str]) -> "Engine":
        return replace(self, runner=replace(self.runner, env=env))

    def _keep(self, command: Sequence[str | Path]) -> None:
        self.runner.stream(command, seconds=SAVE_SECONDS, way_out=FULL)

    def _send(self, command: Sequence[str | Path]) -> None:
        self.runner.stream(
            command,
            seconds=PUSH_SECONDS,
            way_out="see that `images.registry` is right and that its user may push there",
        )

    def _digest(self, found: str | None, name: str) -> str:
        if not found or not registry.DIGEST.fullmatch(found):
            raise Missing(
                name,
                "it was pushed, and its digest is not to be had",
                way_out="run this again; another `images.engine` may tell",
            )
        return found


class Buildx(Engine):
    """Docker's own builder, where it is a plugin of its own."""

    asks = (*Engine.asks, ("docker", "buildx", "version"))
    builds = ("docker", "buildx", "build", "--load", "--progress=plain", "--provenance=false")

    def combine(self, name: str, parts: Sequence[str], _folder: Path) -> str:
        self._send(["docker", "buildx", "imagetools", "create", "--tag", name, *parts])
        said = self.runner.ask(
            ["docker", "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", name]
        )
        return self._digest(json.loads(said or "{}").get("digest"), name)


class Podman(Engine):
    program = "podman"
    asks = (("podman", "info", "--format", "{{.Host.Arch}}"),)
    # With layers, what each step makes would stay, and nothing tells whose it is.
    builds = ("podman", "build", "--layers=false", "--force-rm")

    def save(self, name: str, archive: Path) -> None:
        self._keep(["podman", "save", "--format", "docker-archive", "--output", archive, name])

    def push(self, name: str, folder: Path) -> str:
        file = folder / "digest"
        self._send(["podman", "push", "--digestfile", file, *_plain(name), name])
        return self._digest(file.read_text().strip(), name)

    def combine(self, name: str, parts: Sequence[str], folder: Path) -> str:
        file = folder / "digest"
        # An earlier run may have been cut short in between.
        self.runner.ask(["podman", "manifest", "rm", name])
        self._keep(["podman", "manifest", "create", name])
        try:
            for part in parts:
                self._send(["podman", "manifest", "add", *_plain(name), name, f"docker://{part}"])
            self._send(
                [
                    *("podman", "manifest", "push", "--all", "--digestfile", file),
                    *(*_plain(name), name, f"docker://{name}"),
                ]
            )
        finally:
            self.runner.ask(["podman", "manifest", "rm", name])
        return self._digest(file.read_text().strip(), name)

    def drop(self, image: Image) -> None:
        ours = ("--filter", "dangling=true", "--filter", f"label={REVISION}={image.commit}")
        if left := self.runner.ask(["podman", "images", "--all", "--quiet", "--no-trunc", *ours]):
            self.runner.ask(["podman", "image", "rm", *left.split()])

    def containers(self) -> frozenset[str] | None:
        said = self.runner.ask(["podman", "ps", "--all", "--external", "--no-trunc", *_IDS])
        if said is None:
            return None
        lines = [line.split() for line in said.splitlines()]
        return frozenset(line[0] for line in lines if line[1:] == ["buildah", "storage"])

    def tidy(self, before: frozenset[str]) -> None:
        """Remove the containers of a build that was cut short, unless someone else builds."""
        if left := (self.containers() or frozenset()) - before:
            others = self.runner.ask(["ps", "-A", "-o", "args="]) or ""
            if not any(_builds(line.split()) for line in others.splitlines()):
                self.runner.ask(["podman", "rm", "--force", *sorted(left)])


_IDS = ("--format", "{{.ID}} {{.Command}} {{.State}}")


def _plain(name: str) -> tuple[str, ...]:
    """For a registry of this machine, with which Docker speaks HTTP by itself."""
    return ("--tls-verify=false",) if registry.is_here(name) else ()


def _builds(words: Sequence[str]) -> bool:
    program = words[0].rpartition("/")[2] if words else ""
    return program == "buildah" or (program == "podman" and "build" in words[1:])


ENGINES: dict[str, type[Engine]] = {"podman": Podman, "buildx": Buildx, "docker": Engine}
"""In the order in which they are looked for."""


def find(name: str | None, runner: Runner) -> tuple[str, Engine]:
    """The engine of this name, or the first that works; Missing where there is none."""
    for word in [name] if name else ENGINES:
        engine = ENGINES[word](runner)
        if engine.works():
            return word, engine
    installed = [one for one in ("podman", "docker") if shutil.which(one)]
    why = (
        f"{' and '.join(installed)} are installed and do not answer"
        if installed
        else "neither podman nor docker is installed"
    )
    raise Missing(
        f"engine {name or 'to build images with'}",
        why,
        way_out="install podman (`apt-get install podman`, `brew install podman`) or start what is "
        "there (`podman machine start`, Docker Desktop)",
    )
