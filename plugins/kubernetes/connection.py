"""From a context of a kubeconfig to the official client, which does the credentials, TLS and HTTP.

What stands here is what the official client leaves undone; each piece says why.
"""

import contextlib
import logging
import ssl
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

from plugins.kubernetes.access import Access, UnreachableError
from plugins.values import at

CONCURRENCY = 32
"""Requests at a time: threads, and connections kept open."""

_THIS_MACHINE = "localhost,127.0.0.0/8,::1"


class Connection:
    """The official client of one context: its pool of connections, and who asks."""

    def __init__(self, access: Access) -> None:
        """May run a program of the kubeconfig: call it in a thread. Raises UnreachableError."""
        _refuse_what_would_be_ignored(access)
        self._access = access
        self._renewing = threading.Lock()
        with _explained(access):
            self._client = _client(access)

    @property
    def pool(self) -> Any:
        """The urllib3 pool through which the client sends."""
        return self._client.rest_client.pool_manager

    def headers(self) -> dict[str, str]:
        """What says who asks, renewed when it has expired. Any thread; may run a program."""
        with _explained(self._access), self._renewing:  # else every thread would run it
            value = self._client.configuration.get_api_key_with_prefix("BearerToken")
        return {"Authorization": value} if value else {}


def _client(access: Access) -> Any:
    # Imported here, in a thread: it takes a while, and not every plugin gets to a cluster.
    from kubernetes import client, config  # noqa: PLC0415

    loader: Any = config  # untyped
    settings: Any = client.Configuration(connection_pool_maxsize=CONCURRENCY)
    tls: dict[str, ssl.SSLContext] = {}
    with tempfile.TemporaryDirectory(prefix="llm-d-tls-") as folder:
        loader.load_kube_config_from_dict(
            access.kubeconfig(),
            context=access.context,
            client_configuration=settings,
            persist_config=False,
            temp_file_path=folder,
        )
        if access.server.startswith("https"):
            tls["ssl_context"] = _tls(settings)
    if file := access.user.get("tokenFile"):
        settings.refresh_api_key_hook = _reader(Path(file))
    if not access.cluster.get("proxy-url"):
        # For kubectl, what runs on this machine is behind no proxy; the official client asks one.
        settings.no_proxy = ",".join(filter(None, (settings.no_proxy, _THIS_MACHINE)))
    made: Any = client.ApiClient(settings)
    made.rest_client.pool_manager.connection_pool_kw |= tls
    return made


def _tls(settings: Any) -> ssl.SSLContext:
    """Whom to trust and our certificate, read now.

    The official client hands file names on, to be read with each new connection: a key that stands
    in the kubeconfig would lie on the disk until we end, and longer when we are killed.
    """
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # new in Python 3.13; kubectl is not strict
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")  # never asks
    if not settings.verify_ssl:
        import urllib3  # noqa: PLC0415

        context.check_hostname = False
        urllib3.disable_warnings()  # the kubeconfig asks for it
    settings.ssl_ca_cert = settings.cert_file = settings.key_file = None
    return context


def _reader(file: Path) -> Any:
    """Kubelets rotate tokens in files; the official client reads one once, with its newline."""

    def read(settings: Any) -> None:
        settings.api_key["BearerToken"] = f"Bearer {file.read_text().strip()}"

    return read


@contextlib.contextmanager
def _explained(access: Access) -> Generator[None]:
    """Any failure as the reason why there is no way to the cluster."""
    what = f"the credentials of context `{access.context}` in {access.source}"
    try:
        with _listening() as complaints:
            yield
    except Exception as error:  # an identity provider's, a file's, a certificate's
        raise UnreachableError(f"{what} are no good: {error}") from error
    if complaints:
        program, hint = (at(access.user, "exec", key) for key in ("command", "installHint"))
        raise UnreachableError(
            f"`{program}`, which gives {what}, failed: {complaints[-1]}"
            + (f" ({hint})" if hint else "")
        )


@contextlib.contextmanager
def _listening() -> Generator[list[str]]:
    """What this thread logs as errors.

    The official client only logs why a credentials program gave none, and goes on as nobody.
    """
    heard: list[str] = []
    thread = threading.get_ident()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                heard.append(" ".join(record.getMessage().split()))

    ear = Ear(logging.ERROR)
    logging.getLogger().addHandler(ear)
    try:
        yield heard
    finally:
        logging.getLogger().removeHandler(ear)


def _refuse_what_would_be_ignored(access: Access) -> None:
    provider = at(access.user, "auth-provider", "name")
    if provider and provider != "oidc":
        raise UnreachableError(
            f"the user of context `{access.context}` in {access.source} has the `auth-provider` "
            f"`{provider}`, which Kubernetes gave up: use `exec`"
        )
