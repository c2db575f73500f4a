"""Where each pod is, and what keeps one from where it should be: read from what is there. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from embedded.agent.objects import Object, part, parts
from stack import quantity

Amounts = Mapping[str, Decimal]

KINDS = (
    "nodes,pods,deployments,replicasets,statefulsets,jobs,events,resourceclaims,resourceslices,"
    "persistentvolumeclaims"
)
"""What a scene is read from."""
ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, kw_only=True)
class Pod:
    name: str
    node: str
    """Empty while it has none."""
    asks: Amounts
    """Of its node: resources, and devices by driver; nothing any more once it has ended."""
    trouble: str
    """Why it is not placed, or not ready; empty if it is."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    pods: tuple[Pod, ...]
    nodes: Mapping[str, Amounts]
    """Name -> what it has for pods."""
    unmade: tuple[str, ...]
    """Whose pods were not made, and why."""

    @property
    def problems(self) -> tuple[str, ...]:
        troubled = (f"pod {one.name}: {one.trouble}" for one in self.pods if one.trouble)
        return (*self.unmade, *troubled)

    def taken(self, node: str) -> Amounts:
        return _sum(pod.asks for pod in self.pods if pod.node == node)


def read(objects: Sequence[Object]) -> Scene:
    """`objects` are of KINDS."""
    kinds: defaultdict[str, list[Object]] = defaultdict(list)
    for one in objects:
        kinds[one["kind"]].append(one)
    claimed = _claimed(kinds["ResourceClaim"])
    return Scene(
        pods=tuple(
            Pod(
                name=one["metadata"]["name"],
                node=one["spec"].get("nodeName", ""),
                asks={}
                if one["status"].get("phase") in ENDED
                else _sum([asks(one["spec"]), claimed[one["metadata"]["uid"]]]),
                trouble=trouble(one),
            )
            for one in kinds["Pod"]
        ),
        nodes={
            one["metadata"]["name"]: _sum(
                [
                    quantity.parse_all(one["status"]["allocatable"]),
                    *(
                        {part["spec"]["driver"]: Decimal(len(part["spec"]["devices"]))}
                        for part in kinds["ResourceSlice"]
                        if part["spec"]["nodeName"] == one["metadata"]["name"]
                    ),
                ]
            )
            for one in kinds["Node"]
        },
        unmade=(*_unmade(kinds),),
    )


def asks(spec: Object) -> Amounts:
    """What the scheduler counts for a pod, without its claims."""
    init = parts(spec, "initContainers")
    stays = [one for one in init if one.get("restartPolicy") == "Always"]
    running = _sum(_requests(one) for one in [*spec["containers"], *stays])
    before = [_requests(one) for one in init if one not in stays]
    kinds = dict.fromkeys(kind for one in [running, *before] for kind in one)
    return {kind: max(one.get(kind, Decimal()) for one in [running, *before]) for kind in kinds}


def trouble(pod: Object) -> str:
    """Which of its conditions is missing, and what is said about it."""
    status: Object = pod["status"]
    if status.get("phase") == "Succeeded":
        return ""
    conditions = {one["type"]: one for one in parts(status, "conditions")}
    for kind, otherwise in (
        ("PodScheduled", f"the scheduler {pod['spec']['schedulerName']} has not looked at it"),
        ("Ready", "nobody says why"),
    ):
        condition = part(conditions, kind)
        if condition.get("status") != "True":
            said = condition.get("message") or condition.get("reason") or otherwise
            return f"its condition {kind} is missing: {said}"
    return ""


def _unmade(kinds: Mapping[str, Sequence[Object]]) -> Iterator[str]:
    said = {
        one["involvedObject"]["uid"]: one["message"]
        for one in kinds["Event"]
        if one["reason"] == "FailedCreate"
    }
    # A Deployment's pods are made for its ReplicaSet.
    waiting = {
        reference["uid"]: said[one["metadata"]["uid"]]
        for one in kinds["ReplicaSet"]
        if one["metadata"]["uid"] in said
        for reference in parts(one, "metadata", "ownerReferences")
    }
    for kind in ("Deployment", "StatefulSet", "Job"):
        for one in kinds[kind]:
            made, wanted = _made(one), _wanted(one)
            if made < wanted:
                uid = one["metadata"]["uid"]
                why = said.get(uid) or waiting.get(uid) or "nobody says why"
                yield f"{kind} {one['metadata']['name']}: {made} of {wanted} pods were made: {why}"


def _wanted(workload: Object) -> int:
    spec: Object = workload["spec"]
    return spec.get("parallelism", 1) if workload["kind"] == "Job" else spec.get("replicas", 1)


def _made(workload: Object) -> int:
    status = part(workload, "status")
    kinds = ("active", "succeeded", "failed") if workload["kind"] == "Job" else ("replicas",)
    return sum(status.get(kind) or 0 for kind in kinds)


def _requests(container: Object) -> Amounts:
    return quantity.parse_all(part(container, "resources", "requests"))


def _claimed(claims: Iterable[Object]) -> defaultdict[str, Amounts]:
    """UID of a pod -> devices that it was given, by driver."""
    found: defaultdict[str, Amounts] = defaultdict(dict[str, Decimal])
    for claim in claims:
        given = parts(claim, "status", "allocation", "devices", "results")
        for user in parts(claim, "status", "reservedFor"):
            devices = ({one["driver"]: Decimal(1)} for one in given)
            found[user["uid"]] = _sum([found[user["uid"]], *devices])
    return found


def _sum(amounts: Iterable[Amounts]) -> Amounts:
    total: dict[str, Decimal] = {}
    for one in amounts:
        for kind, amount in one.items():
            total[kind] = total.get(kind, Decimal()) + amount
    return total
