"""Whose Kubernetes a cluster is, as far as a stack has to know: data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PlatformName = Literal["digitalocean", "gke", "kubernetes", "openshift"]


def version(said: str) -> tuple[int, ...]:
    """`1.34.0-gke.1626000` as numbers that compare."""
    return tuple(int(number) for number in re.findall(r"\d+", said))


@dataclass(frozen=True, kw_only=True)
class Platform:
    keeps: frozenset[str] = frozenset()
    """Bundles of definitions that its owner installs and upgrades."""
    pools_since: tuple[int, ...] = ()
    """Version of Kubernetes, its own build last, since when those of pools are among them."""
    balances: bool = False
    """Whether Services of type LoadBalancer get an address, wherever it runs."""
    assigns_users: bool = False
    """Whether it says which user a namespace's pods run as, and no other."""
    has_routes: bool = False
    """Whether Services are made public by Routes of route.openshift.io."""


PLATFORMS: Mapping[PlatformName, Platform] = {
    "digitalocean": Platform(balances=True),
    # Both come with the cluster, which puts them back when someone changes them.
    "gke": Platform(
        balances=True,
        keeps=frozenset({"gatewayApi", "inferenceExtension"}),
        pools_since=(1, 34, 0, 1626000),
    ),
    "kubernetes": Platform(),
    # Its Ingress Operator's since 4.19: an admission policy refuses everybody else's.
    "openshift": Platform(keeps=frozenset({"gatewayApi"}), assigns_users=True, has_routes=True),
}
