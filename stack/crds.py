"""Custom resource definitions, from the nearest place that has the very bytes that are pinned.

This project's cache, then Go's module cache, then the release on the web. A file whose SHA-256
is not the pinned one does not count as found.
"""

import hashlib
import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from stack.crd_bundles import CrdBundle, CrdFile
from stack.problems import StackError

CACHE = Path(".state/crds")
RELEASES = "https://raw.githubusercontent.com/{repository}/{ref}/{path}"
PSEUDO_VERSION = re.compile(r"v.+[-.]\d{14}-(?P<commit>[0-9a-f]{12})")
"""Go's version of what its repository has not tagged."""
TIMEOUT = 20.0


def fetch(bundle: CrdBundle) -> None:
    """Put the bundle's files into the cache. StackError says which could not be had, and why."""
    problems = [problem for file in bundle.files if (problem := _fetch(bundle, file))]
    if problems:
        raise StackError(problems)


def documents(bundle: CrdBundle) -> Iterator[dict[str, Any]]:
    """The definitions of a bundle that was fetched, as objects to create."""
    for file in bundle.files:
        for document in yaml.load_all(_cached(file).read_bytes(), Loader=_LOADER):
            # Generators write an empty status, which is the API server's to write.
            document.pop("status", None)
            yield document


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C one reads the bundles ten times as fast; not every wheel has it."""


def _fetch(bundle: CrdBundle, file: CrdFile) -> str | None:
    if _is_pinned(_read(_cached(file)), file):
        return None
    content = _read(_modules() / _escaped(f"{bundle.module}@{bundle.version}") / file.path)
    if not _is_pinned(content, file):
        try:
            content = _download(bundle, file)
        except OSError as error:
            return (
                f"`{Path(file.path).name}` of {bundle.module} {bundle.version} cannot be had: "
                f"{error}; run `go mod download {bundle.module}@{bundle.version}`, or put the "
                f"file at {_cached(file)}"
            )
        if not _is_pinned(content, file):
            return (
                f"`{Path(file.path).name}` of {bundle.module} {bundle.version} as downloaded is "
                f"not the file that is pinned (sha256 {file.sha256}): do not install it"
            )
    # By rename: a run that is cut short leaves no half-written file under the final name.
    target = _cached(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(content)
    part.rename(target)
    return None


def _download(bundle: CrdBundle, file: CrdFile) -> bytes:
    url = address(bundle, file)
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - https, pinned
        return answer.read()


def address(bundle: CrdBundle, file: CrdFile) -> str:
    """Where the repository has the file on the web: at the version's tag, or at its commit."""
    untagged = PSEUDO_VERSION.fullmatch(bundle.version)
    ref = untagged["commit"] if untagged else bundle.version
    return RELEASES.format(repository=bundle.repository, ref=ref, path=file.path)


def _cached(file: CrdFile) -> Path:
    return CACHE / f"{file.sha256}.yaml"


def _modules() -> Path:
    go = Path(os.environ.get("GOPATH", "").split(os.pathsep)[0] or Path.home() / "go")
    return Path(os.environ.get("GOMODCACHE") or go / "pkg" / "mod")


def _escaped(path: str) -> str:
    """As Go writes it into its cache, for file systems that do not tell cases apart."""
    return re.sub("[A-Z]", lambda capital: f"!{capital[0].lower()}", path)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _is_pinned(content: bytes, file: CrdFile) -> bool:
    return hashlib.sha256(content).hexdigest() == file.sha256
