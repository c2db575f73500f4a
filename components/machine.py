"""A cluster of this machine's that the stack makes, with a tool that the user has installed."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pulumi
import pulumi_command as command
from pydantic import Field, PositiveInt

from components.clusters import Access, existing
from stack import config, plan, quantity
from stack.hardware import Hardware
from stack.machine import PodmanMachine as Virtual

MIB = 2**20
GIB = 2**30

OLDEST: Mapping[str, str] = {"podman": "4.9.0", "docker": "18.9.0"}
"""Versions of the engines that minikube does not warn of, the one that it prefers first; kind takes
older ones too."""

Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}[MG]i$")]
"""Of memory or a disk, as tools take it: whole MiB."""
Version = Annotated[str, Field(pattern=r"^1\.[0-9]{1,2}\.[0-9]{1,2}$")]
"""Of Kubernetes, like 1.34.0."""
Name = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=2, max_length=50)
]


class PodmanMachine(config.Section):
    """Podman's virtual machine, elsewhere than on Linux: made where there is none of its name, and
    else checked and left; what is left out suits the cluster."""

    name: Name = "podman-machine-default"
    cpus: PositiveInt | None = None
    memory: Size | None = None
    disk: Size | None = None
    """Cannot be changed: another size is another machine."""
    keep: bool = False
    """Whether a machine that the stack made stays when its cluster goes."""


class Settings(config.Cluster):
    """What clusters have in common that a tool of the user's makes on this machine."""

    machine: PodmanMachine = PodmanMachine()
    """Podman's virtual machine, elsewhere than on Linux."""
    nodes: config.Nodes | None = None
    """What the cluster has for pods; left out, as much as it is made with."""
    retain: Literal["stopped", "running"] | None = None
    """What `destroy` leaves of the cluster; left out, nothing."""
    adopt: bool = False
    """Take a cluster of this name that is there, and leave it in the end."""


def mib(size: str) -> int:
    return int(quantity.parse(size) / MIB)


def gib(size: str) -> int:
    """Rounded up: tools take no less."""
    return math.ceil(quantity.parse(size) / GIB)


def podman_machine(said: PodmanMachine, *, cpus: int, memory: int, disk: int) -> dict[str, Any]:
    """As `machines.settings.Machine` takes it; sizes are what the cluster needs, in MiB."""
    return {
        "name": said.name,
        "cpus": said.cpus or cpus,
        "memory": mib(said.memory) if said.memory else memory,
        "disk": gib(said.disk) if said.disk else math.ceil(disk * MIB / GIB),
        "keep": said.keep,
    }


def virtual(said: Mapping[str, Any]) -> Virtual:
    """What `podman_machine` gives, as a preflight takes it."""
    return Virtual(name=said["name"], cpus=said["cpus"], memory=said["memory"], disk=said["disk"])


def architecture(hardware: Hardware) -> str | None:
    """That its images are for, where there are others too."""
    return hardware.node_labels.get("kubernetes.io/arch")


def connect(
    name: str,
    cluster: plan.Cluster,
    opts: pulumi.ResourceOptions,
    *,
    said: Mapping[str, Any],
    machine: Mapping[str, Any],
    lasting: Sequence[Any],
    context: str,
) -> Access:
    """`said` is the kind's own part of `machines.settings.Settings`, beside Podman's `machine`;
    `lasting` is what of it makes another cluster when it changes."""
    settings = cluster.settings
    assert isinstance(settings, Settings)  # noqa: S101 - the plan chose this kind by it
    whole = {
        **said,
        "machine": machine,
        "kind": cluster.kind,
        "architecture": architecture(cluster.hardware),
        "adopt": settings.adopt,
        "retain": settings.retain or "nothing",
    }
    owner = command.local.Command(
        name,
        # The same words for every stack: what differs travels in the environment.
        create="exec python3 -m machines up",
        delete="exec python3 -m machines down",
        environment={
            "LLMD_CLUSTER_ROOT": cluster.state,
            "LLMD_CLUSTER_SETTINGS": json.dumps(whole, sort_keys=True),
        },
        triggers=[cluster.kind, *lasting, machine["name"], machine["disk"]],
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True)),
    )
    return Access(
        kubeconfig=kubeconfig(cluster),
        context=context,
        owner=owner,
        goes_along=goes_along(settings),
    )


def kubeconfig(cluster: plan.Cluster) -> str:
    """Path of the cluster's own."""
    return f"{cluster.state}/kubeconfig"


def serves(cluster: plan.Cluster, api: str) -> bool:
    """What is yet to be made knows what the stack brings, and no more."""
    path = kubeconfig(cluster)
    return Path(path).exists() and existing.knows(api, f"--kubeconfig={path}")


def goes_along(settings: Settings) -> bool:
    return settings.retain is None and not settings.adopt


def own(settings: Settings) -> bool:
    return not settings.adopt


def is_there(settings: Settings) -> bool:
    """Not while it is only looked at what an update would do: the update makes it."""
    return not pulumi.runtime.is_dry_run()
