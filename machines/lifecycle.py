"""One cluster of this machine's: made, stopped, started and removed, at any time, twice."""

import contextlib
import fcntl
import shutil
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from machines import kind, minikube
from machines.local import Local, Make, State
from machines.podman import PodmanMachine
from machines.record import FILE, Book, Record, Thing
from machines.settings import Settings
from machines.tool import Shop
from tools.errors import Missing

TOOLS: Mapping[str, Make] = {"kind": kind.TOOL, "minikube": minikube.TOOL}
ANSWER_SECONDS = 180.0
"""For the API server of a cluster that was started."""
UID = ("get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}")


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    root: Path
    """Folder of the cluster."""
    platform: str
    """As `sys.platform` says it."""
    architecture: str
    """Of this machine, as Kubernetes calls it."""

    def up(self, wanted: Settings) -> str:
        """Make the cluster, or put right what is there; its kube-system UID."""
        if wanted.architecture not in {None, self.architecture}:
            raise Missing(
                f"{wanted.kind} cluster {wanted.name}",
                f"its nodes are {self.architecture} as this machine is, and the stack's hardware "
                f"is {wanted.architecture}",
                way_out="choose `hardware` for this machine, or another machine",
            )
        with self._locked():
            record = self._book.read()
            wanted = replace(wanted, driver=self._driver(wanted, record))
            if record and self._lasting(record.settings) != self._lasting(wanted):
                record = self._remove(record)
            record = replace(record or Record(settings=wanted), settings=wanted)
            if self._on_machine(wanted):
                record = self._have_machine(record)
            return self._have_cluster(record)

    def start(self) -> None:
        """Start a cluster that was stopped, by us or with the machine."""
        with self._locked():
            record = self._expected()
            if self._on_machine(record.settings):
                record = self._have_machine(record)
            local = self._local(record.settings)
            if local.state() is State.STOPPED:
                local.start()
            self._identity(local)

    def stop(self) -> None:
        with self._locked():
            self._stop(self._expected())

    def down(self, retain: str | None = None) -> None:
        """Leave what is to be kept, and remove the rest, however far the cluster had come."""
        if not self.root.exists():
            return
        with self._locked():
            record = self._book.read()
            if record and record.stands:
                match retain or record.settings.retain:
                    case "running":
                        return
                    case "stopped":
                        self._stop(record)
                        return
                    case _:
                        pass
            if record and self._remove(record).ours:
                return
            shutil.rmtree(self.root)

    def status(self) -> dict[str, Any]:
        """What became of the cluster, and whether what is on it goes with it."""
        with self._locked():
            record = self._book.read()
            if record is None or not record.stands:
                return {"is": "unfinished", "goesAlong": True}
            keeps = record.settings.adopt or record.settings.retain != "nothing"
            return {"is": self._became(record), "goesAlong": not keeps}

    def forget(self) -> None:
        """Strike out a cluster that is gone, or that is another one by now."""
        with self._locked():
            if record := self._book.read():
                self._book.write(record.gone(Thing.CLUSTER))
            Shop(root=self.root).kubeconfig.unlink(missing_ok=True)

    # -- steps, all under the lock

    def _have_machine(self, record: Record) -> Record:
        machine = self._machine(record.settings)
        found, ours = machine.look(), record.ours.get(Thing.MACHINE)
        if ours is False and found:
            machine.remove()  # half made
            found = None
        if found is None:
            record = record.begun(Thing.MACHINE)
            if Thing.CLUSTER in record.ours:  # it went with the machine that it was on
                record = record.gone(Thing.CLUSTER).begun(Thing.CLUSTER)
            self._book.write(record)
            machine.create()
            return self._book.write(record.came(Thing.MACHINE))
        if ours and not machine.is_as_wanted(found):
            if found.running:
                machine.stop()
            machine.resize()
            machine.start()
        else:
            if not ours:
                machine.check(found)
            if not found.running:
                machine.start()
        return record

    def _have_cluster(self, record: Record) -> str:
        local, settings = self._local(record.settings), record.settings
        state = local.state()
        is_new = state is State.ABSENT or record.ours.get(Thing.CLUSTER) is False
        if is_new:
            if state is not State.ABSENT:
                _tell(f"{settings.kind} cluster {settings.name} was left half made: made anew")
                local.delete()
            record = self._book.write(record.gone(Thing.CLUSTER).begun(Thing.CLUSTER))
            local.create()
        elif not record.stands:
            if not settings.adopt:
                raise _not_ours(settings)
            record = replace(record, adopted=True)
        if not is_new:
            (local.connect if state is State.RUNNING else local.start)()
        identity = self._identity(local)
        if record.identity not in {"", identity}:
            if not settings.adopt:
                raise _not_ours(settings)
            record = replace(record.gone(Thing.CLUSTER), adopted=True)
        if is_new:
            record = record.came(Thing.CLUSTER)
        self._book.write(replace(record, identity=identity))
        return identity

    def _stop(self, record: Record) -> None:
        settings = record.settings
        if self._on_machine(settings):
            machine = self._machine(settings)
            found = machine.look()
            if not found or not found.running:
                return
        local = self._local(settings)
        if local.state() is State.RUNNING:
            local.stop()
        if self._on_machine(settings) and Thing.MACHINE in record.ours:
            self._machine(settings).stop()

    def _remove(self, record: Record) -> Record:
        """Take away what was made here; what is left of the record."""
        settings = record.settings
        machine = self._machine(settings) if self._on_machine(settings) else None
        found = machine.look() if machine else None
        if Thing.CLUSTER in record.ours:
            if machine and found and not found.running:
                machine.start()  # without it nothing can be removed
            if machine is None or found:
                self._delete(record)
            record = self._book.write(record.gone(Thing.CLUSTER))
        elif record.adopted:
            _tell(f"{settings.kind} cluster {settings.name} is not this stack's: left as it is")
            record = self._book.write(record.gone(Thing.CLUSTER))
        if machine and Thing.MACHINE in record.ours and not settings.machine.keep:
            if found:
                machine.remove()
            record = self._book.write(record.gone(Thing.MACHINE))
        return record

    def _delete(self, record: Record) -> None:
        local = self._local(record.settings)
        state = local.state()
        if state is State.ABSENT:
            return
        if record.stands and state is State.RUNNING:
            there = self._uid(local)
            if there and there != record.identity:
                _tell(f"{record.settings.name} is another cluster by now: left as it is")
                return
        local.delete()

    def _became(self, record: Record) -> str:
        if self._on_machine(record.settings):
            found = self._machine(record.settings).look()
            if not found or not found.running:
                return "stopped" if found else "gone"
        local = self._local(record.settings)
        match local.state():
            case State.ABSENT:
                return "gone"
            case State.STOPPED:
                return "stopped"
            case State.RUNNING:
                there = self._uid(local)
                return "another" if there and there != record.identity else "running"

    # -- what is looked up

    def _identity(self, local: Local) -> str:
        """Of a cluster that answers, or is about to."""
        self._shop_kubeconfig_is_private()
        deadline = time.monotonic() + ANSWER_SECONDS
        while not (uid := self._uid(local)):
            if time.monotonic() > deadline:
                raise Missing(
                    f"cluster {local.context}",
                    f"its API server did not answer within {ANSWER_SECONDS:g} s",
                    way_out="run this again; if that does not help, `make down` and `make up`",
                )
            time.sleep(1)
        return uid

    def _uid(self, local: Local) -> str:
        """Empty where nobody answers."""
        shop = Shop(root=self.root)
        reaching = (f"--kubeconfig={shop.kubeconfig}", f"--context={local.context}")
        said = shop.ask("kubectl", *reaching, "--request-timeout=10s", *UID)
        return "" if said.code else said.out.strip()

    def _shop_kubeconfig_is_private(self) -> None:
        kubeconfig = Shop(root=self.root).kubeconfig
        if kubeconfig.exists():
            kubeconfig.chmod(0o600)

    def _driver(self, wanted: Settings, record: Record | None) -> str:
        if wanted.driver != "auto":
            return wanted.driver
        if record and record.stands:
            return record.settings.driver
        if not wanted.options.get("gpus") and shutil.which("podman"):
            return "podman"
        if shutil.which("docker"):
            return "docker"
        raise Missing(
            "a container engine",
            "neither podman nor docker is on PATH",
            way_out="install one of them; docker is the one that passes on GPUs",
        )

    def _lasting(self, settings: Settings) -> dict[str, Any]:
        """What cannot be changed once it is made."""
        lasting: dict[str, Any] = {
            "kind": settings.kind,
            "name": settings.name,
            "driver": settings.driver,
            "options": settings.options,
        }
        if self._on_machine(settings):
            lasting["machine"] = (settings.machine.name, settings.machine.disk)
        return lasting

    def _on_machine(self, settings: Settings) -> bool:
        return settings.driver == "podman" and self.platform == "darwin"

    def _machine(self, settings: Settings) -> PodmanMachine:
        return PodmanMachine(Shop(root=self.root), settings.machine)

    def _local(self, settings: Settings) -> Local:
        env = {
            "KIND_EXPERIMENTAL_PROVIDER": settings.driver,
            "MINIKUBE_IN_STYLE": "false",
            "MINIKUBE_WANTUPDATENOTIFICATION": "false",
        }
        if self._on_machine(settings):
            # As Podman calls the way to a machine's root; whichever is the default is not ours.
            env["CONTAINER_CONNECTION"] = f"{settings.machine.name}-root"
        return TOOLS[settings.kind](Shop(root=self.root, env=env), settings, self.platform)

    @property
    def _book(self) -> Book:
        return Book(self.root / FILE)

    def _expected(self) -> Record:
        record = self._book.read()
        if record is None or not record.stands:
            raise Missing("cluster", "there is none yet", way_out="`make up` makes it")
        return record

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """One at a time: two that start together must not both make the cluster."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _not_ours(settings: Settings) -> Missing:
    remove = {
        "kind": f"kind delete cluster --name {settings.name}",
        "minikube": f"minikube delete --profile {settings.name}",
    }[settings.kind]
    return Missing(
        f"{settings.kind} cluster {settings.name}",
        "is there, and this stack did not make it",
        way_out=f"remove it (`{remove}`), name another in the stack file, or have it taken over "
        "and left in the end: `cluster.adopt: true`",
    )


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
