"""What a machine has, held against what a stack needs: a row each. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from preflight.advice import installs
from preflight.facts import Engine, Facts, Silent
from preflight.needs import GIB, IMAGES, MIB, Needs
from stack import quantity
from stack.hardware import targets
from stack.machine import PodmanMachine
from stack.platforms import version

COMMAS = ", "


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    MISSING = "MISSING"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table."""

    what: str
    found: str
    needed: str
    mend: str = ""
    """The command or advice that makes it well; empty where all is well."""
    is_hard: bool = True
    """Whether nothing can be created as long as it is not well."""
    detail: tuple[str, ...] = ()
    """How what is needed adds up."""

    @property
    def state(self) -> State:
        if not self.mend:
            return State.OK
        return State.MISSING if self.is_hard else State.WARNING


def rows(needs: Needs, facts: Facts) -> Iterator[Row]:
    yield _platform(needs, facts)
    for problem in facts.wrong:
        yield Row(
            what="cluster", found="not to be had", needed="as the stack file says", mend=problem
        )
    yield from _tools(needs, facts)
    yield from _builds(needs, facts)
    if needs.machine.runs_here:
        yield _engine(needs, facts)
        yield from _podman_machine(needs, facts)
        yield from _instructions(needs, facts)
        yield from _devices(needs, facts)
        if not facts.is_there:
            yield from _room(needs, facts)
    if not facts.is_there:
        yield from _ports(needs, facts)
    yield from _version(needs, facts)
    yield from _token(needs, facts)


def _platform(needs: Needs, facts: Facts) -> Row:
    """Images run on CPUs of their own architecture, and the scheduler keeps pods off others."""
    wanted = needs.hardware.node_labels.get("kubernetes.io/arch")
    what, found = "platform", facts.platform
    if not needs.machine.runs_here:
        return Row(what=what, found=found, needed="any: no container runs here")
    if wanted in {None, facts.arch}:
        return Row(what=what, found=found, needed=wanted or "amd64 or arm64")
    fitting = [
        name
        for name, one in sorted(targets().items())
        if not one.has_devices
        and one.node_labels.get("kubernetes.io/arch", facts.arch) == facts.arch
    ]
    return Row(
        what=what,
        found=found,
        needed=f"{wanted}, as the stack's hardware",
        mend=f"say `hardware` as one of {COMMAS.join(fitting)}",
    )


def _tools(needs: Needs, facts: Facts) -> Iterator[Row]:
    machine = needs.machine
    # What made a cluster on this machine is not asked to make it again.
    is_hard = not (facts.is_there and machine.runs_here)
    for name in (*machine.tools, *machine.useful):
        is_there = name in facts.programs
        yield Row(
            what=name,
            found="on PATH" if is_there else "not on PATH",
            needed="on PATH",
            mend="" if is_there else installs(name, facts),
            is_hard=is_hard and name in machine.tools,
        )


def _builds(needs: Needs, facts: Facts) -> Iterator[Row]:
    if builds := needs.machine.builds:
        found = next((one for one in builds if one in facts.programs), None)
        yield Row(
            what="image builds",
            found=found or "none on PATH",
            needed=" or ".join(builds),
            mend="" if found else installs(builds[0], facts),
        )


def chosen(needs: Needs, facts: Facts) -> str | None:
    """The engine that is used: the first that is installed, whether it answers or not."""
    return next((name for name in needs.machine.engines if name in facts.engines), None)


def _engine(needs: Needs, facts: Facts) -> Row:
    what = "container engine"
    oldest = needs.machine.engines
    name = chosen(needs, facts)
    if name is None:
        first = next(iter(oldest))
        needed = " or ".join(oldest)
        return Row(what=what, found="none on PATH", needed=needed, mend=installs(first, facts))
    match facts.engines[name]:
        case Engine() as engine:
            is_old = version(engine.version) < version(oldest[name])
            return Row(
                what=what,
                found=f"{name} {engine.version}",
                needed=f"{name} {oldest[name]} or newer",
                mend=installs(name, facts) if is_old else "",
                is_hard=False,
            )
        case Silent(why=why):
            if machine := _its_machine(needs, facts):
                # Without a machine that runs it cannot answer, and `up` has one run.
                return Row(what=what, found=name, needed=f"{name}, in machine {machine.name}")
            return Row(
                what=what,
                found=f"{name} does not answer: {why}",
                needed="one that answers",
                mend=_started(name, why, facts),
            )


def _its_machine(needs: Needs, facts: Facts) -> PodmanMachine | None:
    """The machine that Podman has to run in here."""
    is_used = facts.is_mac and chosen(needs, facts) == "podman"
    return needs.machine.podman_machine if is_used else None


def _started(name: str, why: str, facts: Facts) -> str:
    if "permission denied" in why:
        return f"sudo usermod -aG {name} $USER, and sign in again"
    if name == "podman":
        return "podman machine start" if facts.is_mac else "`podman info` says why"
    return "open -a Docker" if facts.is_mac else "sudo systemctl start docker"


def _podman_machine(needs: Needs, facts: Facts) -> Iterator[Row]:
    """One that is there is checked and left, unless the stack has made it: then it is resized."""
    wanted, found = _its_machine(needs, facts), facts.podman_machine
    if not wanted:
        return
    what = "podman machine"
    shape = f"{wanted.cpus} CPUs, {wanted.memory} MiB, a disk of {wanted.disk} GiB, rootful"
    if not found:
        none = f"none called {wanted.name}: `up` makes it"
        yield Row(what=what, found=none, needed=shape)
        return
    yield Row(what=what, found=f"{wanted.name}, {found.state}", needed=shape)
    if facts.is_there:
        return
    change = f"podman machine stop {wanted.name}; podman machine set"
    yield Row(
        what=f"{what}: root",
        found="rootful" if found.rootful else "rootless",
        needed="rootful: Kubernetes sets limits that only root may",
        mend="" if found.rootful else f"{change} --rootful {wanted.name}",
    )
    larger = f"{change} --cpus={wanted.cpus} --memory={wanted.memory} {wanted.name}"
    remade = (
        f"podman machine rm {wanted.name}, and all that is in it, or another "
        "`cluster.machine.name`: no disk can be changed"
    )
    for part, has, asked, unit, mend in (
        ("CPUs", found.cpus, wanted.cpus, "", larger),
        ("memory", found.memory, wanted.memory, " MiB", larger),
        ("disk", found.disk, wanted.disk, " GiB", remade),
    ):
        yield Row(
            what=f"{what}: {part}",
            found=f"{has}{unit}",
            needed=f"{asked}{unit}",
            mend=mend if has < asked else "",
        )


def _instructions(needs: Needs, facts: Facts) -> Iterator[Row]:
    """Of CPUs that models are computed on; published images are built for these."""
    target, has = needs.hardware, facts.instructions
    if not target.instructions or not needs.published:
        return
    what, needed = "CPU", COMMAS.join(sorted(target.instructions))
    if has is None:
        yield Row(
            what=what,
            found="not known",
            needed=needed,
            mend="look whether the CPU has it",
            is_hard=False,
        )
        return
    if lacking := sorted(target.instructions - has):
        yield Row(
            what=what,
            found=f"without {COMMAS.join(lacking)}",
            needed=needed,
            mend="a model server built for this CPU, as `models[].image`, or a machine whose CPU "
            "has it: with the published image it ends at once (illegal instruction)",
        )
        return
    yield Row(what=what, found=needed, needed=needed)
    if needs.in_bfloat16:
        native = sorted(target.bfloat16 & has)
        keys = COMMAS.join(f"`{key}: float32`" for key in needs.in_bfloat16)
        yield Row(
            what="CPU: bfloat16",
            found=COMMAS.join(native) or "none",
            needed=" or ".join(sorted(target.bfloat16)),
            mend="" if native else f"say {keys}",
            is_hard=False,
        )


def _devices(needs: Needs, facts: Facts) -> Iterator[Row]:
    machine, target = needs.machine, needs.hardware
    if target.has_devices and not machine.gives_devices:
        yield Row(
            what="devices",
            found="none: the cluster is not given any",
            needed=str(target.resource or target.claim),
            mend="`cluster: {kind: minikube, gpus: all}` on a machine that has GPUs, or another "
            "`hardware`",
        )
    engine = facts.engines.get(chosen(needs, facts) or "")
    if not isinstance(engine, Engine):
        return
    for name in machine.runtimes:
        has = name in engine.runtimes
        yield Row(
            what=f"container runtime {name}",
            found="there" if has else "not there",
            needed="there, for GPUs in containers",
            mend="" if has else _runtime(name, facts),
        )


def _runtime(name: str, facts: Facts) -> str:
    if facts.is_mac:
        return "`cluster.gpus` left out: containers get no GPUs on macOS"
    return (
        f"install its container toolkit, then sudo {name}-ctk runtime configure --runtime=docker "
        "&& sudo systemctl restart docker"
    )


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where the cluster's node is put, and what is asked of it."""

    who: str
    cpus: Decimal
    memory: Decimal
    available: Decimal | None
    """None where it is not known."""
    disk: Decimal | None
    more: str
    """How it gets to have more."""


def _room(needs: Needs, facts: Facts) -> Iterator[Row]:
    """Whether the node has what the pods take, and the machine what the node takes."""
    room, asked = _where(needs, facts)
    if not room:
        return
    yield _cpus(room, asked["cpu"], needs)
    yield _memory(room, asked["memory"], needs)
    yield from _disk(room, asked["disk"], needs)


def _where(needs: Needs, facts: Facts) -> tuple[Room | None, dict[str, Decimal]]:
    node = quantity.parse_all(needs.machine.node)
    asked = {
        "cpu": node.get("cpu", needs.cpu),
        "memory": node.get("memory", needs.memory),
        "disk": needs.files + IMAGES,
    }
    virtual = _its_machine(needs, facts)
    engine = facts.engines.get(chosen(needs, facts) or "")
    if virtual and facts.podman_machine:
        return None, asked  # its own rows say whether it is as large as it has to be
    if isinstance(engine, Engine) and engine.is_virtual:
        settings = "give it more: Docker Desktop, Settings, Resources"
        room = Room(
            who="the engine's virtual machine",
            cpus=Decimal(engine.cpus),
            memory=Decimal(engine.memory),
            available=None,
            disk=None if facts.disk is None else Decimal(facts.disk),
            more=settings,
        )
        return room, asked
    if facts.memory is None:
        return None, asked
    if virtual:
        asked = {
            "cpu": Decimal(virtual.cpus),
            "memory": Decimal(virtual.memory * MIB),
            "disk": Decimal(virtual.disk * GIB),
        }
    room = Room(
        who="this machine",
        cpus=Decimal(facts.cpus),
        memory=Decimal(facts.memory),
        available=None if facts.available is None else Decimal(facts.available),
        disk=None if facts.disk is None else Decimal(facts.disk),
        more="less for the cluster (`cluster`, `models[].replicas`, `models[].resources`), or a "
        "larger machine",
    )
    return room, asked


def _sums(needs: Needs, asked: Decimal) -> Iterator[str]:
    for one in needs.parts:
        if one.count:
            times = f"{one.count} x " if one.count > 1 else ""
            yield f"{times}{quantity.shown(one.memory)} for {one.who}"
    if asked > needs.memory:
        yield f"{quantity.shown(asked - needs.memory)} left, which image builds take too"


def _cpus(room: Room, asked: Decimal, needs: Needs) -> Row:
    return Row(
        what="CPUs",
        found=f"{room.cpus} of {room.who}",
        needed=f"{quantity.shown(asked)}; pods ask for {quantity.shown(needs.cpu)}",
        mend=room.more if room.cpus < asked else "",
    )


def _memory(room: Room, asked: Decimal, needs: Needs) -> Row:
    what = "memory"
    free = "" if room.available is None else f", {quantity.shown(room.available)} free"
    found = f"{quantity.shown(room.memory)} of {room.who}{free}"
    needed = f"{quantity.shown(asked)}; the stack takes {quantity.shown(needs.memory)}:"
    detail = tuple(_sums(needs, asked))
    mend, is_hard = "", False
    if room.memory < asked:
        mend, is_hard = room.more, True
    elif needs.memory > asked:
        total = quantity.shown(needs.memory)
        mend = f"give the cluster more (`cluster.memory`, {total}), or serve less on it"
    elif room.available is not None and room.available < needs.memory:
        mend = "end what else takes memory, or pods are killed once all have their share"
    return Row(what=what, found=found, needed=needed, mend=mend, is_hard=is_hard, detail=detail)


def _disk(room: Room, asked: Decimal, needs: Needs) -> Iterator[Row]:
    if room.disk is None:
        return
    files = quantity.shown(needs.files)
    yield Row(
        what="disk",
        found=f"{quantity.shown(room.disk)} free",
        needed=f"{quantity.shown(asked)}; models take {files}",
        mend=""
        if room.disk >= asked
        else "free some space: images that nobody uses go by "
        "`docker image prune` or `podman image prune`",
        # How large images are is not known so well that it may stop anybody.
        is_hard=room.disk < needs.files,
    )


def _ports(needs: Needs, facts: Facts) -> Iterator[Row]:
    for port in needs.machine.ports:
        is_busy = port in facts.busy
        yield Row(
            what=f"port {port}",
            found="taken" if is_busy else "free",
            needed="free on this machine",
            mend=f"end what listens there (lsof -i :{port}), or say another port in `cluster`"
            if is_busy
            else "",
        )


def _version(needs: Needs, facts: Facts) -> Iterator[Row]:
    said = facts.version or needs.machine.version
    what = "Kubernetes"
    wanted = [f"{one} since {'.'.join(map(str, since))}" for one, since in needs.features]
    needed = COMMAS.join(wanted) or "any version"
    if said is None:
        if needs.machine.asks:
            yield Row(
                what=what,
                found="not known: the cluster does not answer",
                needed=needed,
                mend="look whether it is there, or say `cluster.version`" if wanted else "",
                is_hard=False,
            )
        return
    lacking = [one for one, since in needs.features if version(said) < since]
    yield Row(
        what=what,
        found=said,
        needed=needed,
        mend=f"a newer one, which has {COMMAS.join(lacking)}" if lacking else "",
    )


def _token(needs: Needs, facts: Facts) -> Iterator[Row]:
    found = facts.token or "none"
    if not needs.gated:
        yield Row(what="token", found=found, needed="none: no model asks for one")
        return
    yield Row(
        what="token",
        found=found,
        needed=f"one of Hugging Face's, for {COMMAS.join(needs.gated)}",
        mend=""
        if facts.token
        else f"pulumi config set --secret llm-d:hfToken --stack {needs.stack}",
    )
