"""One method for each call of the engine: what happens in which order."""

import asyncio
import contextlib
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pulumi.provider.experimental import provider as sdk

from plugins.kubernetes import (
    access,
    awaiting,
    diff,
    drift,
    kinds,
    naming,
    ownership,
    settings,
    state,
    waitfor,
)
from plugins.kubernetes.access import Access, UnreachableError
from plugins.kubernetes.awaiting import Checks, NotReadyError, Patience
from plugins.kubernetes.cluster import Cluster, Served
from plugins.kubernetes.errors import ApiError, NoSuchKindError, explain
from plugins.kubernetes.kinds import Kind
from plugins.kubernetes.readiness import READY, RULES, Ready
from plugins.masking import masked
from plugins.server import (
    DeleteRequest,
    DiffRequest,
    Engine,
    Failed,
    NotInitialised,
    UpdateRequest,
)
from plugins.values import UNKNOWN, Object, PropertyMap, at, has_unknown, plain

if TYPE_CHECKING:
    from plugins.kubernetes.helm_release import HelmRelease

HELM_RELEASE = "kubernetes:helm.sh/v3:Release"

PATCH_FORCE = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager"

# A kind or a namespace may be about to be made by another resource: the vendor waits 31 s, too.
_RETRY_PAUSES = (0.1, 0.2, 0.5, 1, 2, 4, 8, 16)  # seconds

_TAKEOVER_TRIES = 3


class KubernetesProvider:
    """Serves every kind of object that the API server serves."""

    def __init__(self, engine: Engine, environment: Mapping[str, str] = os.environ) -> None:
        self._engine = engine
        self._environment = environment
        self._cancelled = asyncio.Event()
        self._scopes: dict[tuple[str, str], bool] = {}
        """Whether objects are namespaced, of kinds whose CRD this program makes: by group, kind."""
        self._settings: settings.Settings
        self._connecting: asyncio.Task[Cluster | UnreachableError]
        self._namespace = "default"

    @cached_property
    def _releases(self) -> "HelmRelease":
        # Imported here: most programs have none.
        from plugins.kubernetes.helm_release import HelmRelease  # noqa: PLC0415

        async def access() -> Access:
            return (await self._cluster()).access

        return HelmRelease(self._engine, self._environment, access)

    async def cancel(self) -> None:
        self._cancelled.set()
        if "_releases" in self.__dict__:
            await self._releases.cancel()

    async def invoke(self, request: sdk.InvokeRequest, /) -> sdk.InvokeResponse:
        raise Failed(
            f"`{request.tok}` is not offered by this stand-in for the vendor's Kubernetes plugin"
        )

    # -- the provider itself

    async def check_config(self, request: sdk.CheckRequest, /) -> sdk.CheckResponse:
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
            self._settings = settings.read(request.variables, self._environment)
        except ValueError as error:
            raise Failed(str(error)) from error
        self._namespace = self._settings.namespace or "default"
        # In the background: the first call that needs the cluster waits for it.
        self._connecting = asyncio.create_task(self._connect())
        return sdk.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def _connect(self) -> Cluster | UnreachableError:
        try:
            way = access.resolve(self._settings, self._environment)
            self._namespace = way.namespace or self._namespace
            cluster = await asyncio.to_thread(
                Cluster, way, self._environment, self._settings.request_seconds
            )
            await cluster.check()
        except UnreachableError as error:
            return error
        return cluster

    async def _reachable(self) -> Cluster | None:
        link = await asyncio.shield(self._connecting)
        return link if isinstance(link, Cluster) else None

    async def _cluster(self) -> Cluster:
        """The cluster, or the end of the operation with the reason."""
        link = await asyncio.shield(self._connecting)
        if isinstance(link, Cluster):
            return link
        raise Failed(
            f"configured Kubernetes cluster is unreachable: {link}. Start it, or correct "
            "`kubeconfig` and `context` of the provider"
        )

    # -- resources

    async def check(self, request: sdk.CheckRequest, /) -> sdk.CheckResponse:
        cluster = await self._reachable()
        if cluster is None and self._settings.skip_update_unreachable and request.old_inputs:
            self._warn("the cluster is unreachable: left as it was", request.urn)
            return sdk.CheckResponse(inputs=request.old_inputs)
        if request.type == HELM_RELEASE:
            return await self._releases.check(request, namespace=self._namespace)
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
                obj["metadata"] = {**metadata, "namespace": self._namespace}
        inputs = state.inputs(obj, request.new_inputs)
        return sdk.CheckResponse(inputs=inputs, failures=list(_failures(obj)))

    async def diff(self, request: DiffRequest, /) -> sdk.DiffResponse:
        if request.type == HELM_RELEASE:
            return await self._releases.diff(request)
        live = state.live_of(request.old_state)
        old, new = state.wanted(request.old_inputs), state.wanted(request.new_inputs)
        if not await self._namespaced(kinds.of(new, request.type)):
            old, new = _unscoped(old), _unscoped(new)
        fixed = kinds.fixed(old, new, mutable=self._settings.mutable)
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

    async def create(self, request: sdk.CreateRequest, /) -> sdk.CreateResponse:
        if request.type == HELM_RELEASE:
            return await self._releases.create(request)
        asked = state.wanted(request.properties)
        manager = _manager(asked) or f"pulumi-kubernetes-{naming.suffix()}"
        if request.preview:
            seen = await self._preview_creation(asked, manager, request)
            return sdk.CreateResponse(
                properties=self._outputs(seen, request.properties, manager, asked["apiVersion"])
            )
        cluster = await self._cluster()
        with _explained(f"{asked['kind']} `{_name(asked)}` was not created", request.properties):
            served, live = await self._create(cluster, asked, manager, request.urn)
            live = await self._take_over(cluster, served, live, manager)
        patience = self._patience(asked, request.timeout, request.urn)
        live = await self._await(
            cluster, served, live, asked, patience, request.properties, manager
        )
        return sdk.CreateResponse(
            resource_id=naming.identity(live),
            properties=self._outputs(live, request.properties, manager, asked["apiVersion"]),
        )

    async def _preview_creation(
        self, asked: Object, manager: str, request: sdk.CreateRequest
    ) -> Object:
        """The object as a dry run makes it, or as it was asked for where none is possible."""
        cluster = await self._reachable()
        if cluster is None or has_unknown(asked):
            return state.previewed_creation(asked, asked)
        with _explained(f"{asked['kind']} `{_name(asked)}` would be refused", request.properties):
            try:
                served = await cluster.served(kinds.of(asked, request.type))
                made = await cluster.create(
                    served, _scoped(asked, served, self._namespace), manager=manager, dry_run=True
                )
            except NoSuchKindError:
                made = asked
            except ApiError as error:
                if not _previewable(error):
                    raise
                made = asked
        return state.previewed_creation(made, asked)

    async def _create(
        self, cluster: Cluster, asked: Object, manager: str, urn: str
    ) -> tuple[Served, Object]:
        """Make the object; wait a while for its kind or its namespace to appear."""
        kind = Kind(asked["apiVersion"], asked["kind"])
        for pause in (*_RETRY_PAUSES, None):
            try:
                served = await cluster.served(kind)
                obj = _scoped(asked, served, self._namespace)
                return served, await self._post(cluster, served, obj, manager)
            except NoSuchKindError:
                if pause is None:
                    raise
                reason = f"the cluster serves no `{kind}` yet"
            except ApiError as error:
                if pause is None or not error.not_found:
                    raise
                cluster.forget(kind.api_version)
                reason = error.message
            self._engine.progress(f"trying again in {pause} s: {reason}", urn=urn)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._cancelled.wait(), pause)
                raise Failed(f"you cancelled, and {reason}")
        raise AssertionError  # the last pause is None, which ends the loop

    async def _post(self, cluster: Cluster, served: Served, obj: Object, manager: str) -> Object:
        try:
            return await cluster.create(served, obj, manager=manager)
        except ApiError as error:
            if error.already_exists and self._settings.upsert:
                return await cluster.apply(served, obj, manager=manager, force=self._forces(obj))
            raise

    async def _take_over(
        self, cluster: Cluster, served: Served, live: Object, manager: str
    ) -> Object:
        """Own by apply what was made otherwise; someone else's write in between starts it anew."""
        for _ in range(_TAKEOVER_TRIES):
            fields = ownership.taken_over(live, manager)
            if fields is None:
                return live
            version = live["metadata"]["resourceVersion"]
            operations: list[Object] = [
                {"op": "replace", "path": "/metadata/managedFields", "value": fields},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            ]
            try:
                return await cluster.patch(served, live, operations)
            except ApiError as error:
                if not error.conflict:
                    raise
            live = await cluster.get(
                served, at(live, "metadata", "namespace"), live["metadata"]["name"]
            )
        return live

    async def update(self, request: UpdateRequest, /) -> sdk.UpdateResponse:
        if request.type == HELM_RELEASE:
            return await self._releases.update(request)
        asked, old = state.wanted(request.news), state.live_of(request.olds)
        manager = (
            _manager(asked)
            or state.field_manager(request.olds)
            or f"pulumi-kubernetes-{naming.suffix()}"
        )
        version = state.initial_api_version(request.olds) or asked["apiVersion"]
        kind = kinds.of(asked, request.type)
        if request.preview:
            cluster = await self._reachable()
            seen = state.echoed_update(asked, old)
            if cluster is not None and not has_unknown(asked):
                seen = await self._preview_update(cluster, kind, asked, manager, request, seen)
            return sdk.UpdateResponse(self._outputs(seen, request.news, manager, version))
        cluster = await self._cluster()
        with _explained(f"{kind.kind} `{request.resource_id}` was not updated", request.news):
            served = await cluster.served(kind)
            live = await self._existing(cluster, served, request)
            live = await self._take_over(cluster, served, live, manager)
            obj = _scoped(asked, served, self._namespace)
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
                obj = _scoped(asked, served, self._namespace)
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
        if request.type == HELM_RELEASE:
            await self._releases.delete(request)
            return
        live = state.live_of(request.properties)
        kind = kinds.of(live, request.type)
        cluster = await self._reachable()
        if cluster is None and self._settings.delete_unreachable:
            self._warn("the cluster is unreachable: removed from the state only", request.urn)
            return
        if cluster is None:
            raise Failed(await self._gone_hint())
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

    async def read(self, request: sdk.ReadRequest, /) -> sdk.ReadResponse:
        cluster = await self._reachable()
        if cluster is None:
            return await self._read_unreachable(request)
        if request.type == HELM_RELEASE:
            return await self._releases.read(request)
        asked = state.wanted(request.inputs)
        kind = kinds.of(asked or state.live_of(request.properties), request.type)
        manager = (
            _manager(asked)
            or state.field_manager(request.properties)
            or f"pulumi-kubernetes-{naming.suffix()}"
        )
        version = state.initial_api_version(request.properties) or kind.api_version
        with _explained(f"{kind.kind} `{request.resource_id}` was not read", request.inputs):
            try:
                namespace, name = naming.parse_identity(request.resource_id)
            except ValueError as error:
                raise Failed(str(error)) from error
            try:
                served = await cluster.served(kind)
                if namespace is None and served.namespaced:
                    namespace = self._namespace
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

    async def _read_unreachable(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        if self._settings.delete_unreachable:
            self._warn("the cluster is unreachable: removed from the state only", request.urn)
            return sdk.ReadResponse()
        if self._settings.skip_update_unreachable:
            self._warn("the cluster is unreachable: left as it was", request.urn)
            return sdk.ReadResponse(request.resource_id, request.properties, request.inputs)
        raise Failed(await self._gone_hint())

    # -- what they share

    async def _gone_hint(self) -> str:
        link = await asyncio.shield(self._connecting)
        return (
            f"configured Kubernetes cluster is unreachable: {link}. If the cluster is gone for "
            "good, run the command again with PULUMI_K8S_DELETE_UNREACHABLE=true to forget its "
            "objects"
        )

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
            checks = Checks.of(asked, await_all=self._settings.await_all)
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

    def _patience(self, obj: Object, requested: float, urn: str) -> Patience:
        def say(message: str) -> None:
            self._engine.progress(message, urn=urn)

        return Patience(awaiting.seconds(obj, requested), self._cancelled, say)

    def _outputs(self, live: Object, given: PropertyMap, manager: str, version: str) -> PropertyMap:
        return state.outputs(live, given, manager=manager, initial_api_version=version)

    def _forces(self, obj: Object) -> bool:
        said = awaiting.annotation(obj, PATCH_FORCE)
        return said == "true" if said else self._settings.patch_force

    def _warn(self, message: str, urn: str) -> None:
        self._engine.log(message, urn=urn, severity="WARNING")

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
        cluster = await self._reachable()
        if cluster is not None:
            with contextlib.suppress(NoSuchKindError, ApiError, UnreachableError):
                return (await cluster.served(kind)).namespaced
        return kinds.probably_namespaced(kind)


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


def _manager(obj: Object) -> str | None:
    return awaiting.annotation(obj, PATCH_FIELD_MANAGER) or None


def _name(obj: Object) -> str:
    return naming.identity(obj)


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
