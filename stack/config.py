"""What a `Pulumi.<stack>.yaml` may say: shape only, no meaning."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Annotated, Any, Literal, TypeVar, Union, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PositiveInt, create_model
from pydantic.alias_generators import to_camel

from stack import capacity, hardware, quantity, releases, schedulers, sources

DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Quantity = Annotated[str, Field(pattern=quantity.PATTERN)]
ServedName = Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)?$", max_length=96)]
"""What requests may ask for."""
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""Of a Kubernetes object that someone else made."""
Argument = Annotated[str, Field(pattern=r"^--[a-z][-\w.]*(=[^\x00]*)?$")]
"""`--flag` or `--flag=value`, so that no value is taken for an argument of its own."""
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
EnvValue = Annotated[str, Field(pattern=r"^[^\x00]*$")]
LabelKey = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$"
    ),
]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-\w.]*[A-Za-z0-9])?)?$", max_length=63)]
HostName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$",
        max_length=64,
    ),
]
"""No longer than what a certificate calls its owner may be."""
Url = Annotated[str, Field(pattern=r"^https://[^\s\"'\\]+$", max_length=1024)]
Token = Annotated[str, Field(pattern=r"^[^\s\"'\\]+$", max_length=256)]
Install = Literal["adopt", True, False]
"""true: this stack installs and removes it; adopt: it is there and checked; false: left alone."""


class Section(BaseModel):
    """A block of stack YAML: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        use_attribute_docstrings=True,
    )


class Nodes(Section):
    """Machines of a cluster, all alike: what is left for pods on each."""

    count: PositiveInt = 1
    cpu: Quantity
    memory: Quantity
    devices: Annotated[int, Field(ge=0)] = 0
    """Accelerators of a node, in units of the hardware's own resource."""
    accelerator: Annotated[
        str | None, Field(json_schema_extra={"enum": [*sorted(capacity.DEVICES), None]})
    ] = None
    """Which one; left out, whether a model fits is not checked but where there is only one."""
    download_mbps: PositiveInt = 200
    """Megabits per second at which a pod downloads a model: how long it may take to start."""


class Cluster(Section):
    """What every kind of cluster may say; a kind adds to it in its own module."""

    kind: Any
    """Narrowed to its one word by each kind."""


class Crds(Section):
    """Who installs the custom resource definitions."""

    gateway_api: Install | None = None
    """Gateway API; left out, the gateway decides."""
    inference_extension: Install | None = None
    """Gateway API inference extension; left out, the gateway decides."""
    leader_worker_set: Install | None = None
    """LeaderWorkerSet, for models that span nodes, and its controller; left out, adopted from
    whoever owns the cluster. On a cluster of the stack's own the definition comes alone."""


class Amounts(Section):
    cpu: Quantity | None = None
    memory: Quantity | None = None


class Resources(Section):
    """Of one pod; what is left out is a default that suits what runs in it."""

    requests: Amounts = Amounts()
    limits: Amounts = Amounts()


class Tls(Section):
    """Requests come in encrypted, and no others do."""

    secret: ObjectName
    """Of type kubernetes.io/tls, in the stack's namespace: there, or the issuer's to make."""
    issuer: ObjectName | None = None
    """A ClusterIssuer of cert-manager's, which makes the Secret for `host`."""


class Jwt(Section):
    """Only requests that carry a token of this issuer's are taken."""

    issuer: Url
    jwks_uri: Url
    """Where the issuer publishes its keys."""
    audiences: Annotated[list[Token], Field(min_length=1)]


class RateLimit(Section):
    """Of each of the gateway's proxies; what goes beyond it is answered with 429."""

    requests: PositiveInt
    per: Literal["second", "minute", "hour"] = "minute"


class Gateway(Section):
    provider: str = "standalone"
    """What stands in front of the pools."""
    control_plane: Install | None = None
    """Who installs what makes Gateways work; left out, whoever the provider belongs to."""
    charts: str | None = None
    """A folder that has the charts of what is installed, each as `<name>.tgz`; left out, they come
    from their publishers."""
    service: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = None
    """How its Service is reached; left out, what the kind of cluster can do."""
    crds: Crds = Crds()
    replicas: Annotated[int, Field(ge=1, le=100)] = 2
    """Of its proxies: of two, one goes on while the other is away."""
    resources: Resources = Resources()
    """Of one of its proxies."""
    host: HostName | None = None
    """That requests have to name; left out, any."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """At which it takes requests; left out, 80, or 443 with `tls`."""
    timeout: Annotated[str, Field(pattern=r"^[1-9]\d{0,6}[smh]$")] | None = None
    """How long a whole answer may take; left out, as long as the provider lets it."""
    tls: Tls | None = None
    api_keys: ObjectName | None = None
    """A Secret of the stack's namespace, each of whose values is a key that lets requests in."""
    jwt: Jwt | None = None
    rate_limit: RateLimit | None = None
    wait: bool = True
    """Whether `up` ends only once the Gateway and its routes are in force."""


class Plugin(Section):
    """A plugin of the endpoint picker, under the names that the release's picker knows."""

    type: str
    name: str | None = None
    """What profiles call it; left out, its type."""
    parameters: dict[str, Any] = {}
    weight: PositiveInt | None = None
    """Of a scorer, where there are no profiles to say it."""


class ProfilePlugin(Section):
    plugin_ref: str
    weight: PositiveInt | None = None


class Profile(Section):
    name: str
    plugins: Annotated[list[ProfilePlugin], Field(min_length=1)]


class Scheduler(Section):
    """How the endpoint picker chooses among a model's pods."""

    preset: str = "default"
    """A set of plugins and weights that is known to work."""
    plugins: list[Plugin] = []
    """Instead of a preset."""
    profiles: list[Profile] = []
    """Of the plugins listed; left out, one that has them all."""
    failure_mode: Literal["FailOpen", "FailClose"] = "FailOpen"
    """Without an endpoint picker: any pod, or none."""
    replicas: Annotated[int, Field(ge=1, le=9)] = 1
    """Of the endpoint picker: one picks, the others stand by to take over."""
    flow_control: bool = False
    """Requests wait in the endpoint picker, by priority, while the pods have all they can do."""


class Prefill(Section):
    """Pods that read prompts and hand their KV cache over to those that answer.

    What is left out is the model's.
    """

    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    tensor_parallel: Annotated[int, Field(ge=1, le=64)] | None = None
    data_parallel: Annotated[int, Field(ge=1, le=64)] | None = None
    nodes: Annotated[int, Field(ge=1, le=64)] | None = None
    args: list[Argument] = []
    """Of these pods alone, after the model's."""
    resources: Resources | None = None


class Claim(Section):
    """A PersistentVolumeClaim that this stack makes, and removes with everything on it."""

    size: Quantity
    storage_class: ObjectName | None = None
    """Left out, the cluster's default."""
    access_mode: Literal["ReadWriteMany", "ReadWriteOnce"] = "ReadWriteMany"
    """ReadWriteOnce is for what runs on one node."""


class Adapter(Section):
    """A LoRA adapter, served beside its model under a name of its own."""

    name: ServedName
    source: Annotated[str, Field(pattern=sources.PATTERN)]
    """`hf://publisher/adapter`, or `pvc://claim/folder` on the model's own claim."""
    rank: Annotated[int, Field(ge=1, le=512)] = 16


class Target(Section):
    model: ServedName
    weight: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Share of the requests, among all targets' weights."""


class Alias(Section):
    """A name that requests may ask for, and what answers them."""

    name: ServedName
    targets: list[Target] = []
    """Models of this stack, their adapters or both; left out, the model."""


class Objective(Section):
    """A priority, for requests that name it in `x-gateway-inference-objective`."""

    name: DnsLabel
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
    """The higher go first; those below 0 are dropped while the pods have all they can do."""


class Pods(Section):
    """Settings of Kubernetes' own for a model's pods."""

    labels: dict[LabelKey, LabelValue] = {}
    annotations: dict[LabelKey, str] = {}
    image_pull_secrets: list[ObjectName] = []
    priority_class: ObjectName | None = None
    scheduler_name: ObjectName | None = None
    """Of the scheduler that places them; left out, the cluster's own."""
    service_account: ObjectName | None = None
    """One that is there; left out, this stack makes one."""
    max_unavailable: Annotated[int, Field(ge=0)] | None = None
    """Replicas that may be drained at once; left out, one where there are several."""


class Model(Section):
    name: ServedName
    """What requests ask for; where no `source` says another, its Hugging Face repository."""
    source: Annotated[str, Field(pattern=sources.PATTERN)] | None = None
    """`hf://publisher/model`, `pvc://claim/folder` for files that are there, or
    `pvc+hf://claim/publisher/model` for a claim that is filled once, before any pod starts."""
    claim: Claim | None = None
    """Makes the claim of the `source`; without one, a claim for the Hugging Face repository."""
    id: DnsLabel | None = None
    """Ends the names of this model's objects; every model after the first needs one."""
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    tensor_parallel: Annotated[int, Field(ge=1, le=64)] = 1
    """Devices that one copy of the model is split over."""
    data_parallel: Annotated[int, Field(ge=1, le=64)] = 1
    """Copies of the model in one replica; for mixtures of experts, which share them out."""
    nodes: Annotated[int, Field(ge=1, le=64)] = 1
    """Machines that one replica spans, through LeaderWorkerSet."""
    prefill: Prefill | None = None
    """Pods of their own for reading prompts; left out, the pods that answer read them too."""
    adapters: Annotated[list[Adapter], Field(max_length=64)] = []
    """LoRA adapters that are served beside the model."""
    max_model_len: PositiveInt | None = None
    """Tokens of the longest request, prompt and answer together; left out, the model's own."""
    sizing: Literal["auto"] | None = None
    """auto: `tensorParallel`, `maxModelLen` and `replicas` are what the nodes can do best."""
    shape: dict[str, Any] | str | None = None
    """What the model's config.json says of its architecture, or the path of that file, for models
    that are not known; with `weights_gib` where the weights' size does not follow from it."""
    dtype: Literal["bfloat16", "float16", "float32"] | None = None
    """Of weights and activations; left out, the hardware's default, or else the model's own."""
    quantization: Literal["fp8"] | None = None
    """What weights are shrunk to while they are loaded."""
    kv_cache_dtype: Literal["fp8"] | None = None
    """Left out, that of the weights, or the hardware's default."""
    kv_cache: Quantity | None = None
    """Memory of one replica's KV cache; left out, the hardware's default."""
    gated: bool | None = None
    """Whether downloading it takes a token; left out, what is known of its publisher."""
    storage: Quantity | None = None
    """Disk that one replica may use for the model's files; left out, what a known model takes, or
    20Gi."""
    image: Annotated[str, Field(pattern=r"^[\w.:/-]+(@sha256:[0-9a-f]{64})?$")] | None = None
    """Of the model server, instead of the release's; with a tag or digest that does not move."""
    resources: Resources = Resources()
    args: list[Argument] = []
    """Of the model server, over the hardware's own."""
    env: dict[EnvName, EnvValue] = {}
    """Of the model server, over the hardware's own."""
    pods: Pods = Pods()
    scheduler: Scheduler = Scheduler()
    aliases: list[Alias] = []
    """Other names for the model, or names whose requests models and adapters share: a canary."""
    objectives: list[Objective] = []
    """Priorities that requests may name."""


class Monitoring(Section):
    monitors: bool = False
    """PodMonitor and ServiceMonitor, for a Prometheus operator that the cluster has."""
    scrape_interval: Annotated[str, Field(pattern=r"^[1-9]\d*[sm]$")] = "30s"


class Names(Section):
    """What the guides call NAMESPACE and RELEASE_NAME_POSTFIX."""

    namespace: DnsLabel = "llm-d-inference-scheduler"
    create_namespace: bool = True
    """false where someone else made the namespace, and keeps it."""
    postfix: DnsLabel = "inference-scheduling"
    hf_token_secret: ObjectName | None = None
    """A Secret that is there, with the token under `HF_TOKEN`: instead of `hfToken`."""


Narrowed = TypeVar("Narrowed", bound=Section)


class Stack(Section):
    """One stack: a point in the space of releases, clusters, hardware, gateways and models."""

    release: str = "v0.5"
    """llm-d release: a set of versions that belong together."""
    cluster: Cluster
    """Where the stack is deployed."""
    hardware: str
    """What the model servers run on."""
    gateway: Gateway = Gateway()
    """What stands in front of the pools."""
    models: Annotated[list[Model], Field(min_length=1)]
    """What the stack serves."""
    monitoring: Monitoring = Monitoring()
    """What is told to Prometheus."""
    names: Names = Names()
    """What the stack's objects are called, and where they live."""


SECRETS: Mapping[str, str] = {"hfToken": "Hugging Face token, for models that are gated"}
"""Keys that stand on their own beside the blocks, so that the engine keeps them encrypted."""


def stack_with(clusters: Iterable[type[Cluster]], gateways: Iterable[str]) -> type[Stack]:
    """`Stack` with the words that there are modules for.

    The cluster's `kind` chooses which keys its block may have.
    """
    kinds = Annotated[Union[tuple(clusters)], Discriminator("kind")]  # noqa: UP007 - at run time
    scheduler = _narrowed(Scheduler, preset=_one_of(schedulers.schedulers()))
    model = _narrowed(Model, scheduler=scheduler)
    return _narrowed(
        Stack,
        release=_one_of(releases.releases()),
        cluster=kinds,
        hardware=_one_of(hardware.targets()),
        gateway=_narrowed(Gateway, provider=_one_of(gateways)),
        models=list[model],
    )


def _one_of(words: Iterable[str]) -> Any:
    return Literal[tuple(sorted(words))]


def _narrowed(model: type[Narrowed], **annotations: Any) -> type[Narrowed]:
    """The same section with narrower types; defaults and descriptions stay."""
    fields: Any = {
        name: (annotation, copy(model.model_fields[name]))
        for name, annotation in annotations.items()
    }
    # Descriptions are there already: pydantic need not look for them in somebody's source.
    plain = {"use_attribute_docstrings": False}
    return create_model(model.__name__, __base__=model, __cls_kwargs__=plain, **fields)


def keys(model: type[BaseModel], at: str = "") -> dict[str, set[str]]:
    """The keys that each block may have: `{"": {"release", …}, "names": {"namespace", …}}`.

    A cluster's are told apart by its kind: `{"cluster.embedded": {"port", …}}`.
    """
    found: dict[str, set[str]] = {at: set()}
    for field in model.model_fields.values():
        key = str(field.alias)
        found[at].add(key)
        for block in _blocks(field.annotation):
            kind = (
                get_args(block.model_fields["kind"].annotation)
                if issubclass(block, Cluster)
                else ()
            )
            where = ".".join(part for part in (at, key, *kind) if part)
            for path, names in keys(block, where).items():
                found.setdefault(path, set()).update(names)
    return found


def _blocks(annotation: Any) -> Iterator[type[Section]]:
    """The sections in an annotation, through unions, lists and options."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in get_args(annotation):
        yield from _blocks(inner)
