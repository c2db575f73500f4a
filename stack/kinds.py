"""What a gateway provider and a kind of cluster tell the plan about themselves.

The modules that implement them live in `components/`; `load` hands their descriptions in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from stack import config
from stack.charts import Chart
from stack.crd_bundles import CrdBundle
from stack.hardware import Hardware
from stack.machine import MachineNeeds
from stack.platforms import PLATFORMS, Platform, PlatformName
from stack.proxy_metrics import ProxyMetrics
from stack.releases import Release

PICKER_PORT = 9002
"""Where an endpoint picker is asked, by Envoy's external processing."""

READER_PORT = 9004
"""Where the body reader is asked, in the same way."""
MODEL_HEADER = "X-Gateway-Model-Name"
"""The body reader's word for which model a request asks for; routes tell models apart by it."""

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


class ServiceType(StrEnum):
    """How a Service is reached from outside the cluster."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class Offer(StrEnum):
    """What a stack file may ask of a gateway and not every provider has, by its key."""

    CONTROL_PLANE = "gateway.controlPlane"
    HOST = "gateway.host"
    TLS = "gateway.tls"
    API_KEYS = "gateway.apiKeys"
    JWT = "gateway.jwt"
    RATE_LIMIT = "gateway.rateLimit"
    TIMEOUT = "gateway.timeout"
    PORT = "gateway.port"
    SEVERAL = "models"
    """It finds out from a request's body which model is asked for."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A Kubernetes object that a provider wants beside a Gateway, a route or a pool."""

    role: str
    """Ends the name of its resource."""
    api_version: str
    kind: str
    name: str
    body: Mapping[str, Any]
    """All of it but kind and metadata: `spec`, or a ConfigMap's `data`."""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    is_namespaced: bool = True


def reference(gateway: str) -> dict[str, str]:
    """How objects of its namespace name a Gateway: routes, and policies."""
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to stand in front of a stack's pools, before a provider says how."""

    name: str
    """Of the Gateway."""
    namespace: str
    version: str
    """Of the provider's control plane."""
    service_type: ServiceType
    replicas: int
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    timeout_seconds: int | None
    """Of a whole answer; None: as long as it takes."""
    several: bool
    """Whether it has to find out which model is asked for."""
    reader: str
    """Host name of what says so, by READER_PORT, where there are several."""
    assigns_users: bool
    """Whether the cluster says which user a pod runs as."""
    settings: config.Gateway
    """For what providers do each in their own way: certificates, keys, limits."""


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """How a provider makes the Gateway that was asked for."""

    gateway_class: str
    makes_class: bool = False
    """Whether the class is the stack's to make, since the control plane does not."""
    service: tuple[str, str] | None
    """Namespace and name of the Service in front of the proxies; None where these run outside the
    cluster."""
    parameters: Manifest | None = None
    """What the Gateway refers to for how its proxies run."""
    beside: tuple[Manifest, ...] = ()
    """Policies of the Gateway."""
    timeouts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the routes' rules; none where a policy says it."""
    ready: tuple[str, ...] = ()
    """What the Gateway's status says beside the Gateway API's own conditions, which stay true while
    its Service is changed."""
    health_port: int | None = None
    """Of the proxies, where these are in the Gateway's namespace: it is Programmed before they are
    ready, which they say there. None where Programmed says that too."""
    names_port: bool = True
    """Whether a route says the pool's port."""
    also_says: tuple[str, ...] = ()
    """Conditions that routes have to have, beside the Gateway API's own."""


@dataclass(frozen=True, kw_only=True)
class Flag:
    """An environment variable of a Deployment."""

    namespace: str
    deployment: str
    variable: str
    value: str


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """What makes Gateways of a class work."""

    controller: str
    """`controllerName` of its GatewayClass."""
    charts: tuple[Chart, ...] = ()
    """None where it is part of the cluster."""
    definitions: Mapping[str, CrdBundle] = field(default_factory=dict[str, CrdBundle])
    """Name of a bundle -> definitions of its own that its charts do not bring."""
    flag: Flag | None = None
    """What tells that it knows InferencePools."""


def _nothing(_asked: Asked, _behind: Behind) -> tuple[Manifest, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class GatewayKind:
    """What stands in front of pools: the stack's own Envoys, or a Gateway of some provider's."""

    crds: frozenset[str]
    """Bundles of the release that have to be there before it."""
    lacks: Mapping[Offer, str] = field(default_factory=dict[Offer, str])
    """What it does not do -> why, as the user should read it."""
    metrics: ProxyMetrics | None = None
    """Of its proxies; None where they are not the stack's to scrape."""


@dataclass(frozen=True, kw_only=True)
class Standalone(GatewayKind):
    proxy: Callable[[Release, Sequence[Behind], Sequence[Route]], Proxy]


@dataclass(frozen=True, kw_only=True)
class Provider(GatewayKind):
    control_plane: Callable[[str, Platform], ControlPlane]
    """By its version, and by where it runs."""
    entrance: Callable[[Asked], Entrance]
    pool: Callable[[Asked, Behind], tuple[Manifest, ...]] = _nothing
    """What it has to be told about a pool."""
    definitions: tuple[CrdBundle, ...] = ()
    """Of the kinds that it is told things by: they come with the control plane."""
    asks_reader: bool = False
    """Whether it has the body reader say which model is asked for; else it finds out by itself."""
    platform: PlatformName | None = None
    """The only one on which it is to be had, which brings its control plane along."""
    service_type: ServiceType | None = None
    """Where the stack file does not say; None: what the kind of cluster can do."""
    service_types: frozenset[ServiceType] = frozenset(ServiceType)
    suffix: str = ""
    """What is appended to a Gateway's name for the objects that are made for it."""
    leaves: frozenset[str] = frozenset()
    """Names of objects that its control plane makes by itself, and leaves when it goes."""
    simulated: str = ""
    """Why it cannot run on the nodes of a cluster on this machine; empty where it can."""


def _yes(_settings: config.Cluster) -> bool:
    return True


def _no(_settings: config.Cluster) -> bool:
    return False


def _plain(_settings: config.Cluster) -> Platform:
    return PLATFORMS["kubernetes"]


def _takes_nothing(_settings: config.Cluster) -> MachineNeeds:
    return MachineNeeds()


@dataclass(frozen=True, kw_only=True)
class ClusterKind(Generic[Settings]):
    settings: type[Settings]
    nodes: Callable[[Settings, Hardware], config.Nodes | None]
    """The machines that the stack has to fit on; None where they are not known."""
    problems: Callable[[Settings], Iterator[str]]
    """What is wrong with this machine or its kubeconfig, before anything is created."""
    service_type: ServiceType
    """Of a gateway's Service where the stack file does not say."""
    platform: Callable[[Settings], Platform] = _plain
    """Whose Kubernetes it is."""
    charts: str | None = None
    """Folder of the charts that can be installed there, from the project's root."""
    is_there: Callable[[Settings], bool] = _yes
    """Whether anything on it can be looked at: a preview needs no cluster."""
    is_own: Callable[[Settings], bool] = _no
    """Whether the stack makes it, so that nothing on it is anybody else's."""
    is_local: bool = False
    """Whether its load balancer is this machine's loopback, so that nothing of it is public."""
    loads_images: Callable[[Settings], tuple[str, ...]] | None = None
    """The command that puts an image archive on the cluster's nodes; its path follows as the last
    word. None: pods pull."""
    needs: Callable[[Settings], MachineNeeds] = _takes_nothing
    """What it takes of this machine; may read files, and runs nothing."""
