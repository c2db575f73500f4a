"""Whether a Gateway answers: proxies are told of a route a moment after it has been accepted."""

import asyncio
import http.client
import ssl
import time
import urllib.error
import urllib.request
from http import HTTPStatus

import pulumi

SECONDS = 60.0
BETWEEN_SECONDS = 0.5
ANSWER_SECONDS = 5.0
NOT_YET = frozenset(
    {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
"""Without the route, the endpoint picker or the model servers."""
_UNVERIFIED = ssl.create_default_context()
_UNVERIFIED.check_hostname = False
_UNVERIFIED.verify_mode = ssl.CERT_NONE
_OPENER = urllib.request.build_opener(
    # A proxy has answers of its own. Nothing secret is sent: any certificate will do.
    urllib.request.ProxyHandler({}),
    urllib.request.HTTPSHandler(context=_UNVERIFIED),
)


async def answering(url: str | None, host: str | None) -> str | None:
    """`url`, once requests there are answered, for `host`; where they are not, the user is told.

    Where nothing can be reached there, nothing is waited for: clients may be elsewhere.
    """
    if url is not None and not pulumi.runtime.is_dry_run():
        await asyncio.to_thread(_wait, f"{url}/v1/models", host)
    return url


def _wait(url: str, host: str | None) -> None:
    deadline = time.monotonic() + SECONDS
    while (status := _status(url, host)) in NOT_YET:
        if time.monotonic() > deadline:
            pulumi.log.warn(
                f"{url} still answers {status} after {SECONDS:.0f} s, though the Gateway, its "
                "routes and pools are accepted: `make smoke` asks hop by hop"
            )
            return
        time.sleep(BETWEEN_SECONDS)


def _status(url: str, host: str | None) -> int | None:
    """Of an answer, None where there is none."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310 - our own gateway
    try:
        with _OPENER.open(request, timeout=ANSWER_SECONDS) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
    except (OSError, http.client.HTTPException):
        return None
