"""A pod's volumes as folders of the machine, and where its containers see them.

What the cluster says (ConfigMaps, Secrets, tokens) is exchanged whole: files are links through
`..data`, which is replaced in one step, so that a reader never sees half of a change.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from embedded.agent.environment import Addresses, Sources, data, expand, field, resource
from embedded.agent.machine import Mount
from embedded.agent.objects import Object, parts

DATA = "..data"
DEFAULT_MODE = 0o644
TOKEN_SECONDS = 3600

Token = Callable[[Object], str]
"""A `serviceAccountToken` source -> a token that is good for a while."""


@dataclass(frozen=True)
class File:
    content: bytes
    mode: int


def content(
    pod: Object, volume: Object, sources: Sources, addresses: Addresses, token: Token
) -> Mapping[str, File] | None:
    """Path -> file of a volume that the cluster fills; None for one that starts out empty."""
    [kind] = volume.keys() - {"name"}
    said: Object = volume[kind] or {}
    mode = int(said.get("defaultMode", DEFAULT_MODE))
    if kind == "emptyDir":
        return None
    if kind != "projected":
        return dict(_files(pod, kind, said, mode, sources, addresses, token))
    made: dict[str, File] = {}
    for part in parts(said, "sources"):
        [one] = part.keys()
        made |= _files(pod, one, part[one], mode, sources, addresses, token)
    return made


def _files(
    pod: Object,
    kind: str,
    said: Object,
    mode: int,
    sources: Sources,
    addresses: Addresses,
    token: Token,
) -> Iterator[tuple[str, File]]:
    match kind:
        case "serviceAccountToken":
            yield said["path"], File(token(said).encode(), mode)
        case "downwardAPI":
            for item in parts(said, "items"):
                yield (
                    item["path"],
                    File(_downward(pod, item, addresses).encode(), item.get("mode", mode)),
                )
        case _:
            name = said.get("secretName") or said["name"]
            values = data(kind, name, sources, optional=bool(said.get("optional"))) or {}
            items = parts(said, "items") or [{"key": key, "path": key} for key in values]
            for item in items:
                if item["key"] in values:
                    yield item["path"], File(values[item["key"]], item.get("mode", mode))


def _downward(pod: Object, item: Object, addresses: Addresses) -> str:
    if reference := item.get("fieldRef"):
        return field(pod, reference["fieldPath"], addresses)
    return resource(pod, {}, item["resourceFieldRef"])


def write(folder: Path, files: Mapping[str, File], group: int | None) -> None:
    """Have exactly these files in the folder; nothing is touched where they are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / DATA
    if current.exists() and _same(current, files):
        return
    fresh = folder / f"..{time.time_ns()}"
    for path, file in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        # Owned by the group that the pod shares, as kubelet has it.
        target.chmod(file.mode | (0o440 if group is not None else 0))
        if group is not None and os.geteuid() == 0:
            os.chown(target, -1, group)
    fresh.mkdir(exist_ok=True)
    old = current.resolve() if current.is_symlink() else None
    link = folder / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(current)
    tops = {PurePosixPath(path).parts[0] for path in files}
    for name in tops:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path(DATA, name))
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()
    if old and old != fresh:
        shutil.rmtree(old)


def _same(current: Path, files: Mapping[str, File]) -> bool:
    there = {
        path.relative_to(current.resolve()).as_posix(): path.read_bytes()
        for path in current.resolve().rglob("*")
        if path.is_file()
    }
    return there == {path: file.content for path, file in files.items()}


def empty(folder: Path) -> None:
    """An emptyDir: anyone's to write, as kubelet makes them."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)


def mounts(
    container: Object, folders: Mapping[str, Path], kinds: Mapping[str, str], env: Mapping[str, str]
) -> Iterator[Mount]:
    """What the container sees, and where; a subPath of an emptyDir is made on the way."""
    for one in parts(container, "volumeMounts"):
        folder = folders[one["name"]]
        inner = one.get("subPath") or expand(one.get("subPathExpr") or "", env)
        source = folder / inner
        if inner and ".." in PurePosixPath(inner).parts:
            raise ValueError(f"subPath {inner!r} leads out of the volume")
        if kinds[one["name"]] == "emptyDir":
            if inner:
                empty(source)
            yield Mount(source=source, target=one["mountPath"], read_only=bool(one.get("readOnly")))
        else:
            # A single file is bound itself, since a link would be followed only once.
            yield Mount(
                source=source.resolve() if inner else source,
                target=one["mountPath"],
                read_only=True,
            )
