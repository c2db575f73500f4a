"""What a request carries to say who asks."""

import json
import stat
import sys
import time
from pathlib import Path

import pytest

from plugins.kubernetes.access import Access, UnreachableError
from plugins.kubernetes.credentials import Credentials
from plugins.values import Object


def credentials(user: Object, **cluster: str) -> Credentials:
    server = {"server": "https://one:6443", **cluster}
    access = Access(source="file", context="one", cluster=server, user=user, namespace=None)
    return Credentials(access, {"PATH": "/usr/bin:/bin"})


def program(folder: Path, body: str) -> Object:
    """A credentials program that is a Python script."""
    file = folder / "credentials"
    file.write_text(f"#!{sys.executable}\nimport json, os, sys\n{body}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"command": str(file), "args": ["a"], "env": [{"name": "WHO", "value": "me"}]}}


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "t"}, "Bearer t"),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({}, None),
    ],
)
def test_a_static_user_is_told_by_a_header(user: Object, header: str | None) -> None:
    assert credentials(user).authorization() == header


def test_a_token_file_is_read_again_when_it_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    user = credentials({"tokenFile": str(file)})
    assert user.authorization() == "Bearer old"
    file.write_text("new\n")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    assert user.authorization() == "Bearer new"


SAY = "print(json.dumps({'status': {'token': os.environ['WHO'] + sys.argv[1], **%s}}))"


def test_a_program_is_asked_as_kubectl_asks_it(tmp_path: Path) -> None:
    body = "json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']['interactive']\n" + SAY % "{}"
    assert credentials(program(tmp_path, body)).authorization() == "Bearer mea"


@pytest.mark.parametrize(
    ("until", "asked"), [("2000-01-01T00:00:00Z", 3), ("2999-01-01T00:00:00Z", 1)]
)
def test_a_program_is_asked_again_when_its_token_expired(
    tmp_path: Path, until: str, asked: int
) -> None:
    log = tmp_path / "log"
    body = f"open({str(log)!r}, 'a').write('x')\n" + SAY % json.dumps(
        {"expirationTimestamp": until}
    )
    user = credentials(program(tmp_path, body))
    user.authorization()
    user.authorization()
    assert log.read_text() == "x" * asked


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ({"exec": {"command": "no-such-program", "installHint": "get it"}}, "not on PATH: get it"),
        ({"auth-provider": {"name": "gcp"}}, "`auth-provider`"),
        ({"tokenFile": "/nonexistent/token"}, "/nonexistent/token cannot be read"),
    ],
)
def test_credentials_that_cannot_be_had_make_the_cluster_unreachable(
    user: Object, why: str
) -> None:
    with pytest.raises(UnreachableError, match=why):
        credentials(user)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("sys.exit('first\\nlog in again')", "failed: log in again"),
        ("print('no json')", "gave none"),
        ("print('{}')", "gave none"),
    ],
)
def test_what_a_failing_program_says_is_passed_on(tmp_path: Path, body: str, why: str) -> None:
    with pytest.raises(UnreachableError, match=why):
        credentials(program(tmp_path, body))


@pytest.mark.parametrize("name", ["client-certificate-data", "client-key-data"])
def test_a_certificate_that_is_not_base64_is_told(name: str) -> None:
    with pytest.raises(UnreachableError, match="not base64"):
        credentials({name: "%"}).tls()
