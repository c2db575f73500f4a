"""A machine made of this one's own namespaces, without tools, settings or rights of its own.

All that lasts is in one folder: who the node process is, and what became of each container. The
kernel ends everything with the node process, so ending that is cleaning up.
"""

import contextlib
import errno
import fcntl
import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

from embedded.agent import checks, node, records
from embedded.agent.machine import (
    Ended,
    Endpoint,
    MachineError,
    Program,
    Running,
    Side,
)
from embedded.agent.process import Process
from embedded.agent.relay import Forward, Relay, Tunnel

PROJECT = Path(__file__).parents[2]
BACKLOG = 1024


class Linux:
    """The machine whose files all lie in `root`.

    A container sees the operating system's programs, and of everything else `trees` alone: where
    the programs lie that are not packages of it.
    """

    def __init__(self, root: Path, *, trees: Sequence[Path] = ()) -> None:
        self._root = root.resolve()
        self._trees = tuple(trees)
        self._relay: Relay | None = None
        self._relaying = threading.Lock()

    def open(self) -> None:
        if sys.platform != "linux":
            raise MachineError(f"this machine is {sys.platform}: running pods takes Linux")
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked() as lock:
            if not self._answers():
                self._kill()
                records.settle(self._root / node.RECORDS)
                self._begin(lock)

    def _begin(self, lock: int) -> None:
        answer, answering = os.pipe()
        with (self._root / node.LOG).open("ab") as log:
            starter = subprocess.Popen(  # noqa: S603 - this program's own module
                [
                    *(sys.executable, "-S", "-m", node.__name__),
                    *(str(self._root), str(lock), str(answering)),
                ],
                cwd=PROJECT,
                pass_fds=(lock, answering),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(answering)
        with os.fdopen(answer, "rb") as answered:
            said = answered.read()
        starter.wait()
        if said != node.READY:
            raise MachineError(
                said.decode() or f"the node process ended: see {self._root / node.LOG}"
            )

    def close(self) -> None:
        with self._relaying:
            if self._relay:
                self._relay.stop()
            self._relay = None
        if not self._root.exists():
            return
        with self._locked():
            self._kill()
            for name in (node.SOCKET, node.PROCESS, node.RECORDS, node.LOG):
                (self._root / name).unlink(missing_ok=True)
                (self._root / f"{name}.new").unlink(missing_ok=True)
            shutil.rmtree(self._root / node.EMPTY, ignore_errors=True)

    def pods(self) -> Mapping[str, str]:
        try:
            return node.ask(self._root, "pods")
        except node.NoNodeError:
            return {}

    def add_pod(self, pod: str, address: str) -> None:
        node.ask(self._root, "add_pod", pod, address)

    def remove_pod(self, pod: str) -> None:
        node.ask(self._root, "remove_pod", pod)

    def start(self, pod: str, container: str, program: Program) -> None:
        node.ask(self._root, "start", pod, container, program, self._trees)

    def state(self, pod: str, container: str) -> Running | Ended | None:
        try:
            return node.ask(self._root, "state", pod, container)
        except node.NoNodeError:
            return self._last_state(pod, container)

    def _last_state(self, pod: str, container: str) -> Running | Ended | None:
        """From the records, when there is no node process to ask."""
        if not self._root.exists():
            return None
        with self._locked():
            if not self._answers():
                self._kill()
                records.settle(self._root / node.RECORDS)
            return records.load(self._root / node.RECORDS).get(pod, {}).get(container)

    def signal(self, pod: str, container: str, number: int) -> None:
        with contextlib.suppress(node.NoNodeError):
            node.ask(self._root, "send_signal", pod, container, number)

    def check_http(
        self, at: Endpoint, path: str, headers: Mapping[str, str], seconds: float
    ) -> str | None:
        return checks.http_get(self._socket(at.side), at, path, headers, seconds)

    def check_tcp(self, at: Endpoint, seconds: float) -> str | None:
        return checks.tcp(self._socket(at.side), at, seconds)

    def check_grpc(self, at: Endpoint, service: str, seconds: float) -> str | None:
        return checks.grpc(self._socket(at.side), at, service, seconds)

    def forward(self, at: Endpoint, targets: Callable[[], Sequence[Endpoint]]) -> Forward:
        if at.side is Side.HOST and not ipaddress.ip_address(at.address).is_loopback:
            raise MachineError(f"{at.address} is not loopback: the machine's network is not ours")
        listener = self._socket(at.side)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((at.address, at.port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            way_out = "; end what has it" if error.errno == errno.EADDRINUSE else ""
            raise MachineError(
                f"cannot listen at {at.address}:{at.port} ({at.side}): {error.strerror}{way_out}"
            ) from error
        return self._relayed(lambda relay: Forward(relay, targets), listener)

    def tunnel(self, at: Path) -> Forward:
        at.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        with node.short(at) as name:
            listener.bind(name)
        listener.listen(BACKLOG)
        return self._relayed(Tunnel, listener)

    def _relayed(self, make: Callable[[Relay], Forward], listener: socket.socket) -> Forward:
        with self._relaying:
            self._relay = self._relay or Relay(self._socket)
            forward = make(self._relay)
            forward.listen(listener)
            return forward

    def _socket(self, side: Side) -> socket.socket:
        """A socket stays on the side where it was made, whoever uses it."""
        return socket.socket() if side is Side.HOST else node.ask(self._root, "new_socket")

    def _answers(self) -> bool:
        try:
            node.ask(self._root, "pods")
        except node.NoNodeError:
            return False
        return True

    def _kill(self) -> None:
        """End the node process, or wait for the end that it is coming to."""
        if process := Process.recorded(self._root / node.PROCESS):
            process.kill()

    @contextlib.contextmanager
    def _locked(self) -> Generator[int]:
        """One agent at a time begins or ends the node process."""
        folder = os.open(self._root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(folder)
