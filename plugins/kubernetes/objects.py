"""Objects of every kind that the API server serves: what happens in which order."""

import asyncio
import contextlib
from collections.abc import Generator, Iterator
from typing import Any

from pulumi.provider.experimental import provider as sdk

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
from plugins.kubernetes import awaiting, diff, drift, kinds, naming, ownership, state, waitfor
from plugins.kubernetes.access import UnreachableError
from plugins.kubernetes.awaiting import Checks, NotReadyError, Patience
from plugins.kubernetes.cluster import Cluster, Served
from plugins.kubernetes.errors import ApiError, NoSuchKindError, explain
from plugins.kubernetes.kinds import Kind
from plugins.kubernetes.link import Link
from plugins.kubernetes.readiness import READY, RULES, Ready
from plugins.kubernetes.writing import Writer
from plugins.masking import masked
from plugins.values import UNKNOWN, Object, PropertyMap, at, has_unknown

PATCH_FORCE = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager"


class Objects:
    """One method for each call of the engine that concerns an object."""

    def __init__(self, engine: Engine, link: Link, cancelled: asyncio.Event) -> None:
        self._engine = engine
        self._link = link
        self._cancelled = cancelled
        self._scopes: dict[tuple[str, str], bool] = {}
        """Whether objects are namespaced, of kinds whose CRD this program makes: by group, kind."""

    async def check(self, request: CheckRequest, /) -> sdk.CheckResponse:
        obj = state.wanted(request.new_inputs)
        if reason := kinds.refused(obj, request.type):
            raise Failed(reason)
        kind = kinds.of(obj, request.type)
        obj |= {"apiVersion": kind.api_version, "kind": kind.kind}
        obj = naming.with_name(
            obj,
            state.wanted(request.old_inputs),
            logical=request.name,
            seed=request.random_seed,
        )
        self._remember_scope(obj)
        if at(obj, "metadata", "namespace") is None and await self._namespaced(kind):
            metadata: Any = obj.get("metadata") or {}
            if metadata is not UNKNOWN:
                obj["metadata"] = {**metadata, "namespace": self._link.namespace}
        inputs = state.inputs(obj, request.new_inputs)
        return sdk.CheckResponse(inputs=inputs, failures=list(_failures(obj)))

    async def diff(self, request: DiffRequest, /) -> sdk.DiffResponse:
        live = state.live_of(request.old_state)
        old, new = state.wanted(request.old_inputs), state.wanted(request.new_inputs)
        if not await self._namespaced(kinds.of(new, request.type)):
            old, new = _unscoped(old), _unscoped(new)
        fixed = kinds.fixed(old, new, mutable=self._link.options.mutable)
        found = diff.differences(old, new, fixed, request.ignore_changes)
        replaces = [diff.render(one.path) for one in found if one.replaces]
        stays = (
            not naming.autonamed(new)
            and at(new, "metadata", "name") == at(live, "metadata", "name")
            and at(new, "metadata", "namespace") == at(old, "metadata", "namespace")
        )
        return sdk.DiffResponse(
            changes=bool(found),
            replaces=replaces,
            # Two objects of one name cannot exist at once.
            delete_before_replace=bool(replaces) and stays,
            diffs=list(dict.fromkeys(str(one.path[0]) for one in found)),
            detailed_diff={diff.render(one.path): _property_diff(one) for one in found},
        )

    async def create(self, request: CreateRequest, /) -> sdk.CreateResponse:
        asked = state.wanted(request.properties)
        manager = _manager(asked)
        if request.preview:
            seen = await self._preview_creation(asked, manager, request)
            return sdk.CreateResponse(
                properties=self._outputs(seen, request.properties, manager, asked["apiVersion"])
            )
        cluster = await self._link.cluster()
        writer = self._writer(cluster, manager, request.urn)
        with _explained(
            f"{asked['kind']} `{naming.identity(asked)}` was not created", request.properties
        ):
            served, live = await writer.create(
                kinds.of(asked, request.type),
                lambda served: _scoped(asked, served, self._link.namespace),
                upsert=self._link.options.upsert,
                force=self._forces(asked),
            )
            live = await writer.take_over(served, live)
        patience = self._patience(asked, request.timeout, request.urn)
        live = await self._await(
            cluster, served, live, asked, patience, request.properties, manager
        )
        return sdk.CreateResponse(
            resource_id=naming.identity(live),
            properties=self._outputs(live, request.properties, manager, asked["apiVersion"]),
        )

    async def _preview_creation(
        self, asked: Object, manager: str, request: CreateRequest
    ) -> Object:
        """The object as a dry run makes it, or as it was asked for where none is possible."""
        cluster = await self._link.reachable()
        if cluster is None or has_unknown(asked):
            return state.previewed_creation(asked, asked)
        with _explained(
            f"{asked['kind']} `{naming.identity(asked)}` would be refused", request.properties
        ):
            try:
                served = await cluster.served(kinds.of(asked, request.type))
                obj = _scoped(asked, served, self._link.namespace)
                made = await cluster.create(served, obj, manager=manager, dry_run=True)
            except NoSuchKindError:
                made = asked
            except ApiError as error:
                if not _previewable(error):
                    raise
                made = asked
        return state.previewed_creation(made, asked)

    async def update(self, request: UpdateRequest, /) -> sdk.UpdateResponse:
        asked, old = state.wanted(request.news), state.live_of(request.olds)
        manager = _manager(asked, request.olds)
        version = state.initial_api_version(request.olds) or asked["apiVersion"]
        kind = kinds.of(asked, request.type)
        if request.preview:
            cluster = await self._link.reachable()
            seen = state.echoed_update(asked, old)
            if cluster is not None and not has_unknown(asked):
                seen = await self._preview_update(cluster, kind, asked, manager, request, seen)
            return sdk.UpdateResponse(self._outputs(seen, request.news, manager, version))
        cluster = await self._link.cluster()
        with _explained(f"{kind.kind} `{request.resource_id}` was not updated", request.news):
            served = await cluster.served(kind)
            live = await self._existing(cluster, served, request)
            live = await self._writer(cluster, manager, request.urn).take_over(served, live)
            obj = _scoped(asked, served, self._link.namespace)
            obj = ownership.without_ignored(obj, live, manager, request.ignore_changes)
            live = await cluster.apply(served, obj, manager=manager, force=self._forces(asked))
        patience = self._patience(asked, request.timeout, request.urn)
        live = await self._await(cluster, served, live, asked, patience, request.news, manager)
        return sdk.UpdateResponse(self._outputs(live, request.news, manager, version))

    async def _existing(self, cluster: Cluster, served: Served, request: UpdateRequest) -> Object:
        try:
            return await cluster.get(served, *naming.parse_identity(request.resource_id))
        except ApiError as error:
            if not error.not_found:
                raise
            raise Failed(
                f"{served.kind.kind} `{request.resource_id}` is in the state, but not in the "
                "cluster: `pulumi refresh` forgets it, and the next `up` makes it again"
            ) from error

    async def _preview_update(
        self,
        cluster: Cluster,
        kind: Kind,
        asked: Object,
        manager: str,
        request: UpdateRequest,
        echo: Object,
    ) -> Object:
        """The object as a dry run leaves it, or `echo` where none is possible."""
        with _explained(f"{kind.kind} `{request.resource_id}` would be refused", request.news):
            try:
                served = await cluster.served(kind)
                live = await cluster.get(served, *naming.parse_identity(request.resource_id))
                obj = _scoped(asked, served, self._link.namespace)
                obj = ownership.without_ignored(obj, live, manager, request.ignore_changes)
                # A dry run cannot first take over fields that we would own by then.
                pending = ownership.taken_over(live, manager) is not None
                force = pending or self._forces(asked)
                tried = await cluster.apply(served, obj, manager=manager, force=force, dry_run=True)
            except NoSuchKindError:
                return echo
            except ApiError as error:
                if not _previewable(error):
                    raise
                return echo
        return state.previewed_update(tried)

    async def delete(self, request: DeleteRequest, /) -> None:
        live = state.live_of(request.properties)
        kind = kinds.of(live, request.type)
        cluster = await self._link.cluster_of_old()
        what = f"{kind.kind} `{request.resource_id}` was not deleted"
        namespace, name = naming.parse_identity(request.resource_id)
        with _explained(what, request.properties):
            try:
                served = await cluster.served(kind)
                await cluster.delete(
                    served, namespace, name, propagation=awaiting.propagation(live)
                )
            except NoSuchKindError:
                return  # its CRD is gone, and the objects with it
            except ApiError as error:
                if error.not_found:
                    return
                raise
            if not awaiting.awaits_deletion(live):
                return
            marked = {**live, "metadata": {**live["metadata"], "name": name}}
            if namespace:
                marked["metadata"]["namespace"] = namespace
            patience = self._patience(live, request.timeout, request.urn)
            try:
                await awaiting.until_gone(cluster, served, marked, patience)
            except NotReadyError as error:
                raise Failed(f"{what}: {error}") from error

    async def read(self, request: ReadRequest, /) -> sdk.ReadResponse:
        cluster = await self._link.cluster_of_old()
        asked = state.wanted(request.inputs)
        kind = kinds.of(asked or state.live_of(request.properties), request.type)
        manager = _manager(asked, request.properties)
        version = state.initial_api_version(request.properties) or kind.api_version
        with _explained(f"{kind.kind} `{request.resource_id}` was not read", request.inputs):
            try:
                namespace, name = naming.parse_identity(request.resource_id)
            except ValueError as error:
                raise Failed(str(error)) from error
            try:
                served = await cluster.served(kind)
                if namespace is None and served.namespaced:
                    namespace = self._link.namespace
                live = await cluster.get(served, namespace, name)
            except NoSuchKindError:
                return sdk.ReadResponse()
            except ApiError as error:
                if error.not_found:
                    return sdk.ReadResponse()
                raise
            inputs = drift.drifted(live, asked) if asked else state.imported(live)
            properties = self._outputs(live, request.inputs, manager, version)
            kept = state.inputs(inputs, request.inputs)
            if asked and (problem := await self._unready(cluster, live, asked)):
                raise NotInitialised(
                    f"{kind.kind} `{request.resource_id}` is not ready: {problem}",
                    resource_id=request.resource_id,
                    properties=properties,
                    inputs=kept,
                    reasons=[problem],
                )
        return sdk.ReadResponse(naming.identity(live), properties, kept)

    async def _unready(self, cluster: Cluster, live: Object, asked: Object) -> str | None:
        """Why a refreshed object is not ready, of kinds for which a refresh tells."""
        rule = RULES.get((live["apiVersion"], live["kind"]))
        if (
            rule is None
            or not rule.on_refresh
            or awaiting.annotation(asked, awaiting.SKIP) == "true"
        ):
            return None
        verdict = await Checks(rule, ()).judge(cluster, live)
        return None if verdict == READY or isinstance(verdict, Ready) else verdict.why

    # -- what they share

    async def _await(
        self,
        cluster: Cluster,
        served: Served,
        live: Object,
        asked: Object,
        patience: Patience,
        given: PropertyMap,
        manager: str,
    ) -> Object:
        """The live object once it is ready; NotInitialised keeps it in the state if it is not."""
        try:
            checks = Checks.of(asked, await_all=self._link.options.await_all)
            return await awaiting.until_ready(cluster, served, live, checks, patience)
        except (NotReadyError, waitfor.MalformedError, UnreachableError, ApiError) as error:
            if isinstance(error, NotReadyError):
                live, reasons = error.live, error.reasons
            else:
                reasons = [str(error)]
            hidden = state.secret_texts(given)
            reasons = [masked(reason, hidden) for reason in reasons]
            summary = f"{live['kind']} `{naming.identity(live)}` exists, but {reasons[0]}"
            raise NotInitialised(
                "\n    ".join([summary, *reasons[1:]]),
                resource_id=naming.identity(live),
                properties=self._outputs(live, given, manager, asked["apiVersion"]),
                inputs={},
                reasons=[summary, *reasons[1:]],
            ) from error

    def _say(self, urn: str) -> awaiting.Say:
        return lambda message: self._engine.progress(message, urn=urn)

    def _writer(self, cluster: Cluster, manager: str, urn: str) -> Writer:
        return Writer(cluster, manager, self._cancelled, self._say(urn))

    def _patience(self, obj: Object, requested: float, urn: str) -> Patience:
        return Patience(awaiting.seconds(obj, requested), self._cancelled, self._say(urn))

    def _outputs(self, live: Object, given: PropertyMap, manager: str, version: str) -> PropertyMap:
        return state.outputs(live, given, manager=manager, initial_api_version=version)

    def _forces(self, obj: Object) -> bool:
        said = awaiting.annotation(obj, PATCH_FORCE)
        return said == "true" if said else self._link.options.patch_force

    def _remember_scope(self, obj: Object) -> None:
        """A CRD tells the scope of its objects before any server knows it."""
        spec = obj.get("spec")
        if kinds.is_crd(obj) and isinstance(at(spec, "names", "kind"), str):
            self._scopes[at(spec, "group"), at(spec, "names", "kind")] = (
                at(spec, "scope") != "Cluster"
            )

    async def _namespaced(self, kind: Kind) -> bool:
        if (known := self._scopes.get((kind.group, kind.kind))) is not None:
            return known
        cluster = await self._link.reachable()
        if cluster is not None:
            with contextlib.suppress(NoSuchKindError, ApiError, UnreachableError):
                return (await cluster.served(kind)).namespaced
        return kinds.probably_namespaced(kind)


def _failures(obj: Object) -> Iterator[sdk.CheckFailure]:
    if at(obj, "metadata", "generateName") and not naming.named(obj):
        yield sdk.CheckFailure(
            "metadata.generateName",
            "server-side apply needs a name: set `metadata.name`, or neither for a generated one",
        )
    annotation = awaiting.annotation(obj, waitfor.ANNOTATION)
    if annotation:
        try:
            waitfor.parse(annotation)
        except waitfor.MalformedError as error:
            yield sdk.CheckFailure("metadata.annotations", str(error))


def _property_diff(one: diff.Difference) -> sdk.PropertyDiff:
    name = f"{one.change.value}_REPLACE" if one.replaces else one.change.value
    return sdk.PropertyDiff(sdk.PropertyDiffKind[name], input_diff=True)


def _manager(asked: Object, known: PropertyMap | None = None) -> str:
    """The field manager: what the annotation says, the one there was, or a new one."""
    return (
        awaiting.annotation(asked, PATCH_FIELD_MANAGER)
        or state.field_manager(known or {})
        or f"pulumi-kubernetes-{naming.suffix()}"
    )


def _unscoped(obj: Object) -> Object:
    metadata: Any = obj.get("metadata")
    if metadata is UNKNOWN or not metadata:
        return obj
    return {**obj, "metadata": {k: v for k, v in metadata.items() if k != "namespace"}}


def _scoped(obj: Object, served: Served, default: str) -> Object:
    """The object with a namespace exactly if its kind has one."""
    if not served.namespaced:
        return _unscoped(obj)
    metadata: Object = obj["metadata"]
    return {**obj, "metadata": {"namespace": default, **metadata}}


def _previewable(error: ApiError) -> bool:
    """Whether a refused dry run says nothing about the real thing."""
    return error.already_exists or error.forbidden or error.not_found or error.no_dry_run


@contextlib.contextmanager
def _explained(what: str, given: PropertyMap) -> Generator[None]:
    """Turn what the cluster refuses into one line for the user, without secrets."""
    try:
        yield
    except ApiError as error:
        raise Failed(masked(explain(error, what), state.secret_texts(given))) from error
    except (NoSuchKindError, UnreachableError) as error:
        raise Failed(f"{what}: {error}") from error
