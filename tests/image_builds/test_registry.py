"""What a registry is asked, by name and by password."""

import base64
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from builder import registry
from tools import Missing

DIGEST = "sha256:" + "a" * 64
LOGIN = "Basic " + base64.b64encode(b"me:hunter2").decode()


class Handler(BaseHTTPRequestHandler):
    """A registry that sends everyone for a token, as quay.io and Docker Hub do."""

    def do_HEAD(self) -> None:
        host = self.headers["Host"]
        if self.headers.get("Authorization") != "Bearer t0ken":
            self.send_response(401)
            said = f'Bearer realm="http://{host}/token",service="s",scope="repository:me/x:pull"'
            self.send_header("WWW-Authenticate", said)
        elif self.path == "/v2/me/x/manifests/v1":
            self.send_response(200)
            self.send_header("Docker-Content-Digest", DIGEST)
        else:
            self.send_response(404)
        self.end_headers()

    def do_GET(self) -> None:
        assert self.path == "/token?service=s&scope=repository%3Ame%2Fx%3Apull"
        known = self.headers.get("Authorization") == LOGIN
        self.send_response(200 if known else 401)
        self.end_headers()
        if known:
            self.wfile.write(json.dumps({"token": "t0ken"}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's word
        """Nothing."""


@pytest.fixture
def host() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_image_is_found_with_a_token_for_its_user(host: str) -> None:
    assert registry.digest(f"{host}/me/x:v1", "me", "hunter2") == DIGEST


def test_an_image_that_is_not_there_is_none(host: str) -> None:
    assert registry.digest(f"{host}/me/x:v2", "me", "hunter2") is None


def test_a_wrong_password_is_told_before_anything_is_built(host: str) -> None:
    with pytest.raises(Missing, match="does not take the password of `me`"):
        registry.digest(f"{host}/me/x:v1", "me", "wrong")


def test_whoever_is_not_let_in_finds_nothing(host: str) -> None:
    assert registry.digest(f"{host}/me/x:v1", None, None) is None


def test_a_registry_that_does_not_answer_is_no_reason_to_stop() -> None:
    assert registry.digest("127.0.0.1:1/me/x:v1", "me", "hunter2") is None


def test_a_password_goes_nowhere_over_plain_http() -> None:
    with pytest.raises(ValueError, match=r"http://elsewhere\.invalid/token"):
        registry.authorization('Bearer realm="http://elsewhere.invalid/token"', {})
