"""An API server on loopback: objects by path, and port-forwards to ports of this machine."""

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.smoke.deployed import Deployed

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of the WebSocket protocol


class _Handler(BaseHTTPRequestHandler):
    deployed: Deployed
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path.endswith("/portforward"):
            self._forward(int(query["ports"]))
        elif (found := self.deployed.get(url.path, query)) is None:
            self._answer(404, {"reason": "NotFound", "message": f"{url.path} not found"})
        else:
            self._answer(200, found)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(201, self.deployed.create(self.path, body))

    def _answer(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _forward(self, port: int) -> None:
        key = self.headers["Sec-WebSocket-Key"].encode()
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324
        self.send_response(101)
        for name, value in {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accepted,
            "Sec-WebSocket-Protocol": self.headers["Sec-WebSocket-Protocol"],
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        for channel in (0, 1):
            self._frame(channel, struct.pack("<H", port))
        try:
            pod = socket.create_connection(("127.0.0.1", port))
        except OSError as error:
            self._frame(1, f"error forwarding port {port}: {error}".encode())
            return
        with pod:
            threading.Thread(target=self._from, args=(pod,), daemon=True).start()
            while piece := self._received():
                pod.sendall(piece[1:])

    def _from(self, pod: socket.socket) -> None:
        while True:
            try:
                piece = pod.recv(4096)
                self._frame(0, piece)
            except OSError:
                return
            if not piece:
                return

    def _frame(self, channel: int, data: bytes) -> None:
        payload = bytes([channel]) + data
        self.wfile.write(struct.pack("!BBH", 0x82, 126, len(payload)) + payload)

    def _received(self) -> bytes:
        """The payload of the client's next frame; empty when it closes."""
        head = self.rfile.read(2)
        if len(head) < 2 or head[0] & 0x0F == 8:
            return b""
        length = head[1] & 0x7F
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(self.rfile.read(size), "big")
        mask = self.rfile.read(4)
        data = self.rfile.read(length)
        return bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@contextmanager
def api_server(deployed: Deployed, folder: Path) -> Generator[Path]:
    """Its kubeconfig, whose context is `ctx`."""
    handler = type("Handler", (_Handler,), {"deployed": deployed})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        file = folder / "kubeconfig"
        server = f"http://127.0.0.1:{listening.server_port}"
        file.write_text(
            yaml.safe_dump(
                {
                    "clusters": [{"name": "c", "cluster": {"server": server}}],
                    "users": [{"name": "u", "user": {"token": "user-token"}}],
                    "contexts": [{"name": "ctx", "context": {"cluster": "c", "user": "u"}}],
                }
            )
        )
        try:
            yield file
        finally:
            listening.shutdown()
