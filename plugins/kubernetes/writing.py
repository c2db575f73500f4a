"""Make an object, and own by apply what was made otherwise."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from plugins.contract import Failed
from plugins.kubernetes import ownership
from plugins.kubernetes.cluster import Cluster, Served
from plugins.kubernetes.errors import ApiError, NoSuchKindError
from plugins.kubernetes.kinds import Kind
from plugins.values import Object, at

# A kind or a namespace may be about to be made by another resource. The vendor waits 31 s, too, but
# starts at 1 s: a CRD is served a moment after it is established. (The API server itself holds a
# creation up for 2 s if its CRD is younger.)
RETRY_PAUSES = (0.1, 0.1, 0.2, 0.4, 0.8, 2, 4, 8, 16)  # seconds

_TAKEOVER_TRIES = 3


@dataclass(frozen=True)
class Writer:
    """Writes objects as one field manager, until the user cancels."""

    cluster: Cluster
    manager: str
    cancelled: asyncio.Event
    say: Callable[[str], None]

    async def create(
        self, kind: Kind, scoped: Callable[[Served], Object], *, upsert: bool, force: bool
    ) -> tuple[Served, Object]:
        """Make the object; wait a while for its kind or its namespace to appear.

        `scoped` is the object as its kind is served; `upsert` applies it to one that exists.
        """
        for pause in (*RETRY_PAUSES, None):
            try:
                served = await self.cluster.served(kind)
                obj = scoped(served)
                return served, await self._post(served, obj, upsert=upsert, force=force)
            except NoSuchKindError:
                if pause is None:
                    raise
                reason = f"the cluster serves no `{kind}` yet"
            except ApiError as error:
                if pause is None or not error.not_found:
                    raise
                self.cluster.forget(kind.api_version)
                reason = error.message
            self.say(f"trying again in {pause:g} s: {reason}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.cancelled.wait(), pause)
                raise Failed(f"you cancelled, and {reason}")
        raise AssertionError  # the last pause is None, which ends the loop

    async def _post(self, served: Served, obj: Object, *, upsert: bool, force: bool) -> Object:
        try:
            return await self.cluster.create(served, obj, manager=self.manager)
        except ApiError as error:
            if error.already_exists and upsert:
                return await self.cluster.apply(served, obj, manager=self.manager, force=force)
            raise

    async def take_over(self, served: Served, live: Object) -> Object:
        """Own by apply what was made otherwise; someone else's write in between starts it anew."""
        for _ in range(_TAKEOVER_TRIES):
            fields = ownership.taken_over(live, self.manager)
            if fields is None:
                return live
            version = live["metadata"]["resourceVersion"]
            operations: list[Object] = [
                {"op": "replace", "path": "/metadata/managedFields", "value": fields},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            ]
            try:
                return await self.cluster.patch(served, live, operations)
            except ApiError as error:
                if not error.conflict:
                    raise
            live = await self.cluster.get(
                served, at(live, "metadata", "namespace"), live["metadata"]["name"]
            )
        return live
