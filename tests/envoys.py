"""The real Envoy, and servers to stand behind it, on ports of their own."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import urllib3

ENVOY = shutil.which("envoy", path=str(Path(sys.executable).parent))
SECONDS = 60.0


@contextmanager
def listening(config: dict[str, Any], folder: Path) -> Generator[str]:
    """The URL of the first listener of an Envoy with this configuration."""
    loopback = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    config["admin"]["address"] = loopback
    config["static_resources"]["listeners"][0]["address"] = loopback
    (folder / "envoy.json").write_text(json.dumps(config))
    admin = folder / "admin"
    with (folder / "log").open("w") as log:
        envoy = subprocess.Popen(  # noqa: S603 - our own words
            [
                *(str(ENVOY), "--config-path", folder / "envoy.json", "--disable-hot-restart"),
                *("--admin-address-path", admin, "--concurrency", "1", "--log-level", "warning"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://{_first_listener(envoy, admin)}"
    finally:
        envoy.kill()
        envoy.wait()


def _first_listener(envoy: "subprocess.Popen[bytes]", admin: Path) -> str:
    """Once it takes requests."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and envoy.poll() is None:
        time.sleep(0.05)
        if not admin.exists() or not (address := admin.read_text()):
            continue
        if urllib3.request("GET", f"http://{address}/ready").status == 200:
            said = urllib3.request("GET", f"http://{address}/listeners?format=json").json()
            local = said["listener_statuses"][0]["local_address"]["socket_address"]
            return f"{local['address']}:{local['port_value']}"
    raise AssertionError((admin.parent / "log").read_text())


class Server(BaseHTTPRequestHandler):
    """Says who answers, and what it was asked."""

    protocol_version = "HTTP/1.1"
    name = ""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"by": self.name, "bytes": len(asked)}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Nothing: pytest's output is for tests."""


@contextmanager
def serving(name: str) -> Generator[int]:
    """The port of a server on the loopback that answers as `name`."""
    handler = type(name, (Server,), {"name": name})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
