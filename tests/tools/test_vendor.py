"""Downloads from a loopback server that stands in for the vendors."""

import hashlib
import io
import json
import socket
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.machine import Site, serving
from tools import vendor
from tools.catalog import TOOLS, Vendor
from tools.vendor import DownloadError, Source

PROGRAM = b"#!/bin/sh\n"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as server:
        yield server


def tar(**members: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, body in members.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(body)
            packed.addfile(entry, io.BytesIO(body))
    return out.getvalue()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def fetch(source: Source, folder: Path, *files: str) -> None:
    vendor.download(source, files, folder, lambda _how: None)


def test_a_program_with_the_right_checksum_is_taken(site: Site, tmp_path: Path) -> None:
    site.files = {"/kubectl": PROGRAM, "/kubectl.sha256": sha256(PROGRAM).encode()}

    fetch(
        Source(f"{site.url}/kubectl", f"{site.url}/kubectl.sha256", {}), tmp_path / "x", "kubectl"
    )

    assert (tmp_path / "x" / "kubectl").read_bytes() == PROGRAM
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_named_members_alone_are_taken_from_an_archive(site: Site, tmp_path: Path) -> None:
    body = tar(pulumi__pulumi=PROGRAM, pulumi__other=b"no", **{"..__..__evil": b"no"})
    site.files = {"/p.tar.gz": body, "/sums": f"{sha256(body)}  p.tar.gz\n".encode()}
    source = Source(f"{site.url}/p.tar.gz", f"{site.url}/sums", {"pulumi": "pulumi/pulumi"})

    fetch(source, tmp_path / "x", "pulumi")

    assert [file.name for file in (tmp_path / "x").iterdir()] == ["pulumi"]
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_a_zip_is_unpacked_too(site: Site, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("etcd-v1/etcd", PROGRAM)
    body = out.getvalue()
    site.files = {"/e.zip": body, "/sums": f"{sha256(body)}  e.zip\n".encode()}

    fetch(Source(f"{site.url}/e.zip", f"{site.url}/sums", {"etcd": "etcd-v1/etcd"}), tmp_path / "x")

    assert (tmp_path / "x" / "etcd").read_bytes() == PROGRAM


@pytest.mark.parametrize(
    ("sums", "says"),
    [
        (sha256(b"something else"), "has another checksum"),
        ("not a checksum", "no checksum of kubectl"),
        (None, "404"),
    ],
)
def test_without_the_right_checksum_nothing_is_taken(
    site: Site, tmp_path: Path, sums: str | None, says: str
) -> None:
    site.files = {"/kubectl": PROGRAM}
    if sums:
        site.files["/kubectl.sha256"] = sums.encode()

    with pytest.raises(DownloadError, match=says):
        fetch(
            Source(f"{site.url}/kubectl", f"{site.url}/kubectl.sha256", {}),
            tmp_path / "x",
            "kubectl",
        )

    assert not (tmp_path / "x").exists()


def test_an_archive_without_the_program_is_refused(site: Site, tmp_path: Path) -> None:
    body = tar(readme=b"hello")
    site.files = {"/p.tar.gz": body, "/sums": f"{sha256(body)}  p.tar.gz\n".encode()}
    source = Source(f"{site.url}/p.tar.gz", f"{site.url}/sums", {"pulumi": "pulumi/pulumi"})

    with pytest.raises(DownloadError, match="pulumi/pulumi"):
        fetch(source, tmp_path / "x", "pulumi")


def test_hosts_that_answer_are_told_from_those_that_do_not(site: Site) -> None:
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        closed.bind(("127.0.0.1", 0))
        urls = [
            f"{site.url}/a/b",
            *(f"http://127.0.0.1:{one.getsockname()[1]}/x" for one in (silent, closed)),
        ]
        started = time.monotonic()

        answered = vendor.reachable(urls, seconds=0.5)

    assert answered == {vendor.host(site.url)}
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "published",
    [
        "{digest}\n",
        "{digest}  kwok-linux-amd64\n",
        "{other}  kwokctl-linux-amd64\n{digest} *kwok-linux-amd64\n",
        json.dumps(
            {
                "assets": [
                    {"name": "kwokctl-linux-amd64", "digest": "sha256:{other}"},
                    {"name": "kwok-linux-amd64", "digest": "sha256:{digest}"},
                ]
            }
        ),
    ],
    ids=["alone", "list of one", "list", "release"],
)
def test_checksums_are_read_in_each_form_vendors_publish(published: str) -> None:
    digest, other = sha256(b"1"), sha256(b"2")
    text = published.replace("{digest}", digest).replace("{other}", other)

    assert vendor.digest_in(text, "kwok-linux-amd64") == digest
    assert vendor.digest_in(text.replace("kwok-", "x-"), "kwok-linux-amd64") in {None, digest}


def test_a_release_without_digests_has_no_checksum() -> None:
    text = json.dumps({"assets": [{"name": "kwok", "digest": None}]})

    assert vendor.digest_in(text, "kwok") is None


def test_templates_know_how_each_vendor_calls_a_platform() -> None:
    told = {
        name: vendor.source(tool.vendor, (1, 2, 3), "darwin", "arm64")
        for name, tool in TOOLS.items()
        if tool.vendor
    }

    assert told["kube-apiserver"] is None
    assert told["pulumi"] is not None
    assert told["pulumi"].url.endswith("/pulumi-v1.2.3-darwin-arm64.tar.gz")
    assert told["etcd"] is not None
    assert told["etcd"].url.endswith("/v1.2.3/etcd-v1.2.3-darwin-arm64.zip")
    intel = vendor.source(Vendor("u-{x64}", "s"), (1, 2, 3), "linux", "amd64")
    assert intel is not None
    assert intel.url == "u-x64"


def test_every_download_is_checked_over_https() -> None:
    for tool in TOOLS.values():
        if tool.vendor:
            assert tool.vendor.url.startswith("https://")
            assert tool.vendor.sums.startswith("https://")
            assert not tool.vendor.members or tool.vendor.members.keys() == tool.files.keys()
