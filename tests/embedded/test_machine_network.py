"""Who reaches whom, and what is carried across."""

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
import servers
from agent_machines import ADDRESS, POD, TREES, left_of, program, said_by, until
from servers import LOOPBACK, on_host

from embedded.agent import node
from embedded.agent.linux import Linux
from embedded.agent.machine import Endpoint, MachineError, Side

pytestmark = pytest.mark.slow

OTHER, OTHER_ADDRESS = "pod-b", "198.18.0.7"
SERVICE = Endpoint(Side.PODS, "10.0.0.1", 443)
LARGE = bytes(range(256)) * (1 << 16)
"""16 MiB: more than any buffer on the way."""

SERVES = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=80, bind='0.0.0.0')"
ASKS = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as line:
    line.sendall(sys.argv[3].encode())
    line.shutdown(socket.SHUT_WR)
    print(line.recv(1000).decode(), end="")
"""

NEED_IT_OPEN: list[Callable[[Linux], object]] = [
    lambda machine: machine.add_pod(POD, ADDRESS),
    lambda machine: machine.remove_pod(POD),
    lambda machine: machine.start(POD, "c", program(Path("/m"), "true")),
    lambda machine: machine.forward(SERVICE, list),
    lambda machine: machine.check_tcp(SERVICE, 1),
]


def ask(machine: Linux, root: Path, address: str, port: int, text: str) -> str:
    """What a program in the pod is told."""
    words = " ".join(f"'{word}'" for word in (sys.executable, "-c", ASKS, address, port, text))
    return said_by(machine, root, f"{words} 2>&1 || true")


def exchange(port: int, text: bytes) -> bytes:
    """Send, end sending, and receive to the end; empty if it was cut."""
    try:
        with socket.create_connection((LOOPBACK, port), 10) as line:
            line.sendall(text)
            line.shutdown(socket.SHUT_WR)
            return received(line)
    except TimeoutError:
        raise
    except OSError:
        return b""


def received(line: socket.socket) -> bytes:
    return b"".join(iter(lambda: line.recv(1 << 16), b""))


@contextlib.contextmanager
def carried(machine: Linux, *targets: Endpoint) -> Generator[int]:
    """The port on loopback from which connections go to the targets."""
    port = servers.free_port()
    forward = machine.forward(on_host(port), lambda: targets)
    yield port
    forward.close()


def test_a_pod_listens_at_any_port_of_its_address_and_other_pods_reach_it(
    machine: Linux, root: Path
) -> None:
    machine.add_pod(OTHER, OTHER_ADDRESS)
    machine.start(OTHER, "server", program(root, sys.executable, "-c", SERVES))
    at = Endpoint(Side.PODS, OTHER_ADDRESS, 80)
    until(lambda: machine.check_http(at, "/", {}, 1) is None)

    assert "200 OK" in ask(machine, root, OTHER_ADDRESS, 80, "GET / HTTP/1.0\r\n\r\n")
    assert "refused" in ask(machine, root, LOOPBACK, 80, ""), "each pod has its own loopback"


def test_pods_reach_nothing_of_the_machine_but_what_is_carried(machine: Linux, root: Path) -> None:
    with servers.tcp(servers.reply_at_the_end()) as port:
        assert "refused" in ask(machine, root, LOOPBACK, port, "abc")
        assert "refused" in ask(machine, root, SERVICE.address, SERVICE.port, "abc")

        forward = machine.forward(SERVICE, lambda: [on_host(port)])
        assert ask(machine, root, SERVICE.address, SERVICE.port, "abc") == "cba"

        forward.close()
        assert "refused" in ask(machine, root, SERVICE.address, SERVICE.port, "abc")


def test_a_name_that_nobody_knows_is_not_waited_for(machine: Linux, root: Path) -> None:
    began = time.monotonic()

    said_by(machine, root, "! getent hosts unknown.example")

    assert time.monotonic() - began < 5


def test_the_machine_reaches_a_pod_through_a_forward(machine: Linux, root: Path) -> None:
    machine.start(POD, "server", program(root, sys.executable, "-c", SERVES))
    at = Endpoint(Side.PODS, ADDRESS, 80)
    until(lambda: machine.check_tcp(at, 1) is None)

    with carried(machine, at) as port:
        assert b"200 OK" in exchange(port, b"GET / HTTP/1.0\r\n\r\n")


def test_a_tunnel_leads_to_the_pods_address_that_is_asked_for(machine: Linux, root: Path) -> None:
    machine.start(POD, "server", program(root, sys.executable, "-c", SERVES))
    until(lambda: machine.check_tcp(Endpoint(Side.PODS, ADDRESS, 80), 1) is None)

    with tunnel(machine, root, f"CONNECT {ADDRESS}:80 HTTP/1.1\r\nHost: any") as line:
        assert line.recv(1000) == b"HTTP/1.1 200 OK\r\n\r\n"
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"200 OK" in received(line)


@pytest.mark.parametrize(
    "asked",
    [f"CONNECT {ADDRESS}:81 HTTP/1.1", "CONNECT localhost:80 HTTP/1.1", "GET / HTTP/1.1", ""],
)
def test_a_tunnel_that_leads_nowhere_says_so(machine: Linux, root: Path, asked: str) -> None:
    with tunnel(machine, root, asked) as line:
        assert received(line).startswith(b"HTTP/1.1 502 ")


@contextlib.contextmanager
def tunnel(machine: Linux, root: Path, asked: str) -> Generator[socket.socket]:
    """A connection to the machine's tunnel that has asked for something."""
    at = root / "tunnel.sock"
    forward = machine.tunnel(at)
    with node.short(at) as name, socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(name)
        line.sendall(f"{asked}\r\n\r\n".encode())
        yield line
    forward.close()


def test_much_is_carried_whole_to_a_reader_that_takes_its_time(checker: Linux) -> None:
    with (
        servers.tcp(servers.reply_at_the_end()) as behind,
        carried(checker, on_host(behind)) as port,
        socket.create_connection((LOOPBACK, port), 10) as line,
    ):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        line.sendall(LARGE)
        line.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        assert received(line) == LARGE[::-1]


def test_connections_go_to_every_target_and_past_one_that_refuses(checker: Linux) -> None:
    with (
        servers.tcp(servers.reply_at_the_end(b"1")) as one,
        servers.tcp(servers.reply_at_the_end(b"2")) as two,
        carried(checker, on_host(one), on_host(servers.free_port()), on_host(two)) as port,
    ):
        answers = {exchange(port, b"x") for _ in range(40)}

    assert answers == {b"1x", b"2x"}


def test_targets_are_asked_for_with_each_connection(checker: Linux) -> None:
    targets: list[Endpoint] = []
    port = servers.free_port()
    with servers.tcp(servers.reply_at_the_end()) as behind:
        forward = checker.forward(on_host(port), lambda: targets)
        assert exchange(port, b"abc") == b"", "there is no target yet"

        targets.append(on_host(behind))
        assert exchange(port, b"abc") == b"cba"
        forward.close()


def test_what_is_cut_behind_is_seen_as_cut_in_front(checker: Linux) -> None:
    def cut(line: socket.socket) -> None:
        line.sendall(b"begun")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with (
        servers.tcp(cut) as behind,
        carried(checker, on_host(behind)) as port,
        socket.create_connection((LOOPBACK, port), 10) as line,
        pytest.raises(ConnectionError),
    ):
        received(line)


def test_closing_a_forward_cuts_what_is_open_and_frees_the_address(checker: Linux) -> None:
    port = servers.free_port()
    with servers.tcp(servers.silent) as behind:
        forward = checker.forward(on_host(port), lambda: [on_host(behind)])
        with socket.create_connection((LOOPBACK, port), 10) as line:
            line.sendall(b"x")
            forward.close()
            with pytest.raises(ConnectionError):
                line.recv(1)
        forward.close()

        checker.forward(on_host(port), list).close()


@pytest.mark.parametrize("at", [SERVICE, on_host(servers.free_port())], ids=["pods", "host"])
def test_an_address_that_is_taken_is_refused(machine: Linux, at: Endpoint) -> None:
    forward = machine.forward(at, list)

    with pytest.raises(
        MachineError, match=rf"{at.port} \({at.side}\): Address already in use; end"
    ):
        machine.forward(at, list)

    forward.close()
    machine.forward(at, list).close()


def test_the_machine_listens_on_loopback_alone(checker: Linux) -> None:
    with pytest.raises(MachineError, match=r"0\.0\.0\.0 is not loopback"):
        checker.forward(Endpoint(Side.HOST, "0.0.0.0", 8080), list)  # noqa: S104 - refused


def test_two_machines_have_the_same_addresses_and_never_meet(
    machine: Linux, root: Path, tmp_path: Path
) -> None:
    other = Linux(tmp_path / "other", trees=TREES)
    other.open()
    other.add_pod(POD, ADDRESS)
    with (
        servers.tcp(servers.reply_at_the_end(b"1")) as one,
        servers.tcp(servers.reply_at_the_end(b"2")) as two,
    ):
        machine.forward(SERVICE, lambda: [on_host(one)])
        other.forward(SERVICE, lambda: [on_host(two)])

        assert ask(machine, root, SERVICE.address, SERVICE.port, "x") == "1x"
        assert ask(other, tmp_path / "o", SERVICE.address, SERVICE.port, "x") == "2x"
        other.close()

        assert ask(machine, root, SERVICE.address, SERVICE.port, "x") == "1x"
    assert not left_of(tmp_path / "other")


def test_a_pod_keeps_its_address_and_no_other_pod_has_it(machine: Linux) -> None:
    machine.add_pod(POD, ADDRESS)

    with pytest.raises(MachineError, match=f"{OTHER} cannot have {ADDRESS}: pod {POD} has"):
        machine.add_pod(OTHER, ADDRESS)
    with pytest.raises(MachineError, match=f"{POD} cannot have {OTHER_ADDRESS}"):
        machine.add_pod(POD, OTHER_ADDRESS)
    assert machine.pods() == {POD: ADDRESS}


def test_a_removed_pod_is_forgotten_with_all_in_it(machine: Linux, root: Path) -> None:
    machine.start(POD, "server", program(root, sys.executable, "-c", SERVES))
    at = Endpoint(Side.PODS, ADDRESS, 80)
    until(lambda: machine.check_tcp(at, 1) is None)

    for _ in range(2):
        machine.remove_pod(POD)
        assert machine.state(POD, "server") is None
        assert machine.pods() == {}
        assert machine.check_tcp(at, 1) == "Connection refused"
        assert len(left_of(root)) == 1, "the node process alone"

    machine.add_pod(OTHER, ADDRESS)
    assert machine.check_tcp(at, 1) == "Connection refused"


def test_an_address_is_answered_at_from_the_moment_it_is_given_to_a_pod(machine: Linux) -> None:
    at = Endpoint(Side.PODS, OTHER_ADDRESS, 80)
    for _ in range(50):
        machine.add_pod(OTHER, OTHER_ADDRESS)
        assert machine.check_tcp(at, 0.9) == "Connection refused", "not after a second try"
        machine.remove_pod(OTHER)


def test_a_container_needs_its_pod(machine: Linux, root: Path) -> None:
    with pytest.raises(MachineError, match="there is no pod other, so no container c in it"):
        machine.start("other", "c", program(root, "true"))


@pytest.mark.parametrize("step", NEED_IT_OPEN)
def test_what_needs_an_open_machine_says_so(step: Callable[[Linux], object], root: Path) -> None:
    root.mkdir()

    with pytest.raises(MachineError, match="the machine is not open"):
        step(Linux(root))
