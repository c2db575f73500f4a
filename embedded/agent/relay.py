"""Carries TCP connections: one thread for all, whatever side their ends are on."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Sequence
from ipaddress import IPv4Address

from embedded.agent.machine import Endpoint, MachineError, Side

CONNECT_SECONDS = 5.0
HEAD_MAX = 8 << 10
RETRY_SECONDS = 1.0
"""Without accepting, when there are too many open files."""

_RESET = struct.pack("ii", 1, 0)


class Relay:
    """`new_socket` makes one that belongs to a side."""

    def __init__(self, new_socket: Callable[[Side], socket.socket]) -> None:
        self.new_socket = new_socket
        self.forwards: set[Forward] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

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
        self._listener: socket.socket
        self._beginning: set[asyncio.Task[None]] = set()
        self.ends: set[_End] = set()

    def listen(self, listener: socket.socket) -> None:
        self._relay.run(self._begin(listener))

    async def _begin(self, listener: socket.socket) -> None:
        listener.setblocking(False)  # noqa: FBT003 - the standard library's own
        self._listener = listener
        self._relay.forwards.add(self)
        self._listen()

    def close(self) -> None:
        if self in self._relay.forwards:
            self._relay.run(self._end())

    async def _end(self) -> None:
        self._relay.forwards.discard(self)
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        await asyncio.sleep(0)  # in which all that was accepted has begun to be carried
        for task in self._beginning:
            task.cancel()
        await asyncio.gather(*self._beginning, return_exceptions=True)
        for end in list(self.ends):
            end.cut()
        await asyncio.sleep(0)  # in which their sockets are closed

    def _listen(self) -> None:
        if self in self._relay.forwards:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        # asyncio's own server forgets what it accepts while it is being closed.
        loop = asyncio.get_running_loop()
        try:
            line, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # whoever it was has gone
        except OSError:
            loop.remove_reader(self._listener)
            loop.call_later(RETRY_SECONDS, self._listen)
            return
        task = loop.create_task(self._carry(line))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _carry(self, line: socket.socket) -> None:
        try:
            line.setblocking(False)  # noqa: FBT003 - the standard library's own
            behind = await self._reach(line)
        except BaseException:
            _cut(line)
            raise
        if not behind:
            _cut(line)
            return
        loop = asyncio.get_running_loop()
        front = _End(self)
        await loop.connect_accepted_socket(lambda: front, line)
        await loop.create_connection(lambda: _End(self, front), sock=behind)

    async def _reach(self, _front: socket.socket) -> socket.socket | None:
        """A connection to where this one is to go; None where there is none."""
        targets = list(self._targets())
        random.shuffle(targets)
        for target in targets:
            with contextlib.suppress(OSError, MachineError):
                return await self.connect(target)
        return None

    async def connect(self, target: Endpoint) -> socket.socket:
        made = asyncio.ensure_future(asyncio.to_thread(self._relay.new_socket, target.side))
        try:
            line = await asyncio.shield(made)
        except asyncio.CancelledError:
            (await made).close()  # a thread goes on, whatever becomes of who waits for it
            raise
        try:
            line.setblocking(False)  # noqa: FBT003 - the standard library's own
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(line, (target.address, target.port))
        except BaseException:
            line.close()
            raise
        return line


class Tunnel(Forward):
    """Whoever connects says where on the pods' side to, and hears whether that is reached."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay, list)

    async def _reach(self, front: socket.socket) -> socket.socket | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                behind = await self.connect(_asked_for(await _head(front)))
        except (OSError, ValueError, MachineError) as problem:
            await loop.sock_sendall(front, f"HTTP/1.1 502 {problem}\r\n\r\n".encode())
            return None
        await loop.sock_sendall(front, b"HTTP/1.1 200 OK\r\n\r\n")
        return behind


async def _head(line: socket.socket) -> bytes:
    """What is said first; who asks for a tunnel waits for the answer, so no more has come."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < HEAD_MAX:
        if not (more := await asyncio.get_running_loop().sock_recv(line, HEAD_MAX)):
            break
        head += more
    return head


def _asked_for(head: bytes) -> Endpoint:
    """ValueError for what asks for no tunnel to an IPv4 address."""
    method, _, rest = head.decode("ascii").partition(" ")
    address, _, port = rest.partition(" ")[0].rpartition(":")
    if method != "CONNECT":
        raise ValueError("only CONNECT is answered here")
    return Endpoint(Side.PODS, str(IPv4Address(address)), int(port))


class _End(asyncio.Protocol):
    """One end of a carried connection: what it receives, its peer sends.

    The first end waits until it is the peer of the second.
    """

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
        else:
            self.transport.pause_reading()

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
        _reset_at_close(self.transport.get_extra_info("socket"))
        self.transport.abort()


def _cut(line: socket.socket) -> None:
    _reset_at_close(line)
    line.close()


def _reset_at_close(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
