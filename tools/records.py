"""Where each tool lies, as the last install found out; and links to all of them."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tools.catalog import OWNERS
from tools.errors import Missing
from tools.places import Places, here
from tools.search import Found, PassedOver


@dataclass(frozen=True)
class Records:
    """What an install remembers."""

    fingerprint: str = ""
    """Of all that would make it look again: pins, PATH, Go, platform."""
    tools: Mapping[str, Found] = field(default_factory=dict[str, Found])
    passed_over: tuple[PassedOver, ...] = ()

    def present(self, name: str) -> bool:
        """Whether a tool was found and is still where it was."""
        found = self.tools.get(name)
        return found is not None and all(os.access(one, os.X_OK) for one in found.files.values())


def load(places: Places) -> Records:
    """Read the records; none where there are none or another version wrote them."""
    try:
        said: dict[str, Any] = json.loads(places.records.read_text())
        return Records(
            fingerprint=said["fingerprint"],
            tools={name: Found(**found) for name, found in said["tools"].items()},
            passed_over=tuple(PassedOver(**one) for one in said["passed_over"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return Records()


def save(records: Records, places: Places) -> None:
    """Write the records and make the links, each in one step."""
    write(places.records, json.dumps(asdict(records), indent=1))
    places.links.mkdir(parents=True, exist_ok=True)
    wanted = {file: path for one in records.tools.values() for file, path in one.files.items()}
    for link in places.links.iterdir():
        if link.name not in wanted:
            link.unlink()
    for name, target in wanted.items():
        link = places.links / name
        if link.is_symlink() and str(link.readlink()) == target:
            continue
        fresh = places.links / f".{name}.{os.getpid()}"
        fresh.symlink_to(target)
        fresh.replace(link)


def write(file: Path, text: str) -> None:
    """Replace a file as a whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(file)


def resolve(name: str, places: Places | None = None) -> Path:
    """Give where a tool lies, such as `etcd` or `pulumi-language-python`; Missing if nowhere."""
    places = places or here()
    owner = OWNERS.get(name)
    found = load(places).tools.get(owner.name if owner else name)
    way_out = f"run `{owner.command if owner else 'make tools'}`"
    if found is None or name not in found.files:
        raise Missing(name, "not installed yet", way_out=way_out)
    if not os.access(found.files[name], os.X_OK):
        raise Missing(name, f"no longer at {found.files[name]}", way_out=way_out)
    return Path(found.files[name])
