"""Events on objects: one per thing that happened, counted when it happens again."""

import hashlib
import logging
import threading
import time

from embedded.agent.api import CONFLICT, MERGE, Api, ApiError
from embedded.agent.objects import Object
from embedded.agent.status import time_of

COMPONENT = "node-agent"
MESSAGE_MOST = 1024
"""Characters that the API server takes."""

log = logging.getLogger(__name__)


class Events:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def tell(
        self, about: Object, kind: str, reason: str, message: str, *, warning: bool = False
    ) -> None:
        """An event that cannot be written is no reason to stop."""
        metadata: Object = about["metadata"]
        log.info("%s/%s: %s: %s", metadata["namespace"], metadata["name"], reason, message)
        same = "\0".join((metadata["uid"], reason, message))
        name = f"{metadata['name']}.{hashlib.sha256(same.encode()).hexdigest()[:16]}"
        with self._lock:
            count = self._counts[name] = self._counts.get(name, 0) + 1
        now = time_of(time.time())
        path = f"/api/v1/namespaces/{metadata['namespace']}/events"
        again: Object = {"count": count, "lastTimestamp": now}
        try:
            if count == 1:
                event = {
                    **again,
                    "metadata": {"name": name, "namespace": metadata["namespace"]},
                    "involvedObject": {
                        "apiVersion": "v1",
                        "kind": kind,
                        "namespace": metadata["namespace"],
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                    },
                    "reason": reason,
                    "message": message[:MESSAGE_MOST],
                    "type": "Warning" if warning else "Normal",
                    "firstTimestamp": now,
                    "source": {"component": COMPONENT},
                }
                self._api.request("POST", path, event)
            else:
                self._api.request("PATCH", f"{path}/{name}", again, MERGE)
        except ApiError as error:
            if error.code != CONFLICT:  # of an agent before this one
                log.info("event not written: %s", error)
