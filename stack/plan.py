"""What a stack means: every name, label, image and port, decided before Pulumi starts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from stack import config, hardware, quantity, releases, scheduling
from stack.hardware import Feature, Hardware
from stack.kinds import PICKER_PORT, Behind, ClusterKind, GatewayKind, ServiceType, Sidecar
from stack.problems import StackError, wrong
from stack.releases import CrdBundle, Release

MODEL_PORT = 8000
HF_TOKEN_SECRET = "llm-d-hf-token"  # noqa: S105 - the guides' name of the Secret, not its value
GATED_PUBLISHERS = frozenset({"meta-llama", "google", "mistralai"})
"""On Hugging Face; most of what they publish asks for a token."""
# Later official charts ask for 4 to 8 CPUs and 8 GiB, which no laptop has beside two model servers.
# Measured, the picker and its Envoy take well under one core at 20 requests/s; CPU has no limit, so
# that a busy one takes what the node has.
PICKER_REQUESTS = {"cpu": "250m", "memory": "512Mi"}
PICKER_LIMITS = {"memory": "2Gi"}
LABEL = 63
"""Characters of a DNS label and of a label's value, the tightest limits that names meet."""
MARGIN_SECONDS = 300
"""Beyond a model's start: pulling its image, and being scheduled."""


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
    selects: Mapping[str, str]
    """Labels of the model-server pods, and of no others."""
    target_port: int
    image: str
    picker_config: str
    """EndpointPickerConfig as YAML."""
    failure_mode: str
    service_type: ServiceType
    """Of the endpoint picker's Service, which carries its metrics."""
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    sidecar: Sidecar | None
    gateway: str
    """Name of the Service where requests come in."""
    gateway_type: ServiceType

    @property
    def port(self) -> int:
        """Of the gateway's Service."""
        return self.sidecar.port if self.sidecar else PICKER_PORT

    @property
    def endpoint(self) -> str:
        """Host and port inside the cluster."""
        return f"{dns(self.gateway, self.namespace)}:{self.port}"

    @property
    def pod_requests(self) -> dict[str, Decimal]:
        """What the endpoint picker's pod asks for, its sidecar included."""
        own = _parsed(self.requests)
        beside = _parsed(self.sidecar.requests) if self.sidecar else {}
        return {kind: amount + beside.get(kind, Decimal()) for kind, amount in own.items()}


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
    requests: Mapping[str, str]
    limits: Mapping[str, str]
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
    pool: Pool
    service: Service
    monitors: Monitors | None

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


def plan(
    stack: config.Stack,
    *,
    name: str,
    secrets: frozenset[str],
    clusters: Mapping[str, ClusterKind[config.Cluster]],
    gateways: Mapping[str, GatewayKind],
) -> Plan:
    """What the stack called `name` means. StackError tells everything that is wrong with it.

    `secrets` are the names of those that are set, of `config.SECRETS`.
    """
    release = releases.releases()[stack.release]
    target = hardware.targets()[stack.hardware]
    kind = clusters[stack.cluster.kind]
    gateway = gateways[stack.gateway.provider]
    nodes = kind.nodes(stack.cluster, target)
    hf_token_secret = HF_TOKEN_SECRET if "hfToken" in secrets else None
    models = [
        _model(model, stack, release, target, gateway, kind, hf_token_secret)
        for model in stack.models
    ]
    problems = [
        *kind.problems(stack.cluster),
        *_models(stack, release, target, secrets),
        *_collisions(stack, models),
        *_lengths(models),
        *_devices(stack, target, nodes),
    ]
    if not problems:
        problems = [*_room(models, nodes, target)]
    if problems:
        raise StackError(problems)
    return Plan(
        name=name,
        cluster=Cluster(
            kind=stack.cluster.kind,
            settings=stack.cluster,
            hardware=target,
            nodes=nodes,
            state=f".state/clusters/{name}",
            identity=f"{stack.cluster.kind}/{getattr(stack.cluster, 'context', name)}",
        ),
        namespace=Namespace(
            name=stack.names.namespace,
            create=stack.names.create_namespace,
            pod_security=target.pod_security,
            hf_token_secret=hf_token_secret,
        ),
        gateway=Gateway(
            provider=stack.gateway.provider, crds=(*_crds(stack.gateway.crds, gateway, release),)
        ),
        models=tuple(models),
    )


def _model(
    model: config.Model,
    stack: config.Stack,
    release: Release,
    target: Hardware,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
    hf_token_secret: str | None,
) -> Model:
    postfix = f"{stack.names.postfix}-{model.id}" if model.id else stack.names.postfix
    namespace = stack.names.namespace
    serving = {release.serving_label: "true", "llm-d.ai/model": slug(model.name)}
    pool, service = f"gaie-{postfix}", f"ms-{postfix}-llm-d-modelservice"
    startup = target.startup_seconds
    behind = Behind(
        host=dns(service, namespace),
        port=MODEL_PORT,
        fails_open=model.scheduler.failure_mode == "FailOpen",
    )
    return Model(
        name=model.name,
        id=model.id,
        pool=Pool(
            name=pool,
            picker=f"{pool}-epp",
            # Cluster-wide, so the namespace is part of it: two stacks may share a cluster.
            cluster_role=f"{pool}-{namespace}-epp",
            namespace=namespace,
            group=release.pool_group,
            objectives_group=release.objectives_group,
            selects=serving,
            target_port=MODEL_PORT,
            image=release.endpoint_picker,
            picker_config=scheduling.picker_config(
                model.scheduler, release, endpoints=gateway.endpoints
            ),
            failure_mode=model.scheduler.failure_mode,
            service_type=cluster.service_type if cluster.is_local else ServiceType.CLUSTER_IP,
            requests=PICKER_REQUESTS,
            limits=PICKER_LIMITS,
            sidecar=gateway.sidecar(release, behind) if gateway.sidecar else None,
            gateway=f"infra-{postfix}-inference-gateway",
            gateway_type=ServiceType(stack.gateway.service or cluster.service_type),
        ),
        service=Service(
            name=service,
            decode=f"{service}-decode",
            namespace=namespace,
            labels={**serving, "llm-d.ai/role": "decode"},
            replicas=model.replicas,
            image=model.image or target.image.format_map(release.versions),
            command=target.command,
            args=arguments(model, target),
            env=target.env,
            hf_token_secret=hf_token_secret,
            port=MODEL_PORT,
            requests=_amounts(target.requests, model.resources.requests, model, target),
            limits=_amounts(target.limits, model.resources.limits, model, target),
            storage=model.storage,
            shared_memory=target.shared_memory,
            hardware=target,
            startup_seconds=startup,
            deadline_seconds=startup + MARGIN_SECONDS,
        ),
        monitors=Monitors(
            interval=stack.monitoring.scrape_interval,
            pod_monitor=f"{service}-decode-podmonitor",
            service_monitor=f"{pool}-epp-monitor",
            token_secret=f"{pool}-epp-metrics-reader",
        )
        if stack.monitoring.monitors
        else None,
    )


def slug(model: str) -> str:
    """A model's name as a label's value: `Qwen/Qwen3-0.6B` -> `qwen3-0.6b`."""
    return model.rsplit("/", 1)[-1].lower()[:LABEL].strip("._-")


def arguments(model: config.Model, target: Hardware) -> tuple[str, ...]:
    """Of the model server."""
    asked = (argument.format(model=model.name) for argument in target.model_argument)
    kv_cache = model.kv_cache or target.kv_cache
    return (
        *asked,
        f"--port={MODEL_PORT}",
        f"--served-model-name={model.name}",
        *(
            (f"--tensor-parallel-size={model.tensor_parallel}",)
            if model.tensor_parallel > 1
            else ()
        ),
        *((f"--max-model-len={model.max_model_len}",) if model.max_model_len else ()),
        *((f"--kv-cache-memory-bytes={int(quantity.parse(kv_cache))}",) if kv_cache else ()),
        *target.args,
    )


def dns(service: str, namespace: str) -> str:
    """A Service's name inside the cluster."""
    return f"{service}.{namespace}.svc.cluster.local"


def _amounts(
    default: Mapping[str, str], asked: config.Amounts, model: config.Model, target: Hardware
) -> Mapping[str, str]:
    """What a pod asks for: the model's words over the target's, a device per rank."""
    said = {"cpu": asked.cpu, "memory": asked.memory}
    devices = {target.resource: str(model.tensor_parallel)} if target.resource else {}
    return {**default, **{key: value for key, value in said.items() if value}, **devices}


def _crds(asked: config.Crds, gateway: GatewayKind, release: Release) -> Iterator[Crds]:
    for name, said in (
        ("gatewayApi", asked.gateway_api),
        ("inferenceExtension", asked.inference_extension),
    ):
        install = name in gateway.crds if said is None else said
        if install:
            yield Crds(name=name, bundle=release.crds[name], adopt=install == "adopt")


def _models(
    stack: config.Stack, release: Release, target: Hardware, secrets: frozenset[str]
) -> Iterator[str]:
    for index, model in enumerate(stack.models):
        at = f"models[{index}]"
        publisher = model.name.split("/", 1)[0]
        gated = publisher in GATED_PUBLISHERS if model.gated is None else model.gated
        if gated and "hfToken" not in secrets and target.command:
            yield wrong(
                f"{at}.name",
                model.name,
                "a model that needs no token, or a token: run `pulumi config set --secret "
                f"llm-d:hfToken`, or say `gated: false` if {publisher} does not ask for one",
            )
        if model.tensor_parallel > 1 and (why := target.lacks.get(Feature.TENSOR_PARALLEL)):
            yield wrong(
                f"{at}.{Feature.TENSOR_PARALLEL}",
                model.tensor_parallel,
                f"1 on hardware `{stack.hardware}`: {why}",
            )
        if model.image and not _is_pinned(model.image):
            yield wrong(
                f"{at}.image",
                model.image,
                "a tag that does not move, or a digest: what is tested is what runs",
            )
        for kind in ("cpu", "memory"):
            yield from _over_limit(model, target, at, kind)
        yield from scheduling.problems(model.scheduler, release, f"{at}.scheduler")


def _over_limit(model: config.Model, target: Hardware, at: str, kind: str) -> Iterator[str]:
    requested = getattr(model.resources.requests, kind) or target.requests.get(kind)
    limit = getattr(model.resources.limits, kind) or target.limits.get(kind)
    if requested and limit and quantity.parse(requested) > quantity.parse(limit):
        yield wrong(f"{at}.resources.requests.{kind}", requested, f"at most the limit, {limit}")


def _is_pinned(image: str) -> bool:
    tag = image.rsplit("/", 1)[-1].partition("@")
    return bool(tag[2]) or tag[0].partition(":")[2] not in {
        "",
        "latest",
        "main",
        "master",
        "nightly",
    }


def _collisions(stack: config.Stack, models: Sequence[Model]) -> Iterator[str]:
    for (first, one), (second, other) in combinations(enumerate(models), 2):
        if one.name == other.name:
            yield wrong(
                f"models[{second}].name",
                other.name,
                f"a name that models[{first}] does not have: requests could not tell them apart",
            )
        elif one.id == other.id:
            yield wrong(
                f"models[{second}].id",
                stack.models[second].id,
                f"another id than that of models[{first}]: it ends the names of their objects",
            )
        elif one.pool.selects == other.pool.selects:
            yield wrong(
                f"models[{second}].name",
                other.name,
                f"a name whose label differs from that of models[{first}], "
                f"`{other.pool.selects['llm-d.ai/model']}`: their pools would share pods",
            )


def _lengths(models: Sequence[Model]) -> Iterator[str]:
    """Names over Kubernetes' limit, after every suffix."""
    for index, model in enumerate(models):
        names = (model.pool.picker, model.pool.gateway, model.service.decode)
        longest = max((*names, *_monitor_names(model)), key=len)
        if (over := len(longest) - LABEL) > 0:
            path = f"models[{index}].id" if model.id else "names.postfix"
            value = model.id or model.pool.name.removeprefix("gaie-")
            yield wrong(
                path,
                value,
                f"{over} characters less: `{longest}` would have {len(longest)}, "
                f"and a Kubernetes name has at most {LABEL}",
            )


def _monitor_names(model: Model) -> tuple[str, ...]:
    monitors = model.monitors
    return (monitors.pod_monitor, monitors.service_monitor) if monitors else ()


def _devices(stack: config.Stack, target: Hardware, nodes: config.Nodes | None) -> Iterator[str]:
    """A replica's ranks sit on one node."""
    on_node = nodes.devices if nodes else int(target.node.get(target.resource or "", 0))
    for index, model in enumerate(stack.models):
        if target.resource and model.tensor_parallel > on_node:
            yield wrong(
                f"models[{index}].tensorParallel",
                model.tensor_parallel,
                f"at most {on_node}, the `{target.resource}` of one node",
            )


def _room(models: Sequence[Model], nodes: config.Nodes | None, target: Hardware) -> Iterator[str]:
    """The first model whose replicas the nodes cannot hold; the scheduler's own sums, roughly."""
    if not nodes:
        return
    node = {"cpu": nodes.cpu, "memory": nodes.memory}
    if target.resource:
        node[target.resource] = str(nodes.devices)
    free = [_parsed(node) for _ in range(nodes.count)]
    for index, model in enumerate(models):
        if not _take(model.pool.pod_requests, free):
            yield wrong(
                "cluster.nodes",
                f"{nodes.count} with {_listed(_parsed(node))}",
                f"room for {_listed(model.pool.pod_requests)} more, which the endpoint picker of "
                f"models[{index}] asks for",
            )
            return
        asked = _parsed(model.service.requests)
        if sum(_take(asked, free) for _ in range(model.service.replicas)) < model.service.replicas:
            yield wrong(
                f"models[{index}].replicas",
                model.service.replicas,
                "fewer, smaller `resources`, or more in `cluster.nodes`: each asks for "
                f"{_listed(asked)}, and {nodes.count} node(s) with {_listed(_parsed(node))} "
                "cannot hold them all",
            )
            return


def _take(asked: Mapping[str, Decimal], free: Sequence[dict[str, Decimal]]) -> bool:
    """Put a pod on the first node that has room for it, if there is one."""
    for node in free:
        if all(node.get(kind, Decimal()) >= amount for kind, amount in asked.items()):
            for kind, amount in asked.items():
                node[kind] -= amount
            return True
    return False


def _parsed(amounts: Mapping[str, str]) -> dict[str, Decimal]:
    return {kind: quantity.parse(amount) for kind, amount in amounts.items()}


def _listed(amounts: Mapping[str, Decimal]) -> str:
    """`cpu 0.5, memory 3Gi`."""
    return ", ".join(f"{kind} {_shown(amount)}" for kind, amount in amounts.items())


def _shown(amount: Decimal) -> str:
    for unit, size in (("Gi", 2**30), ("Mi", 2**20)):
        if amount >= size:
            return f"{amount / size:.4g}{unit}"
    return f"{amount.normalize():f}"
