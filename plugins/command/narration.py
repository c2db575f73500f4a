"""Tell the engine what a command prints: whole lines, as they come, in their order."""

import asyncio
import codecs
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

LONGEST = 64 * 1024
"""Characters of one message: a line may have no end, and a fast command is told in batches."""
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
