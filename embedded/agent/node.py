"""The process that holds a machine's namespaces, and whose end is the end of all in them.

It is the first of a PID namespace, so the kernel lets nothing in it outlive it, and in the network
namespace that joins the pods'. It makes pods and containers and waits for these; an agent asks by
`ask`, through a socket in the machine's folder.
"""

import contextlib
import os
import pickle
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from embedded.agent import container, records, syscalls
from embedded.agent.machine import Ended, MachineError, Program, Running
from embedded.agent.netlink import Netlink
from embedded.agent.process import Process

SOCKET, PROCESS, RECORDS, LOG, EMPTY = "node.sock", "node", "containers.json", "node.log", "empty"
"""In the machine's folder; EMPTY is a folder to mount on."""

GATEWAY = "169.254.1.1"
"""The node's address, as pods see it. Every pod has a link of its own to it."""

READY = b"ready"
REQUEST_MAX = 1 << 18
REQUEST_SECONDS = 1.0
"""Within which an agent that has connected asks its question: nobody else is answered meanwhile."""
ASK_SECONDS = 20.0

RESTRICTIONS = {
    "/proc/sys/kernel/unprivileged_userns_clone": "0",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
    "/proc/sys/user/max_user_namespaces": "0",
}
"""Kernel setting -> the value with which ordinary users have no namespaces."""


class NoNodeError(MachineError):
    """There is no process to ask."""


def ask(root: Path, request: str, *given: Any) -> Any:
    """Have the node process of the machine in `root` do something.

    NoNodeError only where there is none: one that is alive has hung up on who was slow to ask, as
    anyone is on a machine that has too much to do, and is asked again.
    """
    deadline = time.monotonic() + ASK_SECONDS
    while True:
        try:
            return _ask(root, request, given)
        except NoNodeError:
            if time.monotonic() > deadline or not Process.recorded(root / PROCESS):
                raise
            time.sleep(0.05)


def _ask(root: Path, request: str, given: Sequence[Any]) -> Any:
    with connected(root) as line:
        line.send(pickle.dumps((request, given)))
        answer, descriptors, _, _ = socket.recv_fds(line, REQUEST_MAX, 1)
    if not answer:
        raise NoNodeError("the machine's node process has ended")
    value = pickle.loads(answer)  # noqa: S301 - from our own process, in a folder of our own
    if isinstance(value, MachineError):
        raise value
    return socket.socket(fileno=descriptors[0]) if descriptors else value


@contextlib.contextmanager
def connected(root: Path) -> Generator[socket.socket]:
    try:
        with (
            short(root / SOCKET) as path,
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line,
        ):
            line.connect(path)
            yield line
    except (FileNotFoundError, ConnectionError) as error:
        raise NoNodeError("the machine is not open, or its node process has ended") from error
    except OSError as error:
        raise MachineError(f"cannot ask the machine's node process: {error.strerror}") from error


@contextlib.contextmanager
def short(path: Path) -> Generator[str]:
    """A name for a socket that is short enough, however long its folder's is."""
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


@dataclass(frozen=True, kw_only=True)
class _Pod:
    address: str
    device: str
    network: int
    """Its network namespace, as an open file."""


@dataclass(frozen=True, kw_only=True)
class _Container:
    pid: int
    handle: int
    """A file that becomes readable when the process has ended."""


class _Node:
    """Answers requests; every public method is one."""

    def __init__(self, root: Path, *, privileged: bool) -> None:
        self._root = root
        self._privileged = privileged
        self._records = records.load(root / RECORDS)
        self._pods: dict[str, _Pod] = {}
        self._running: dict[tuple[str, str], _Container] = {}
        self._made = 0
        self._selector = selectors.DefaultSelector()
        self._own_network = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._links = Netlink()
        self._links.up("lo")
        self._links.add_address("lo", GATEWAY)
        # Any address may be listened at; one at which nobody listens refuses at once.
        self._links.own_the_rest()
        _set("ip_nonlocal_bind", "1")
        _set("ip_forward", "1")
        _set("ip_unprivileged_port_start", "0")

    def serve(self, listener: socket.socket) -> None:
        self._selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is listener:
                    with contextlib.suppress(OSError):
                        self._answer(listener.accept()[0])
                elif key.data in self._running:  # or it has been waited for meanwhile
                    pod, name = key.data
                    self._wait(pod, name, os.WNOHANG)

    def _answer(self, line: socket.socket) -> None:
        with line:
            line.settimeout(REQUEST_SECONDS)
            if not (asked := line.recv(REQUEST_MAX)):
                return
            try:
                request, given = pickle.loads(asked)  # noqa: S301 - the folder is private to its user
                value = getattr(self, request)(*given)
            except (MachineError, OSError) as error:
                value = MachineError(str(error))
            except Exception as error:  # noqa: BLE001 - every pod would end with this process
                traceback.print_exc()
                value = MachineError(f"{error!r}, see {self._root / LOG}")
            if isinstance(value, socket.socket):
                with value:
                    socket.send_fds(line, [pickle.dumps(None)], [value.fileno()])
            else:
                line.send(pickle.dumps(value))

    def new_socket(self) -> socket.socket:
        """One for TCP that belongs to the pods' side, whoever uses it."""
        return socket.socket()

    def pods(self) -> dict[str, str]:
        return {name: pod.address for name, pod in self._pods.items()}

    def add_pod(self, name: str, address: str) -> None:
        for other, pod in self._pods.items():
            if (other, pod.address) == (name, address):
                return
            if other == name or pod.address == address:
                raise MachineError(
                    f"pod {name} cannot have {address}: pod {other} has {pod.address};"
                    " remove that one first"
                )
        self._made += 1
        device = f"pod{self._made}"
        network, inside = self._new_network()
        try:
            self._links.add_pair(device, "eth0", network)
            inside.add_address("eth0", address)
            for link in ("lo", "eth0"):
                inside.up(link)
            inside.route_rest("eth0", GATEWAY)
            self._links.up(device)
            self._links.route_to(address, device, GATEWAY)
            inside.operates("eth0")
        except OSError:
            os.close(network)  # which ends it, and with it both devices
            raise
        finally:
            inside.close()
        self._pods[name] = _Pod(address=address, device=device, network=network)

    def _new_network(self) -> tuple[int, Netlink]:
        syscalls.unshare(syscalls.NEW_NETWORK)
        try:
            _set("ip_unprivileged_port_start", "0")
            return os.open("/proc/self/ns/net", os.O_RDONLY), Netlink()
        finally:
            syscalls.enter(self._own_network, syscalls.NEW_NETWORK)

    def remove_pod(self, name: str) -> None:
        for pod, one in list(self._running):
            if pod == name:
                self.send_signal(pod, one, signal.SIGKILL)
                self._wait(pod, one)
        if self._records.pop(name, None):
            records.save(self._root / RECORDS, self._records)
        if pod := self._pods.pop(name, None):
            self._links.remove(pod.device)
            os.close(pod.network)

    def start(self, pod: str, name: str, program: Program, trees: Sequence[Path]) -> None:
        if isinstance(self.state(pod, name), Running):
            return
        if pod not in self._pods:
            raise MachineError(f"there is no pod {pod}, so no container {name} in it")
        log = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            if self._privileged:
                os.fchown(log, program.user, -1)  # /dev/stdout is opened by name
            self._record(pod, name, Running(started=time.time()))
            try:
                pid, executed = self._execute(pod, program, trees, log)
            except OSError:
                self._record(pod, name, None)
                raise
        finally:
            os.close(log)
        handle = os.pidfd_open(pid)
        self._running[pod, name] = _Container(pid=pid, handle=handle)
        self._selector.register(handle, selectors.EVENT_READ, (pod, name))
        if not executed:
            self._wait(pod, name)

    def _execute(
        self, pod: str, program: Program, trees: Sequence[Path], log: int
    ) -> tuple[int, bool]:
        """The first process of a PID namespace, and whether it has become the program."""
        result, telling = os.pipe()
        with os.fdopen(result, "rb") as failure:
            try:
                if not (pid := self._fork()):
                    self._become(pod, program, trees, log, telling)
            finally:
                os.close(telling)  # the child's is closed by the program's execution
            return pid, not failure.read()

    def _fork(self) -> int:
        """As `os.fork`, but the child begins a PID namespace."""
        syscalls.unshare(syscalls.NEW_PIDS)
        try:
            pid = os.fork()
        except OSError:
            syscalls.enter(self._own_pids, syscalls.NEW_PIDS)
            raise
        if pid:
            syscalls.enter(self._own_pids, syscalls.NEW_PIDS)
        return pid

    def _become(
        self, pod: str, program: Program, trees: Sequence[Path], log: int, telling: int
    ) -> NoReturn:
        """In the child: be the program, or say into `telling` that it cannot, and end."""
        code = container.CANNOT_RUN
        try:
            container.become(
                program,
                pod=pod,
                network=self._pods[pod].network,
                log=log,
                trees=trees,
                hidden=self._root,
                staging=self._root / EMPTY,
                privileged=self._privileged,
            )
        except container.CannotRunError as error:
            code = error.code
            os.write(log, f"{error}\n".encode())
        finally:
            os.write(telling, b"!")
            os._exit(code)

    def state(self, pod: str, name: str) -> Running | Ended | None:
        if (pod, name) in self._running:
            self._wait(pod, name, os.WNOHANG)
        return self._records.get(pod, {}).get(name)

    def send_signal(self, pod: str, name: str, number: int) -> None:
        if one := self._running.get((pod, name)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(one.handle, number)

    def _wait(self, pod: str, name: str, options: int = 0) -> None:
        one = self._running[pod, name]
        pid, status = os.waitpid(one.pid, options)
        if not pid:
            return
        del self._running[pod, name]
        self._selector.unregister(one.handle)
        os.close(one.handle)
        code = os.waitstatus_to_exitcode(status)
        self._record(
            pod,
            name,
            Ended(
                started=self._records[pod][name].started,
                ended=time.time(),
                code=code if code >= 0 else 128 - code,
            ),
        )

    def _record(self, pod: str, name: str, state: Running | Ended | None) -> None:
        if state:
            self._records.setdefault(pod, {})[name] = state
        else:
            self._records.get(pod, {}).pop(name, None)
        records.save(self._root / RECORDS, self._records)


def _set(name: str, value: str) -> None:
    Path("/proc/sys/net/ipv4", name).write_text(value)


def main(root: Path, lock: int, answer: int) -> None:
    """Become a node process, or say into `answer` why not.

    `lock` is held until it is ready: whoever has it next finds either all of it or nothing.
    """
    privileged = os.geteuid() == 0
    try:
        _leave(privileged=privileged)
    except OSError as error:
        os.write(answer, _refusal(error).encode())
        return
    told, tell = os.pipe()
    if child := os.fork():
        # Until it is known whom to end, it does nothing.
        if process := Process.of(child):
            process.record(root / PROCESS)
            os.write(tell, b"!")
        return
    os.close(tell)
    if not os.read(told, 1):
        return
    os.setsid()
    os.chdir("/")
    (root / SOCKET).unlink(missing_ok=True)
    (root / EMPTY).mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        with short(root / SOCKET) as path:
            listener.bind(path)
        listener.listen(64)
        try:
            node = _Node(root, privileged=privileged)
        except OSError as error:
            os.write(answer, f"pods cannot have a network here: {error}".encode())
            return
        os.write(answer, READY)
        os.close(answer)
        os.close(lock)
        node.serve(listener)


def _leave(*, privileged: bool) -> None:
    """Enter namespaces of our own; the PID namespace begins with the next child."""
    if not privileged:
        user, group = os.geteuid(), os.getegid()
        syscalls.unshare(syscalls.NEW_USER)
        container.map_ids(user=0, group=0, outer_user=user, outer_group=group)
    syscalls.unshare(syscalls.NEW_MOUNTS | syscalls.NEW_PIDS | syscalls.NEW_NETWORK)
    syscalls.private_mounts()


def _refusal(error: OSError) -> str:
    for setting, value in RESTRICTIONS.items():
        if (file := Path(setting)).exists() and file.read_text().strip() == value:
            return (
                f"{setting} is {value}, so this kernel gives ordinary users no namespaces: "
                "change it, or run as root"
            )
    return f"this machine gives no namespaces ({error}): run as root, outside other containers"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
