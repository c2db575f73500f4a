"""Whether an object does what it is there for, by what the API server says of it.

A rule sees the live object and, where the object alone cannot tell, some related ones. It answers
`READY`, `Waiting` with the reason, or `Broken` when waiting on would be in vain.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from plugins.values import Object, at


@dataclass(frozen=True)
class Ready:
    pass


@dataclass(frozen=True)
class Waiting:
    why: str


@dataclass(frozen=True)
class Broken:
    why: str


Verdict: TypeAlias = Ready | Waiting | Broken
READY: Final = Ready()


@dataclass(frozen=True)
class Related:
    """Other objects a rule needs to see: a list by selector, or one by name."""

    api_version: str
    kind: str
    selector: Callable[[Object], str] | None = None
    name: Callable[[Object], str | None] | None = None


@dataclass(frozen=True)
class Rule:
    judge: Callable[[Object, Sequence[Object]], Verdict]
    related: Related | None = None
    on_refresh: bool = False
    """Whether a refresh tells of an object that is not ready: the next `up` waits for it then."""


def condition(obj: object, kind: str) -> Object:
    """The condition of that type in the object's status, or an empty mapping."""
    found: list[Any] = at(obj, "status", "conditions") or []
    empty: Object = {}
    return next((one for one in found if at(one, "type") == kind), empty)


def _count(obj: Object, *path: str) -> int:
    return int(at(obj, *path) or 0)


def _stale(obj: Object) -> bool:
    """Whether the status is about an older version of the object."""
    return _count(obj, "status", "observedGeneration") < _count(obj, "metadata", "generation")


def _wanted(obj: Object) -> int:
    replicas = at(obj, "spec", "replicas")
    return 1 if replicas is None else int(replicas)


def deployment(obj: Object, _: Sequence[Object] = ()) -> Verdict:
    if _stale(obj):
        return Waiting("the controller has not seen it yet")
    progressing = condition(obj, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Broken(f"its rollout failed: {progressing.get('message')}")
    wanted, updated = _wanted(obj), _count(obj, "status", "updatedReplicas")
    available = _count(obj, "status", "availableReplicas")
    if updated < wanted:
        return Waiting(f"{updated} of {wanted} pods are of the new version")
    if (old := _count(obj, "status", "replicas") - updated) > 0:
        return Waiting(f"{old} pods of the old version still run")
    if available < wanted:
        return Waiting(f"{available} of {wanted} pods are available")
    return READY


def stateful_set(obj: Object, _: Sequence[Object] = ()) -> Verdict:
    if _stale(obj):
        return Waiting("the controller has not seen it yet")
    wanted = _wanted(obj)
    ready, updated = (
        _count(obj, "status", "readyReplicas"),
        _count(obj, "status", "updatedReplicas"),
    )
    if ready < wanted:
        return Waiting(f"{ready} of {wanted} pods are ready")
    if at(obj, "spec", "updateStrategy", "type") == "OnDelete":
        return READY
    partition = _count(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    if updated < wanted - partition:
        return Waiting(f"{updated} of {wanted - partition} pods are of the new version")
    return READY


def daemon_set(obj: Object, _: Sequence[Object] = ()) -> Verdict:
    if _stale(obj):
        return Waiting("the controller has not seen it yet")
    wanted = _count(obj, "status", "desiredNumberScheduled")
    updated = _count(obj, "status", "updatedNumberScheduled")
    available = _count(obj, "status", "numberAvailable")
    if at(obj, "spec", "updateStrategy", "type") != "OnDelete" and updated < wanted:
        return Waiting(f"{updated} of {wanted} pods are of the new version")
    if available < wanted:
        return Waiting(f"{available} of {wanted} pods are available")
    return READY


def job(obj: Object, _: Sequence[Object] = ()) -> Verdict:
    failed = condition(obj, "Failed")
    if failed.get("status") == "True":
        return Broken(f"it failed: {failed.get('reason')}: {failed.get('message')}")
    if condition(obj, "Complete").get("status") == "True" or at(obj, "spec", "suspend") is True:
        return READY
    wanted = at(obj, "spec", "completions") or 1
    return Waiting(f"{_count(obj, 'status', 'succeeded')} of {wanted} pods have succeeded")


def pod(obj: Object, _: Sequence[Object] = ()) -> Verdict:
    phase = at(obj, "status", "phase")
    if phase == "Succeeded" or condition(obj, "Ready").get("status") == "True":
        return READY
    if phase == "Failed":
        return Broken("it failed")
    return Waiting(f"it is {phase or 'not scheduled'}, not ready")


def persistent_volume_claim(obj: Object, classes: Sequence[Object] = ()) -> Verdict:
    phase = at(obj, "status", "phase")
    if phase == "Bound":
        return READY
    if any(one.get("volumeBindingMode") == "WaitForFirstConsumer" for one in classes):
        return READY  # it is bound when a pod uses it, and that pod may come later
    if phase == "Lost":
        return Broken("its volume is lost")
    return Waiting(f"it is {phase or 'Pending'}, not bound to a volume")


def service(obj: Object, slices: Sequence[Object] = ()) -> Verdict:
    spec: Object = obj.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return READY
    selects = bool(spec.get("selector")) and spec.get("clusterIP") != "None"
    if selects and not any(_serves(endpoint) for one in slices for endpoint in _endpoints(one)):
        return Waiting("none of the pods it selects is ready")
    if spec.get("type") == "LoadBalancer" and not at(obj, "status", "loadBalancer", "ingress"):
        return Waiting("no load balancer gave it an address (local clusters may have none)")
    return READY


def _endpoints(endpoint_slice: Object) -> list[Any]:
    return endpoint_slice.get("endpoints") or []


def _serves(endpoint: object) -> bool:
    return at(endpoint, "conditions", "ready") is not False


def ingress(obj: Object, _: Sequence[Object] = ()) -> Verdict:
    if at(obj, "status", "loadBalancer", "ingress"):
        return READY
    return Waiting("no ingress controller gave it an address")


def namespace(obj: Object, _: Sequence[Object] = ()) -> Verdict:
    phase = at(obj, "status", "phase")
    return READY if phase == "Active" else Waiting(f"it is {phase or 'new'}, not Active")


def custom_resource_definition(obj: Object, _: Sequence[Object] = ()) -> Verdict:
    names = condition(obj, "NamesAccepted")
    if names.get("status") == "False":
        return Broken(f"its names are refused: {names.get('message')}")
    if condition(obj, "Established").get("status") == "True":
        return READY
    return Waiting("it is not established")


def by_conditions(obj: Object) -> Verdict:
    """For kinds without a rule, when all kinds are to be awaited: the customary Ready condition."""
    ready = condition(obj, "Ready")
    if at(obj, "status", "observedGeneration") is not None and _stale(obj):
        return Waiting("the controller has not seen it yet")
    if not ready or ready.get("status") == "True":
        return READY
    return Waiting(f"condition Ready is {ready.get('status')} ({ready.get('message')})")


def _service_slices(obj: Object) -> str:
    return f"kubernetes.io/service-name={obj['metadata']['name']}"


RULES: dict[tuple[str, str], Rule] = {
    ("apps/v1", "DaemonSet"): Rule(daemon_set, on_refresh=True),
    ("apps/v1", "Deployment"): Rule(deployment, on_refresh=True),
    ("apps/v1", "StatefulSet"): Rule(stateful_set, on_refresh=True),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): Rule(custom_resource_definition),
    ("batch/v1", "Job"): Rule(job, on_refresh=True),
    ("networking.k8s.io/v1", "Ingress"): Rule(ingress, on_refresh=True),
    ("v1", "Namespace"): Rule(namespace),
    ("v1", "PersistentVolumeClaim"): Rule(
        persistent_volume_claim,
        Related(
            "storage.k8s.io/v1",
            "StorageClass",
            name=lambda obj: at(obj, "spec", "storageClassName"),
        ),
    ),
    ("v1", "Pod"): Rule(pod, on_refresh=True),
    ("v1", "Service"): Rule(
        service,
        Related("discovery.k8s.io/v1", "EndpointSlice", selector=_service_slices),
        on_refresh=True,
    ),
}
