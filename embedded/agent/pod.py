"""One pod: a thread that does what `decide` says, and writes down what became of it."""

import collections
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from embedded import troubles
from embedded.agent import decide, names, volumes
from embedded.agent.api import MERGE, NOT_FOUND, STRATEGIC, Api, ApiError
from embedded.agent.containers import groups, resolve
from embedded.agent.environment import Addresses, NotYetError, service_variables
from embedded.agent.events import Events
from embedded.agent.machine import Endpoint, Machine, MachineError, Mount, Program, Side
from embedded.agent.model import Check, check, check_files, check_memory, containers, read
from embedded.agent.objects import Object, part, parts
from embedded.agent.programs import LocalProgram, SimulatedError, controls
from embedded.agent.status import Waiting, remembered, seconds_of, status
from tools import Missing

ANNOTATION = "llm-d.ai/node-agent"
SIMULATED = "simulated"
"""What kwok's stages for pods ask for."""

TICK_SECONDS = 1.0
"""How soon the end of a container is seen."""
STARTING_SECONDS = 0.1
"""The same while a container is not ready yet."""
STARTING_MOST = 60.0
RETRY_SECONDS = 2.0
REFRESH_SECONDS = 60.0
"""How soon a changed ConfigMap is seen in a volume; kubelet takes about as long."""
LOG_BYTES = 10 << 20
"""Of a container's log, of which the newer half is kept when it has grown beyond."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Node:
    """What all pods share."""

    api: Api
    machine: Machine | None
    trouble: str
    """Why there is no machine, or only what controls others is to run."""
    events: Events
    checks: ThreadPoolExecutor
    services: Callable[[], list[Object]]
    take_address: Callable[[str, str | None], str]
    """Pod, the address it had -> the one it has."""
    free_memory: Callable[[], int]
    added: set[str]
    """Pods that the machine was given and has still."""
    folder: Path
    """Of the pods' volumes."""
    logs: Path
    programs: Mapping[str, LocalProgram]


class Worker:
    def __init__(self, node: Node, pod: Object) -> None:
        metadata: Object = pod["metadata"]
        self._node = node
        self._pod = pod
        self._uid = str(metadata["uid"])
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._namespace = f"/api/v1/namespaces/{metadata['namespace']}"
        self._folder = node.folder / self._uid
        self._logs = node.logs / metadata["namespace"] / metadata["name"]
        self._model = read(pod)
        self._memory: decide.Memory = remembered(pod, self._model)
        self._waiting: dict[str, Waiting] = {}
        self._retry = 0.0
        self._refresh = 0.0
        self._written: Object = {}
        self._addresses: Addresses | None = None
        self._tokens: dict[str, tuple[str, float]] = {}
        self._answers: collections.deque[tuple[str, Check, str | None]] = collections.deque()
        self._wake = threading.Event()
        self._gone = False
        threading.Thread(target=self._run, name=metadata["name"], daemon=True).start()

    def update(self, pod: Object) -> None:
        self._pod = pod
        self._wake.set()

    def gone(self) -> None:
        """The object is no more: neither may be what ran for it."""
        self._gone = True
        self._wake.set()

    def _run(self) -> None:
        while not self._gone:
            self._wake.clear()
            try:
                if self._addresses is None and not self._admit():
                    return
                pause = self._step()
            except (ApiError, MachineError, OSError) as problem:
                log.warning("%s: %s", self._path, problem)
                pause = TICK_SECONDS
            except Exception:
                # A defect must not end the pod's thread: the next step may well work.
                log.exception("%s", self._path)
                pause = RETRY_SECONDS
            self._wake.wait(pause)
        self._clear()

    # -- whether it runs here

    def _admit(self) -> bool:
        """Take the pod on, or leave it to kwok and say why."""
        node = self._node
        try:
            there = self._check_machine().pods().get(self._uid)
            if there is None and "deletionTimestamp" not in self._pod["metadata"]:
                check(self._pod, node.programs)
                check_files(self._pod, self._config_map, node.programs)
                check_memory(self._pod, node.free_memory())
        except (SimulatedError, Missing) as reason:
            said = str(reason).splitlines()[0]
            self._annotate(said)
            self._tell(decide.Tell("Simulated", f"Not run on this machine: {said}"))
            return False
        host = node.api.get(f"/api/v1/nodes/{self._pod['spec']['nodeName']}")
        listed = parts(host, "status", "addresses")
        had = there or part(self._pod, "status").get("podIP")
        self._addresses = Addresses(
            pod=node.take_address(self._uid, had),
            node=next((one["address"] for one in listed if one["type"] == "InternalIP"), ""),
        )
        return True

    def _config_map(self, name: str) -> Mapping[str, str] | None:
        namespace = self._pod["metadata"]["namespace"]
        try:
            found = self._node.api.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
            return None
        return part(found, "data")

    def _check_machine(self) -> Machine:
        images = [one["image"] for one in containers(self._pod)]
        if self._node.machine is None or (
            self._node.trouble and not controls(images, self._node.programs)
        ):
            raise SimulatedError(self._node.trouble)
        return self._node.machine

    def _annotate(self, reason: str) -> None:
        why = {ANNOTATION: SIMULATED, troubles.SIMULATED: reason}
        body: Object = {"metadata": {"annotations": why}}
        try:
            self._node.api.request("PATCH", self._path, body, MERGE)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise

    # -- one step

    def _step(self) -> float:
        """Do what is to be done now; how long nothing will be."""
        assert self._node.machine  # noqa: S101 - an admitted pod has one
        assert self._addresses  # noqa: S101 - and an address
        now = time.time()
        told: list[decide.Action] = []
        memory = dict(self._memory)
        while self._answers:
            name, which, problem = self._answers.popleft()
            container = next(one for one in self._model.containers if one.name == name)
            memory[name], said = decide.answered(container, memory[name], which, problem, now)
            told += said
        machine = self._node.machine
        states = {one.name: machine.state(self._uid, one.name) for one in self._model.containers}
        deleted = self._pod["metadata"].get("deletionTimestamp")
        decision = decide.decide(
            self._model,
            memory,
            states,
            now,
            delete_by=seconds_of(deleted) if deleted else None,
        )
        self._memory = decision.memory
        if now >= self._refresh and not deleted:
            self._keep_up()
        changed = [self._try(action) for action in (*told, *decision.actions)]
        self._write_status(now)
        if any(changed):
            return 0
        return STARTING_SECONDS if deleted or self._starting(now) else TICK_SECONDS

    def _starting(self, now: float) -> bool:
        """Whether a container was started a moment ago, and may be ready any time."""
        return any(
            life.run is not None
            and now < life.run.started + STARTING_MOST
            and not decide.ready(one, life)
            for one in self._model.containers
            if (life := self._memory[one.name])
        )

    def _try(self, action: decide.Action) -> bool:
        """Carry one out: where it fails, the others are carried out all the same."""
        try:
            return self._do(action)
        except (ApiError, MachineError, OSError) as problem:
            log.warning("%s: %s: %s", self._path, action, problem)
            return False

    def _do(self, action: decide.Action) -> bool:
        """Whether the machine's state has changed by it."""
        machine, node = self._node.machine, self._node
        assert machine  # noqa: S101 - an admitted pod has one
        match action:
            case decide.Start(name):
                return self._start(name)
            case decide.Signal(name, number):
                machine.signal(self._uid, name, number)
            case decide.Ask(name, which):
                node.checks.submit(self._ask, name, which)
            case decide.Tell():
                self._tell(action)
            case decide.Finish():
                self._write_status(time.time())
                self._finish()
        return False

    def _tell(self, told: decide.Tell) -> None:
        self._node.events.tell(self._pod, "Pod", told.reason, told.message, warning=told.warning)

    def _start(self, name: str) -> bool:
        machine = self._node.machine
        assert machine  # noqa: S101 - an admitted pod has one
        if time.time() < self._retry:
            return False
        self._retry = time.time() + RETRY_SECONDS
        try:
            machine.add_pod(self._uid, self._here.pod)
            self._node.added.add(self._uid)
            self._fill()
            machine.start(self._uid, name, self._program(name))
        except (NotYetError, ValueError) as problem:
            self._wait_for(name, "CreateContainerConfigError", str(problem))
        except (MachineError, SimulatedError, Missing) as problem:
            self._wait_for(name, "RunContainerError", str(problem).splitlines()[0])
        else:
            self._waiting.pop(name, None)
            self._retry = 0.0
            return True
        return False

    def _wait_for(self, name: str, reason: str, message: str) -> None:
        waiting = Waiting(reason, message)
        if self._waiting.get(name) != waiting:
            self._waiting[name] = waiting
            self._tell(decide.Tell("Failed", f"Error: {message}", warning=True))

    @property
    def _here(self) -> Addresses:
        assert self._addresses  # noqa: S101 - an admitted pod has them
        return self._addresses

    def _program(self, name: str) -> Program:
        spec: Object = self._pod["spec"]
        variables = service_variables(
            self._node.services(),
            self._pod["metadata"]["namespace"],
            links=bool(spec.get("enableServiceLinks", True)),
        )
        self._logs.mkdir(parents=True, exist_ok=True)
        program = resolve(
            self._pod,
            name,
            self,
            self._here,
            variables,
            self._folders(),
            self._logs / f"{name}.log",
            self._node.programs,
        )
        return replace(program, mounts=(self._resolver(), *program.mounts))

    def _resolver(self) -> Mount:
        """What tells the pod whom to ask for the names of Services."""
        file = self._folder / "resolv.conf"
        file.write_text(names.resolv_conf(self._pod["metadata"]["namespace"]))
        file.chmod(0o644)
        return Mount(source=file, target="/etc/resolv.conf", read_only=True)

    # -- probes

    def _ask(self, name: str, which: Check) -> None:
        try:
            problem = self._check(name, which)
        except Exception as error:  # noqa: BLE001 - an answer has to come, whatever happens
            problem = f"{type(error).__name__}: {error}"
        self._answers.append((name, which, problem))
        self._wake.set()

    def _check(self, name: str, which: Check) -> str | None:
        machine = self._node.machine
        assert machine  # noqa: S101 - an admitted pod has one
        probe = next(one for one in self._model.containers if one.name == name).probes[which]
        at = Endpoint(Side.PODS, probe.host or self._here.pod, probe.port)
        match probe.how:
            case "httpGet":
                return machine.check_http(at, probe.path, probe.headers, probe.timeout)
            case "grpc":
                return machine.check_grpc(at, probe.service, probe.timeout)
            case _:
                return machine.check_tcp(at, probe.timeout)

    # -- volumes

    def configmap(self, name: str) -> Object | None:
        return self._source("configmaps", name)

    def secret(self, name: str) -> Object | None:
        return self._source("secrets", name)

    def _source(self, plural: str, name: str) -> Object | None:
        try:
            return self._node.api.get(f"{self._namespace}/{plural}/{name}")
        except ApiError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def _folders(self) -> Mapping[str, Path]:
        listed = parts(self._pod, "spec", "volumes")
        return {one["name"]: self._folder / "volumes" / one["name"] for one in listed}

    def _fill(self) -> None:
        """Have every volume as the cluster says now."""
        group = next(iter(groups(self._pod)), None)
        folders = self._folders()
        for volume in parts(self._pod, "spec", "volumes"):
            files = volumes.content(self._pod, volume, self, self._here, self._token)
            folder = folders[volume["name"]]
            if files is None:
                volumes.empty(folder)
            else:
                volumes.write(folder, files, group)

    def _keep_up(self) -> None:
        """Take over what has changed in the cluster, and keep logs from growing for ever."""
        first = self._refresh == 0
        self._refresh = time.time() + REFRESH_SECONDS
        if first or not any(life.running for life in self._memory.values()):
            return
        try:
            self._fill()
        except NotYetError as problem:
            log.info("%s: %s", self._path, problem)  # what was there stays
        for one in self._model.containers:
            bound(self._logs / f"{one.name}.log")

    def _token(self, source: Object) -> str:
        """The ServiceAccount's, bound to this pod; a new one when a fifth of its time is left."""
        audience, path = source.get("audience"), source["path"]
        seconds = int(source.get("expirationSeconds", volumes.TOKEN_SECONDS))
        token, renew = self._tokens.get(path, ("", 0.0))
        if time.time() < renew:
            return token
        metadata: Object = self._pod["metadata"]
        account = self._pod["spec"].get("serviceAccountName") or "default"
        answer = self._node.api.request(
            "POST",
            f"{self._namespace}/serviceaccounts/{account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "audiences": [audience] if audience else [],
                    "expirationSeconds": seconds,
                    "boundObjectRef": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                    },
                },
            },
        )
        token = str(answer["status"]["token"])
        self._tokens[path] = (token, time.time() + 0.8 * seconds)
        return token

    # -- the cluster's side

    def _write_status(self, now: float) -> None:
        said = status(self._pod, self._model, self._memory, self._here, now, self._waiting)
        if said == self._written:
            return
        body: Object = {"metadata": {"uid": self._uid}, "status": said}
        try:
            self._pod = self._node.api.request("PATCH", f"{self._path}/status", body, STRATEGIC)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
        self._written = said

    def _finish(self) -> None:
        body: Object = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._uid}}
        try:
            self._node.api.request("DELETE", self._path, body)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
        self._gone = True

    def _clear(self) -> None:
        if self._node.machine:
            self._node.added.discard(self._uid)
            self._node.machine.remove_pod(self._uid)
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.rmtree(self._logs, ignore_errors=True)


def bound(file: Path, most: int = LOG_BYTES) -> None:
    """Drop the older half of a log that has grown beyond `most` bytes; writers append to it."""
    if not file.exists() or file.stat().st_size <= most:
        return
    with file.open("r+b") as opened:
        opened.seek(-most // 2, 2)
        opened.readline()
        newer = opened.read()
        opened.truncate(0)
    with file.open("ab") as opened:
        opened.write(newer)
