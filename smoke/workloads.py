"""What the stack's objects say of themselves, and why one is not ready."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from plugins.kubernetes.diagnosis import explain
from plugins.kubernetes.readiness import condition
from plugins.values import Object, at
from smoke.findings import Failed, Found, Hop, Passed
from smoke.outputs import Model, Stack

HINTS = {
    "ImagePullBackOff": "the image cannot be pulled",
    "ErrImagePull": "the image cannot be pulled",
    "InvalidImageName": "the image's name makes no sense",
    "CreateContainerConfigError": "a Secret or ConfigMap that it names is not there",
    "CrashLoopBackOff": "it ends soon after each start",
    "OOMKilled": "it needs more memory than its limit",
}
ILLEGAL_INSTRUCTION = 132
"""Exit code: the image was built for another kind of CPU, mostly one with AVX-512."""


def api_server(stack: Stack, version: Object | None, namespace: Object | None) -> Found:
    expected = f"a cluster with namespace `{stack.namespace}`"
    if namespace is None:
        return Failed(
            hop=Hop.API,
            seen=f"no namespace `{stack.namespace}` in context `{stack.context}`",
            expected=expected,
            cause="the stack was removed, or the context now names another cluster",
            next=f"make up STACK={stack.name}",
        )
    if phase := at(namespace, "metadata", "deletionTimestamp"):
        return Failed(
            hop=Hop.API,
            seen=f"namespace `{stack.namespace}` is being deleted since {phase}",
            expected=expected,
            cause="objects in it have finalizers whose controllers are gone, or not done yet",
            next=stack.kubectl("get", "namespace", stack.namespace, "-o", "yaml"),
        )
    return Passed(f"Kubernetes {at(version, 'gitVersion')}, namespace {stack.namespace}")


def no_address(stack: Stack) -> Failed:
    return Failed(
        hop=Hop.GATEWAY,
        seen="a Gateway without an address, and without proxies in the cluster",
        expected="an address in its status",
        cause="its provider has not made it yet, or says in its conditions why it cannot",
        next=stack.gateway(),
    )


def wanted(deployment: Object | None) -> int:
    replicas = at(deployment, "spec", "replicas")
    return 1 if replicas is None else int(replicas)


def ready(deployment: Object | None) -> int:
    return int(at(deployment, "status", "readyReplicas") or 0)


def deployment(
    stack: Stack,
    hop: Hop,
    name: str,
    live: Object | None,
    pods: Sequence[Object] = (),
    events: Iterable[Object] = (),
    last_words: str = "",
) -> Found:
    """Whether as many pods are ready as are wanted. `last_words` are those of a pod that ended."""
    if live is None:
        return Failed(
            hop=hop,
            seen=f"no Deployment `{name}`",
            expected=f"Deployment `{name}`",
            cause="an update was cut short, or someone removed it",
            next=f"make up STACK={stack.name}",
        )
    seen = f"{ready(live)} of {wanted(live)} pods ready"
    if ready(live) == wanted(live) > 0:
        return Passed(seen)
    troubled = [pod for pod in pods if not is_ready(pod)]
    reasons = [*_hints(troubled), *explain({**live, "kind": "Deployment"}, pods, events)]
    if last_words:
        reasons.append(f"its last words: {last_words}")
    return Failed(
        hop=hop,
        seen=seen,
        expected=f"{max(wanted(live), 1)} ready",
        cause="; ".join(reasons) or _silent(troubled, live),
        next=_next(stack, name, troubled),
    )


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def ended(pods: Iterable[Object]) -> tuple[str, str, bool] | None:
    """Pod and container whose end is to be explained, and whether another run has begun since."""
    for pod in pods:
        for status in _containers(pod):
            if at(status, "lastState", "terminated"):
                return pod["metadata"]["name"], status["name"], True
            if at(status, "state", "terminated"):
                return pod["metadata"]["name"], status["name"], False
    return None


def selector(live: Object) -> str:
    labels: dict[str, str] = at(live, "spec", "selector", "matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in labels.items())


def pool(stack: Stack, model: Model, live: Object | None) -> Found:
    """Each gateway that uses the pool tells its conditions; without a gateway there are none."""
    command = stack.kubectl("get", "inferencepools.inference.networking.k8s.io", "-o", "yaml")
    if live is None:
        return Failed(
            hop=Hop.POOL,
            seen=f"no InferencePool `{model.pool}`",
            expected=f"InferencePool `{model.pool}` of inference.networking.k8s.io/v1",
            cause="someone removed it, or the definitions of the inference extension",
            next=command,
        )
    parents: list[Any] = at(live, "status", "parents") or []
    told = [one for parent in parents for one in _list(parent, "conditions")]
    if bad := [one for one in told if at(one, "status") == "False"]:
        return Failed(
            hop=Hop.POOL,
            seen=", ".join(f"{at(one, 'type')}=False ({at(one, 'reason')})" for one in bad),
            expected="no condition that is False",
            cause="; ".join(str(at(one, "message")) for one in bad),
            next=command,
        )
    good = [str(at(one, "type")) for one in told if at(one, "status") == "True"]
    return Passed(f"{model.pool}" + (f": {', '.join(good)}" if good else ""))


def behind(service: Object, pods: Iterable[Object], port: int) -> tuple[str, int] | None:
    """A ready pod of a Service, and its port behind `port` of the Service."""
    ports: list[Object] = at(service, "spec", "ports") or []
    target: Any = next((one.get("targetPort", port) for one in ports if one["port"] == port), port)
    for pod in pods:
        if not is_ready(pod):
            continue
        number = target if isinstance(target, int) else _named(pod, str(target))
        if number:
            return pod["metadata"]["name"], number
    return None


def _named(pod: Object, name: str) -> int | None:
    containers: list[Object] = at(pod, "spec", "containers") or []
    ports = [port for one in containers for port in _list(one, "ports")]
    return next((port["containerPort"] for port in ports if port.get("name") == name), None)


def _containers(pod: Object) -> list[Object]:
    keys = ("initContainerStatuses", "containerStatuses")
    return [one for key in keys for one in _list(pod.get("status"), key)]


def _list(obj: object, key: str) -> list[Object]:
    return at(obj, key) or []


def _hints(pods: Iterable[Object]) -> Iterator[str]:
    """What the reasons mean, each once."""
    found: dict[str, None] = {}
    for status in (one for pod in pods for one in _containers(pod)):
        for state in (at(status, "state", "waiting"), at(status, "lastState", "terminated")):
            if hint := HINTS.get(str(at(state, "reason"))):
                found[hint] = None
            if at(state, "exitCode") == ILLEGAL_INSTRUCTION:
                found["the CPU lacks instructions that the image was built for"] = None
    yield from found


def _silent(troubled: Sequence[Object], live: Object) -> str:
    if troubled:
        return "it runs and is not ready: the model is still loading, or its readiness probe fails"
    if wanted(live) == 0:
        return "it was scaled to none"
    return "no pod was made: a quota, an admission webhook or a stopped controller"


def _next(stack: Stack, name: str, troubled: Sequence[Object]) -> str:
    if not troubled:
        return stack.kubectl("describe", "deployment", name)
    pod = troubled[0]["metadata"]["name"]
    running = any(at(one, "state", "running") is not None for one in _containers(troubled[0]))
    if running or ended(troubled):
        return stack.logs(name)
    return stack.kubectl("describe", "pod", pod)
