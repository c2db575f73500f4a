"""Carries TCP connections: one thread for all, whatever side their ends are on."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Sequence

from embedded.agent.machine import Endpoint, MachineError, Side

CONNECT_SECONDS = 5.0
BACKLOG = 1024
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Relay:
    """`new_socket` makes one that belongs to a side."""

    def __init__(self, new_socket: Callable[[Side], socket.socket]) -> None:
        self.new_socket = new_socket
        self.forwards: set[Forward] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def listen(
        self, listener: socket.socket, targets: Callable[[], Sequence[Endpoint]]
    ) -> "Forward":
        forward = Forward(self, targets)
        self.run(forward.begin(listener))
        return forward

    def stop(self) -> None:
        for forward in list(self.forwards):
            forward.close()
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, step: Coroutine[None, None, None]) -> None:
        """On the relay's thread, and wait for it."""
        asyncio.run_coroutine_threadsafe(step, self._loop).result()


class Forward:
    """All that one listener accepts."""

    def __init__(self, relay: Relay, targets: Callable[[], Sequence[Endpoint]]) -> None:
        self._relay = relay
        self._targets = targets
        self._joining: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.ends: set[_End] = set()

    async def begin(self, listener: socket.socket) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Accepted(self), sock=listener, backlog=BACKLOG
        )
        self._relay.forwards.add(self)

    def close(self) -> None:
        if self in self._relay.forwards:
            self._relay.run(self._end())

    async def _end(self) -> None:
        self._relay.forwards.discard(self)
        self._server.close()
        for task in self._joining:
            task.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)
        for end in list(self.ends):
            end.cut()
        await asyncio.sleep(0)  # when this goes on, their sockets are closed

    def join(self, accepted: "_End") -> None:
        """Find the other end for a connection, and let it flow."""
        task = asyncio.get_running_loop().create_task(self._join(accepted))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _join(self, accepted: "_End") -> None:
        targets = list(self._targets())
        random.shuffle(targets)
        for target in targets:
            with contextlib.suppress(OSError, MachineError):
                line = await self._connect(target)
                await asyncio.get_running_loop().create_connection(
                    lambda: _End(self, accepted), sock=line
                )
                return
        accepted.cut()

    async def _connect(self, target: Endpoint) -> socket.socket:
        line = await asyncio.to_thread(self._relay.new_socket, target.side)
        try:
            line.setblocking(False)  # noqa: FBT003 - the standard library's own
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(line, (target.address, target.port))
        except BaseException:
            line.close()
            raise
        return line


class _End(asyncio.Protocol):
    """One end of a carried connection: what it receives, its peer sends."""

    transport: asyncio.Transport

    def __init__(self, forward: Forward, peer: "_End | None" = None) -> None:
        self._forward = forward
        self.peer = peer
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP's is
        self.transport = transport
        self._forward.ends.add(self)
        if self.peer:
            self.peer.peer = self
            self.peer.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.peer:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """It sends no more, but may still receive."""
        self.ended = True
        if self.peer:
            self.peer.transport.write_eof()
            if self.peer.ended:
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
        self._forward.ends.discard(self)
        if exc and self.peer:
            self.peer.cut()

    def cut(self) -> None:
        """End it in a way that nobody takes for the end of what was to be sent."""
        if line := self.transport.get_extra_info("socket"):
            with contextlib.suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self.transport.abort()


class _Accepted(_End):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._forward.join(self)
