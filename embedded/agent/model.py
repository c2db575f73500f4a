"""What a pod asks for, read from its spec; and why one cannot have it here. Pure."""

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from embedded.agent.environment import amount_of
from embedded.agent.objects import Object, part, parts
from embedded.agent.programs import PROGRAMS, LocalProgram, SimulatedError, argv, program

VOLUMES = frozenset({"configMap", "secret", "emptyDir", "projected", "downwardAPI"})
PROJECTIONS = frozenset({"configMap", "secret", "downwardAPI", "serviceAccountToken"})


class Role(StrEnum):
    INIT = "init"
    """Runs to its end before the next one starts."""
    SIDECAR = "sidecar"
    """An init container that stays: the next starts once it has started."""
    MAIN = "main"


class Check(StrEnum):
    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"


@dataclass(frozen=True, kw_only=True)
class Probe:
    how: str
    """httpGet, tcpSocket or grpc."""
    port: int
    path: str = "/"
    headers: Mapping[str, str]
    service: str = ""
    host: str = ""
    """Empty for the pod's own address."""
    delay: float = 0
    period: float = 10
    timeout: float = 1
    successes: int = 1
    failures: int = 3
    grace: float | None = None
    """Seconds that a container has to end in when this has failed; None for the pod's."""


@dataclass(frozen=True, kw_only=True)
class Container:
    name: str
    role: Role
    probes: Mapping[Check, Probe]
    restart: str
    """Always, OnFailure or Never."""
    stop_delay: float = 0
    """Seconds of the preStop hook's sleep."""
    stop_signal: int = signal.SIGTERM


@dataclass(frozen=True, kw_only=True)
class Pod:
    containers: tuple[Container, ...]
    """Init containers first, each kind in the order of the spec."""
    gates: tuple[str, ...] = ()
    grace: float = 30

    def by_role(self, *roles: Role) -> tuple[Container, ...]:
        return tuple(one for one in self.containers if one.role in roles)


def read(pod: Object) -> Pod:
    spec: Object = pod["spec"]
    policy = spec.get("restartPolicy", "Always")
    # An init container that failed is tried again unless the pod's containers never are.
    again = "Never" if policy == "Never" else "OnFailure"
    init = [
        _container(one, Role.SIDECAR, "Always")
        if one.get("restartPolicy") == "Always"
        else _container(one, Role.INIT, again)
        for one in parts(spec, "initContainers")
    ]
    return Pod(
        containers=(*init, *(_container(one, Role.MAIN, policy) for one in spec["containers"])),
        gates=tuple(gate["conditionType"] for gate in parts(spec, "readinessGates")),
        grace=float(spec.get("terminationGracePeriodSeconds", 30)),
    )


def _container(one: Object, role: Role, restart: str) -> Container:
    kinds = {check: f"{check.lower()}Probe" for check in Check}
    lifecycle = part(one, "lifecycle")
    return Container(
        name=one["name"],
        role=role,
        probes={check: _probe(one, one[key]) for check, key in kinds.items() if one.get(key)},
        restart=restart,
        stop_delay=float(part(lifecycle, "preStop", "sleep").get("seconds", 0)),
        stop_signal=signal.Signals[lifecycle.get("stopSignal", "SIGTERM")],
    )


def _probe(container: Object, probe: Object) -> Probe:
    how = next(kind for kind in ("httpGet", "tcpSocket", "grpc", "exec") if kind in probe)
    asked: Object = probe[how]
    return Probe(
        how=how,
        port=_port(container, asked.get("port", 0)),
        path=asked.get("path") or "/",
        headers={one["name"]: one["value"] for one in parts(asked, "httpHeaders")},
        service=asked.get("service") or "",
        host=asked.get("host") or "",
        delay=probe.get("initialDelaySeconds", 0),
        period=probe.get("periodSeconds", 10),
        timeout=probe.get("timeoutSeconds", 1),
        successes=probe.get("successThreshold", 1),
        failures=probe.get("failureThreshold", 3),
        grace=probe.get("terminationGracePeriodSeconds"),
    )


def _port(container: Object, port: int | str) -> int:
    named = {one.get("name"): one["containerPort"] for one in parts(container, "ports")}
    return port if isinstance(port, int) else int(named.get(port, 0) or port)


def containers(pod: Object) -> Iterator[Object]:
    yield from parts(pod, "spec", "initContainers")
    yield from pod["spec"]["containers"]


def memory(pod: Object) -> Decimal:
    """Bytes that the pod's containers ask for, those that run at the same time."""
    return sum(
        (
            amount_of(part(one, "resources", "requests").get("memory") or "0")
            for one in pod["spec"]["containers"]
        ),
        Decimal(0),
    )


def check_memory(pod: Object, free: int) -> None:
    """SimulatedError where the pod asks for more than the `free` bytes of the machine."""
    if (wanted := memory(pod)) > free:
        raise SimulatedError(
            f"it asks for {wanted / 2**30:.1f} GiB of memory, and this machine has "
            f"{free / 2**30:.1f} GiB free; lower `resources`, or end what takes memory"
        )


def check(pod: Object, programs: Mapping[str, LocalProgram] = PROGRAMS) -> None:
    """SimulatedError, or tools.Missing, where the pod needs what is not here."""
    for reason in _unsupported(pod):
        raise SimulatedError(reason)
    for one in containers(pod):
        local = program(one["image"], programs)
        argv(local, one.get("command") or (), one.get("args") or ())
        local.files()


def check_files(
    pod: Object,
    config_map: Callable[[str], Mapping[str, str] | None],
    programs: Mapping[str, LocalProgram] = PROGRAMS,
) -> None:
    """SimulatedError where a program is given a file that it would end over.

    `config_map` is asked for files by a ConfigMap's name; None where it is not there yet.
    """
    mounted = {
        volume["name"]: volume["configMap"]["name"]
        for volume in parts(pod, "spec", "volumes")
        if "configMap" in volume
    }
    for one in containers(pod):
        refuses = program(one["image"], programs).refuses
        names = [
            mounted[mount["name"]]
            for mount in parts(one, "volumeMounts")
            if mount["name"] in mounted
        ]
        for name in names if refuses else ():
            for file in (config_map(name) or {}).values():
                if refuses and (why := refuses(file)):
                    raise SimulatedError(why)


def _unsupported(pod: Object) -> Iterator[str]:
    spec: Object = pod["spec"]
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{key} is not supported"
    for volume in parts(spec, "volumes"):
        [kind] = volume.keys() - {"name"}
        if kind not in VOLUMES:
            yield f"volume {volume['name']}: {kind} is not supported"
        for source in parts(volume, "projected", "sources"):
            if other := source.keys() - PROJECTIONS:
                yield f"volume {volume['name']}: {min(other)} is not supported"
    for one in containers(pod):
        yield from (f"container {one['name']}: {reason}" for reason in _beyond(one, spec))


def _beyond(container: Object, spec: Object) -> Iterator[str]:
    lifecycle = part(container, "lifecycle")
    if "postStart" in lifecycle or part(lifecycle, "preStop").keys() - {"sleep"}:
        yield "of the lifecycle hooks only a preStop sleep is supported"
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = part(container, kind)
        if "exec" in probe:
            yield f"{kind}: exec is not supported"
        if part(probe, "httpGet").get("scheme") == "HTTPS":
            yield f"{kind}: HTTPS is not supported"
    if container.get("volumeDevices"):
        yield "volumeDevices are not supported"
    if any(port.get("hostPort") for port in parts(container, "ports")):
        yield "hostPort is not supported"
    context = {**part(spec, "securityContext"), **part(container, "securityContext")}
    if context.get("privileged") or part(context, "capabilities").get("add"):
        yield "privileges are not given"
    if context.get("runAsNonRoot") and context.get("runAsUser") == 0:
        yield "runAsNonRoot and runAsUser 0 exclude each other"
