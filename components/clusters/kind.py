"""kind on docker or podman; the stack makes it and removes it."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pulumi
from pydantic import Field

from components import machine
from components.clusters import Access, Kind
from stack import config, plan
from stack.hardware import Hardware
from stack.kinds import ServiceType
from stack.machine import MachineNeeds
from stack.problems import wrong

IMAGE = (
    "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
)
"""kind 0.30's own."""
VERSION = re.compile(r":v([\d.]+)@")

# Of Podman's virtual machine, where the stack file does not say.
CPUS = 8
MEMORY = "24Gi"
DISK = "100Gi"


class Port(config.Section):
    """A NodePort that this machine listens on, at 127.0.0.1."""

    node: Annotated[int, Field(ge=1, le=65535)]
    """In the cluster, like 30080."""
    host: Annotated[int, Field(ge=1024, le=65535)]
    """Of this machine."""


class Settings(machine.Settings):
    """kind on this machine."""

    kind: Literal["kind"]
    name: machine.Name = "llm-d"
    driver: Literal["docker", "podman"] = "docker"
    image: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9._:/-]*:v1\.[0-9]{1,2}\.[0-9]{1,2}@sha256:[0-9a-f]{64}$",
            max_length=255,
        ),
    ] = IMAGE
    """Of the node, by version and digest: it decides the version of Kubernetes."""
    ports: list[Port] = Field(default=[], max_length=64)
    """What is reached from this machine without a port-forward."""

    @property
    def version(self) -> str:
        """Of Kubernetes, as other kinds of cluster call it."""
        return VERSION.findall(self.image)[0]


def connect(name: str, cluster: plan.Cluster, opts: pulumi.ResourceOptions) -> Access:
    settings = cluster.settings
    assert isinstance(settings, Settings)  # noqa: S101 - the plan chose this kind by it
    options: dict[str, Any] = {
        "image": settings.image,
        "ports": [{"node": port.node, "host": port.host} for port in settings.ports],
    }
    return machine.connect(
        name,
        cluster,
        opts,
        said={
            "name": settings.name,
            "driver": settings.driver,
            "options": options,
        },
        machine=podman_machine(settings),
        # kind changes nothing of a cluster that is there.
        lasting=[settings.name, settings.driver, *options.values()],
        context=f"kind-{settings.name}",
    )


def podman_machine(settings: Settings) -> dict[str, Any]:
    return machine.podman_machine(
        settings.machine, cpus=CPUS, memory=machine.mib(MEMORY), disk=machine.mib(DISK)
    )


def needs(settings: Settings) -> MachineNeeds:
    return MachineNeeds(
        tools=("kind", "kubectl"),
        engines={settings.driver: machine.OLDEST[settings.driver]},
        podman_machine=machine.virtual(podman_machine(settings)),
        ports=tuple(port.host for port in settings.ports),
        version=settings.version,
    )


def nodes(settings: Settings, hardware: Hardware) -> config.Nodes | None:
    """Those of Podman's machine; docker's are as large as whatever it runs in."""
    if settings.nodes or settings.driver == "docker":
        return settings.nodes
    said = settings.machine
    return config.Nodes(cpu=str(said.cpus or CPUS), memory=said.memory or MEMORY)


def problems(settings: Settings) -> Iterator[str]:
    """What kind would refuse; what the machine lacks shows when it is made."""
    for side in ("node", "host"):
        counted = Counter(getattr(port, side) for port in settings.ports)
        for port, times in counted.items():
            if times > 1:
                yield wrong(
                    "cluster.ports", port, f"each `{side}` once, and it is there {times} times"
                )


def loads_images(settings: Settings) -> tuple[str, ...]:
    provider = f"KIND_EXPERIMENTAL_PROVIDER={settings.driver}"
    return ("env", provider, "kind", "load", "image-archive", f"--name={settings.name}")


KIND = Kind(
    settings=Settings,
    nodes=nodes,
    problems=problems,
    service_type=ServiceType.CLUSTER_IP,
    is_own=machine.own,
    is_there=machine.is_there,
    needs=needs,
    loads_images=loads_images,
    connect=connect,
    serves=machine.serves,
)
