"""Checks of servers that are well, that are not, and that only seem to be about to answer."""

import socket
import time

import pytest
import servers
from servers import LOOPBACK, on_host

from embedded.agent.linux import Linux
from embedded.agent.machine import Endpoint, Side

SHORT, LONG = 0.3, 5.0


@pytest.mark.parametrize("status", [200, 204, 301, 399])
def test_http_is_well_from_200_to_399_and_is_not_redirected(checker: Linux, status: int) -> None:
    with servers.http() as port:
        assert checker.check_http(on_host(port), f"/{status}", {}, LONG) is None


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_http_says_which_status_is_wrong(checker: Linux, status: int) -> None:
    with servers.http() as port:
        assert checker.check_http(on_host(port), f"/{status}", {}, LONG) == f"HTTP status {status}"


def test_http_sends_its_headers(checker: Linux) -> None:
    with servers.http() as port:
        said = checker.check_http(on_host(port), "/header", {"X-Status": "418"}, LONG)

    assert said == "HTTP status 418"


def test_tcp_is_well_where_somebody_listens(checker: Linux) -> None:
    with servers.tcp(servers.silent) as port:
        assert checker.check_tcp(on_host(port), LONG) is None


def test_tcp_waits_no_longer_than_it_may(checker: Linux) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind((LOOPBACK, 0))
        full.listen(0)
        for one in (first, second):  # nobody accepts them, and there is no room for more
            one.setblocking(False)  # noqa: FBT003 - the standard library's own
            one.connect_ex(full.getsockname())

        said = checker.check_tcp(on_host(full.getsockname()[1]), SHORT)

    assert said == "no answer within 0.3 s"


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("", None),
        ("ready", None),
        ("a" * 200, None),
        ("draining", "the service is NOT_SERVING"),
        ("new", "the service is UNKNOWN"),
        ("missing", "no health of such a service is told there"),
    ],
)
def test_grpc_is_well_where_the_service_is_serving(
    checker: Linux, service: str, said: str | None
) -> None:
    statuses = {
        "": b"\x08\x01",
        "ready": b"\x08\x01",
        "a" * 200: b"\x08\x01",
        "draining": b"\x08\x02",
        "new": b"",
    }
    with servers.health(statuses) as port:
        assert checker.check_grpc(on_host(port), service, LONG) == said


def test_grpc_is_not_well_where_something_else_answers(checker: Linux) -> None:
    with servers.http() as port:
        assert checker.check_grpc(on_host(port), "", SHORT) is not None


@pytest.mark.parametrize("serve", [servers.silent, servers.trickle])
@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_the_time_is_for_all_of_a_check(checker: Linux, kind: str, serve: servers.Serve) -> None:
    with servers.tcp(serve) as port:
        began = time.monotonic()
        said = (
            checker.check_http(on_host(port), "/", {}, SHORT)
            if kind == "http"
            else checker.check_grpc(on_host(port), "", SHORT)
        )

    assert said == "no answer within 0.3 s"
    assert time.monotonic() - began < SHORT + 1


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("kind", ["http", "tcp", "grpc"])
def test_nobody_listening_is_said_at_once(machine: Linux, kind: str, side: Side) -> None:
    at = Endpoint(side, LOOPBACK, servers.free_port())
    said = {
        "http": lambda: machine.check_http(at, "/", {}, LONG),
        "tcp": lambda: machine.check_tcp(at, LONG),
        "grpc": lambda: machine.check_grpc(at, "", LONG),
    }[kind]()

    assert said == "Connection refused"
