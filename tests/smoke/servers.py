"""Small HTTP servers on loopback: one that answers as a model does, and ways to misbehave."""

import json
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.smoke.deployed import NAME


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    chunks: Iterable[bytes] | None = None
    """Sent one by one instead of the body, with a last chunk that says the end."""
    cut: bool = False
    """Hang up before the end."""
    hang: bool = False
    """Say nothing more until the server is closed."""


@dataclass
class Asked:
    path: str
    body: Any
    headers: dict[str, str]


Behaviour = Callable[[Asked], Reply]


def as_json(value: Any, status: int = 200, pod: str = "") -> Reply:
    headers = {"Content-Type": "application/json", **({"x-inference-pod": pod} if pod else {})}
    return Reply(status, json.dumps(value).encode(), headers)


def error(status: int, message: str) -> Reply:
    return as_json({"error": {"message": message, "type": "BadRequestError"}}, status)


def events(*said: str, cut: bool = False) -> Reply:
    return Reply(
        headers={"Content-Type": "text/event-stream"},
        chunks=[f"data: {one}\n\n".encode() for one in said],
        cut=cut,
    )


def model(asked: Asked) -> Reply:
    """A model server, as vLLM answers."""
    if asked.path == "/v1/models":
        return as_json({"object": "list", "data": [{"id": NAME}]})
    if asked.path != "/v1/chat/completions":
        return Reply()
    if asked.body["model"] != NAME:
        return error(404, f"The model `{asked.body['model']}` does not exist.")
    if asked.body.get("stream"):
        piece = json.dumps({"choices": [{"delta": {"content": "Hi"}}]})
        return events(piece, piece, "[DONE]")
    answer = {
        "choices": [{"message": {"role": "assistant", "content": "Hello."}}],
        "usage": {"completion_tokens": 3},
    }
    return as_json(answer, pod="decode-1")


@dataclass
class Server:
    url: str
    asked: list[Asked]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


class _Handler(BaseHTTPRequestHandler):
    behave: Behaviour
    asked: list[Asked]
    done: threading.Event
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        asked = Asked(self.path, json.loads(body) if body else None, headers)
        self.asked.append(asked)
        reply = type(self).behave(asked)
        if reply.hang and not reply.chunks:
            self.done.wait()
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        if reply.chunks is None:
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for one in reply.chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(one), one))
            if reply.hang:
                self.done.wait()
            elif not reply.cut:
                self.wfile.write(b"0\r\n\r\n")
        self.close_connection = reply.cut or reply.hang

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@contextmanager
def serving(behave: Behaviour) -> Generator[Server]:
    done = threading.Event()
    asked: list[Asked] = []
    about = {"behave": staticmethod(behave), "asked": asked, "done": done}
    handler = type("Handler", (_Handler,), about)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        listening.daemon_threads = True
        server = Server(f"http://127.0.0.1:{listening.server_port}", asked)
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server
        finally:
            done.set()
            listening.shutdown()


@contextmanager
def hanging_up() -> Generator[str]:
    """The address of a server that closes each connection at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def close() -> None:
            while True:
                try:
                    listening.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=close, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
