"""What a `Pulumi.<stack>.yaml` may say: shape only, no meaning."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Annotated, Any, Literal, TypeVar, Union, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PositiveInt, create_model
from pydantic.alias_generators import to_camel

from stack import capacity, hardware, quantity, releases, schedulers

DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Quantity = Annotated[str, Field(pattern=quantity.PATTERN)]
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


class Gateway(Section):
    provider: str = "standalone"
    """What stands in front of the pool."""
    service: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = None
    """How its Service is reached; left out, what the kind of cluster can do."""
    crds: Crds = Crds()


class Amounts(Section):
    cpu: Quantity | None = None
    memory: Quantity | None = None


class Resources(Section):
    """Of one model-server pod; what is left out is the hardware's default."""

    requests: Amounts = Amounts()
    limits: Amounts = Amounts()


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


class Model(Section):
    name: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)?$", max_length=96)]
    """Hugging Face repository, and the name that requests ask for."""
    id: DnsLabel | None = None
    """Ends the names of this model's objects; every model after the first needs one."""
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    tensor_parallel: Annotated[int, Field(ge=1, le=64)] = 1
    """Devices that one replica is split over."""
    max_model_len: PositiveInt | None = None
    """Tokens of the longest request, prompt and answer together; left out, the model's own."""
    sizing: Literal["auto"] | None = None
    """auto: `tensorParallel`, `maxModelLen` and `replicas` are what the nodes can do best."""
    shape: dict[str, Any] | None = None
    """What the model's config.json says of its architecture, for models that are not known; with
    `weights_gib` where the weights' size does not follow from it."""
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
    storage: Quantity = "20Gi"
    """Disk that one replica may use for the model's files."""
    image: Annotated[str, Field(pattern=r"^[\w.:/-]+(@sha256:[0-9a-f]{64})?$")] | None = None
    """Of the model server, instead of the release's; with a tag or digest that does not move."""
    resources: Resources = Resources()
    scheduler: Scheduler = Scheduler()


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
    """The keys that each block may have: `{"": {"release", …}, "names": {"namespace", …}}`."""
    found: dict[str, set[str]] = {at: set()}
    for field in model.model_fields.values():
        key = str(field.alias)
        found[at].add(key)
        for block in _blocks(field.annotation):
            for path, names in keys(block, f"{at}.{key}".removeprefix(".")).items():
                found.setdefault(path, set()).update(names)
    return found


def _blocks(annotation: Any) -> Iterator[type[Section]]:
    """The sections in an annotation, through unions, lists and options."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in get_args(annotation):
        yield from _blocks(inner)
