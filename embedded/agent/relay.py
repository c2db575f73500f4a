"""Carries TCP connections: one thread for all, whatever side their ends are on."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Sequence

from embedded.agent.machine import Endpoint, MachineError, Side

CONNECT_SECONDS = 5.0
_RESET = struct.pack("ii", 1, 0)


class Relay:
    """`new_socket` makes one that belongs to a side."""

    def __init__(self, new_socket: Callable[[Side], socket.socket]) -> None:
        self._new_socket = new_socket
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def listen(
        self, listener: socket.socket, targets: Callable[[], Sequence[Endpoint]]
    ) -> "Forwarding":
        forwarding = Forwarding(self._loop, self._new_socket, targets)
        forwarding.listen(listener)
        return forwarding

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Forwarding:
    """All that one listener accepts."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        new_socket: Callable[[Side], socket.socket],
        targets: Callable[[], Sequence[Endpoint]],
    ) -> None:
        self._loop = loop
        self._new_socket = new_socket
        self._targets = targets
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.ends: set[_End] = set()

    def listen(self, listener: socket.socket) -> None:
        async def begin() -> None:
            self._server = await self._loop.create_server(
                lambda: _Accepted(self), sock=listener, backlog=1024
            )

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result()

    def close(self) -> None:
        async def end() -> None:
            if self._server:
                self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for one in list(self.ends):
                one.cut()
            await asyncio.sleep(0)  # in which the sockets are closed

        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(end(), self._loop).result()

    def join(self, accepted: "_End") -> None:
        """Find the other end for a connection, and let it flow."""
        task = self._loop.create_task(self._join(accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, accepted: "_End") -> None:
        targets = list(self._targets())
        random.shuffle(targets)
        for target in targets:
            with contextlib.suppress(OSError, MachineError):
                line = await asyncio.to_thread(self._new_socket, target.side)
                try:
                    line.setblocking(False)  # noqa: FBT003 - the standard library's own
                    async with asyncio.timeout(CONNECT_SECONDS):
                        await self._loop.sock_connect(line, (target.address, target.port))
                    await self._loop.create_connection(lambda: _End(self, accepted), sock=line)
                except BaseException:
                    line.close()
                    raise
                return
        accepted.cut()


class _End(asyncio.Protocol):
    """One end of a carried connection; what it receives its peer sends."""

    transport: asyncio.Transport

    def __init__(self, forwarding: Forwarding, peer: "_End | None" = None) -> None:
        self._forwarding = forwarding
        self.peer = peer
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP's is
        self.transport = transport
        self._forwarding.ends.add(self)
        if self.peer:
            self.peer.peer = self
            self.peer.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.peer:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """It sends no more, but may still receive."""
        self._ended = True
        if self.peer:
            self.peer.transport.write_eof()
            if self.peer._ended:  # noqa: SLF001 - the same class
                self.peer.transport.close()
                self.transport.close()
        return True

    def pause_writing(self) -> None:
        if self.peer:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forwarding.ends.discard(self)
        if exc and self.peer:
            self.peer.cut()

    def cut(self) -> None:
        """End it in a way that the other side cannot take for the end of what was sent."""
        if line := self.transport.get_extra_info("socket"):
            with contextlib.suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


class _Accepted(_End):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._forwarding.join(self)
