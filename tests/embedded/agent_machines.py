"""Programs for machines' containers, and what is left of a machine."""

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from embedded.agent.linux import Linux
from embedded.agent.machine import Ended, Program, Running

TREES = (Path(sys.prefix), Path(sys.base_prefix))
"""Where the Python that runs the tests lies."""

POD, ADDRESS = "team/pod-a", "10.64.0.1"
SECONDS = 10.0
T = TypeVar("T")


def program(root: Path, *argv: str, **changes: Any) -> Program:
    """One that logs beside the machine's folder, and carries its name for `left_of`."""
    wanted: dict[str, Any] = {
        "argv": argv,
        "env": {"PATH": "/usr/bin:/bin", "MACHINE": str(root)},
        "directory": "/",
        "user": 65532,
        "group": 65532,
        "groups": (),
        "mounts": (),
        "read_only_root": True,
        "log": log_of(root),
    }
    return Program(**{**wanted, **changes})


def log_of(root: Path) -> Path:
    return root.with_name(f"{root.name}.log")


def until(ask: Callable[[], T | None]) -> T:
    """The first answer that is something; the tests' own patience, not the machine's."""
    deadline = time.monotonic() + SECONDS
    while (answer := ask()) is None or answer is False:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return answer


def ended(machine: Linux, name: str, pod: str = POD) -> Ended:
    def ask() -> Ended | None:
        state = machine.state(pod, name)
        return state if isinstance(state, Ended) else None

    return until(ask)


def is_running(machine: Linux, name: str, pod: str = POD) -> bool:
    return isinstance(machine.state(pod, name), Running)


def said_by(machine: Linux, root: Path, shell: str, **changes: Any) -> str:
    """What a shell script said, in a container of its own, that ended well."""
    name = f"script-{time.monotonic_ns()}"
    log = root.with_name(f"{name}.log")
    machine.start(POD, name, program(root, "sh", "-c", shell, **{"log": log, **changes}))
    state = ended(machine, name, POD)
    text = log.read_text()
    assert state.code == 0, text
    return text


def left_of(root: Path) -> list[int]:
    """The processes that a machine has, or has started."""
    return [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and _tells_of(process, str(root).encode())
    ]


def _tells_of(process: Path, name: bytes) -> bool:
    with contextlib.suppress(OSError):
        return any(name in (process / file).read_bytes() for file in ("cmdline", "environ"))
    return False
