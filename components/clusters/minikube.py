"""minikube on docker or podman; the stack makes it and removes it."""

from collections.abc import Iterator
from typing import Any, Literal

import pulumi
from pydantic import PositiveInt

from components import machine
from components.clusters import Access, Kind
from stack import config, plan
from stack.hardware import Hardware
from stack.kinds import ServiceType
from stack.machine import MachineNeeds
from stack.problems import wrong

KUBERNETES = "1.34.0"
"""minikube 1.37's own."""

# What a virtual machine needs beside the minikube in it.
BESIDE_CPUS = 2
BESIDE_MEMORY = 4096
BESIDE_DISK = 20480


class Settings(machine.Settings):
    """minikube on this machine."""

    kind: Literal["minikube"]
    profile: machine.Name = "llm-d"
    driver: Literal["auto", "docker", "podman"] = "auto"
    """auto: podman where it is installed, else docker; with GPUs docker."""
    cpus: PositiveInt
    memory: machine.Size
    disk: machine.Size
    gpus: Literal["all", "amd", "nvidia"] | None = None
    """Those of this machine that pods may have, through docker."""
    kubernetes: machine.Version = KUBERNETES
    """Version."""

    @property
    def version(self) -> str:
        """As other kinds of cluster call it."""
        return self.kubernetes


def connect(name: str, cluster: plan.Cluster, opts: pulumi.ResourceOptions) -> Access:
    settings = cluster.settings
    assert isinstance(settings, Settings)  # noqa: S101 - the plan chose this kind by it
    options: dict[str, Any] = {
        "cpus": settings.cpus,
        "memory": machine.mib(settings.memory),
        "disk": machine.mib(settings.disk),
        "gpus": settings.gpus,
        "kubernetes": settings.kubernetes,
    }
    return machine.connect(
        name,
        cluster,
        opts,
        said={
            "name": settings.profile,
            "driver": settings.driver,
            "options": options,
        },
        machine=podman_machine(settings),
        # minikube changes none of them on a cluster that is there.
        lasting=[settings.profile, settings.driver, *options.values()],
        context=settings.profile,
    )


def podman_machine(settings: Settings) -> dict[str, Any]:
    return machine.podman_machine(
        settings.machine,
        cpus=settings.cpus + BESIDE_CPUS,
        memory=machine.mib(settings.memory) + BESIDE_MEMORY,
        disk=machine.mib(settings.disk) + BESIDE_DISK,
    )


def needs(settings: Settings) -> MachineNeeds:
    by_docker = settings.gpus or settings.driver == "docker"
    engines = ["docker"] if by_docker else [*machine.OLDEST]
    if settings.driver == "podman":
        engines = ["podman"]
    return MachineNeeds(
        tools=("minikube", "kubectl"),
        engines={name: machine.OLDEST[name] for name in engines},
        runtimes=("nvidia",) if settings.gpus in {"all", "nvidia"} else (),
        gives_devices=settings.gpus is not None,
        node={"cpu": str(settings.cpus), "memory": settings.memory},
        podman_machine=machine.virtual(podman_machine(settings)),
        version=settings.kubernetes,
    )


def nodes(settings: Settings, hardware: Hardware) -> config.Nodes | None:
    if settings.nodes or settings.gpus:  # how many there are is not known
        return settings.nodes
    return config.Nodes(cpu=str(settings.cpus), memory=settings.memory)


def problems(settings: Settings) -> Iterator[str]:
    """What minikube would refuse; what the machine lacks shows when it is made."""
    if settings.gpus and settings.driver == "podman":
        yield wrong("cluster.driver", settings.driver, "docker, by which alone minikube has GPUs")


def loads_images(settings: Settings) -> tuple[str, ...]:
    return ("minikube", "image", "load", f"--profile={settings.profile}")


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
