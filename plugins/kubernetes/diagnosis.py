"""Why something is not ready: what its pods, their containers and the events say."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from plugins.kubernetes.access import UnreachableError
from plugins.kubernetes.cluster import Cluster
from plugins.kubernetes.errors import ApiError, NoSuchKindError
from plugins.kubernetes.kinds import Kind
from plugins.kubernetes.readiness import condition
from plugins.values import Object, at

_POD = Kind("v1", "Pod")
_EVENT = Kind("v1", "Event")
_MOST_PODS = 3
_MOST_EVENTS = 5


async def diagnose(cluster: Cluster, live: Object) -> list[str]:
    """One line for each thing worth knowing; empty when the cluster says nothing more."""
    namespace: str | None = at(live, "metadata", "namespace")
    try:
        pods = await _pods(cluster, live, namespace)
        served = await cluster.served(_EVENT)
        events = await cluster.list_all(served, namespace, fieldSelector="type=Warning")
    except (ApiError, NoSuchKindError, UnreachableError):
        return []  # it is only a diagnosis: the reason to give one is the news
    return explain(live, pods, events)


async def _pods(cluster: Cluster, live: Object, namespace: str | None) -> list[Object]:
    if live["kind"] == "Pod":
        return [live]
    selector = pod_selector(live)
    if not selector:
        return []
    return await cluster.list_all(await cluster.served(_POD), namespace, labelSelector=selector)


def pod_selector(live: Object) -> str | None:
    """The label selector of the pods that an object runs or serves, if it has any."""
    selector = at(live, "spec", "selector")
    labels: Any = at(selector, "matchLabels") or (selector if live["kind"] == "Service" else None)
    return ",".join(f"{key}={value}" for key, value in labels.items()) if labels else None


def explain(live: Object, pods: Sequence[Object], events: Iterable[Object]) -> list[str]:
    """What is known of pods that are not ready, and the last warnings about them or the object."""
    troubled = [pod for pod in pods if condition(pod, "Ready").get("status") != "True"]
    lines = [line for pod in troubled[:_MOST_PODS] for line in _pod(pod)]
    concerned = [live, *troubled]
    warnings = sorted((one for one in events if _concerns(one, concerned)), key=_when)
    return [*lines, *dict.fromkeys(_event(one) for one in warnings[-_MOST_EVENTS:])]


def _pod(pod: Object) -> Iterator[str]:
    name = pod["metadata"]["name"]
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"pod {name} has no node: {scheduled.get('message')}"
    for key in ("initContainerStatuses", "containerStatuses"):
        statuses: list[Any] = at(pod, "status", key) or []
        for status in statuses:
            if text := _container(status):
                yield f"pod {name}, container {status.get('name')}: {text}"


_USUAL = frozenset({"ContainerCreating", "PodInitializing", "Completed"})


def _container(status: Object) -> str:
    """Why a container does not run, and how it ended the last time."""
    state: Object = at(status, "state", "waiting") or at(status, "state", "terminated") or {}
    last: Object = at(status, "lastState", "terminated") or {}
    reasons = [_state(state)] if state.get("reason") not in _USUAL else []
    if last:
        reasons.append(f"last ended with {_state(last)}")
    return "; ".join(reason for reason in reasons if reason)


def _state(state: Object) -> str:
    code = f" (exit code {state['exitCode']})" if "exitCode" in state else ""
    message = f": {state['message'].strip()}" if state.get("message") else ""
    return f"{state['reason']}{code}{message}" if state.get("reason") else ""


def _concerns(event: Object, objects: Iterable[Object]) -> bool:
    involved: Object = event.get("involvedObject") or {}
    name = str(involved.get("name"))
    return any(
        involved.get("uid") == obj["metadata"].get("uid")
        # A ReplicaSet is named after its Deployment.
        or (
            involved.get("kind") == "ReplicaSet"
            and obj.get("kind") == "Deployment"
            and name.rpartition("-")[0] == obj["metadata"]["name"]
        )
        for obj in objects
    )


def _when(event: Object) -> str:
    return str(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or at(event, "metadata", "creationTimestamp")
    )


def _event(event: Object) -> str:
    involved: Object = event.get("involvedObject") or {}
    where = f"{involved.get('kind')} {involved.get('name')}"
    return f"{where}: {event.get('reason')}: {str(event.get('message')).strip()}"
