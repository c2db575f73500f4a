"""Google Kubernetes Engine: the stack makes the cluster and its node pools, and removes them.

One that somebody else made is `existing`, with `platform: gke`.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import pulumi
from pydantic import Field, PositiveInt

from components.clusters import Access, Kind
from stack import config, plan
from stack.hardware import Hardware
from stack.kinds import ServiceType
from stack.machine import MachineNeeds
from stack.platforms import PLATFORMS, Platform
from stack.problems import wrong

EXTRA = "pulumi_gcp"
CLOUD = "https://www.googleapis.com/auth/cloud-platform"
SECONDS = "60m"
"""For a pool of accelerators, which may have to wait for them."""

Word = Annotated[str, Field(pattern=r"^[a-z][-a-z0-9]*[a-z0-9]$", max_length=63)]
"""As Google Cloud names projects, places and kinds of machine."""
Name = Annotated[str, Field(pattern=r"^[a-z][-a-z0-9]*[a-z0-9]$", max_length=40)]


class Accelerator(config.Section):
    """GPUs of a machine."""

    type: Word
    """Like nvidia-h100-80gb."""
    count: PositiveInt


class Pool(config.Section):
    """Machines that are all alike."""

    name: Name
    machine_type: Word
    """Like e2-standard-8, a3-highgpu-8g or ct6e-standard-4t."""
    count: PositiveInt = 1
    accelerator: Accelerator | None = None
    topology: Annotated[str, Field(pattern=r"^[1-9][0-9]*(x[1-9][0-9]*){1,2}$")] | None = None
    """Of a slice of TPUs, like 2x4."""
    disk: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,4}Gi$")] = "200Gi"
    spot: bool = False


class Settings(config.Cluster):
    """A cluster of Google Kubernetes Engine's that the stack makes."""

    kind: Literal["gke"]
    project: Word
    location: Word
    """A region, like us-central1, or one of its zones, like us-central1-a."""
    name: Name = "llm-d"
    mode: Literal["autopilot", "standard"] = "autopilot"
    """autopilot: machines come as pods ask for them; standard: those of `pools`."""
    pools: list[Pool] = Field(default=[], max_length=64)
    """Of mode standard; one without accelerators is for everything but model servers."""
    channel: Literal["rapid", "regular", "stable"] = "regular"
    """By which Google upgrades it."""
    version: Annotated[str, Field(pattern=r"^1\.\d+(\.\d+(-gke\.\d+)?)?$")] | None = None
    """Of Kubernetes, at least, like 1.34.0-gke.1626000; left out, the channel's own."""
    network: Word | None = None
    """Left out, the project's default."""
    subnetwork: Word | None = None
    nodes: config.Nodes | None = None
    """What the cluster has for pods; left out, nothing is checked against it."""
    retain: Literal["running"] | None = None
    """What `destroy` leaves: from then on it is an existing cluster; left out, nothing."""

    @property
    def context(self) -> str:
        """As gcloud calls it in a kubeconfig."""
        return f"gke_{self.project}_{self.location}_{self.name}"


def connect(name: str, cluster: plan.Cluster, opts: pulumi.ResourceOptions) -> Access:
    # 135 MB that other stacks do without, and most machines have not.
    container: Any = import_module(f"{EXTRA}.container")
    settings = cluster.settings
    assert isinstance(settings, Settings)  # noqa: S101 - the plan chose this kind by it
    keeps = pulumi.ResourceOptions(retain_on_delete=settings.retain is not None)
    opts = pulumi.ResourceOptions.merge(opts, keeps)
    made = container.Cluster(
        name,
        **_place(settings),
        name=settings.name,
        **_mode(settings),
        release_channel={"channel": settings.channel.upper()},
        min_master_version=settings.version,
        network=settings.network,
        subnetwork=settings.subnetwork,
        gateway_api_config={"channel": "CHANNEL_STANDARD"},
        # What this stack makes it removes.
        deletion_protection=False,
        opts=opts,
    )
    pools = [
        container.NodePool(
            f"{name}-{pool.name}",
            **_place(settings),
            name=pool.name,
            cluster=made.name,
            node_count=pool.count,
            node_config=machine(pool),
            placement_policy=(
                {"type": "COMPACT", "tpu_topology": pool.topology} if pool.topology else None
            ),
            opts=pulumi.ResourceOptions.merge(
                opts,
                pulumi.ResourceOptions(
                    deleted_with=None if settings.retain else made,
                    custom_timeouts=pulumi.CustomTimeouts(create=SECONDS),
                ),
            ),
        )
        for pool in settings.pools
    ]
    return Access(
        kubeconfig=None,
        context=settings.context,
        owner=made,
        before=(*pools,),
        # Load balancers and disks that objects on it have got would outlive it.
        goes_along=False,
        credentials=credentials(made, settings),
    )


def _place(settings: Settings) -> dict[str, Any]:
    return {"project": settings.project, "location": settings.location}


def _mode(settings: Settings) -> dict[str, Any]:
    if settings.mode == "autopilot":
        return {"enable_autopilot": True}
    return {
        # Google makes no cluster without a pool: the first is removed again.
        "initial_node_count": 1,
        "remove_default_node_pool": True,
        "networking_mode": "VPC_NATIVE",
        "workload_identity_config": {"workload_pool": f"{settings.project}.svc.id.goog"},
    }


def machine(pool: Pool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "machine_type": pool.machine_type,
        "disk_size_gb": int(pool.disk.removesuffix("Gi")),
        "spot": pool.spot,
        "oauth_scopes": [CLOUD],
        "workload_metadata_config": {"mode": "GKE_METADATA"},
    }
    if pool.accelerator:
        made["guest_accelerators"] = [
            {
                "type": pool.accelerator.type,
                "count": pool.accelerator.count,
                "gpu_driver_installation_config": {"gpu_driver_version": "DEFAULT"},
            }
        ]
    return made


def credentials(made: Any, settings: Settings) -> pulumi.Output[str]:
    """A kubeconfig without any token: whoever uses it is asked for their own."""
    return pulumi.Output.all(made.endpoint, made.master_auth.cluster_ca_certificate).apply(
        lambda known: kubeconfig(settings.context, server=known[0], authority=known[1])
    )


def kubeconfig(context: str, *, server: str, authority: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "clusters": [
                {
                    "name": context,
                    "cluster": {
                        "server": f"https://{server}",
                        "certificate-authority-data": authority,
                    },
                }
            ],
            "users": [
                {
                    "name": context,
                    "user": {
                        "exec": {
                            "apiVersion": "client.authentication.k8s.io/v1beta1",
                            "command": "gke-gcloud-auth-plugin",
                            "installHint": "gcloud components install gke-gcloud-auth-plugin",
                            "provideClusterInfo": True,
                            "interactiveMode": "Never",
                        }
                    },
                }
            ],
        },
        sort_keys=True,
    )


def nodes(settings: Settings, hardware: Hardware) -> config.Nodes | None:
    return settings.nodes


def platform(settings: Settings) -> Platform:
    return PLATFORMS["gke"]


def needs(settings: Settings) -> MachineNeeds:
    """What signs in to Google, by the kubeconfig that the cluster gets."""
    return MachineNeeds(tools=("gcloud", "gke-gcloud-auth-plugin"), version=settings.version)


def own(settings: Settings) -> bool:
    return True


def is_there(settings: Settings) -> bool:
    """Not while it is only looked at what an update would do: the update makes it."""
    return not pulumi.runtime.is_dry_run()


def problems(settings: Settings) -> Iterator[str]:
    """What Google would refuse, or would never run; and what this machine lacks for asking."""
    if find_spec(EXTRA) is None:
        yield wrong(
            "cluster.kind",
            settings.kind,
            "pulumi-gcp, which is not installed: `uv sync --inexact --group gke`",
        )
    if settings.mode == "autopilot" and settings.pools:
        yield wrong("cluster.mode", settings.mode, "standard, where there are `pools`")
    if settings.mode == "standard" and all(
        pool.accelerator or pool.topology for pool in settings.pools
    ):
        yield wrong(
            "cluster.pools",
            [pool.name for pool in settings.pools],
            "one without accelerators too: the others are tainted, and run model servers alone",
        )
    names = [pool.name for pool in settings.pools]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield wrong("cluster.pools", twice[0], "a name that no other pool has")


KIND = Kind(
    settings=Settings,
    nodes=nodes,
    problems=problems,
    service_type=ServiceType.CLUSTER_IP,
    platform=platform,
    is_own=own,
    needs=needs,
    is_there=is_there,
    connect=connect,
)
