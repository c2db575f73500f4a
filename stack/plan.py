"""What a stack means: every name, label, image and port, as the components take them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from stack import config, quantity
from stack.charts import Chart
from stack.crd_bundles import CrdBundle
from stack.hardware import Hardware
from stack.kinds import Behind, Flag, Manifest, Proxy, ServiceType
from stack.picker_metrics import PickerMetrics
from stack.proxy_metrics import ProxyMetrics


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
    pull_secret: "PullSecret | None"


@dataclass(frozen=True, kw_only=True)
class PullSecret:
    """By which pods pull the images that were pushed for them."""

    name: str
    registry: str
    """Its host."""
    username: str


@dataclass(frozen=True, kw_only=True)
class Crds:
    """A bundle and who keeps it."""

    name: str
    key: str
    """Of the stack file: where it says who keeps it."""
    bundle: CrdBundle
    adopt: bool
    adopting: str = "adopt"
    """What the key says to have it taken as it is there."""


@dataclass(frozen=True, kw_only=True)
class GatewayClass:
    """That someone else's control plane serves."""

    name: str
    controller: str
    flag: Flag | None


@dataclass(frozen=True, kw_only=True)
class Providers:
    """What has to be on the cluster before anything can be routed."""

    gateway: str
    """The provider's word."""
    crds: tuple[Crds, ...]
    charts: tuple[Chart, ...]
    adopted: tuple[GatewayClass, ...]
    """Checked: who runs it is not this stack."""
    looks: bool
    """Whether what is adopted can be checked: a preview may have no cluster."""
    keeps_definitions: bool
    """Whether they stay when the stack goes, since others on the cluster may use them."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    name: str
    priority: int


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """A name that requests ask for, and the names of what answers them."""

    model: str
    targets: Mapping[str, int]
    """Name of a model or an adapter -> its share."""


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
    replicas: int
    """Of the endpoint picker; one of them picks."""
    traces: Mapping[str, str]
    """Its environment for sending traces; empty where none are made."""
    picker_config: str
    """EndpointPickerConfig as YAML."""
    reads_tokenizer: bool
    """Whether the endpoint picker downloads the model's tokenizer."""
    hf_token_secret: str | None
    objectives: tuple[Objective, ...]
    rewrites: tuple[Rewrite, ...]
    failure_mode: str
    beside: tuple[Manifest, ...]
    """What the gateway's provider has to be told about it."""
    ready: tuple[str, ...]
    """What is waited for, of its status; empty where nobody writes one."""
    pull_secrets: tuple[str, ...]
    user: int | None
    """Of its pods; None where the cluster assigns them one."""
    service_type: ServiceType
    """Of the endpoint picker's Service, which carries its metrics."""
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Front:
    """The proxy in front of all pools, where no Gateway is."""

    name: str
    """Of its Deployment, Service, ServiceAccount and ConfigMap."""
    namespace: str
    replicas: int
    proxy: Proxy
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    service_type: ServiceType
    user: int | None
    """Of its pods; None where the cluster assigns them one."""

    @property
    def port(self) -> int:
        return self.proxy.port

    @property
    def service(self) -> tuple[str, str] | None:
        """Namespace and name of where requests come in."""
        return self.namespace, self.name

    @property
    def is_secure(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Names that are asked for, and who answers: all names where there are none."""

    models: tuple[str, ...]
    paths: tuple[str, ...] = ()
    """Of requests that name no model, which it takes too."""
    pools: Mapping[str, int]
    """Name of a pool -> its share."""


@dataclass(frozen=True, kw_only=True)
class HttpRoute:
    id: str | None
    """Of the model whose names it is for."""
    name: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True)
class BodyReader:
    """What reads from a request's body which model it asks for, and writes it into a header."""

    name: str
    """Of its Deployment, Service, ServiceAccount, Role and RoleBinding."""
    namespace: str
    image: str
    replicas: int
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    user: int | None
    """Of its pods; None where the cluster assigns them one."""


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A Gateway in front of all pools, and the routes from it."""

    name: str
    namespace: str
    gateway_class: str
    port: int
    """At which requests come in."""
    makes_class: str | None
    """Name of its controller, where the class is the stack's."""
    host: str | None
    tls_secret: str | None
    parameters: Manifest | None
    beside: tuple[Manifest, ...]
    replicas: int
    requests: Mapping[str, str]
    """Of one of its proxies."""
    service: tuple[str, str] | None
    """Namespace and name; None where its proxies are outside the cluster."""
    ready: tuple[str, ...]
    health_port: int | None
    """Of its proxies; None where its own conditions tell whether they are ready."""
    routes: tuple[HttpRoute, ...]
    route_ready: tuple[str, ...]
    pool_group: str
    pool_port: int | None
    """As routes say it; None where they must not."""
    timeouts: Mapping[str, str]
    reader: BodyReader | None
    route: Manifest | None
    """What makes it public where the cluster has a router of its own."""

    @property
    def is_secure(self) -> bool:
        return bool(self.tls_secret)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Pods that stand beside the models', for what the nodes have to hold."""

    who: str
    replicas: int
    requests: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class DeviceClaim:
    """Devices that a pod claims, where no device plugin counts them."""

    template: str
    """Name of the ResourceClaimTemplate."""
    device_class: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim to be made."""

    size: str
    storage_class: str | None
    access_mode: str


@dataclass(frozen=True, kw_only=True)
class Files:
    """The model's files, as pods see them."""

    claim: str | None
    """Name of the claim; None where every pod downloads its own."""
    size: str
    """Of the volume that a pod downloads to, where there is no claim."""
    created: Claim | None
    downloads: tuple[str, ...]
    """Repositories that are on the claim before any pod starts."""
    job: str
    """Name of what downloads them."""


@dataclass(frozen=True, kw_only=True)
class RoutingProxy:
    """Before a model server: has prompts read by the pod that the endpoint picker names."""

    image: str
    args: tuple[str, ...]
    port: int
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Role:
    """Pods of a model that all do the same work."""

    name: str
    """`decode`, or `prefill` where prompts are read by pods of their own."""
    workload: str
    """Name of their Deployment, or of their LeaderWorkerSet where a replica spans nodes."""
    labels: Mapping[str, str]
    """Of the pods that requests are sent to, and of no others."""
    replicas: int
    """At most, where their number changes by itself."""
    nodes: int
    """Pods of one replica: a leader, which is sent requests, and its workers."""
    port: int
    """Of the model server itself."""
    args: tuple[str, ...]
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    device_claim: DeviceClaim | None
    proxy: RoutingProxy | None
    max_unavailable: int | None
    """Replicas that may be drained at once; None where there is no other to go on with."""

    @property
    def pods(self) -> int:
        return self.replicas * self.nodes

    @property
    def worker_labels(self) -> dict[str, str]:
        """Of the pods that no request is sent to: a pool must not select them."""
        return {"llm-d.ai/role": f"{self.name}-worker", "llm-d.ai/workload": self.workload}

    @property
    def pod_requests(self) -> dict[str, Decimal]:
        """What each of its pods asks for, its proxy and claims included."""
        beside = quantity.parse_all(self.proxy.requests if self.proxy else {})
        own = {
            kind: amount + beside.get(kind, Decimal())
            for kind, amount in quantity.parse_all(self.requests).items()
        }
        claim = self.device_claim
        return {**own, claim.device_class: Decimal(claim.count)} if claim else own


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How many replicas there are, by what they have to do."""

    by: str
    least: int
    most: int
    server: str
    """URL of the Prometheus that is asked; empty where an adapter asks."""
    targets: Mapping[str, int]
    """Query -> what each replica is to have of it at most."""
    adapted: Mapping[str, int]
    """The same by names of metrics that pods have for an adapter."""
    settle_seconds: int


@dataclass(frozen=True, kw_only=True)
class Service:
    """The pods that serve one model, and what all of them have in common."""

    name: str
    """Of the Service under which the ready pods are found."""
    namespace: str
    decode: Role
    prefill: Role | None
    image: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    env_fields: Mapping[str, str]
    """Name -> field of the pod that has the value."""
    hf_token_secret: str | None
    home: str
    cache: str
    """Where the model's files are mounted."""
    files: Files
    port: int
    """Where requests come in."""
    port_name: str
    shared_memory: str | None
    hardware: Hardware
    pods: config.Pods
    pull_secrets: tuple[str, ...]
    account: str
    user: int | None
    """Of its pods; None where the cluster assigns them one."""
    scaling: Scaling | None
    """None where there are always as many replicas."""
    startup_seconds: int
    deadline_seconds: int
    """How long a rollout may take before it counts as failed."""

    @property
    def roles(self) -> tuple[Role, ...]:
        return (self.decode, self.prefill) if self.prefill else (self.decode,)

    @property
    def common_labels(self) -> dict[str, str]:
        """Labels of every pod that requests are sent to, and of no others."""
        return {
            key: value
            for key, value in self.decode.labels.items()
            if all(role.labels.get(key) == value for role in self.roles)
        }


@dataclass(frozen=True, kw_only=True)
class Monitors:
    """What scrapes one model's pods and its endpoint picker."""

    pods: Mapping[str, str]
    """Role of the pods -> name of their monitor."""
    picker: str
    """Name of the endpoint picker's monitor."""
    token_secret: str


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What all replicas of a model hold together; upper bounds where `is_bound`."""

    kv_tokens: int
    at_once: Mapping[int, int]
    """Tokens of a request, prompt and answer -> how many such requests."""
    accelerators: int
    is_bound: bool


@dataclass(frozen=True, kw_only=True)
class Model:
    name: str
    id: str | None
    capacity: Capacity | str
    """Or why it is not known."""
    behind: Behind
    pool: Pool
    service: Service
    monitors: Monitors

    def named(self, role: str) -> str:
        """Logical name of this model's component: `pool`, or `pool-chat` with an id."""
        return f"{role}-{self.id}" if self.id else role


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """What counts as too much."""

    ttft_seconds: float
    """A bound of the model server's own histogram."""
    ttft_share: float
    error_share: float
    queue: int


@dataclass(frozen=True, kw_only=True)
class OwnPrometheus:
    """One pod without an operator, where nothing that an operator starts would run."""

    name: str
    """Of its Deployment, Service, ServiceAccount, Role and ConfigMap."""
    image: str
    user: int | None
    service_type: ServiceType
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Grafana:
    """Of the stack's own."""

    service: str
    secret: str
    """Holds its administrator's name and password."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Of those whose names are not the same everywhere."""

    picker: PickerMetrics
    proxies: ProxyMetrics | None


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Who scrapes the stack, and what is asked of it."""

    namespace: str
    """Of the stack."""
    entrance: Front | Gateway
    """Whose proxies are scraped too, where `metrics` has names of theirs."""
    models: tuple[Model, ...]
    home: str
    """Namespace of the Prometheus, where the stack installs one."""
    managed_by_google: bool
    """Whether monitors and rules are those of GKE's managed Prometheus."""
    api: str
    """API group and version of monitors and rules."""
    crds: Crds | None
    """Of monitors and rules, where the stack has to bring them and no chart does."""
    chart: Chart | None
    own: OwnPrometheus | None
    grafana: Grafana | None
    makes_password: bool
    """Whether the stack makes Grafana's password, by chance."""
    interval: str
    timeout: str
    """Of one scrape, which has to be over before the next."""
    retention: str
    labels: Mapping[str, str]
    proxy_monitor: str
    rules: str
    """Name of the object that holds the alerts."""
    alerts: Alerts | None
    dashboards: bool
    """Whether there is a Grafana that reads them from ConfigMaps."""
    dashboard_prefix: str
    """Begins the names of the ConfigMaps."""
    metrics: Metrics
    dollars_per_hour: float


@dataclass(frozen=True, kw_only=True)
class Patch:
    file: str
    find: str
    """Once, or it is not the file that was meant."""
    replace: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """An image for one platform."""

    platform: str
    name: str
    """With its tag."""
    patches: tuple[Patch, ...]


@dataclass(frozen=True, kw_only=True)
class Image:
    """What is built here."""

    stack: str
    """For which: an image goes with the last of this machine's stacks that has it built."""
    recipe: str
    name: str
    """With its tag, which follows from all that is built: the same name is the same image."""
    parts: tuple[Part, ...]
    """One for each platform; a single one has the image's own name."""
    repository: str
    tag: str | None
    commit: str
    dockerfile: str
    target: str | None
    args: Mapping[str, str]
    engine: str | None
    """None: found where it is built."""
    seconds: int
    """How long a part may take."""
    username: str | None
    """Of the registry; None where whoever is logged in pushes."""
    loads: tuple[str, ...]
    """Command that puts its archive on the cluster's nodes; none: it is pushed."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A stack that works: nothing left to choose, nothing left to check."""

    name: str
    cluster: Cluster
    namespace: Namespace
    providers: Providers
    entrance: Front | Gateway
    models: tuple[Model, ...]
    monitoring: Monitoring | None
    beside: tuple[Beside, ...]
    """What nodes have to hold beside models and their endpoint pickers."""
    images: tuple[Image, ...]
    not_built: Mapping[str, str]
    """Recipe that was asked for -> why nothing is built."""

    @property
    def crds(self) -> tuple[Crds, ...]:
        """All bundles that the stack installs or adopts."""
        brought = self.monitoring and self.monitoring.crds
        return (*self.providers.crds, *((brought,) if brought else ()))


def dns(service: str, namespace: str) -> str:
    """A Service's name inside the cluster."""
    return f"{service}.{namespace}.svc.cluster.local"
