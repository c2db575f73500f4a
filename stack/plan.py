"""What a stack means: every name, label, image and port, as the components take them."""

from collections.abc import Mapping
from dataclasses import dataclass

from stack import config
from stack.crd_bundles import CrdBundle
from stack.hardware import Hardware
from stack.kinds import PICKER_PORT, Proxy, ServiceType


@dataclass(frozen=True, kw_only=True)
class Cluster:
    kind: str
    settings: config.Cluster
    hardware: Hardware
    nodes: config.Nodes | None
    state: str
    """Folder of this stack's own cluster, from the project's root."""
    identity: str
    """What the provider knows the cluster by, so that a new kubeconfig is not a new cluster."""


@dataclass(frozen=True, kw_only=True)
class Namespace:
    name: str
    create: bool
    pod_security: str
    hf_token_secret: str | None


@dataclass(frozen=True, kw_only=True)
class Crds:
    """A bundle and who keeps it."""

    name: str
    bundle: CrdBundle
    adopt: bool


@dataclass(frozen=True, kw_only=True)
class Gateway:
    provider: str
    crds: tuple[Crds, ...]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One InferencePool and its endpoint picker."""

    name: str
    picker: str
    """Name of the endpoint picker's Deployment, Service, ServiceAccount, Role and ConfigMap."""
    cluster_role: str
    namespace: str
    group: str
    objectives_group: str
    watches: Mapping[str, tuple[str, ...]]
    """API group -> what the endpoint picker watches there, beside its pool and pods."""
    selects: Mapping[str, str]
    """Labels of the model-server pods, and of no others."""
    target_port: int
    image: str
    args: tuple[str, ...]
    """What this endpoint picker has to be told beyond what all are."""
    picker_config: str
    """EndpointPickerConfig as YAML."""
    failure_mode: str
    service_type: ServiceType
    """Of the endpoint picker's Service, which carries its metrics."""
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Front:
    """The proxy in front of one pool, where no Gateway is."""

    name: str
    """Of its Deployment, Service, ServiceAccount and ConfigMap."""
    namespace: str
    replicas: int
    proxy: Proxy
    service_type: ServiceType


@dataclass(frozen=True, kw_only=True)
class DeviceClaim:
    """Devices that a pod claims, where no device plugin counts them."""

    template: str
    """Name of the ResourceClaimTemplate."""
    device_class: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Service:
    """The pods that serve one model."""

    name: str
    """Of the ServiceAccount, and of the Service under which the ready pods are found."""
    decode: str
    namespace: str
    labels: Mapping[str, str]
    replicas: int
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]
    hf_token_secret: str | None
    port: int
    port_name: str
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    device_claim: DeviceClaim | None
    storage: str
    shared_memory: str | None
    hardware: Hardware
    startup_seconds: int
    deadline_seconds: int
    """How long a rollout may take before it counts as failed."""


@dataclass(frozen=True, kw_only=True)
class Monitors:
    """What scrapes one model's pods and its endpoint picker."""

    interval: str
    pod_monitor: str
    service_monitor: str
    token_secret: str


@dataclass(frozen=True, kw_only=True)
class Model:
    name: str
    id: str | None
    capacity: str
    """What all its replicas hold, as its users would say it."""
    pool: Pool
    front: Front | None
    service: Service
    monitors: Monitors | None

    @property
    def entry(self) -> tuple[str, int]:
        """Service and port where requests for it come in."""
        if self.front:
            return self.front.name, self.front.proxy.port
        return self.pool.picker, PICKER_PORT

    @property
    def endpoint(self) -> str:
        """Host and port inside the cluster where requests for it come in."""
        service, port = self.entry
        return f"{dns(service, self.pool.namespace)}:{port}"

    def named(self, role: str) -> str:
        """Logical name of this model's component: `pool`, or `pool-chat` with an id."""
        return f"{role}-{self.id}" if self.id else role


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A stack that works: nothing left to choose, nothing left to check."""

    name: str
    cluster: Cluster
    namespace: Namespace
    gateway: Gateway
    models: tuple[Model, ...]


def dns(service: str, namespace: str) -> str:
    """A Service's name inside the cluster."""
    return f"{service}.{namespace}.svc.cluster.local"
