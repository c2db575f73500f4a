"""HTTP requests whose outcome is an answer, or the reason why there is none."""

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import urllib3
from urllib3 import exceptions
from urllib3.util import Timeout

CONNECT_SECONDS = 3.0
MOST_BYTES = 4 * 2**20
"""Of an answer: whoever sends more is no model that was asked for a few words."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    cut: str = ""
    """Why the body ends too early; empty when it is whole."""

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace").strip()

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object; empty where it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

    def said(self) -> str:
        what = f"`{' '.join(self.text.split())[:120]}`" if self.text else "an empty body"
        return f"HTTP {self.status} with {what}" + (f", {self.cut}" if self.cut else "")


class Why(Enum):
    REFUSED = "connection refused"
    UNKNOWN = "its name is not known"
    UNREACHABLE = "no connection"
    TLS = "no TLS connection"
    CLOSED = "connection closed without an answer"
    SILENT = "no answer"
    FORWARD = "no forwarded port"


@dataclass(frozen=True)
class Lost:
    """There is no answer."""

    why: Why
    detail: str

    def said(self) -> str:
        return f"{self.why.value}: {self.detail}"


Outcome = Answer | Lost


class Web:
    """Requests to a model's gateway; the key, where there is one, goes with each."""

    def __init__(self, key: str | None = None) -> None:
        self._key = key
        self._pool = urllib3.PoolManager(retries=False)

    def ask(self, url: str, body: object = None, *, seconds: float) -> Outcome:
        """POST the body as JSON, or GET where there is none."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return self._send(url, body, headers, seconds)

    def ask_as(self, token: str, url: str, *, seconds: float) -> Outcome:
        """GET as the account whose token it is."""
        return self._send(url, None, {"Authorization": f"Bearer {token}"}, seconds)

    def _send(self, url: str, body: object, headers: dict[str, str], seconds: float) -> Outcome:
        until = time.monotonic() + seconds
        try:
            response = self._pool.request(
                "GET" if body is None else "POST",
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
                redirect=False,
                preload_content=False,
            )
        except exceptions.HTTPError as error:
            return _lost(error, url, seconds)
        content, cut = _read(response, until, seconds)
        names = {key.lower(): value for key, value in response.headers.items()}
        length = names.get("content-length", "")
        if not cut and length.isdigit() and len(content) < int(length):
            cut = f"cut off after {len(content)} of {length} bytes"
        if cut:
            response.close()
        else:
            response.release_conn()
        return Answer(response.status, names, content, cut)


def _read(response: urllib3.BaseHTTPResponse, until: float, seconds: float) -> tuple[bytes, str]:
    """The body, and why it ends too early: a slow drip must not outlast the time there is."""
    content = b""
    try:
        while piece := response.read1(2**16):
            content += piece
            if time.monotonic() > until or len(content) > MOST_BYTES:
                return content, f"not at its end after {seconds:g} s and {len(content)} bytes"
    except exceptions.ReadTimeoutError:
        return content, f"then nothing more within {seconds:g} s"
    except exceptions.HTTPError:
        return content, f"cut off after {len(content)} bytes"
    return content, ""


def _lost(error: exceptions.HTTPError, url: str, seconds: float) -> Lost:
    match error:
        case exceptions.NameResolutionError():
            return Lost(Why.UNKNOWN, url)
        case exceptions.NewConnectionError():
            refused = isinstance(error.__cause__, ConnectionRefusedError)
            return Lost(Why.REFUSED if refused else Why.UNREACHABLE, url)
        case exceptions.ConnectTimeoutError():
            return Lost(Why.UNREACHABLE, f"{url} within {CONNECT_SECONDS:g} s")
        case exceptions.ReadTimeoutError():
            return Lost(Why.SILENT, f"{url} within {seconds:g} s")
        case exceptions.SSLError():
            cause = error.args[0] if error.args else error
            verify = isinstance(cause, ssl.SSLCertVerificationError)
            return Lost(Why.TLS, f"{url}: {cause.verify_message if verify else cause}")
        case _:
            return Lost(Why.CLOSED, url)
