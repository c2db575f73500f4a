"""The way to the provider's cluster, which is sought while the engine goes on."""

import asyncio
from collections.abc import Mapping

from plugins.contract import Failed
from plugins.kubernetes import access
from plugins.kubernetes.access import Access, UnreachableError
from plugins.kubernetes.cluster import Cluster
from plugins.kubernetes.settings import Settings

_CREDENTIALS_SECONDS = 60.0
"""For a program of the kubeconfig: the official client would wait for ever."""


class Link:
    """One cluster, or the reason why it cannot be reached. The first call that needs it waits."""

    def __init__(self, options: Settings, environment: Mapping[str, str]) -> None:
        self.options = options
        self.namespace = options.namespace or "default"
        """Where objects go that name none; the context's, once it is known."""
        self._found = asyncio.create_task(self._find(environment))

    async def _find(self, environment: Mapping[str, str]) -> Cluster | UnreachableError:
        try:
            way = access.resolve(self.options, environment)
            self.namespace = way.namespace or self.namespace
            cluster = await self._connect(way)
            await cluster.check()
        except UnreachableError as error:
            return error
        return cluster

    async def _connect(self, way: Access) -> Cluster:
        connecting = asyncio.to_thread(Cluster, way, self.options.request_seconds)
        try:
            return await asyncio.wait_for(connecting, _CREDENTIALS_SECONDS)
        except TimeoutError:
            raise UnreachableError(
                f"context `{way.context}` in {way.source} gave no credentials in "
                f"{_CREDENTIALS_SECONDS:g} s"
            ) from None

    async def reachable(self) -> Cluster | None:
        found = await asyncio.shield(self._found)
        return found if isinstance(found, Cluster) else None

    async def cluster(self) -> Cluster:
        """The cluster, or the end of the operation with the reason."""
        return await self._required(
            "Start it, or correct `kubeconfig` and `context` of the provider"
        )

    async def cluster_of_old(self) -> Cluster:
        """The same for what only looks after objects that are there, or were."""
        return await self._required(
            "If the cluster is gone for good, run the command again with "
            "PULUMI_K8S_DELETE_UNREACHABLE=true to forget its objects"
        )

    async def _required(self, way_out: str) -> Cluster:
        found = await asyncio.shield(self._found)
        if isinstance(found, Cluster):
            return found
        raise Failed(f"configured Kubernetes cluster is unreachable: {found}. {way_out}")
