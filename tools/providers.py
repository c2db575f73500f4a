"""The Pulumi provider plugins: the vendor's where they can be had, this project's where not."""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import process, records
from tools.errors import Missing
from tools.places import Places, offline
from tools.search import folders
from tools.vendor import reachable

NAMES = ("kubernetes", "command")

HOSTS = ("https://get.pulumi.com", "https://api.github.com")
"""Where `pulumi plugin install` looks."""

INSTALL_SECONDS = 180.0
RETRY_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Decision:
    """Which plugins the engine will use in this clone."""

    versions: Mapping[str, str]
    vendor: bool
    why: str

    @property
    def notice(self) -> str:
        """One line for the start of a run."""
        named = " and ".join(f"{name} {version}" for name, version in self.versions.items())
        if self.vendor:
            return f"providers: the vendor's {named}"
        return (
            f"providers: the vendor's {named} cannot be downloaded here ({self.why});"
            " using this project's stand-ins"
        )


def versions(places: Places) -> dict[str, str]:
    """Read which plugin versions the locked packages ask for; Missing without environment."""
    wanted: dict[str, str] = {}
    for name in NAMES:
        packages = places.venv.glob(f"lib/python3*/site-packages/pulumi_{name}/pulumi-plugin.json")
        said = next(packages, None)
        if said is None:
            raise Missing(f"pulumi-{name}", "not in .venv", way_out="run `make tools`")
        wanted[name] = json.loads(said.read_text())["version"].removeprefix("v")
    return wanted


def decide(
    places: Places, *, now: Callable[[], float] = time.time, hosts: tuple[str, ...] = HOSTS
) -> Decision:
    """Have the vendor's plugins if that can be; what failed is not tried again for a day."""
    if known := peek(places, now=now):
        return known
    wanted = versions(places)
    why = _install(wanted, places, hosts)
    if why is None:
        places.provider_memory.unlink(missing_ok=True)
        return Decision(wanted, vendor=True, why="downloaded")
    memory = {"versions": wanted, "why": why, "at": now()}
    records.write(places.provider_memory, json.dumps(memory))
    return Decision(wanted, vendor=False, why=why)


def peek(places: Places, *, now: Callable[[], float] = time.time) -> Decision | None:
    """Tell what is decided already, without the network; None where it has to be tried."""
    wanted = versions(places)
    if all(_present(name, version, places) for name, version in wanted.items()):
        return Decision(wanted, vendor=True, why="installed")
    if offline():
        return Decision(wanted, vendor=False, why="LLMD_TOOLS_OFFLINE is set")
    if why := _remembered(wanted, places, now()):
        return Decision(wanted, vendor=False, why=why)
    return None


def _present(name: str, version: str, places: Places) -> bool:
    """Whether the engine finds a plugin: on PATH, in its folder, or in the user's own one."""
    path = os.environ.get("PATH", os.defpath)
    # The engine takes what is on PATH before all else, whatever its version.
    if any(os.access(one / f"pulumi-resource-{name}", os.X_OK) for one in folders(places, path)):
        return True
    folder = f"plugins/resource-{name}-v{version}"
    ours = places.pulumi_home / folder
    if _complete(ours):
        return True
    users = Path.home() / ".pulumi" / folder
    if not _complete(users):
        return False
    ours.parent.mkdir(parents=True, exist_ok=True)
    fresh = ours.with_name(f".{ours.name}.{os.getpid()}")
    shutil.copytree(users, fresh, copy_function=_link)  # the engine passes over linked folders
    fresh.rename(ours)
    return True


def _complete(plugin: Path) -> bool:
    """The engine keeps a file beside a plugin that is being installed."""
    return plugin.is_dir() and not plugin.with_name(f"{plugin.name}.partial").exists()


def _link(file: str, copy: str) -> str:
    try:
        os.link(file, copy)
    except OSError:
        shutil.copy2(file, copy)
    return copy


def _remembered(wanted: Mapping[str, str], places: Places, now: float) -> str | None:
    """Why the plugins could not be had, if that was found out within the last day."""
    try:
        memory: dict[str, Any] = json.loads(places.provider_memory.read_text())
        recent = 0 <= now - memory["at"] < RETRY_SECONDS
        return memory["why"] if recent and memory["versions"] == dict(wanted) else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _install(wanted: Mapping[str, str], places: Places, hosts: tuple[str, ...]) -> str | None:
    """Try to get the plugins; say why not."""
    if not reachable(hosts):
        return "no answer from the vendor's hosts"
    pulumi = records.resolve("pulumi", places)
    env = os.environ | {
        "PULUMI_HOME": str(places.pulumi_home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    for name, version in wanted.items():
        if _present(name, version, places):
            continue
        command = [pulumi, "plugin", "install", "resource", name, version]
        answer = process.run(command, env=env, seconds=INSTALL_SECONDS)
        if answer.code != 0:
            said = [line for line in answer.lines if line.strip()]
            return said[-1].strip() if said else f"exit code {answer.code}"
    return None
