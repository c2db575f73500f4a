"""One control plane in one folder: made, started, stopped and removed, at any time, twice."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedded.agent import EGRESS, this_machine
from embedded.agent.machine import MachineError
from embedded.troubles import troubles
from tools.places import here
from tools.process import command_line

NAME = "llm-d"
CONTEXT = f"kwok-{NAME}"
"""kwokctl's name for the cluster's kubeconfig context."""

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
TOOLS = (*COMPONENTS, "kwokctl", "kubectl")
AGENT = "agent"
"""Runs the pods' containers; not one of kwokctl's components."""

STAGES = Path(__file__).with_name("kwok.yaml")
EGRESS_CONFIG = Path(__file__).with_name("egress.yaml")
NODE_NETWORK = "198.18.0"
"""The first addresses of the pods' network, which no pod gets."""

TO_ITS_END = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
"""A program that runs another one, and keeps what it inherits to itself."""

DEVICES = "deviceclasses,resourceslices"
OURS = "app.kubernetes.io/managed-by=embedded"
"""Label of what stands in for resource drivers."""

CREATIONS = 3
SURE = 5
"""Looks, after the first, at a process that has ended."""
KWOKCTL_SECONDS = 60
"""For etcd to answer; a second does, of a machine that has nothing else to do."""
READY_SECONDS = 120.0
STOP_SECONDS = {signal.SIGTERM: 3.0, signal.SIGKILL: 60.0}
"""What is killed goes, but not before a slow disk has done what it was asked for."""


class ClusterError(RuntimeError):
    """What is wrong with the cluster and the way out, in one line."""


class PortTakenError(ClusterError):
    """A port that was free when it was chosen is somebody else's."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A simulated node: what the scheduler is told that the machine offers."""

    name: str
    allocatable: Mapping[str, str]
    labels: Mapping[str, str]
    taints: Sequence[Mapping[str, str]] = ()
    claimable: Mapping[str, int] = field(default_factory=dict[str, int])
    """Driver -> how many of its devices the node has for claims; its DeviceClass is named so."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The control plane whose files all lie in `root`.

    `tools` finds a binary by its name and raises where there is none.
    """

    root: Path
    tools: Callable[[str], Path]
    simulate: str = ""
    """Why pods are to be simulated, all but those that control other objects; empty runs whatever
    this machine has a program for."""

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def _home(self) -> Path:
        return self.root / "kwok" / "clusters" / NAME

    @property
    def _complete(self) -> Path:
        """Exists once the control plane has been made: anything short of that is made anew."""
        return self.root / "complete"

    def up(self, nodes: Sequence[Node], *, port: int | None = None) -> str:
        """Make the cluster, or put right what is there; return its kube-system UID.

        `port` is the API server's; None takes a free one. It is fixed when the cluster is made.
        """
        with self._locked() as lock:
            if self._complete.exists():
                self._start(lock)
            else:
                self._create_anew(lock, port)
                self._complete.touch()
            self._start_agent()
            self._apply(nodes)
            self._await_agent()
            return self._uid()

    def start(self) -> None:
        """Start a cluster that was stopped, or lost its processes to a reboot or a crash."""
        with self._locked() as lock:
            if not self._complete.exists():
                raise ClusterError("there is no embedded cluster yet: `make up` makes one")
            self._start(lock)
            self._start_agent()
            self._await_agent()

    def stop(self) -> None:
        """End the processes, the pods' too, and keep the data."""
        with self._locked():
            self._stop()

    def down(self) -> None:
        """End the processes and remove every file, however far the cluster had come."""
        if self.root.exists():
            with self._locked():
                self._remove()
            shutil.rmtree(self.root)

    def running(self) -> Mapping[str, int]:
        """Process id of each component that runs."""
        return {name: pid for name in (*COMPONENTS, AGENT) if (pid := self._pid(name))}

    def ready(self) -> bool:
        """Whether the API server answers, and every component and the agent run."""
        return self._pid(AGENT) is not None and self._serves()

    def simulated(self) -> str:
        """Why the machine runs no containers, so that all pods are simulated; empty if it does."""
        try:
            return self._agent_said.read_text()
        except FileNotFoundError:
            return ""

    def troubles(self) -> list[str]:
        """What a person should know of what runs on it, a line each."""
        listed = self._kubectl("get", "pods,services", "--all-namespaces", "--output=json")
        return [*troubles(json.loads(listed)["items"])]

    # -- steps, all under the lock

    def _create_anew(self, lock: int, port: int | None) -> None:
        """With other ports when one was taken between its choice and its use."""
        for left in reversed(range(CREATIONS)):
            self._remove()
            try:
                self._create(lock, port)
            except PortTakenError:
                if not left:
                    raise
            else:
                return

    def _create(self, lock: int, port: int | None) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        ports = dict(zip(("etcd", "peer", "kcm", "scheduler", "kwok"), free_ports(5), strict=True))
        api = port or free_ports(1)[0]
        if _taken(api):
            raise ClusterError(
                f"port {api} of 127.0.0.1 is in use: end what listens there, or give "
                "`llm-d:cluster.port` another value"
            )
        client, peer = (f"http://127.0.0.1:{ports[name]}" for name in ("etcd", "peer"))
        # kwokctl binds to every interface unless told otherwise, flag by flag.
        extra = {
            "etcd": {
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": f"node0={peer}",
            },
            "kube-apiserver": {"bind-address": "127.0.0.1"},
            "kube-controller-manager": {"bind-address": "127.0.0.1"},
            "kube-scheduler": {"bind-address": "127.0.0.1"},
            "kwok-controller": {"server-address": f"127.0.0.1:{ports['kwok']}"},
        }
        shutil.copy(EGRESS_CONFIG, self.root)
        self._kwokctl(
            lock,
            "create",
            "cluster",
            f"--config={STAGES}",
            "--runtime=binary",
            *(f"--{_flag(name)}-binary={self.tools(name)}" for name in COMPONENTS),
            f"--etcd-port={ports['etcd']}",
            f"--kube-apiserver-port={api}",
            f"--kube-controller-manager-port={ports['kcm']}",
            f"--kube-scheduler-port={ports['scheduler']}",
            f"--controller-port={ports['kwok']}",
            f"--kubeconfig={self.kubeconfig}",
            "--disable-qps-limits",
            *(
                f"--extra-args={component}={flag}={value}"
                for component, flags in extra.items()
                for flag, value in flags.items()
            ),
        )
        self.kubeconfig.chmod(0o600)
        self._wait()

    def _start(self, lock: int) -> None:
        if not self._serves():
            self._stop_components()
            self._kwokctl(lock, "start", "cluster")
            self._wait()

    def _start_agent(self) -> None:
        """Have the agent run; what one before it had running is taken over."""
        if self._pid(AGENT):
            return
        self._agent_said.unlink(missing_ok=True)
        interpreter = here().venv / "bin" / "python"
        record = self._pid_file(AGENT)
        with self._log(AGENT).open("ab") as log:
            subprocess.Popen(  # noqa: S603 - our own words
                # It needs the Kubernetes client, which the interpreter of this process may lack.
                [interpreter, "-m", "embedded.agent", self.root, self.simulate],
                cwd=Path(__file__).parents[1],
                # What runs on this machine is behind no proxy.
                env=os.environ | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # It has the cluster's lock until it is itself: if this process is killed now, the
                # next one finds either no agent or its number.
                preexec_fn=lambda: record.write_text(f"{os.getpid()}"),  # noqa: PLW1509 - one thread
            )

    def _await_agent(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._agent_said.exists():
            if not self._pid(AGENT):
                raise self._ended(AGENT)
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"the node agent was not ready after {READY_SECONDS:.0f} s: "
                    f"read {self._log(AGENT)}, then `make up` again"
                )
            time.sleep(0.05)

    @property
    def _agent_said(self) -> Path:
        """The agent's word that it is up, and why there can be no containers."""
        return self.root / "agent"

    def _stop(self, *, keep_data: bool = True) -> None:
        self._signal((AGENT,), signal.SIGKILL)  # it has nothing to put in order
        # On a machine that cannot run containers, none are left.
        with contextlib.suppress(MachineError):
            this_machine(self.root).close()
        self._stop_components(keep_data=keep_data)

    def _stop_components(self, *, keep_data: bool = True) -> None:
        # etcd last: without it the API server waits for it instead of ending.
        for group in (COMPONENTS[1:], COMPONENTS[:1]):
            for kill in (signal.SIGTERM, signal.SIGKILL) if keep_data else (signal.SIGKILL,):
                self._signal(group, kill)
        # What kwokctl would take for a running process after the number is given away again.
        for name in COMPONENTS:
            self._pid_file(name).unlink(missing_ok=True)

    def _signal(self, components: Sequence[str], kill: signal.Signals) -> None:
        """Send the signal and wait until they have gone, or as long as it is given."""
        deadline = time.monotonic() + STOP_SECONDS[kill]
        for pid in (pid for name in components if (pid := self._pid(name))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, kill)
        while any(self._pid(name) for name in components) and time.monotonic() < deadline:
            time.sleep(0.02)

    def _remove(self) -> None:
        self._stop(keep_data=False)
        left = ("agent", EGRESS_CONFIG.name, EGRESS, "kwok", "load-balancer", "logs", "pods")
        for path in (self._complete, self.kubeconfig, *(self.root / name for name in left)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _apply(self, nodes: Sequence[Node]) -> None:
        """The nodes asked for and no others; status too, which is a resource of its own."""
        items = [manifest(node, f"{NODE_NETWORK}.{at}") for at, node in enumerate(nodes, 1)]
        offered = devices(nodes)
        apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=embedded", "-f-")
        if nodes:
            self._kubectl(*apply, stdin=_list([*items, *offered]))
            self._kubectl(*apply, "--subresource=status", stdin=_list(items))
        there = self._kubectl("get", "nodes", "-o", "name").split()
        there += self._kubectl("get", DEVICES, f"--selector={OURS}", "-o", "name").split()
        wanted = {one["metadata"]["name"] for one in (*items, *offered)}
        if gone := [one for one in there if one.partition("/")[2] not in wanted]:
            self._kubectl("delete", *gone)

    def _uid(self) -> str:
        return self._kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._serves():
            # A component that ended by itself will not come back: say so at once.
            if missing := [name for name in COMPONENTS if not self._pid(name)]:
                time.sleep(0.5)
                if missing := [name for name in missing if not self._pid(name)]:
                    raise self._ended(missing[0])
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"the API server was not ready after {READY_SECONDS:.0f} s: "
                    f"read {self._log('kube-apiserver')}, then `make up` again"
                )
            time.sleep(0.1)
        # Admission needs it for every pod, and a controller makes it a moment later.
        while not self._kubectl("get", "serviceaccount", "default", "--ignore-not-found"):
            if time.monotonic() > deadline or not self._pid("kube-controller-manager"):
                raise self._ended("kube-controller-manager")
            time.sleep(0.1)

    def _ended(self, component: str) -> ClusterError:
        """Why a component that should run does not."""
        log = self._log(component)
        said = log.read_text(errors="replace") if log.exists() else ""
        if "address already in use" in said:
            return PortTakenError(
                f"{component} ended: one of its ports is in use by now; end what listens there, "
                "or `make down` and `make up` for free ones"
            )
        if "no space left on device" in said:
            return ClusterError(
                f"{component} ended: the disk is full; free some space, then `make up` again"
            )
        last = said.strip().splitlines()[-1:] or ["it wrote no log"]
        return ClusterError(f"{component} ended: {last[0][:300]}; read {log}, then `make up` again")

    # -- processes and files

    def _serves(self) -> bool:
        """Whether the control plane is up; the agent may be missing."""
        return all(self._pid(name) for name in COMPONENTS) and self._answers()

    def _answers(self) -> bool:
        try:
            return self._kubectl("get", "--raw=/readyz", "--request-timeout=5s") == "ok"
        except ClusterError:
            return False

    def _pid(self, component: str) -> int | None:
        """Of the component's process: a number that was given to another process is not it."""
        try:
            pid = int(self._pid_file(component).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if str(self.root) in command_line(pid) else None

    def _has_ended(self, component: str) -> bool:
        """Whether it was started, and runs no more; a number that is being written is no end."""
        try:
            started = bool(self._pid_file(component).read_text())
        except FileNotFoundError:
            return False
        return started and self._pid(component) is None

    def _pid_file(self, component: str) -> Path:
        return self._home / "pids" / f"{_file(component)}.pid"

    def _log(self, component: str) -> Path:
        return self._home / "logs" / f"{_file(component)}.log"

    def _kwokctl(self, lock: int, *arguments: str) -> None:
        """Run it to its end even if this process is killed: until then it has the cluster's lock.

        What it has half started nobody else could find.
        """
        with (self.root / "kwokctl.log").open("w+") as said:
            acting = subprocess.Popen(  # noqa: S603 - arguments are ours, and no shell reads them
                [
                    *(sys.executable, "-S", "-c", TO_ITS_END),
                    *(self.tools("kwokctl"), f"--name={NAME}", *arguments),
                    f"--timeout={KWOKCTL_SECONDS}s",
                ],
                env=os.environ | {"KWOK_WORKDIR": str(self.root / "kwok")},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=(lock,),
                # What it starts outlives the command that made it.
                start_new_session=True,
            )
            ended = 0
            while acting.poll() is None:
                # Seen more than once: what is just being started has no command line yet.
                ended = ended + 1 if self._has_ended("etcd") else 0
                if ended > SURE:  # which it would wait for to the last second
                    os.killpg(acting.pid, signal.SIGKILL)
                    acting.wait()
                    raise self._ended("etcd")
                time.sleep(0.05)
            if acting.returncode:
                said.seek(0)
                raise ClusterError(f"kwokctl failed: {_message(_last(said.read()))}")

    def _kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What it prints. ClusterError with its last words where it fails."""
        reaching = (
            f"--kubeconfig={self.kubeconfig}",
            f"--context={CONTEXT}",
            f"--cache-dir={self.root / 'kubectl'}",
        )
        done = subprocess.run(  # noqa: S603 - arguments are ours, and no shell reads them
            [self.tools("kubectl"), *reaching, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"kubectl failed: {_message(_last(done.stderr))}")
        return done.stdout

    @contextlib.contextmanager
    def _locked(self) -> Generator[int]:
        """One at a time: two that start together must not both make the cluster.

        The open file that is the lock: whoever inherits it has the lock too.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock.fileno()


def _list(items: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def manifest(node: Node, address: str) -> dict[str, Any]:
    """The Node object; kwok keeps it Ready."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": node.name, **node.labels},
        },
        "spec": {"taints": [dict(taint) for taint in node.taints]},
        "status": {
            "allocatable": {"pods": "110", **node.allocatable},
            "capacity": {"pods": "110", **node.allocatable},
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": node.name},
            ],
        },
    }


def devices(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """What resource drivers would publish: each node's devices, and a class for each driver."""
    drivers = sorted({driver for node in nodes for driver in node.claimable})
    classes = [
        _of_driver("DeviceClass", driver, {"selectors": [{"cel": {"expression": _is_of(driver)}}]})
        for driver in drivers
    ]
    slices = [
        _of_driver(
            "ResourceSlice",
            f"{node.name}-{driver}",
            {
                "driver": driver,
                "nodeName": node.name,
                "pool": {"name": node.name, "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": f"device-{at}"} for at in range(count)],
            },
        )
        for node in nodes
        for driver, count in node.claimable.items()
    ]
    return [*classes, *slices]


def _is_of(driver: str) -> str:
    return f'device.driver == "{driver}"'


def _of_driver(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    key, value = OURS.split("=")
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {key: value}},
        "spec": spec,
    }


def _flag(component: str) -> str:
    """What kwokctl calls the component in its flags."""
    return "kwok-controller" if component == "kwok" else component


_file = _flag
"""kwokctl names a component's pid and log file as it does its flags."""


def _last(said: str) -> str:
    return (said.strip().splitlines() or ["it said nothing"])[-1]


def _message(line: str) -> str:
    """The text of a line, which in kwokctl's log is JSON."""
    try:
        said = json.loads(line)
    except ValueError:
        return line
    return ": ".join(str(said[key]) for key in ("msg", "err", "error") if said.get(key))


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now; all held at once, so that no two are the same."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False
