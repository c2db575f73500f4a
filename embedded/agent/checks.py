"""Is a server well? Each check has a new socket and one span of time for all of it."""

import http.client
import io
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from embedded.agent.machine import Endpoint

_BODY_MAX = 10 << 10
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACKNOWLEDGED = 1, 4, 1
_STREAM = 1
_MESSAGE_HEAD = 5
_SERVING = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


class _Line(io.RawIOBase):
    """A connected socket of which every read and write shares one deadline."""

    def __init__(self, line: socket.socket, at: Endpoint, deadline: float) -> None:
        self._line = line
        self._deadline = deadline
        self._hurry()
        line.connect((at.address, at.port))

    def _hurry(self) -> None:
        if (left := self._deadline - time.monotonic()) <= 0:
            raise TimeoutError
        self._line.settimeout(left)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._hurry()
        return self._line.recv_into(buffer)

    def close(self) -> None:
        """Not here: who made the socket closes it, after the last read."""

    def sendall(self, data: bytes) -> None:
        self._hurry()
        self._line.sendall(data)

    def makefile(self, _mode: str = "rb") -> IO[bytes]:
        return io.BufferedReader(self)


def _talk(
    line: socket.socket, at: Endpoint, seconds: float, say: Callable[[_Line], str | None]
) -> str | None:
    try:
        with line:
            return say(_Line(line, at, time.monotonic() + seconds))
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except OSError as error:
        return error.strerror or str(error)
    except (EOFError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__


def tcp(line: socket.socket, at: Endpoint, seconds: float) -> str | None:
    return _talk(line, at, seconds, lambda _line: None)


def http_get(
    line: socket.socket, at: Endpoint, path: str, headers: Mapping[str, str], seconds: float
) -> str | None:
    def say(line: _Line) -> str | None:
        connection = http.client.HTTPConnection(at.address, at.port)
        connection.sock = line
        connection.request("GET", path, headers={"Connection": "close", **headers})
        response = connection.getresponse()
        response.read(_BODY_MAX)  # a server may not like to be cut short
        status = response.status
        ok = http.client.OK <= status < http.client.BAD_REQUEST
        return None if ok else f"HTTP status {status}"

    return _talk(line, at, seconds, say)


def grpc(line: socket.socket, at: Endpoint, service: str, seconds: float) -> str | None:
    """One call of grpc.health.v1.Health/Check, in as much of HTTP/2 as it takes."""

    def say(line: _Line) -> str | None:
        line.sendall(
            _PREFACE
            + _frame(_SETTINGS)
            + _frame(_HEADERS, _END_HEADERS, _STREAM, _call_headers(at))
            + _frame(_DATA, _END_STREAM, _STREAM, _message(_field(service)))
        )
        return _said(line)

    return _talk(line, at, seconds, say)


def _said(line: _Line) -> str | None:
    """Read frames up to the answer, or up to the end of the call without one."""
    answers = line.makefile()
    message = b""
    while True:
        kind, flags, stream, payload = _next_frame(answers)
        if kind == _DATA and stream == _STREAM:
            message += payload
            if len(message) >= _MESSAGE_HEAD + int.from_bytes(message[1:_MESSAGE_HEAD]):
                return _status(message)
        elif kind in (_SETTINGS, _PING) and not flags & _ACKNOWLEDGED:
            line.sendall(_frame(kind, _ACKNOWLEDGED, 0, payload if kind == _PING else b""))
        if kind in (_RESET, _GOAWAY) or (stream == _STREAM and flags & _END_STREAM):
            return "no health of such a service is told there"


def _next_frame(answers: IO[bytes]) -> tuple[int, int, int, bytes]:
    head = answers.read(9)
    if len(head) < 9:  # noqa: PLR2004 - a frame's head
        raise EOFError("the connection ended without an answer")
    high, low, kind, flags, stream = struct.unpack(">BHBBI", head)
    return kind, flags, stream & 0x7FFFFFFF, answers.read(high << 16 | low)


def _frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    size = len(payload)
    return struct.pack(">BHBBI", size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def _call_headers(at: Endpoint) -> bytes:
    """Each a literal that nobody need remember (RFC 7541, 6.2.2)."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": f"{at.address}:{at.port}",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def _field(service: str) -> bytes:
    """HealthCheckRequest: a string, field 1."""
    raw = service.encode()
    size, count = b"", len(raw)
    while count > 0x7F:  # noqa: PLR2004 - seven bits a byte
        size += bytes([count & 0x7F | 0x80])
        count >>= 7
    return b"\x0a" + size + bytes([count]) + raw if raw else b""


def _message(body: bytes) -> bytes:
    return struct.pack(">BI", 0, len(body)) + body


def _status(message: bytes) -> str | None:
    """HealthCheckResponse: an enumeration, field 1; left out it is 0."""
    status = message[-1] if len(message) > _MESSAGE_HEAD else 0
    name = _SERVING.get(status, str(status))
    return None if name == "SERVING" else f"the service is {name}"
