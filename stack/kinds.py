"""What a gateway provider and a kind of cluster tell the plan about themselves.

The modules that implement them live in `components/`; `load` hands their descriptions in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from stack import config
from stack.hardware import Hardware
from stack.releases import Release

PICKER_PORT = 9002
"""Where an endpoint picker is asked, by Envoy's external processing."""

Settings = TypeVar("Settings", bound=config.Cluster)


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """An Envoy of the stack's own, where no Gateway stands in front of the pools."""

    image: str
    args: tuple[str, ...]
    port: int
    """Where requests come in."""
    admin_port: int
    ready_path: str
    """On the admin port: answers 200 once the proxy serves."""
    config_dir: str
    config: Mapping[str, str]
    """File name -> content, mounted at `config_dir`."""
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Behind:
    """One pool that a proxy stands in front of."""

    pool: str
    """Its name."""
    picker: str
    """Host name of the endpoint picker, which listens on PICKER_PORT."""
    pods: str
    """Host name that resolves to the ready pods of the model."""
    port: int
    """Of the pods."""
    fails_open: bool
    """Whether any pod will do while there is no endpoint picker."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """Who answers requests for one name."""

    model: str
    """As requests ask for it."""
    pools: Mapping[str, int]
    """Name of a pool -> its share of the requests."""


@dataclass(frozen=True, kw_only=True)
class GatewayKind:
    destination_rules: bool = False
    """Whether it asks endpoint pickers as Istio tells it, which trusts no certificate of theirs."""
    crds: frozenset[str]
    """Bundles of the release that have to be there before it."""
    proxy: Callable[[Release, Sequence[Behind], Sequence[Route]], Proxy]


class ServiceType(StrEnum):
    """How a Service is reached from outside the cluster."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


@dataclass(frozen=True, kw_only=True)
class ClusterKind(Generic[Settings]):
    settings: type[Settings]
    nodes: Callable[[Settings, Hardware], config.Nodes | None]
    """The machines that the stack has to fit on; None where they are not known."""
    problems: Callable[[Settings], Iterator[str]]
    """What is wrong with this machine or its kubeconfig, before anything is created."""
    service_type: ServiceType
    """Of a gateway's Service where the stack file does not say."""
    is_local: bool = False
    """Whether its load balancer is this machine's loopback, so that nothing of it is public."""
