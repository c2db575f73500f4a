"""The API server of the stack's cluster, as the few requests that a smoke test makes."""

import json
import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol, cast
from urllib.parse import urlencode, urlsplit

import urllib3
from kubernetes.stream import ws_client  # pyright: ignore[reportMissingTypeStubs]
from urllib3.util import Timeout
from websocket import WebSocket, WebSocketException

from plugins.kubernetes import access, settings
from plugins.kubernetes.access import Access, UnreachableError
from plugins.kubernetes.connection import Connection
from plugins.kubernetes.errors import ApiError
from plugins.values import Object
from smoke.outputs import Stack

_SECONDS = Timeout(connect=3.0, read=5.0)
_SUBPROTOCOL = "v4.channel.k8s.io"


class Cluster(Protocol):
    """What the checks ask of it. All raise ApiError and UnreachableError."""

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Object | None:
        """Give the object or list; None where there is none."""
        ...

    def create(self, path: str, body: Object) -> Object: ...

    def log(self, path: str, query: Mapping[str, str]) -> str: ...

    def forward(self, namespace: str, pod: str, port: int) -> Any:
        """Open one connection to a pod's port: the official client's PortForward."""
        ...


def connect(stack: Stack, environment: Mapping[str, str] = os.environ) -> Cluster:
    """May run a credentials program of the kubeconfig. Raises UnreachableError."""
    # The path to a cluster is the Kubernetes plugin's: what deployed a stack can test it.
    options = {"kubeconfig": stack.kubeconfig, "context": stack.context}
    given = {f"kubernetes:config:{key}": value for key, value in options.items() if value}
    return _Cluster(access.resolve(settings.read(given, environment), environment))


class _Cluster:
    def __init__(self, way: Access) -> None:
        self._way = way
        self._connection = Connection(way)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Object | None:
        try:
            return json.loads(self._request("GET", path, query))
        except ApiError as error:
            if error.not_found:
                return None
            raise

    def create(self, path: str, body: Object) -> Object:
        return json.loads(self._request("POST", path, body=body))

    def log(self, path: str, query: Mapping[str, str]) -> str:
        return self._request("GET", path, query).decode(errors="replace")

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
    ) -> bytes:
        try:
            response = self._connection.pool.request(
                method,
                f"{self._way.server}{path}" + (f"?{urlencode(query)}" if query else ""),
                body=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json", **self._connection.headers()},
                timeout=_SECONDS,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                f"{self._way.server} does not answer: {_reason(error)}"
            ) from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refusal(response.status, response.data)
        return response.data

    def forward(self, namespace: str, pod: str, port: int) -> Any:
        # The official client's own way to its PortForward takes credentials as files alone, which
        # a killed run would leave behind.
        server = urlsplit(self._way.server)
        tls: dict[str, Any] = {
            "context": self._connection.pool.connection_pool_kw.get("ssl_context")
        }
        if name := self._way.cluster.get("tls-server-name"):
            tls["server_hostname"] = name
        socket = WebSocket(sslopt=tls, skip_utf8_validation=True)
        scheme = "wss" if server.scheme == "https" else "ws"
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"
        headers = [f"{name}: {value}" for name, value in self._connection.headers().items()]
        try:
            socket.connect(  # pyright: ignore[reportUnknownMemberType]
                f"{scheme}://{server.netloc}{server.path}{path}",
                header=headers,
                subprotocols=[_SUBPROTOCOL],
                timeout=_SECONDS.connect_timeout,
                **_proxy(self._way),
            )
        except (OSError, WebSocketException) as error:
            text = str(error).splitlines()[0][:160]
            raise UnreachableError(f"port-forward to pod {pod}: {text}") from error
        socket.settimeout(None)
        return ws_client.PortForward(socket, [port])


def _proxy(way: Access) -> dict[str, Any]:
    """The kubeconfig's; without one the WebSocket client reads the environment's, as kubectl."""
    if not (said := way.cluster.get("proxy-url")):
        return {}
    proxy = urlsplit(str(said))
    return {
        "http_proxy_host": proxy.hostname,
        "http_proxy_port": proxy.port,
        "proxy_type": "http" if proxy.scheme == "https" else proxy.scheme,
    }


def _refusal(status: int, data: bytes) -> ApiError:
    try:
        body: object = json.loads(data)
    except ValueError:
        body = None
    if isinstance(body, dict):
        return ApiError(status, cast("Object", body))
    return ApiError(status, text=data[:200].decode(errors="replace").strip())


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """Without the name of an object in memory, which says nothing."""
    cause = error.__cause__
    return str(cause if isinstance(cause, OSError) else error).rpartition(">: ")[2]
