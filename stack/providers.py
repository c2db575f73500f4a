"""What has to be on a cluster before a stack, and who keeps it there."""

from collections.abc import Iterator

from stack import config, entrances, lws, roles
from stack.charts import Chart
from stack.kinds import ClusterKind, GatewayKind, Provider
from stack.plan import Crds, Front, Gateway, Providers
from stack.platforms import version
from stack.problems import wrong
from stack.releases import Release


def providers(
    stack: config.Stack,
    release: Release,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
    entrance: Front | Gateway,
) -> Providers:
    charts, adopted = [*_charts(stack, cluster)], ()
    crds = [*_crds(stack, gateway, cluster, release)]
    if isinstance(gateway, Provider) and isinstance(entrance, Gateway):
        plane = entrances.control_plane(stack, release, gateway, cluster)
        own = [*entrances.charts(stack.gateway, plane, cluster)]
        charts = [*own, *charts]
        if own:
            crds += [
                Crds(name=name, bundle=bundle, adopt=False)
                for name, bundle in plane.definitions.items()
            ]
        adopted = entrances.adopted(stack.gateway, plane, entrance)
    return Providers(
        gateway=stack.gateway.provider,
        crds=(*crds,),
        charts=(*charts,),
        adopted=adopted,
        looks=cluster.is_there(stack.cluster),
        keeps_definitions=not cluster.is_own(stack.cluster),
    )


def _crds(
    stack: config.Stack,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
    release: Release,
) -> Iterator[Crds]:
    said, theirs = stack.gateway.crds, _keeps(stack, cluster)
    asked: dict[str, config.Install | None] = {
        "gatewayApi": said.gateway_api,
        "inferenceExtension": said.inference_extension,
    }
    installs: dict[str, config.Install] = {
        name: name in gateway.crds and ("adopt" if name in theirs else True) for name in asked
    }
    installs |= {name: install for name, install in asked.items() if install is not None}
    if not [*_charts(stack, cluster)]:
        installs["leaderWorkerSet"] = _groups(stack, cluster)
    for name, install in installs.items():
        if install:
            bundle = {**release.crds, "leaderWorkerSet": lws.CRDS}[name]
            yield Crds(name=name, bundle=bundle, adopt=install == "adopt")


def _keeps(stack: config.Stack, cluster: ClusterKind[config.Cluster]) -> frozenset[str]:
    """Bundles of definitions that the cluster's owner keeps."""
    platform = cluster.platform(stack.cluster)
    said: str | None = getattr(stack.cluster, "version", None)
    too_old = said and platform.pools_since and version(said) < platform.pools_since
    return platform.keeps - ({"inferenceExtension"} if too_old else set())


def problems(stack: config.Stack, cluster: ClusterKind[config.Cluster]) -> Iterator[str]:
    said, kept = stack.gateway.crds, _keeps(stack, cluster)
    for name, install in (
        ("gatewayApi", said.gateway_api),
        ("inferenceExtension", said.inference_extension),
    ):
        if install is True and name in kept:
            yield wrong(
                f"gateway.crds.{name}",
                install,
                "adopt, or left out: the cluster brings these definitions along and keeps them",
            )


def _charts(stack: config.Stack, cluster: ClusterKind[config.Cluster]) -> Iterator[Chart]:
    """Of controllers, with their definitions; simulated nodes run none."""
    if _groups(stack, cluster) is True and not cluster.is_local:
        yield lws.CONTROLLER


def _groups(stack: config.Stack, cluster: ClusterKind[config.Cluster]) -> config.Install:
    """Who installs LeaderWorkerSet; left out, whoever owns the cluster, if a model needs it."""
    if (said := stack.gateway.crds.leader_worker_set) is not None:
        return said
    spans_nodes = any(
        one.parallel.nodes > 1 for model in stack.models for one in roles.asked(model)
    )
    return spans_nodes and (True if cluster.is_own(stack.cluster) else "adopt")
