"""What a request to a cluster carries: TLS settings and the header that says who asks."""

import base64
import binascii
import json
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from plugins.kubernetes.access import Access, UnreachableError
from plugins.values import Object, at

_EXEC_SECONDS = 60
_TOKEN_FILE_SECONDS = 60.0  # kubelets rotate service account tokens
_LEEWAY_SECONDS = 10.0


class Credentials:
    """Of one user of a kubeconfig: a certificate, a token, a password, or a program that knows."""

    def __init__(self, access: Access, environment: Mapping[str, str]) -> None:
        self._access = access
        self._environment = environment
        self._lock = threading.Lock()
        self._header: str | None = None
        self._expires = 0.0
        self._from_exec: Object = {}
        if access.user.get("auth-provider"):
            raise UnreachableError(
                f"the user of context `{access.context}` in {access.source} has an "
                "`auth-provider`, which Kubernetes gave up: use `exec`"
            )
        self.authorization()

    def authorization(self) -> str | None:
        """The header's value, renewed when it has expired. Any thread; may run a program."""
        with self._lock:
            if time.time() >= self._expires:
                self._header, self._expires = self._renew()
            return self._header

    def _renew(self) -> tuple[str | None, float]:
        user, never = self._access.user, float("inf")
        if token := user.get("token"):
            return f"Bearer {token}", never
        if file := user.get("tokenFile"):
            return f"Bearer {_read(file).strip()}", time.time() + _TOKEN_FILE_SECONDS
        if user.get("username"):
            pair = f"{user['username']}:{user.get('password') or ''}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}", never
        if program := user.get("exec"):
            self._from_exec = _run(program, self._access, self._environment)
            token, until = self._from_exec.get("token"), self._from_exec.get("expirationTimestamp")
            expires = _seconds(until) - _LEEWAY_SECONDS if until else never
            return (f"Bearer {token}" if token else None), expires
        return None, never

    def tls(self) -> ssl.SSLContext:
        """Whom to trust, and the client's certificate."""
        cluster, user = self._access.cluster, self._access.user
        authority = _data(cluster, "certificate-authority")
        context = ssl.create_default_context(cadata=authority)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate = self._from_exec.get("clientCertificateData") or _data(
            user, "client-certificate"
        )
        key = self._from_exec.get("clientKeyData") or _data(user, "client-key")
        if certificate and key:
            # Python reads certificates from files only; these are gone before the first request.
            with tempfile.TemporaryDirectory() as folder:
                pair = Path(folder) / "client.pem"
                pair.touch(mode=0o600)
                pair.write_text(f"{certificate}\n{key}")
                context.load_cert_chain(pair)
        return context


def _data(section: Object, name: str) -> str | None:
    """A PEM text that stands in a kubeconfig, or in a file it names."""
    if encoded := section.get(f"{name}-data"):
        try:
            return base64.b64decode("".join(encoded.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UnreachableError(f"`{name}-data` of the kubeconfig is not base64") from error
    return _read(section[name]) if section.get(name) else None


def _read(file: str) -> str:
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreachableError(f"{file} cannot be read: {error}") from error


def _run(program: Object, access: Access, environment: Mapping[str, str]) -> Object:
    """The status of the ExecCredential that a program of the kubeconfig prints."""
    arguments: list[str] = program.get("args") or []
    command = [str(program.get("command")), *arguments]
    version = program.get("apiVersion", "client.authentication.k8s.io/v1")
    spec: Object = {"interactive": False}
    if program.get("provideClusterInfo"):
        spec["cluster"] = access.cluster
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    variables: list[dict[str, str]] = program.get("env") or []
    extra = {item["name"]: item["value"] for item in variables}
    what = f"`{command[0]}`, which context `{access.context}` asks for credentials,"
    try:
        done = subprocess.run(  # noqa: S603  # the user's own kubeconfig names it, as for kubectl
            command,
            env={**environment, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_EXEC_SECONDS,
        )
        status: Any = at(json.loads(done.stdout), "status")
    except FileNotFoundError as error:
        hint = f": {program['installHint']}" if program.get("installHint") else ""
        raise UnreachableError(f"{what} is not on PATH{hint}") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise UnreachableError(f"{what} failed: {''.join(said) or error.returncode}") from error
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        raise UnreachableError(f"{what} gave none: {type(error).__name__}") from error
    if not isinstance(status, dict):
        raise UnreachableError(f"{what} gave none")
    return cast("Object", status)


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
