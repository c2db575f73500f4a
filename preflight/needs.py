"""What a stack needs of the machine that it is deployed from, or that its cluster is on. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from stack import checks, quantity
from stack.hardware import Hardware
from stack.machine import MachineNeeds
from stack.plan import Plan, Service
from stack.releases import releases

MIB = 2**20
GIB = 2**30
SIDECARS = (1, 29)
"""Kubernetes since when containers that run beside others are started before them."""
IMAGES = Decimal(20 * GIB)
"""Disk for images and layers: what the guides' Podman machine has beside its cluster's."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Pods that are alike, and what each of them takes."""

    who: str
    count: int
    cpu: Decimal
    memory: Decimal
    """Bytes."""


# Requests of its control plane and DNS, and what minikube calls the least that Kubernetes starts
# with.
KUBERNETES = Part(who="Kubernetes", count=1, cpu=Decimal("0.85"), memory=quantity.parse("1800Mi"))


@dataclass(frozen=True, kw_only=True)
class Needs:
    stack: str
    machine: MachineNeeds
    hardware: Hardware
    parts: tuple[Part, ...]
    """All that runs on the cluster."""
    files: Decimal
    """Bytes that the models take on disk, once for each pod that downloads its own."""
    published: bool
    """Whether a model server runs the image of a release, built for the hardware's CPUs."""
    in_bfloat16: tuple[str, ...]
    """Keys of the stack file that would have a model computed in float32 instead."""
    features: tuple[tuple[str, tuple[int, int]], ...]
    """What of Kubernetes the pods use, and since when it has that."""
    gated: tuple[str, ...] = ()
    """Models whose download takes a token."""

    @property
    def cpu(self) -> Decimal:
        return sum((one.cpu * one.count for one in self.parts), Decimal())

    @property
    def memory(self) -> Decimal:
        return sum((one.memory * one.count for one in self.parts), Decimal())


BUILDERS = ("podman", "docker")


def building(plan: Plan, machine: MachineNeeds) -> MachineNeeds:
    """With what builds the stack's images."""
    if not plan.images:
        return machine
    engines = {one.engine for one in plan.images}
    programs = {"docker" if one == "buildx" else one for one in engines if one}
    return replace(
        machine,
        tools=(*machine.tools, "git"),
        builds=BUILDERS if None in engines else tuple(sorted(programs)),
    )


def needs(plan: Plan, machine: MachineNeeds, gated: tuple[str, ...] = ()) -> Needs:
    images = {server.image for one in releases().values() for server in one.servers.values()}
    services = [model.service for model in plan.models]
    return Needs(
        stack=plan.name,
        machine=machine,
        hardware=plan.cluster.hardware,
        parts=(*_parts(plan), KUBERNETES),
        files=sum(map(_files, services), Decimal()),
        published=any(one.image in images for one in services),
        in_bfloat16=tuple(
            f"models[{index}].dtype"
            for index, one in enumerate(services)
            if not {"--dtype=float16", "--dtype=float32"} & {*one.decode.args}
        ),
        features=tuple(_features(services)),
        gated=gated,
    )


def _parts(plan: Plan) -> Iterator[Part]:
    for model in plan.models:
        for role in model.service.roles:
            asked = role.pod_requests
            # A server that has read its model takes its limit, whatever it was placed by.
            memory = quantity.parse_all(role.limits).get("memory", asked["memory"])
            yield Part(
                who=f"{role.name} of {model.name}",
                count=role.pods,
                cpu=asked["cpu"],
                memory=memory,
            )
    for model in plan.models:
        asked = quantity.parse_all(model.pool.requests)
        who = f"endpoint picker of {model.name}"
        yield Part(who=who, count=model.pool.replicas, cpu=asked["cpu"], memory=asked["memory"])
    for one in plan.beside:
        asked = quantity.parse_all(one.requests)
        zero = Decimal()
        yield Part(
            who=one.who,
            count=one.replicas,
            cpu=asked.get("cpu", zero),
            memory=asked.get("memory", zero),
        )


def _files(service: Service) -> Decimal:
    if service.hardware.server == "simulator":
        return Decimal()
    if service.files.created:
        return quantity.parse(service.files.created.size)
    if service.files.claim:
        return Decimal()
    return quantity.parse(service.files.size) * sum(role.pods for role in service.roles)


def _features(services: list[Service]) -> Iterator[tuple[str, tuple[int, int]]]:
    roles = [role for one in services for role in one.roles]
    if any(role.proxy for role in roles):
        yield "sidecar containers", SIDECARS
    if any(role.device_claim for role in roles):
        yield "claims for devices", checks.DRA
