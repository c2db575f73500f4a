"""`kubernetes:helm.sh/v3:Release`: a chart, installed by the helm binary.

A preview needs neither helm nor the chart; what only they know is unknown in it.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue

from plugins.command.process import Runner
from plugins.contract import (
    CheckRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    Failed,
    NotInitialised,
    ReadRequest,
    UpdateRequest,
)
from plugins.engine import Engine
from plugins.kubernetes import charts, naming, release_inputs
from plugins.kubernetes.access import Access
from plugins.kubernetes.helm import Found, Helm, HelmError, opened
from plugins.kubernetes.kinds import HELM_RELEASE
from plugins.masking import masked, secrets
from plugins.values import UNKNOWN, Object, PropertyMap, plain, plain_value, typed

INPUTS = "__inputs"
"""Where the vendor keeps the inputs in the state."""


class HelmRelease:
    """One method for each call of the engine that concerns a Release.

    `access` leads to the cluster, or raises Failed with the reason why there is no way.
    """

    def __init__(
        self,
        engine: Engine,
        environment: Mapping[str, str],
        access: Callable[[], Awaitable[Access]],
    ) -> None:
        self._engine = engine
        self._environment = environment
        self._access = access
        self._runner = Runner()

    async def cancel(self) -> None:
        self._runner.stopped.set()

    async def check(self, request: CheckRequest, /, *, namespace: str) -> sdk.CheckResponse:
        """`namespace` is where a release goes that names none."""
        failures = [
            sdk.CheckFailure(path, reason)
            for path, reason in release_inputs.problems(request.new_inputs)
        ]
        if failures:
            return sdk.CheckResponse(request.new_inputs, failures)
        old = plain_value(request.old_inputs.get("name", PropertyValue(None)))
        name = old or f"{request.name}-{naming.suffix(request.random_seed)}"
        try:
            inputs = release_inputs.completed(request.new_inputs, name=name, namespace=namespace)
        except (OSError, ValueError) as error:
            failure = sdk.CheckFailure("valueYamlFiles", str(error))
            return sdk.CheckResponse(request.new_inputs, [failure])
        return sdk.CheckResponse(inputs, [])

    async def diff(self, request: DiffRequest, /) -> sdk.DiffResponse:
        changes = release_inputs.difference(request.old_inputs, request.new_inputs)
        kinds = sdk.PropertyDiffKind
        return sdk.DiffResponse(
            changes=bool(changes),
            replaces=[key for key, replaces in changes.items() if replaces],
            # Objects of both would have the same names.
            delete_before_replace=any(changes.values()),
            diffs=list(changes),
            detailed_diff={
                key: sdk.PropertyDiff(
                    kinds.UPDATE_REPLACE if replaces else kinds.UPDATE, input_diff=True
                )
                for key, replaces in changes.items()
            },
        )

    async def create(self, request: CreateRequest, /) -> sdk.CreateResponse:
        inputs = request.properties
        if request.preview:
            return sdk.CreateResponse("", _previewed(inputs))
        asked = plain(inputs)
        async with self._helm(request.urn, inputs) as helm:
            await self._make_room(helm, asked, request.urn)
            chart = await charts.fetch(helm, charts.named(asked))
            arguments = release_inputs.install(asked, chart)
            found = await self._apply(helm, arguments, inputs, request.timeout)
        return sdk.CreateResponse(_id(asked), _outputs(inputs, found))

    async def update(self, request: UpdateRequest, /) -> sdk.UpdateResponse:
        inputs = request.news
        if request.preview:
            return sdk.UpdateResponse(_previewed(inputs))
        asked = plain(inputs)
        async with self._helm(request.urn, inputs) as helm:
            await self._recover(helm, asked, request.urn)
            chart = await charts.fetch(helm, charts.named(asked))
            arguments = release_inputs.upgrade(asked, chart)
            found = await self._apply(helm, arguments, inputs, request.timeout)
        return sdk.UpdateResponse(_outputs(inputs, found))

    async def delete(self, request: DeleteRequest, /) -> None:
        inputs = request.old_inputs or request.properties
        asked = plain(inputs)
        async with self._helm(request.urn, inputs) as helm:
            await helm.run(*release_inputs.uninstall(asked), seconds=request.timeout)

    async def read(self, request: ReadRequest, /) -> sdk.ReadResponse:
        namespace, name = naming.parse_identity(request.resource_id)
        async with self._helm(request.urn, request.inputs) as helm:
            found = await helm.find(namespace or "default", name)
        if found is None:
            return sdk.ReadResponse()
        inputs = request.inputs or _imported(found)
        return sdk.ReadResponse(request.resource_id, _outputs(inputs, found), inputs)

    @asynccontextmanager
    async def _helm(self, urn: str, inputs: PropertyMap) -> AsyncGenerator[Helm]:
        """Helm for the provider's cluster; what it complains of is told without secrets."""
        hidden = secrets(inputs.values())

        def say(message: str) -> None:
            self._engine.progress(masked(message, hidden), urn=urn)

        access = await self._access()
        try:
            async with opened(access, self._environment, self._runner, say) as helm:
                yield helm
        except HelmError as error:
            raise Failed(masked(str(error), hidden)) from error

    async def _make_room(self, helm: Helm, asked: Object, urn: str) -> None:
        """A name in use is an error, unless it is by a release that was never finished."""
        found = await helm.find(asked["namespace"], asked["name"])
        if found is None or asked.get("replace"):
            return
        if not found.interrupted or found.revision > 1:
            raise Failed(
                f"Helm release `{_id(asked)}` exists (status {found.status}): cannot re-use a name "
                f"that is still in use. Give another `name`, or take it over with "
                f"`pulumi import {HELM_RELEASE} NAME {_id(asked)}`"
            )
        self._tell(urn, f"removing `{_id(asked)}`, whose installation was interrupted")
        await helm.run(*release_inputs.uninstall(asked))

    async def _recover(self, helm: Helm, asked: Object, urn: str) -> None:
        """Helm refuses to touch a release in whose middle it was ended: lead it out of there."""
        found = await helm.find(asked["namespace"], asked["name"])
        if found is None or not found.status.startswith("pending-"):
            return
        if found.revision == 1:
            self._tell(urn, f"removing `{_id(asked)}`, whose installation was interrupted")
            await helm.run(*release_inputs.uninstall(asked))
        else:
            self._tell(urn, f"rolling back `{_id(asked)}`, whose upgrade was interrupted")
            await helm.run(*release_inputs.rollback(asked))

    async def _apply(
        self, helm: Helm, arguments: list[str], inputs: PropertyMap, seconds: float
    ) -> Found:
        """Install or upgrade; NotInitialised keeps what came half-way in the state."""
        asked = plain(inputs)
        values = json.dumps(asked.get("values") or {}).encode()
        try:
            answer = json.loads(await helm.run(*arguments, stdin=values, seconds=seconds))
        except HelmError as error:
            found = await helm.find(asked["namespace"], asked["name"])
            if found is None:
                raise
            reason = masked(str(error), secrets(inputs.values()))
            message = (
                f"Helm release `{_id(asked)}` exists, but its status is {found.status}: {reason}"
            )
            raise NotInitialised(
                message,
                resource_id=_id(asked),
                properties=_outputs(inputs, found),
                inputs=inputs,
                reasons=[message],
            ) from error
        chart = answer["chart"]["metadata"]
        return Found.of(answer, {**chart, "chart": chart["name"]})

    def _tell(self, urn: str, message: str) -> None:
        self._engine.log(message, urn=urn)


def _id(asked: Object) -> str:
    return f"{asked['namespace']}/{asked['name']}"


def _outputs(inputs: PropertyMap, found: Found) -> PropertyMap:
    """The state: inputs as secret as they were, and what helm says of the release."""
    status = {
        "appVersion": found.app_version,
        "chart": found.chart,
        "name": found.name,
        "namespace": found.namespace,
        "revision": found.revision,
        "status": found.status,
        "version": found.version,
    }
    names = release_inputs.resource_names(found.manifest)
    computed = {"resourceNames": names, "status": status, "version": found.version}
    return {**inputs, **typed(computed), INPUTS: PropertyValue(inputs, is_secret=True)}


def _previewed(inputs: PropertyMap) -> PropertyMap:
    return {
        **inputs,
        **typed({"resourceNames": UNKNOWN, "status": UNKNOWN}),
        INPUTS: PropertyValue(inputs, is_secret=True),
    }


def _imported(found: Found) -> PropertyMap:
    """Inputs that would make the release as it is; where its chart came from, helm forgets."""
    return typed(
        {
            "name": found.name,
            "namespace": found.namespace,
            "chart": found.chart,
            "version": found.version,
            "values": found.values,
            "timeout": release_inputs.DEFAULT_SECONDS,
        }
    )
