"""Requests to one API server, and what kinds it serves. Blocking work runs in threads."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import urllib3
from urllib3.util import Retry, Timeout

from plugins.kubernetes.access import Access, UnreachableError
from plugins.kubernetes.connection import CONCURRENCY, Connection
from plugins.kubernetes.errors import ApiError, NoSuchKindError
from plugins.kubernetes.kinds import Kind
from plugins.values import Object, at

_T = TypeVar("_T")

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 60.0
_ONCE = Retry(0)
# A request that may have been executed is not sent again; "ask again later" (429, 503) was not.
_PATIENT = Retry(
    connect=3,
    read=0,
    redirect=0,
    status=5,
    status_forcelist=(429, 503),
    allowed_methods=None,
    backoff_factor=0.2,
    raise_on_status=False,
)

APPLY = "application/apply-patch+yaml"
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Served:
    """How the API server serves a kind."""

    kind: Kind
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        version = self.kind.api_version
        parts = ["apis" if "/" in version else "api", version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        return "/" + "/".join(parts)


class Cluster:
    """One API server, as one user. Errors: ApiError, NoSuchKindError, UnreachableError.

    Requests are JSON both ways, on the official client's connections: its models know neither
    custom kinds nor a newer server's fields, and its dynamic client asks for every API group first.
    """

    def __init__(self, access: Access, seconds: float | None = None) -> None:
        """May run a credentials program: call it in a thread. `seconds` limits each request."""
        self.access = access
        self._connection = Connection(access)
        self._timeout = Timeout(connect=seconds or _CONNECT_SECONDS, read=seconds or _READ_SECONDS)
        self._threads = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="cluster")
        self._versions: dict[str, asyncio.Future[dict[str, Served]]] = {}

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def check(self) -> None:
        """Raise UnreachableError unless the server answers us."""
        try:
            await self.in_thread(lambda: self._request("GET", "/version", retries=_ONCE))
        except ApiError as error:
            if error.code == 401:  # noqa: PLR2004  # HTTP
                raise UnreachableError(
                    f"{self.access.server} refuses the credentials of context "
                    f"`{self.access.context}` in {self.access.source}"
                ) from error
            if not error.forbidden:
                raise UnreachableError(f"{self.access.server} answers: {error.message}") from error

    # -- kinds

    async def served(self, kind: Kind) -> Served:
        """How a kind is served; raises NoSuchKindError, and asks again the next time."""
        version = kind.api_version
        asked = self._versions.get(version)
        if asked is None:
            asked = asyncio.ensure_future(self._discover(version))
            self._versions[version] = asked
        try:
            return (await asyncio.shield(asked))[kind.kind]
        except (KeyError, NoSuchKindError):
            self._versions.pop(version, None)
            raise NoSuchKindError(f"the cluster serves no `{kind}`") from None
        except BaseException:
            self._versions.pop(version, None)
            raise

    def forget(self, version: str) -> None:
        """Ask again what the server serves of an API version."""
        self._versions.pop(version, None)

    async def _discover(self, version: str) -> dict[str, Served]:
        try:
            answer = await self.request("GET", f"/{'apis' if '/' in version else 'api'}/{version}")
        except ApiError as error:
            if error.not_found:
                raise NoSuchKindError(version) from error
            raise
        resources: list[Object] = answer.get("resources") or []
        return {
            one["kind"]: Served(Kind(version, one["kind"]), one["name"], bool(one["namespaced"]))
            for one in resources
            if "/" not in one["name"]
        }

    # -- objects

    async def get(self, served: Served, namespace: str | None, name: str) -> Object:
        return await self.request("GET", served.path(namespace, name))

    async def list_all(self, served: Served, namespace: str | None, **query: str) -> list[Object]:
        answer = await self.request("GET", served.path(namespace), query)
        return answer.get("items") or []

    async def create(
        self, served: Served, obj: Object, *, manager: str, dry_run: bool = False
    ) -> Object:
        query = {"fieldManager": manager, **_dry(dry_run=dry_run)}
        path = served.path(at(obj, "metadata", "namespace"))
        return await self.request("POST", path, query, obj)

    async def apply(
        self, served: Served, obj: Object, *, manager: str, force: bool, dry_run: bool = False
    ) -> Object:
        query = {
            "fieldManager": manager,
            "force": str(force).lower(),
            **_dry(dry_run=dry_run),
        }
        path = served.path(at(obj, "metadata", "namespace"), obj["metadata"]["name"])
        return await self.request("PATCH", path, query, obj, APPLY)

    async def patch(self, served: Served, live: Object, operations: list[Object]) -> Object:
        """Apply a JSON patch."""
        path = served.path(at(live, "metadata", "namespace"), live["metadata"]["name"])
        return await self.request("PATCH", path, {}, operations, JSON_PATCH)

    async def delete(
        self, served: Served, namespace: str | None, name: str, *, propagation: str
    ) -> Object:
        body = {"propagationPolicy": propagation}
        return await self.request("DELETE", served.path(namespace, name), {}, body)

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
    ) -> Object:
        return await self.in_thread(lambda: self._request(method, path, query, body, content_type))

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        retries: Retry | None = None,
    ) -> Object:
        headers = {"Accept": JSON, "User-Agent": "llm-d-pulumi", "Content-Type": content_type}
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        url = f"{self.access.server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._connection.pool.request(
                method,
                url,
                body=data,
                headers=headers | self._connection.headers(),
                retries=retries or _PATIENT,
                timeout=self._timeout,
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(f"{self.access.server}: {_reason(error)}") from error
        return _answer(response.status, response.data)


def _dry(*, dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _answer(status: int, data: bytes) -> Object:
    try:
        body: Any = json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError):
        body = None
    if status >= 400:  # noqa: PLR2004  # HTTP
        if isinstance(body, dict):
            raise ApiError(status, cast("Object", body))
        raise ApiError(status, text=data[:200].decode(errors="replace").strip())
    if not isinstance(body, dict):
        raise ApiError(status, text="the server's answer is not a JSON object")
    return cast("Object", body)


def _reason(error: Exception) -> str:
    """The innermost of urllib3's nested reasons, without its object's name."""
    inner: Any = getattr(error, "reason", None) or error
    text = str(getattr(inner, "args", [inner])[-1] or inner)
    return _CONNECTION.sub("", text)


_CONNECTION = re.compile(r"^(<[^>]*>|\w*Connection\([^)]*\)): ")
