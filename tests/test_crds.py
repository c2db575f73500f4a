"""Where custom resource definitions come from, and that they are the pinned ones."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from stack import crds
from stack.crd_bundles import CrdBundle, CrdFile
from stack.problems import StackError
from stack.releases import releases

CONTENT = b"kind: CustomResourceDefinition\nstatus: {}\n"
FILE = CrdFile(path="config/crd/a.yaml", sha256=hashlib.sha256(CONTENT).hexdigest())
BUNDLE = CrdBundle(
    module="example.com/crds",
    repository="example/crds",
    version="v1.0.0",
    annotation="example.com/version",
    files=(FILE,),
)


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, an empty module cache, and no web."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(crds, "_download", refuse)
    return tmp_path / "modules"


def refuse(_bundle: CrdBundle, _file: CrdFile) -> bytes:
    raise OSError("no route to host")


def serve(content: bytes) -> Callable[[CrdBundle, CrdFile], bytes]:
    return lambda _bundle, _file: content


def put(root: Path, content: bytes) -> None:
    path = root / "example.com" / "crds@v1.0.0" / FILE.path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def test_the_module_cache_is_enough(modules: Path) -> None:
    put(modules, CONTENT)

    crds.fetch(BUNDLE)

    assert [*crds.documents(BUNDLE)] == [{"kind": "CustomResourceDefinition"}]


def test_what_was_fetched_once_needs_nothing_more(modules: Path) -> None:
    put(modules, CONTENT)
    crds.fetch(BUNDLE)
    (modules / "example.com" / "crds@v1.0.0" / FILE.path).unlink()

    crds.fetch(BUNDLE)

    assert [*crds.documents(BUNDLE)]


def test_the_web_is_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crds, "_download", serve(CONTENT))

    crds.fetch(BUNDLE)

    assert [*crds.documents(BUNDLE)]


def test_other_bytes_than_the_pinned_ones_are_not_taken_from_the_module_cache(
    modules: Path,
) -> None:
    put(modules, b"kind: Other\n")

    with pytest.raises(StackError, match="go mod download example"):
        crds.fetch(BUNDLE)


def test_other_bytes_than_the_pinned_ones_are_refused_from_the_web(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crds, "_download", serve(b"kind: Other\n"))

    with pytest.raises(StackError, match="is not the file that is pinned"):
        crds.fetch(BUNDLE)


def test_a_half_written_file_in_the_cache_is_fetched_again(modules: Path) -> None:
    put(modules, CONTENT)
    half = Path(".state/crds") / f"{FILE.sha256}.yaml"
    half.parent.mkdir(parents=True)
    half.write_bytes(CONTENT[:10])

    crds.fetch(BUNDLE)

    assert half.read_bytes() == CONTENT


@pytest.mark.parametrize("release", releases())
def test_a_releases_files_are_named_by_plural_and_group(release: str) -> None:
    """`adopt` finds the definitions on the cluster by these names."""
    for bundle in releases()[release].crds.values():
        for file in bundle.files:
            group, plural = Path(file.path).stem.split("_")
            assert group.endswith("k8s.io")
            assert plural.isalpha()
