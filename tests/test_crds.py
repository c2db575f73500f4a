"""Where custom resource definitions come from, and that they are the pinned ones."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stack import crds
from stack.crd_bundles import CrdBundle, CrdFile
from stack.problems import StackError
from stack.releases import releases

CONTENT = b"kind: CustomResourceDefinition\nstatus: {}\n"


def file(content: bytes) -> CrdFile:
    return CrdFile(path="config/crd/a.yaml", sha256=hashlib.sha256(content).hexdigest())


FILE = file(CONTENT)
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


def put(root: Path, content: bytes, module: str = "example.com/crds@v1.0.0") -> None:
    path = root / module / FILE.path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def test_the_module_cache_is_enough(modules: Path) -> None:
    put(modules, CONTENT)

    crds.fetch(BUNDLE)

    assert [*crds.documents(BUNDLE)] == [{"kind": "CustomResourceDefinition"}]


def test_a_file_may_hold_many(modules: Path) -> None:
    many = b"# Generated.\nkind: A\nstatus: {}\n---\nkind: B\n"
    put(modules, many)
    bundle = replace(BUNDLE, files=(file(many),))

    crds.fetch(bundle)

    assert [*crds.documents(bundle)] == [{"kind": "A"}, {"kind": "B"}]


def test_a_module_with_capitals_is_found_as_go_writes_it(modules: Path) -> None:
    put(modules, CONTENT, module="example.com/!crds!of@v1.0.0")
    bundle = replace(BUNDLE, module="example.com/CrdsOf")

    crds.fetch(bundle)

    assert [*crds.documents(bundle)]


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


@pytest.mark.parametrize(
    ("version", "ref"),
    [
        ("v1.2.0-rc.1", "v1.2.0-rc.1"),
        ("v0.0.0-20260501191448-a49973eaef53", "a49973eaef53"),
        ("v1.2.1-0.20260501191448-a49973eaef53", "a49973eaef53"),
    ],
)
def test_the_web_is_asked_at_the_tag_or_the_commit(version: str, ref: str) -> None:
    address = crds.address(replace(BUNDLE, version=version), FILE)

    assert address == f"https://raw.githubusercontent.com/example/crds/{ref}/config/crd/a.yaml"


def test_a_file_of_one_definition_is_named_after_it() -> None:
    path = "config/crd/gateway.networking.k8s.io_httproutes.yaml"

    assert CrdFile(path=path, sha256="").definitions == ("httproutes.gateway.networking.k8s.io",)


@pytest.mark.parametrize("release", releases())
def test_a_releases_definitions_are_named(release: str) -> None:
    """`adopt` finds the definitions on the cluster by these names."""
    for bundle in releases()[release].crds.values():
        for definition in (one for file in bundle.files for one in file.definitions):
            plural, _, group = definition.partition(".")
            assert group.endswith("k8s.io")
            assert plural.isalpha()
