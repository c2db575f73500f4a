"""Looks at this machine: files and short commands. Nothing here fails where a tool is missing."""

import json
import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from preflight.facts import MAC, Engine, Facts, Silent, Virtual
from stack.machine import Address, MachineNeeds
from tools import disk
from tools.architecture import architecture
from tools.process import run

SECONDS = 5.0
"""For one command: a machine that is asked for longer has trouble of its own."""
CONNECT_SECONDS = 0.5
APPLE_SILICON = "hw.optional.arm64"
"""1 also where this Python was built for Intel, and is translated."""
DESKTOP = "Docker Desktop"


def look(needs: MachineNeeds, *, is_there: bool, proc: Path = Path("/proc")) -> Facts:
    """At what the needs are about, and at nothing else."""
    system = platform.system()
    with ThreadPoolExecutor() as together:
        asked = {
            name: together.submit(ENGINES[name], system)
            for name in needs.engines
            if shutil.which(name)
        }
        virtual = needs.podman_machine if system == MAC and "podman" in asked else None
        machine = virtual and together.submit(podman_machine, virtual.name)
        version = needs.asks and together.submit(kubernetes, needs.asks)
        engines = {name: one.result() for name, one in asked.items()}
    found = Facts(
        system=system,
        arch=architecture(),
        programs=frozenset(filter(shutil.which, (*needs.tools, *needs.useful, *needs.builds))),
        engines=engines,
        podman_machine=machine.result() if machine else None,
        version=version.result() if version else None,
        busy=frozenset(filter(is_busy, needs.ports)),
        is_there=is_there,
    )
    if not needs.runs_here:
        return found
    own = of_mac() if system == MAC else of_linux(proc)
    return replace(found, disk=free_disk(engines.values()), **own)


def of_linux(proc: Path) -> dict[str, Any]:
    """By the fields of `Facts`."""
    memory = {
        key: int(value.split()[0]) * 1024
        for key, value in _pairs(_read(proc / "meminfo").splitlines())
        if value.split()
    }
    # Once for each core; the first is as good as any.
    cpu = dict(reversed([*_pairs(_read(proc / "cpuinfo").splitlines())]))
    instructions = cpu.get("flags", cpu.get("Features"))
    return {
        "cpus": os.cpu_count() or 0,
        "memory": memory.get("MemTotal"),
        "available": memory.get("MemAvailable"),
        "instructions": None if instructions is None else frozenset(instructions.split()),
    }


def of_mac() -> dict[str, Any]:
    """By the fields of `Facts`."""
    # Sysctl shows what it knows, and leaves with 1 where it knows no CPU by one of these names.
    lines = _lines(("sysctl", "hw.memsize", "hw.logicalcpu", "hw.optional"))
    known = dict(_pairs(lines))
    optional = "hw.optional."
    has = {key.removeprefix(optional) for key, value in known.items() if value == "1"}
    return {
        "cpus": int(known.get("hw.logicalcpu", "0")),
        "memory": int(known["hw.memsize"]) if "hw.memsize" in known else None,
        "instructions": frozenset(has) if known else None,
        **({"arch": "arm64"} if known.get(APPLE_SILICON) == "1" else {}),
    }


def docker(system: str) -> Engine | Silent:
    said = answer(("docker", "info", "--format", "{{json .}}"))
    if isinstance(said, str):
        return Silent(why=said)
    # Its client answers for itself where no daemon does.
    if not said.get("ServerVersion"):
        return Silent(why=" ".join(said.get("ServerErrors") or ["its daemon does not answer"]))
    virtual = system == MAC or said.get("OperatingSystem") == DESKTOP
    return Engine(
        version=said["ServerVersion"],
        cpus=said.get("NCPU") or 0,
        memory=said.get("MemTotal") or 0,
        is_virtual=virtual,
        runtimes=frozenset(said.get("Runtimes") or ()),
        root=None if virtual else said.get("DockerRootDir"),
    )


def podman(system: str) -> Engine | Silent:
    said = answer(("podman", "info", "--format", "json"))
    if isinstance(said, str):
        return Silent(why=said)
    host: Mapping[str, Any] = said.get("host") or {}
    store: Mapping[str, Any] = said.get("store") or {}
    released: Mapping[str, Any] = said.get("version") or {}
    virtual = system == MAC or bool(host.get("serviceIsRemote"))
    return Engine(
        version=released.get("Version") or "",
        cpus=host.get("cpus") or 0,
        memory=host.get("memTotal") or 0,
        is_virtual=virtual,
        root=None if virtual else store.get("graphRoot"),
    )


ENGINES: Mapping[str, Callable[[str], Engine | Silent]] = {"docker": docker, "podman": podman}
"""By the name of their program."""


def podman_machine(name: str) -> Virtual | None:
    said = answer(("podman", "machine", "inspect", "--", name))
    if isinstance(said, str):
        return None
    has: Mapping[str, Any] = said.get("Resources") or {}
    return Virtual(
        cpus=has.get("CPUs") or 0,
        memory=has.get("Memory") or 0,
        disk=has.get("DiskSize") or 0,
        rootful=bool(said.get("Rootful")),
        state=said.get("State") or "",
    )


def kubernetes(access: Address) -> str | None:
    """The version that a cluster says it has, if it answers."""
    file = (f"--kubeconfig={access.kubeconfig}",) if access.kubeconfig else ()
    context = f"--context={access.context}"
    said = answer(("kubectl", *file, context, "get", "--raw=/version", "--request-timeout=3s"))
    return None if isinstance(said, str) else said.get("gitVersion")


def is_busy(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(CONNECT_SECONDS)
        return one.connect_ex(("127.0.0.1", port)) == 0


def free_disk(engines: Iterable[Engine | Silent]) -> int:
    """Where the first engine keeps its images, or else where virtual machines are kept."""
    roots = [one.root for one in engines if isinstance(one, Engine) and one.root]
    return disk.free(Path(roots[0]) if roots else Path.home())


def answer(command: Sequence[str]) -> dict[str, Any] | str:
    """What a command answers in JSON, the first where it is a list; or else its last words."""
    lines = _lines(command)
    # What it says beside its answer stands before or after it.
    begins = [at for at, line in enumerate(lines) if line.startswith(("{", "["))]
    try:
        said: Any = json.JSONDecoder().raw_decode("\n".join(lines[begins[0] :]))[0]
    except (IndexError, ValueError):
        said = None
    first = next(iter(cast("list[Any]", said)), None) if isinstance(said, list) else said
    if isinstance(first, dict):
        return cast("dict[str, Any]", first)
    return next((line for line in reversed(lines) if line.strip()), "it says nothing")


def _lines(command: Sequence[str]) -> Sequence[str]:
    try:
        return run(command, seconds=SECONDS).lines
    except OSError as error:
        return [str(error.strerror)]


def _pairs(lines: Iterable[str]) -> list[tuple[str, str]]:
    """`key: value` of each line."""
    split = (line.partition(":") for line in lines)
    return [(key.strip(), value.strip()) for key, colon, value in split if colon]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
