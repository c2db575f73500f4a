"""What is wrong with a stack beyond the shape of its words, each problem told by its path."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from itertools import combinations

from stack import config, quantity, scheduling
from stack.hardware import Feature, Hardware
from stack.plan import Model
from stack.problems import wrong
from stack.refusals import REFUSALS
from stack.releases import Release

DRA = (1, 34)
"""Kubernetes since when claims for devices are resource.k8s.io/v1."""
GATED_PUBLISHERS = frozenset({"meta-llama", "google", "mistralai"})
"""On Hugging Face; most of what they publish asks for a token."""
LABEL = 63
"""Characters of a DNS label and of a label's value, the tightest limits that names meet."""


def pairs(stack: config.Stack, release: Release) -> Iterator[str]:
    """Words that are right by themselves and are known not to work together."""
    if why := release.lacks.get(stack.hardware):
        yield wrong(
            "hardware", stack.hardware, f"one that release `{stack.release}` has images for: {why}"
        )
    for one in REFUSALS:
        if refused := one.refuses(stack):
            yield refused


def models(
    stack: config.Stack, release: Release, target: Hardware, secrets: frozenset[str]
) -> Iterator[str]:
    for index, model in enumerate(stack.models):
        at = f"models[{index}]"
        publisher = model.name.split("/", 1)[0]
        gated = publisher in GATED_PUBLISHERS if model.gated is None else model.gated
        if gated and "hfToken" not in secrets and target.server == "vllm":
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
        for feature, value in (
            (Feature.DTYPE, model.dtype),
            (Feature.KV_CACHE, model.kv_cache),
            (Feature.KV_CACHE_DTYPE, model.kv_cache_dtype),
            (Feature.QUANTIZATION, model.quantization),
        ):
            if value and (why := target.lacks.get(feature)):
                yield wrong(
                    f"{at}.{feature}", value, f"left out on hardware `{stack.hardware}`: {why}"
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


def collisions(stack: config.Stack, models: Sequence[Model]) -> Iterator[str]:
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


def lengths(models: Sequence[Model]) -> Iterator[str]:
    """Names over Kubernetes' limit, after every suffix."""
    for index, model in enumerate(models):
        names = (
            model.pool.picker,
            model.service.decode,
            *([model.front.name] if model.front else []),
        )
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


def devices(stack: config.Stack, target: Hardware, nodes: config.Nodes | None) -> Iterator[str]:
    """A replica's ranks sit on one node, and where nodes are not shared they are all of it."""
    version: str | None = getattr(stack.cluster, "version", None)
    if target.claim and version and tuple(int(part) for part in version.split(".")) < DRA:
        yield wrong(
            "cluster.version",
            version,
            f"1.34 or newer on hardware `{stack.hardware}`: its devices are claimed by "
            "resource.k8s.io/v1",
        )
    name = target.resource or target.claim
    on_node = nodes.devices if nodes else target.node_devices
    ranks = on_node * target.ranks_per_device
    for index, model in enumerate(stack.models):
        at, said = f"models[{index}].tensorParallel", model.tensor_parallel
        if name and target.devices(said) > on_node:
            yield wrong(at, said, f"at most {ranks}, the `{name}` of one node")
        elif target.whole_nodes and said != ranks:
            yield wrong(
                at,
                said,
                f"{ranks}: a pod on hardware `{stack.hardware}` has all {on_node} `{name}` of its "
                "node or none",
            )


def room(models: Sequence[Model], nodes: config.Nodes | None, target: Hardware) -> Iterator[str]:
    """The first model whose replicas the nodes cannot hold; the scheduler's own sums, roughly."""
    if not nodes:
        return
    node = _node(nodes, target)
    free = [dict(node) for _ in range(nodes.count)]
    for index, model in enumerate(models):
        for what, asked in _before_it(model):
            if not _take(asked, free):
                yield wrong(
                    "cluster.nodes",
                    f"{nodes.count} with {_listed(node)}",
                    f"room for {_listed(asked)} more, which {what} of models[{index}] asks for",
                )
                return
        asked = _asked(model)
        if sum(_take(asked, free) for _ in range(model.service.replicas)) < model.service.replicas:
            yield wrong(
                f"models[{index}].replicas",
                model.service.replicas,
                "fewer, smaller `resources`, or more in `cluster.nodes`: each asks for "
                f"{_listed(asked)}, and {nodes.count} node(s) with "
                f"{_listed(node)} cannot hold them all",
            )
            return


def replicas(
    models: Sequence[Model],
    unsettled: AbstractSet[int],
    nodes: config.Nodes | None,
    target: Hardware,
) -> dict[int, int]:
    """How many of each unsettled model the nodes have room for, beside all others; at least one.

    They take turns, so that none gets more than its share.
    """
    if not nodes or not unsettled:
        return {}
    free = [_node(nodes, target) for _ in range(nodes.count)]
    for index, model in enumerate(models):
        for _, beside in _before_it(model):
            _take(beside, free)
        for _ in range(0 if index in unsettled else model.service.replicas):
            _take(_asked(model), free)
    counts = dict.fromkeys(sorted(unsettled), 0)
    growing = [*counts]
    while growing:
        growing = [index for index in growing if _take(_asked(models[index]), free)]
        for index in growing:
            counts[index] += 1
    return {index: max(1, count) for index, count in counts.items()}


def _node(nodes: config.Nodes, target: Hardware) -> dict[str, Decimal]:
    devices = {name: Decimal(nodes.devices) for name in (target.resource, target.claim) if name}
    return {**quantity.parse_all({"cpu": nodes.cpu, "memory": nodes.memory}), **devices}


def _asked(model: Model) -> dict[str, Decimal]:
    """What each of its pods asks for, claims included."""
    claim = model.service.device_claim
    claimed = {claim.device_class: Decimal(claim.count)} if claim else {}
    return {**quantity.parse_all(model.service.requests), **claimed}


def _before_it(model: Model) -> Iterator[tuple[str, dict[str, Decimal]]]:
    """What a model needs beside its servers: whose pod, and what it asks for."""
    yield "the endpoint picker", quantity.parse_all(model.pool.requests)
    if model.front:
        for _ in range(model.front.replicas):
            yield "the gateway", quantity.parse_all(model.front.proxy.requests)


def _take(asked: Mapping[str, Decimal], free: Sequence[dict[str, Decimal]]) -> bool:
    """Put a pod on the first node that has room for it, if there is one."""
    for node in free:
        if all(node.get(kind, Decimal()) >= amount for kind, amount in asked.items()):
            for kind, amount in asked.items():
                node[kind] -= amount
            return True
    return False


def _listed(amounts: Mapping[str, Decimal]) -> str:
    """`cpu 0.5, memory 3Gi`."""
    return ", ".join(f"{kind} {_shown(amount)}" for kind, amount in amounts.items())


def _shown(amount: Decimal) -> str:
    for unit, size in (("Gi", 2**30), ("Mi", 2**20)):
        if amount >= size:
            return f"{amount / size:.4g}{unit}"
    return f"{amount.normalize():f}"
