"""Run a command in a session of its own, hear its output as it comes, leave nothing behind."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO

WARDEN = Path(__file__).with_name("warden.py")
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""
DRAIN = 0.5
"""Seconds for what an ended command left in its pipes: a daemon may hold them open for ever."""
CHUNK = 64 * 1024
CANCELED = "canceled"


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


Hear = Callable[[Stream, bytes], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run, complete: nothing is added to `environment`."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: str
    stdin: bytes = b""
    timeout: float = 0
    """Seconds; 0 is for ever."""
    grace: float = GRACE

    def spec(self) -> bytes:
        """The line that a warden wants. A bare program name is looked up on our own PATH."""
        program, *arguments = self.argv
        found = shutil.which(program) if os.sep not in program else None
        spec = {
            "argv": [found or program, *arguments],
            "env": dict(self.environment),
            "dir": self.directory,
            "grace": self.grace,
        }
        return json.dumps(spec).encode() + b"\n"


@dataclass(frozen=True)
class Ending:
    """How a job ended: `failure` is empty, or in Go's words (`exit status 3`)."""

    failure: str
    said: Sequence[tuple[Stream, bytes]]

    def text(self, *streams: Stream) -> str:
        """What came on these streams, in order; bytes that are not UTF-8 become U+FFFD."""
        parts = [part for stream, part in self.said if stream in streams]
        return b"".join(parts).decode(errors="replace")


@dataclass(frozen=True)
class Runner:
    """Runs jobs until it is told to stop; then ends the running ones and refuses new ones."""

    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, job: Job, hear: Hear) -> Ending:
        """Run `job` to its end, whatever that is; cancelled, it ends the job's session."""
        if self.stopped.is_set():
            return Ending(CANCELED, [])
        said: list[tuple[Stream, bytes]] = []

        def note(stream: Stream, part: bytes) -> None:
            said.append((stream, part))
            hear(stream, part)

        async with _started(job.stdin, note) as (answer, leash, output):
            leash.write(job.spec())
            failure = await self._end(job, answer, leash)
            await asyncio.wait(output, timeout=DRAIN)
        return Ending(failure, said)

    async def _end(
        self, job: Job, answer: asyncio.StreamReader, leash: asyncio.StreamWriter
    ) -> str:
        """Wait for the warden's answer, or make it end the session."""
        answered = asyncio.ensure_future(answer.read())
        stopped = asyncio.ensure_future(self.stopped.wait())
        try:
            done, _ = await asyncio.wait(
                {answered, stopped},
                timeout=job.timeout or None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if answered in done:
                return failure(await answered)
            leash.write_eof()
            await answered
            return CANCELED if stopped in done else f"timed out after {job.timeout:g}s"
        finally:
            answered.cancel()
            stopped.cancel()


def failure(answer: bytes) -> str:
    """What a warden's answer says went wrong, in the words of Go's `exec`."""
    report = json.loads(answer or b'{"refused": "the process that watches it was killed"}')
    if "refused" in report:
        return f"cannot start: {report['refused']}"
    status = report["status"]
    if status < 0:
        return f"signal: {(signal.strsignal(-status) or str(-status)).lower()}"
    return f"exit status {status}" if status else ""


@contextlib.asynccontextmanager
async def _started(
    stdin: bytes, note: Hear
) -> AsyncGenerator[
    tuple[asyncio.StreamReader, asyncio.StreamWriter, Sequence[asyncio.Task[None]]]
]:
    """A warden waiting for its job: the two ways of its leash, and who listens to the output.

    Leaving lets go of the leash, for whatever reason.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        # Not asyncio's subprocess: it kills a process that it loses sight of.
        warden = subprocess.Popen(  # noqa: ASYNC220, S603
            [sys.executable, "-I", "-S", WARDEN, str(theirs.fileno())],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    threading.Thread(target=warden.wait, daemon=True).start()  # no zombie
    answer, leash = await asyncio.open_unix_connection(sock=ours)
    if warden.stdin:
        await _feed(warden.stdin, stdin)
    output = [
        asyncio.create_task(_listen(pipe, partial(note, stream)))
        for pipe, stream in ((warden.stdout, Stream.STDOUT), (warden.stderr, Stream.STDERR))
        if pipe
    ]
    try:
        yield answer, leash, output
    finally:
        leash.close()
        for listener in output:
            listener.cancel()


async def _feed(pipe: IO[bytes], data: bytes) -> None:
    """Begin to send `data` and then the end of the file, as fast as the reader takes it."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, pipe)
    transport.write(data)
    transport.close()


async def _listen(pipe: IO[bytes], note: Callable[[bytes], None]) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    with contextlib.closing(transport):
        while part := await reader.read(CHUNK):
            note(part)
