"""Answers the engine for `kubernetes`: the provider itself, and to whom each resource goes."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from pulumi.provider.experimental import provider as sdk

from plugins.contract import (
    CheckRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    Failed,
    ReadRequest,
    UpdateRequest,
)
from plugins.engine import Engine
from plugins.kubernetes import access, settings
from plugins.kubernetes.access import Access
from plugins.kubernetes.kinds import HELM_RELEASE
from plugins.kubernetes.link import Link
from plugins.kubernetes.objects import Objects
from plugins.values import UNKNOWN, Object, plain

if TYPE_CHECKING:
    from plugins.kubernetes.helm_release import HelmRelease


class KubernetesProvider:
    """Serves every kind of object that the API server serves, and Helm releases."""

    def __init__(self, engine: Engine, environment: Mapping[str, str] = os.environ) -> None:
        self._engine = engine
        self._environment = environment
        self._cancelled = asyncio.Event()
        self._link: Link
        self._objects: Objects

    @cached_property
    def _releases(self) -> "HelmRelease":
        # Imported here: most programs have none.
        from plugins.kubernetes.helm_release import HelmRelease  # noqa: PLC0415

        async def access() -> Access:
            return (await self._link.cluster()).access

        return HelmRelease(self._engine, self._environment, access)

    def _owner(self, kind: str) -> "Objects | HelmRelease":
        return self._releases if kind == HELM_RELEASE else self._objects

    async def cancel(self) -> None:
        self._cancelled.set()
        if "_releases" in self.__dict__:
            await self._releases.cancel()

    async def invoke(self, request: sdk.InvokeRequest, /) -> sdk.InvokeResponse:
        raise Failed(
            f"`{request.tok}` is not offered by this stand-in for the vendor's Kubernetes plugin"
        )

    # -- the provider itself

    async def check_config(self, request: CheckRequest, /) -> sdk.CheckResponse:
        try:
            settings.read(_variables(plain(request.new_inputs)), self._environment)
        except ValueError as error:
            failure = sdk.CheckFailure("", str(error))
            return sdk.CheckResponse(inputs=request.new_inputs, failures=[failure])
        return sdk.CheckResponse(inputs=request.new_inputs)

    async def diff_config(self, request: DiffRequest, /) -> sdk.DiffResponse:
        old, new = plain(request.old_state), plain(request.new_inputs)
        changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        return sdk.DiffResponse(
            changes=bool(changed), diffs=changed, replaces=_other_cluster(old, new, changed)
        )

    async def configure(self, request: sdk.ConfigureRequest, /) -> sdk.ConfigureResponse:
        try:
            options = settings.read(request.variables, self._environment)
        except ValueError as error:
            raise Failed(str(error)) from error
        self._link = Link(options, self._environment)
        self._objects = Objects(self._engine, self._link, self._cancelled)
        return sdk.ConfigureResponse(accept_secrets=True, supports_preview=True)

    # -- resources

    async def check(self, request: CheckRequest, /) -> sdk.CheckResponse:
        cluster = await self._link.reachable()  # its context names the namespace, too
        if cluster is None and self._link.options.skip_update_unreachable and request.old_inputs:
            self._warn("left as it was", request.urn)
            return sdk.CheckResponse(inputs=request.old_inputs)
        if request.type == HELM_RELEASE:
            return await self._releases.check(request, namespace=self._link.namespace)
        return await self._objects.check(request)

    async def diff(self, request: DiffRequest, /) -> sdk.DiffResponse:
        return await self._owner(request.type).diff(request)

    async def create(self, request: CreateRequest, /) -> sdk.CreateResponse:
        return await self._owner(request.type).create(request)

    async def update(self, request: UpdateRequest, /) -> sdk.UpdateResponse:
        return await self._owner(request.type).update(request)

    async def delete(self, request: DeleteRequest, /) -> None:
        forgets = self._link.options.delete_unreachable and request.type != HELM_RELEASE
        if forgets and await self._link.reachable() is None:
            self._warn("removed from the state only", request.urn)
            return
        await self._owner(request.type).delete(request)

    async def read(self, request: ReadRequest, /) -> sdk.ReadResponse:
        """What is there; of a cluster that is not, what the options say, or an error."""
        if await self._link.reachable() is None:
            if self._link.options.delete_unreachable:
                self._warn("removed from the state only", request.urn)
                return sdk.ReadResponse()
            if self._link.options.skip_update_unreachable:
                self._warn("left as it was", request.urn)
                return sdk.ReadResponse(request.resource_id, request.properties, request.inputs)
        await self._link.cluster_of_old()
        return await self._owner(request.type).read(request)

    def _warn(self, what: str, urn: str) -> None:
        self._engine.log(f"the cluster is unreachable: {what}", urn=urn, severity="WARNING")


def _variables(options: Object) -> dict[str, str]:
    """Provider inputs as the variables that Configure will get; unknown ones are left out."""
    return {
        f"kubernetes:config:{key}": value
        for key, value in options.items()
        if isinstance(value, str)
    }


_WAY = ("kubeconfig", "context", "cluster")


def _other_cluster(old: Object, new: Object, changed: Iterable[str]) -> list[str]:
    """Changed options by which a provider becomes one for another cluster.

    `clusterIdentifier` alone decides where it is set before and after; else the cluster's entry in
    the kubeconfig does, and a kubeconfig that is not known yet may be any.
    """
    before, after = old.get("clusterIdentifier"), new.get("clusterIdentifier")
    if after and before == after:
        return []
    if before and after:
        return ["clusterIdentifier"]
    way = [key for key in changed if key in _WAY]
    if unknown := [key for key in way if new.get(key) is UNKNOWN]:
        return unknown
    former, latter = (
        access.active_cluster(*(str(options.get(key) or "") for key in _WAY))
        for options in (old, new)
    )
    return way if former and latter and former != latter else []
