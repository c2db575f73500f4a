"""A real control plane as processes of this machine, with simulated nodes; the stack owns it."""

import json
from collections.abc import Iterator
from typing import Annotated, Literal

import pulumi
import pulumi_command as command
from pydantic import Field

from components.clusters import Access, Kind
from embedded.cluster import CONTEXT
from stack import config, plan
from stack.hardware import Hardware
from stack.kinds import ServiceType
from stack.machine import MachineNeeds

CHARTS = ".state/bin"
"""Where `make` puts those whose images have a program on this machine."""


class Settings(config.Cluster):
    """A control plane on this machine; nodes are simulated."""

    kind: Literal["embedded"]
    nodes: config.Nodes | None = None
    """Left out: two machines as the hardware is usually sold."""
    port: Annotated[int, Field(ge=1024, le=65535)] | None = None
    """Of the API server, on loopback; left out, a free one."""


def connect(name: str, cluster: plan.Cluster, opts: pulumi.ResourceOptions) -> Access:
    settings = cluster.settings
    assert isinstance(settings, Settings)  # noqa: S101 - the plan chose this kind by it
    owner = command.local.Command(
        name,
        # The same words for every stack: what differs travels in the environment.
        create="exec python3 -m embedded up",
        delete="exec python3 -m embedded down",
        environment={
            "LLMD_CLUSTER_ROOT": cluster.state,
            "LLMD_CLUSTER_NODES": json.dumps(simulated(cluster)),
            "LLMD_CLUSTER_PORT": str(settings.port or ""),
        },
        # A port is fixed when the control plane is made.
        triggers=[settings.port],
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True)),
    )
    return Access(kubeconfig=f"{cluster.state}/kubeconfig", context=CONTEXT, owner=owner)


def nodes(settings: Settings, hardware: Hardware) -> config.Nodes:
    if settings.nodes:
        return settings.nodes
    return config.Nodes(
        count=2,
        cpu=hardware.node["cpu"],
        memory=hardware.node["memory"],
        devices=hardware.node_devices,
    )


def problems(settings: Settings) -> Iterator[str]:
    """None that show before the control plane starts: ports are looked at when it is made."""
    yield from ()


def needs(settings: Settings) -> MachineNeeds:
    """Its programs are `make`'s to bring, and what they lack is told once they run."""
    return MachineNeeds(ports=(settings.port,) if settings.port else ())


def own(settings: Settings) -> bool:
    return True


def simulated(cluster: plan.Cluster) -> list[dict[str, object]]:
    """The nodes as `embedded.cluster.Node` takes them."""
    nodes, hardware = cluster.nodes, cluster.hardware
    if nodes is None:
        return []
    devices = {hardware.resource: str(nodes.devices)} if hardware.resource else {}
    claimable = {hardware.claim: nodes.devices} if hardware.claim else {}
    return [
        {
            "name": f"node-{index}",
            "allocatable": {**hardware.node, "cpu": nodes.cpu, "memory": nodes.memory, **devices},
            "labels": {**hardware.node_labels, **hardware.node_selector},
            "claimable": claimable,
        }
        for index in range(nodes.count)
    ]


KIND = Kind(
    settings=Settings,
    nodes=nodes,
    problems=problems,
    service_type=ServiceType.LOAD_BALANCER,
    charts=CHARTS,
    is_own=own,
    is_local=True,
    needs=needs,
    connect=connect,
)
