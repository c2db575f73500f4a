"""Who asks, and through what: the official client, and what it leaves to us."""

import asyncio
import base64
import json
import ssl
import stat
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from embedded.cluster import CONTEXT, Cluster
from plugins.kubernetes.access import Access, UnreachableError, resolve
from plugins.kubernetes.cluster import Cluster as Server
from plugins.kubernetes.connection import Connection
from plugins.kubernetes.settings import read
from plugins.values import Object


def connection(user: Object, **cluster: object) -> Connection:
    server = {"server": "http://one:8080", **cluster}
    return Connection(
        Access(source="file", context="one", cluster=server, user=user, namespace=None)
    )


def header(one: Connection) -> str | None:
    return one.headers().get("Authorization")


def program(folder: Path, body: str) -> Object:
    """A credentials program that is a Python script."""
    file = folder / "credentials"
    file.write_text(f"#!{sys.executable}\nimport json, os, sys\n{body}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    who = {"name": "WHO", "value": "me"}
    return {"exec": {"apiVersion": API, "command": str(file), "args": ["a"], "env": [who]}}


API = "client.authentication.k8s.io/v1"
SAY = (
    "print(json.dumps({'apiVersion': '%s', 'kind': 'ExecCredential', 'status': "
    "{'token': os.environ['WHO'] + sys.argv[1], **%s}}))"
)


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"token": "t"}, "Bearer t"),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({}, None),
    ],
)
def test_a_static_user_is_told_by_a_header(user: Object, told: str | None) -> None:
    assert header(connection(user)) == told


def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    user = connection({"tokenFile": str(file)})
    assert header(user) == "Bearer old"
    file.write_text("new\n")
    assert header(user) == "Bearer new"
    file.unlink()
    with pytest.raises(UnreachableError, match=str(file)):
        header(user)


def test_a_program_is_asked_as_kubectl_asks_it(tmp_path: Path) -> None:
    body = "json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']['interactive']\n"
    assert header(connection(program(tmp_path, body + SAY % (API, "{}")))) == "Bearer mea"


@pytest.mark.parametrize(
    ("until", "asked"), [("2000-01-01T00:00:00Z", 3), ("2999-01-01T00:00:00Z", 1)]
)
def test_a_program_is_asked_again_when_its_token_expired(
    tmp_path: Path, until: str, asked: int
) -> None:
    log = tmp_path / "log"
    body = f"open({str(log)!r}, 'a').write('x')\n"
    say = SAY % (API, json.dumps({"expirationTimestamp": until}))
    user = connection(program(tmp_path, body + say))
    header(user)
    header(user)
    assert log.read_text() == "x" * asked


def test_a_program_that_fails_later_is_told_as_well(tmp_path: Path) -> None:
    user = program(tmp_path, SAY % (API, {"expirationTimestamp": "2000-01-01T00:00:00Z"}))
    one = connection(user)
    program(tmp_path, "sys.exit('log in again')")
    with pytest.raises(UnreachableError, match="log in again"):
        header(one)


@pytest.mark.parametrize(
    ("user", "why"),
    [
        (
            {"exec": {"apiVersion": API, "command": "no-such", "installHint": "get it"}},
            "`no-such`, which .* context `one` in file, .*No such file.*(get it)",
        ),
        ({"auth-provider": {"name": "gcp"}}, "`auth-provider` `gcp`"),
        ({"tokenFile": "/nonexistent/token"}, "/nonexistent/token"),
    ],
)
def test_credentials_that_cannot_be_had_make_the_cluster_unreachable(
    user: Object, why: str
) -> None:
    with pytest.raises(UnreachableError, match=why):
        connection(user)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("sys.exit('first\\nlog in again')", "failed: .*first log in again"),
        ("print('no json')", "failed to decode"),
        ("print('{}')", "missing key"),
    ],
)
def test_what_a_failing_program_says_is_passed_on_in_one_line(
    tmp_path: Path, body: str, why: str
) -> None:
    with pytest.raises(UnreachableError, match=why) as caught:
        connection(program(tmp_path, body))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        ({"client-certificate-data": "%", "client-key-data": "%"}, {}),
        ({}, {"certificate-authority-data": "bm9uZQ=="}),
        ({}, {"certificate-authority": "/nonexistent/ca.crt"}),
    ],
)
def test_a_certificate_that_is_none_is_told(user: Object, cluster: Object) -> None:
    with pytest.raises(UnreachableError, match="context `one` in file are no good"):
        connection(user, server="https://one:6443", **cluster)


@pytest.mark.parametrize(
    ("server", "cluster", "proxied"),
    [
        ("https://one:6443", {}, True),
        ("https://127.0.0.1:6443", {}, False),
        ("https://localhost:6443", {}, False),
        ("https://127.0.0.1:6443", {"proxy-url": "http://named:3128"}, True),
    ],
)
def test_what_runs_on_this_machine_is_behind_no_proxy_unless_the_kubeconfig_says_so(
    monkeypatch: pytest.MonkeyPatch, server: str, cluster: Object, *, proxied: bool
) -> None:
    monkeypatch.setenv("https_proxy", "http://ambient:3128")
    pool = connection({}, server=server, **cluster).pool
    named = "named" if cluster else "ambient"
    assert (pool.proxy.host if pool.proxy else None) == (named if proxied else None)


def test_a_name_for_tls_goes_with_the_connection() -> None:
    pool = connection({}, **{"server": "https://1.2.3.4", "tls-server-name": "one"}).pool
    assert pool.connection_pool_kw["server_hostname"] == "one"
    assert pool.connection_pool_kw["ssl_context"].verify_mode is ssl.CERT_REQUIRED


@pytest.mark.engine
def test_a_key_in_a_kubeconfig_is_on_no_disk_while_it_is_used(
    control_plane: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    for section in (config["clusters"][0]["cluster"], config["users"][0]["user"]):
        for key in ("certificate-authority", "client-certificate", "client-key"):
            if file := section.pop(key, None):
                section[f"{key}-data"] = base64.b64encode(Path(file).read_bytes()).decode()
    assert "client-key-data" in config["users"][0]["user"]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    options = {"kubeconfig": yaml.safe_dump(config), "context": CONTEXT}
    variables = {f"kubernetes:config:{key}": value for key, value in options.items()}

    server = Server(resolve(read(variables, {}), {}))

    assert not list(tmp_path.iterdir())
    answer = asyncio.run(server.request("GET", "/api/v1/namespaces/kube-system"))
    assert answer["metadata"]["name"] == "kube-system"
