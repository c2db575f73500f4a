"""Servers on the machine's own loopback, as a test wants them."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

from embedded.agent.machine import Endpoint, Side

LOOPBACK = "127.0.0.1"
TRICKLE_SECONDS = 0.1

Serve = Callable[[socket.socket], None]


def on_host(port: int) -> Endpoint:
    return Endpoint(Side.HOST, LOOPBACK, port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def tcp(serve: Serve) -> Generator[int]:
    """`serve` has each connection on a thread of its own; it is closed afterwards."""

    def one(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            serve(line)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],)).start()

    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def reply_at_the_end(name: bytes = b"") -> Serve:
    """All that was received, in reverse, once the other side sends no more."""

    def serve(line: socket.socket) -> None:
        received = b"".join(iter(lambda: line.recv(1 << 16), b""))
        line.sendall(name + received[::-1])

    return serve


def silent(line: socket.socket) -> None:
    line.recv(1 << 16)
    line.recv(1 << 16)


def trickle(line: socket.socket) -> None:
    """Always about to answer: no single wait is long."""
    while True:
        line.sendall(b"H")
        time.sleep(TRICKLE_SECONDS)


@contextlib.contextmanager
def http() -> Generator[int]:
    """/301 answers with that status, and so on; /header as X-Status says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = self.headers["X-Status"] if self.path == "/header" else self.path[1:]
            self.send_response(int(status))
            self.send_header("Location", "/500")
            self.end_headers()
            self.wfile.write(b"x" * (1 << 20))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def health(statuses: dict[str, bytes]) -> Generator[int]:
    """A real gRPC server: service -> its raw HealthCheckResponse."""

    def check(request: bytes, context: Any) -> bytes:
        service = request[2 if len(request) < 130 else 3 :].decode()  # tag, and size
        if service not in statuses:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return statuses[service]

    library: Any = grpc  # without types of its own
    server = library.server(ThreadPoolExecutor(2))
    handlers = {"Check": library.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers(
        (library.method_handlers_generic_handler("grpc.health.v1.Health", handlers),)
    )
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    yield port
    server.stop(0).wait()
