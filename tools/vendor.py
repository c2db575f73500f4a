"""Downloading what vendors publish: only where the host answers, only with the right checksum."""

import hashlib
import json
import re
import shutil
import tarfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tools.catalog import Vendor
from tools.versions import Version, show

PROBE_SECONDS = 2.0
STALL_SECONDS = 20.0
DOWNLOAD_SECONDS = 600.0
"""A build takes about as long."""

_ALGORITHMS = {64: "sha256", 128: "sha512"}
_HEX = re.compile(r"(?:sha256:)?([0-9a-f]{128}|[0-9a-f]{64})")


class DownloadError(Exception):
    """A download did not work out; building is the way on."""


@dataclass(frozen=True)
class Source:
    """A vendor's templates filled for a version and a platform."""

    url: str
    sums: str
    members: Mapping[str, str]


def source(vendor: Vendor, version: Version, system: str, arch: str) -> Source | None:
    """Fill the templates; None where the vendor has nothing for this platform."""
    if system not in vendor.systems:
        return None
    words = {
        "version": show(version),
        "os": system,
        "arch": arch,
        "x64": {"amd64": "x64"}.get(arch, arch),
        "archive": {"darwin": "zip"}.get(system, "tar.gz"),
    }
    return Source(
        url=vendor.url.format(**words),
        sums=vendor.sums.format(**words),
        members={file: member.format(**words) for file, member in vendor.members.items()},
    )


def reachable(urls: Iterable[str], seconds: float = PROBE_SECONDS) -> set[str]:
    """Ask the hosts of these addresses at the same time; give those that answer in time."""
    bases = {f"{urlsplit(url).scheme}://{host(url)}" for url in urls}
    answered: set[str] = set()
    probes = [
        # Daemons: a host that swallows packets must not hold up the end of the program.
        threading.Thread(target=_probe, args=(base, seconds, answered), daemon=True)
        for base in bases
    ]
    for probe in probes:
        probe.start()
    end = time.monotonic() + seconds
    for probe in probes:
        probe.join(max(0.0, end - time.monotonic()))
    return {host(base) for base in answered}


def host(url: str) -> str:
    return urlsplit(url).netloc


def _probe(base: str, seconds: float, answered: set[str]) -> None:
    asked = urllib.request.Request(f"{base}/", method="HEAD")  # noqa: S310 - from the catalog
    try:
        with urllib.request.urlopen(asked, timeout=seconds):  # noqa: S310
            answered.add(base)
    except urllib.error.HTTPError as refused:
        # 404 for the root is an answer; a filter that forbids the host says 403 or 407.
        if refused.code not in {403, 407, 502, 503}:
            answered.add(base)
    except (OSError, ValueError):
        return


def download(
    wanted: Source, files: Iterable[str], folder: Path, pulse: Callable[[str], None]
) -> None:
    """Put `files` into `folder`; DownloadError says why not."""
    name = wanted.url.rsplit("/", 1)[-1]
    try:
        with _open(wanted.sums) as answer:
            published = digest_in(answer.read(1_000_000).decode(errors="replace"), name)
        if published is None:
            raise DownloadError(f"no checksum of {name} in {wanted.sums}")
        archive = folder.with_suffix(".download")
        with _open(wanted.url) as answer, archive.open("wb") as out:
            digest = _copy(answer, out, _ALGORITHMS[len(published)], pulse)
        if digest != published:
            raise DownloadError(f"{wanted.url} has another checksum than {wanted.sums} says")
        folder.mkdir()
        if wanted.members:
            _unpack(archive, wanted.members, folder)
            archive.unlink()
        else:
            (only,) = files
            archive.rename(folder / only)
    except (OSError, ValueError, KeyError, tarfile.TarError, zipfile.BadZipFile) as problem:
        raise DownloadError(f"{wanted.url}: {problem}") from problem


def digest_in(text: str, file: str) -> str | None:
    """Find the checksum of a file: the three forms vendors publish, a list, a lone one, JSON."""
    if text.lstrip().startswith("{"):
        release: dict[str, Any] = json.loads(text)
        said = [one.get("digest") or "" for one in release["assets"] if one["name"] == file]
    else:
        rows = [line.split() for line in text.splitlines() if line.strip()]
        said = [row[0] for row in rows if row[1:] and row[-1].lstrip("*./") == file]
        if not said and [len(row) for row in rows] == [1]:
            said = rows[0]
    match = _HEX.fullmatch(said[0].lower()) if said else None
    return match[1] if match else None


def _open(url: str) -> Any:
    asked = urllib.request.Request(url, headers={"User-Agent": "llm-d-pulumi"})  # noqa: S310
    return urllib.request.urlopen(asked, timeout=STALL_SECONDS)  # noqa: S310 - from the catalog


def _copy(answer: IO[bytes], out: IO[bytes], algorithm: str, pulse: Callable[[str], None]) -> str:
    digest = hashlib.new(algorithm)
    end = time.monotonic() + DOWNLOAD_SECONDS
    size = 0
    while chunk := answer.read(1 << 18):
        out.write(chunk)
        digest.update(chunk)
        size += len(chunk)
        pulse(f"downloading, {size / 1e6:.0f} MB")
        if time.monotonic() > end:
            raise DownloadError(f"not done after {DOWNLOAD_SECONDS:g} s")
    return digest.hexdigest()


def _unpack(archive: Path, members: Mapping[str, str], folder: Path) -> None:
    """Take the named members and nothing else, so that no path in the archive is trusted."""
    with archive.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    if is_zip:
        with zipfile.ZipFile(archive) as packed:
            for file, member in members.items():
                with packed.open(member) as inside, (folder / file).open("wb") as out:
                    shutil.copyfileobj(inside, out)
        return
    with tarfile.open(archive) as packed:
        for file, member in members.items():
            inside = packed.extractfile(member)
            if inside is None:
                raise KeyError(f"{member} is no file in the archive")
            with inside, (folder / file).open("wb") as out:
                shutil.copyfileobj(inside, out)
