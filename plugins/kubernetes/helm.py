"""The helm binary, run for one operation on one cluster.

Nothing that may be secret is ever an argument: values and passwords go by stdin, the kubeconfig
lies in a folder that only we can read and that is gone afterwards: at once, or when the next one is
made after we were killed.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.command.process import Job, Runner, Stream
from plugins.kubernetes.access import Access
from plugins.values import Object

PROGRAM = "LLMD_HELM"
"""Environment variable that names the binary, where it is not on PATH."""
_OTHER_CLUSTER = ("HELM_KUBE", "HELM_NAMESPACE", "KUBECONFIG")
"""Starts of variables that would lead helm to a cluster or namespace we were not told of."""
_FOLDER = "llm-d-helm-"
_NOT_FOUND = "release: not found"
_QUERY_SECONDS = 60.0


class HelmError(Exception):
    """Helm failed, or is not there; the message is what it said."""


@dataclass(frozen=True)
class Found:
    """A release as the cluster has it."""

    name: str
    namespace: str
    revision: int
    status: str
    description: str
    chart: str
    version: str
    app_version: str
    manifest: str
    values: Object

    @classmethod
    def of(cls, release: Mapping[str, Any], chart: Mapping[str, Any]) -> "Found":
        """From what `helm status` and `helm get metadata` answer."""
        return cls(
            name=release["name"],
            namespace=release["namespace"],
            revision=release["version"],
            status=release["info"]["status"],
            description=release["info"].get("description") or "",
            chart=chart["chart"],
            version=chart["version"],
            app_version=chart.get("appVersion") or "",
            manifest=release.get("manifest") or "",
            values=release.get("config") or {},
        )

    @property
    def interrupted(self) -> bool:
        """Whether helm was ended in the middle, so that nobody is at work any more."""
        return self.status.startswith("pending-") or (
            self.status == "failed" and self.description.endswith("context canceled")
        )


@dataclass(frozen=True)
class Helm:
    """Runs helm as `program`, in an environment that leads to one cluster."""

    program: str
    environment: Mapping[str, str]
    folder: Path
    """Private: charts and credentials may lie here until the operation ends."""
    runner: Runner
    say: Callable[[str], None]

    async def run(self, *arguments: str, stdin: bytes = b"", seconds: float = 0) -> str:
        """What helm printed; HelmError with what it complained of if it failed."""
        return await self._run(self.runner, arguments, stdin, seconds)

    async def find(self, namespace: str, name: str) -> Found | None:
        """The release, or None. Answers even after a cancel: what was left must be known."""
        which = (f"--namespace={namespace}", "--output=json", "--", name)
        query = Runner()
        try:
            status = await self._run(query, ("status", *which), b"", _QUERY_SECONDS)
            metadata = await self._run(query, ("get", "metadata", *which), b"", _QUERY_SECONDS)
        except HelmError as error:
            if _NOT_FOUND in str(error):
                return None
            raise
        return Found.of(json.loads(status), json.loads(metadata))

    async def _run(
        self, runner: Runner, arguments: tuple[str, ...], stdin: bytes, seconds: float
    ) -> str:
        job = Job(
            argv=[self.program, *arguments],
            environment=self.environment,
            directory=".",
            stdin=stdin,
            timeout=seconds,
        )
        ending = await runner.run(job, self._hear)
        if ending.failure:
            said = complaint(ending.text(Stream.STDERR))
            stopped = not ending.failure.startswith("exit status")
            raise HelmError(f"{ending.failure}: {said}" if stopped else said or ending.failure)
        return ending.text(Stream.STDOUT)

    def _hear(self, stream: Stream, part: bytes) -> None:
        if stream is Stream.STDERR and (said := part.decode(errors="replace").strip()):
            self.say(said)


def complaint(stderr: str) -> str:
    """Helm's error, on one line, without the warnings that came before it."""
    before, mark, error = stderr.rpartition("Error: ")
    return " ".join((error if mark else before or stderr).split())


@contextlib.contextmanager
def _private_folder(parent: Path) -> Generator[Path]:
    """A folder for us alone until the block ends; removes those whose owners were killed.

    Who holds the lock is alive. A folder gets the name that others look for once it is locked.
    """
    for stale in parent.glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError), _locked(stale):
            shutil.rmtree(stale)
    new = Path(tempfile.mkdtemp(prefix=".", dir=parent))
    with _locked(new):
        folder = new.rename(parent / f"{_FOLDER}{new.name[1:]}")
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold a folder's lock, which the kernel lets go of when we end; BlockingIOError if held."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)


@contextlib.asynccontextmanager
async def opened(
    access: Access, environment: Mapping[str, str], runner: Runner, say: Callable[[str], None]
) -> AsyncGenerator[Helm]:
    """Helm for this cluster, until the block ends."""
    program = environment.get(PROGRAM) or shutil.which("helm", path=environment.get("PATH"))
    if not program:
        raise HelmError(f"`helm` is not on PATH: install it, or name the binary in {PROGRAM}")
    with _private_folder(Path(tempfile.gettempdir())) as folder:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(json.dumps(access.kubeconfig()))
        ours = {
            key: value for key, value in environment.items() if not key.startswith(_OTHER_CLUSTER)
        }
        yield Helm(program, {**ours, "KUBECONFIG": str(kubeconfig)}, folder, runner, say)
