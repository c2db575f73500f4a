"""Tell the engine what a command prints: whole lines, as they come, in their order."""

import asyncio
import codecs
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import grpc
import grpc.aio
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

LONGEST = 64 * 1024
"""Characters of one message: a line may have no end, and a fast command is told in batches."""
PATIENCE = 30.0
"""Seconds for the engine to take a message; one that does not is not worth waiting for."""

Say = Callable[[str], Awaitable[None]]


class Lines:
    """Bytes in pieces, lines out; bytes that are not UTF-8 become U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, part: bytes) -> list[str]:
        """Lines that are complete with this piece; one that grows too long counts as complete."""
        *lines, self._rest = (self._rest + self._decoder.decode(part)).split("\n")
        if len(self._rest) > LONGEST:
            lines.append(self._rest)
            self._rest = ""
        return lines

    def end(self) -> list[str]:
        """What came after the last line's end."""
        rest = self._rest + self._decoder.decode(b"", final=True)
        return [rest] if rest else []


@dataclass(frozen=True)
class Narrator:
    """Queues lines and says them, many at once when the listener is slower than the command."""

    say: Say
    _lines: asyncio.Queue[str] = field(default_factory=asyncio.Queue[str])

    def tell(self, line: str) -> None:
        self._lines.put_nowait(line[:LONGEST])

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncGenerator[None]:
        """Say lines while the block runs; a block that ends well waits until all are said."""
        teller = asyncio.create_task(self._tell())
        try:
            yield
            await self._lines.join()
        finally:
            teller.cancel()

    async def _tell(self) -> None:
        while True:
            batch = [await self._lines.get()]
            while not self._lines.empty() and sum(map(len, batch)) < LONGEST:
                batch.append(self._lines.get_nowait())
            await self.say("\n".join(batch))
            for _ in batch:
                self._lines.task_done()


class EngineLog:
    """The engine's log, as an address on the plugin's command line names it.

    `plugins.server.Engine` does not wait for an answer, so its messages may overtake each other.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address

    @cached_property
    def _stub(self) -> Any:
        """Made at the first message: a channel belongs to the loop it is made in."""
        return engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(str(self._address)))

    def of(self, urn: str) -> Say:
        """Says a message as a resource's progress: that is where the vendor shows output."""

        async def say(message: str) -> None:
            if not self._address:
                return
            request = engine_pb2.LogRequest(
                severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=True
            )
            with contextlib.suppress(grpc.RpcError):  # the engine is gone: nobody to tell
                await self._stub.Log(request, timeout=PATIENCE)

        return say
