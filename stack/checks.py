"""What is wrong with a stack beyond the shape of its words, each problem told by its path."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from itertools import combinations

from stack import config, quantity, roles, scheduling, service_checks, sources
from stack.ground import Ground
from stack.hardware import Hardware
from stack.plan import Beside, Front, Model, Service
from stack.problems import wrong
from stack.refusals import REFUSALS
from stack.releases import Release

DRA = (1, 34)
"""Kubernetes since when claims for devices are resource.k8s.io/v1."""
GATED_PUBLISHERS = frozenset({"meta-llama", "google", "mistralai"})
"""On Hugging Face; most of what they publish asks for a token."""
CONFIG_MAP = 2**20
"""Bytes that the API server takes in one ConfigMap."""
POOL = 40
"""Characters of a pool's name that others keep when they append to it, as official charts do."""
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


def models(stack: config.Stack, ground: Ground, secrets: frozenset[str]) -> Iterator[str]:
    target = ground.target
    yield from _token(stack, secrets)
    for index, model in enumerate(stack.models):
        at = f"models[{index}]"
        has_token = "hfToken" in secrets or stack.names.hf_token_secret
        if target.server != "simulator" and not has_token and is_gated(model):
            yield _gated(model, at)
        if model.image and not is_pinned(model.image):
            yield wrong(
                f"{at}.image",
                model.image,
                "a tag that does not move, or a digest: what is tested is what runs",
            )
        for role in roles.asked(model):
            for kind in ("cpu", "memory"):
                yield from _over_limit(role.resources, target, f"{at}{role.at}", kind)
        yield from service_checks.problems(model, ground, at)
        yield from scheduling.problems(model, ground.release, target, at)


def _token(stack: config.Stack, secrets: frozenset[str]) -> Iterator[str]:
    if "hfToken" in secrets and (said := stack.names.hf_token_secret):
        yield wrong("names.hfTokenSecret", said, "a Secret that is there or `hfToken`, not both")


def is_gated(model: config.Model) -> bool:
    """Whether it is downloaded, and asks for a token."""
    repository = sources.of(model).repository
    if not repository:
        return False
    return _publisher(repository) in GATED_PUBLISHERS if model.gated is None else model.gated


def _gated(model: config.Model, at: str) -> str:
    publisher = _publisher(sources.of(model).repository or "")
    return wrong(
        f"{at}.source" if model.source else f"{at}.name",
        model.source or model.name,
        "a model that needs no token, or a token: run `pulumi config set --secret "
        "llm-d:hfToken`, name a Secret in `names.hfTokenSecret`, or say `gated: false` if "
        f"{publisher} does not ask for one",
    )


def _publisher(repository: str) -> str:
    return repository.split("/", 1)[0]


def _over_limit(asked: config.Resources, target: Hardware, at: str, kind: str) -> Iterator[str]:
    requested = getattr(asked.requests, kind) or target.requests.get(kind)
    limit = getattr(asked.limits, kind) or target.limits.get(kind)
    if requested and limit and quantity.parse(requested) > quantity.parse(limit):
        yield wrong(f"{at}.resources.requests.{kind}", requested, f"at most the limit, {limit}")


def is_pinned(image: str) -> bool:
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


def lengths(models: Sequence[Model], front: str) -> Iterator[str]:
    """Names over Kubernetes' limit, after every suffix."""
    for index, model in enumerate(models):
        # What requests come in by is called after the postfix alone.
        shared = () if model.id else (front,)
        names = {
            **dict.fromkeys((model.pool.picker, *shared, *_service_names(model.service)), LABEL),
            model.pool.name: POOL,
        }
        longest = max(names, key=lambda name: len(name) - names[name])
        if (over := len(longest) - (most := names[longest])) > 0:
            path = f"models[{index}].id" if model.id else "names.postfix"
            value = model.id or model.pool.name.removeprefix("gaie-")
            yield wrong(
                path,
                value,
                f"{over} characters less: `{longest}` would have {len(longest)}, "
                f"and {'a Kubernetes name' if most == LABEL else 'a pool'} has at most {most}",
            )


def _service_names(service: Service) -> Iterator[str]:
    yield service.name
    for role in service.roles:
        # Pods of a replica over several nodes carry a label of its name, number and revision.
        group = f"-{role.replicas - 1}-{'0' * 10}" if role.nodes > 1 else ""
        yield f"{role.workload}{group}"
    if service.files.downloads:
        yield service.files.job
    if service.files.created and service.files.claim:
        yield service.files.claim


def configuration(models: Sequence[Model], front: Front) -> Iterator[str]:
    """Of the front, where it has too many models to fit into an object."""
    size = sum(len(text.encode()) for text in front.proxy.config.values())
    if size > CONFIG_MAP:
        yield wrong(
            "models",
            f"{len(models)} of them",
            f"fewer, and another stack for the others: what the proxy before them has to be told "
            f"takes {size} bytes, and a ConfigMap holds {CONFIG_MAP}",
        )


def claims(stack: config.Stack, target: Hardware) -> Iterator[str]:
    """Of devices, on a cluster that is too old for them."""
    version: str | None = getattr(stack.cluster, "version", None)
    if target.claim and version and tuple(int(part) for part in version.split(".")) < DRA:
        yield wrong(
            "cluster.version",
            version,
            f"1.34 or newer on hardware `{stack.hardware}`: its devices are claimed by "
            "resource.k8s.io/v1",
        )


def room(
    models: Sequence[Model], beside: Sequence[Beside], nodes: config.Nodes | None, target: Hardware
) -> Iterator[str]:
    """The first model whose replicas the nodes cannot hold; the scheduler's own sums, roughly."""
    if not nodes:
        return
    node = _node(nodes, target)
    free = [dict(node) for _ in range(nodes.count)]
    for one in beside:
        asked = quantity.parse_all(one.requests)
        if not all(_take(asked, free) for _ in range(one.replicas)):
            yield _no_room(nodes, node, asked, one.who)
            return
    for index, model in enumerate(models):
        picker = quantity.parse_all(model.pool.requests)
        if not all(_take(picker, free) for _ in range(model.pool.replicas)):
            yield _no_room(nodes, node, picker, f"the endpoint picker of models[{index}]")
            return
        for role in model.service.roles:
            at = f"models[{index}]" + (".prefill" if role.name == "prefill" else "")
            asked = role.pod_requests
            if sum(_take(asked, free) for _ in range(role.pods)) < role.pods:
                scaled = model.service.scaling and role.name == "decode"
                yield wrong(
                    f"{at}.{'autoscaling.maxReplicas' if scaled else 'replicas'}",
                    role.replicas,
                    "fewer, smaller `resources`, or more in `cluster.nodes`: each asks for "
                    f"{quantity.listed(asked)}, and {nodes.count} node(s) with "
                    f"{quantity.listed(node)} cannot hold them all",
                )
                return


def _no_room(
    nodes: config.Nodes, node: Mapping[str, Decimal], asked: Mapping[str, Decimal], who: str
) -> str:
    return wrong(
        "cluster.nodes",
        f"{nodes.count} with {quantity.listed(node)}",
        f"room for {quantity.listed(asked)} more, which {who} asks for",
    )


def replicas(
    models: Sequence[Model],
    beside: Sequence[Beside],
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
    for one in beside:
        for _ in range(one.replicas):
            _take(quantity.parse_all(one.requests), free)
    for index, model in enumerate(models):
        for _ in range(model.pool.replicas):
            _take(quantity.parse_all(model.pool.requests), free)
        for role in () if index in unsettled else model.service.roles:
            for _ in range(role.pods):
                _take(role.pod_requests, free)
    counts = dict.fromkeys(sorted(unsettled), 0)
    growing = [*counts]
    while growing:
        growing = [
            index for index in growing if _take(models[index].service.decode.pod_requests, free)
        ]
        for index in growing:
            counts[index] += 1
    return {index: max(1, count) for index, count in counts.items()}


def _node(nodes: config.Nodes, target: Hardware) -> dict[str, Decimal]:
    devices = {name: Decimal(nodes.devices) for name in (target.resource, target.claim) if name}
    return {**quantity.parse_all({"cpu": nodes.cpu, "memory": nodes.memory}), **devices}


def _take(asked: Mapping[str, Decimal], free: Sequence[dict[str, Decimal]]) -> bool:
    """Put a pod on the first node that has room for it, if there is one."""
    for node in free:
        if all(node.get(kind, Decimal()) >= amount for kind, amount in asked.items()):
            for kind, amount in asked.items():
                node[kind] -= amount
            return True
    return False
