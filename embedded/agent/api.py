"""The API server, as the agent asks it: JSON both ways, on the official client's connections.

The client's own models would be made anew for every event of a watch, and its informer asks again
without a pause while the API server is away.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import config

from embedded.agent.objects import Object

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

RETRY_SECONDS = 1.0
REQUEST_SECONDS = 10.0
WATCH_SECONDS = 300
"""After which the API server ends a watch, and it is asked for again."""
NOT_FOUND, CONFLICT = 404, 409

log = logging.getLogger(__name__)


class ApiError(Exception):
    """What the API server answered, or that it did not: `code` is 0 then."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Api:
    """One API server, as the user of the kubeconfig. Any thread may ask."""

    def __init__(self, kubeconfig: Path) -> None:
        loader: Any = config  # untyped
        client = loader.new_client_from_config(str(kubeconfig))
        self._server = str(client.configuration.host)
        self._pool: Any = client.rest_client.pool_manager
        # Each pod and each watch has a thread that asks.
        self._pool.connection_pool_kw |= {"maxsize": 64}

    @property
    def port(self) -> int:
        """Where the API server listens, on loopback."""
        return int(self._server.rsplit(":", 1)[1])

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = "application/json",
        **query: str,
    ) -> Object:
        answer = self._send(method, path, body, content_type, query)
        said: Object = json.loads(answer.data or b"{}")
        return said

    def get(self, path: str, **query: str) -> Object:
        return self.request("GET", path, None, "", **query)

    def watch(self, path: str, version: str, **query: str) -> Iterator[Object]:
        """Events since the version, until the API server ends it or goes away."""
        query |= {
            "watch": "1",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
            "allowWatchBookmarks": "true",
        }
        with self._send("GET", path, None, "", query, preload_content=False) as answer:
            rest = b""
            for chunk in answer.stream(None):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from map(json.loads, lines)

    def _send(
        self,
        method: str,
        path: str,
        body: Object | None,
        content_type: str,
        query: Mapping[str, str],
        *,
        preload_content: bool = True,
    ) -> Any:
        url = f"{self._server}{path}" + (f"?{urlencode(query)}" if query else "")
        seconds = REQUEST_SECONDS if preload_content else WATCH_SECONDS + REQUEST_SECONDS
        try:
            answer = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": content_type} if content_type else {},
                timeout=urllib3.Timeout(connect=REQUEST_SECONDS, read=seconds),
                retries=False,
                preload_content=preload_content,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, str(error)) from error
        if answer.status >= 400:  # noqa: PLR2004 - HTTP
            raise ApiError(answer.status, _message(answer.data))
        return answer


def _message(said: bytes) -> str:
    try:
        return str(json.loads(said)["message"])
    except (ValueError, KeyError):
        return said[:300].decode(errors="replace")


class Mirror:
    """What the API server has of one kind, kept in step by a thread of its own.

    `changed` is called in that thread, with the object as it is now, or was before it went.
    """

    def __init__(
        self, api: Api, path: str, changed: Callable[[Object], None], **query: str
    ) -> None:
        self._api = api
        self._path = path
        self._query = query
        self._changed = changed
        self._objects: dict[str, Object] = {}
        self.synced = threading.Event()
        """Set once everything has been seen a first time."""
        threading.Thread(target=self._follow, name=path, daemon=True).start()

    def get(self, uid: str) -> Object | None:
        return self._objects.get(uid)

    def all(self) -> list[Object]:
        return list(self._objects.values())

    def _follow(self) -> None:
        version = None
        while True:
            try:
                version = version or self._list()
                for event in self._api.watch(self._path, version, **self._query):
                    if event["type"] == "ERROR":  # mostly: the version is too old by now
                        version = None
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._take(event["type"], event["object"])
            except ApiError as error:
                log.info("watching %s: %s", self._path, error)
                version = None
                time.sleep(RETRY_SECONDS)
            except urllib3.exceptions.HTTPError as error:  # in the middle of an answer
                log.info("watching %s: %s", self._path, error)
                time.sleep(RETRY_SECONDS)
            except Exception:
                # A defect, which must neither end the watch nor go unseen.
                log.exception("watching %s", self._path)
                version = None
                time.sleep(RETRY_SECONDS)

    def _list(self) -> str:
        answer = self._api.get(self._path, **self._query)
        there: dict[str, Object] = {one["metadata"]["uid"]: one for one in answer["items"]}
        for uid in self._objects.keys() - there.keys():
            self._take("DELETED", self._objects[uid])
        for one in there.values():
            self._take("MODIFIED", one)
        self.synced.set()
        return answer["metadata"]["resourceVersion"]

    def _take(self, kind: str, one: Object) -> None:
        if kind == "BOOKMARK":
            return
        uid = one["metadata"]["uid"]
        if kind == "DELETED":
            self._objects.pop(uid, None)
        else:
            self._objects[uid] = one
        try:
            self._changed(one)
        except Exception:
            # A defect must not cost the watch, nor go unseen.
            log.exception("%s %s", self._path, one["metadata"].get("name"))
