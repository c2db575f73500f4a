"""What is wrong with a stack beyond the shape of its words, each problem told by its path."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations

from stack import config, quantity, scheduling, service_checks, services, sources
from stack.hardware import Hardware
from stack.plan import Model, Service
from stack.problems import wrong
from stack.releases import Release

GATED_PUBLISHERS = frozenset({"meta-llama", "google", "mistralai"})
"""On Hugging Face; most of what they publish asks for a token."""
LABEL = 63
"""Characters of a DNS label and of a label's value, the tightest limits that names meet."""


def models(
    stack: config.Stack,
    release: Release,
    target: Hardware,
    nodes: config.Nodes | None,
    secrets: frozenset[str],
) -> Iterator[str]:
    yield from _token(stack, secrets)
    for index, model in enumerate(stack.models):
        at = f"models[{index}]"
        if target.server != "simulator" and not (
            "hfToken" in secrets or stack.names.hf_token_secret
        ):
            yield from _gated(model, at)
        if model.image and not _is_pinned(model.image):
            yield wrong(
                f"{at}.image",
                model.image,
                "a tag that does not move, or a digest: what is tested is what runs",
            )
        for role in services.asked(model):
            for kind in ("cpu", "memory"):
                yield from _over_limit(role.resources, target, f"{at}{role.at}", kind)
        yield from service_checks.problems(model, target, nodes, at)
        yield from scheduling.problems(model, release, target, at)


def _token(stack: config.Stack, secrets: frozenset[str]) -> Iterator[str]:
    if "hfToken" in secrets and (said := stack.names.hf_token_secret):
        yield wrong("names.hfTokenSecret", said, "a Secret that is there or `hfToken`, not both")


def _gated(model: config.Model, at: str) -> Iterator[str]:
    """What is downloaded and asks for a token."""
    repository = sources.of(model).repository
    if not repository:
        return
    publisher = repository.split("/", 1)[0]
    if publisher in GATED_PUBLISHERS if model.gated is None else model.gated:
        yield wrong(
            f"{at}.source" if model.source else f"{at}.name",
            model.source or model.name,
            "a model that needs no token, or a token: run `pulumi config set --secret "
            "llm-d:hfToken`, name a Secret in `names.hfTokenSecret`, or say `gated: false` if "
            f"{publisher} does not ask for one",
        )


def _over_limit(asked: config.Resources, target: Hardware, at: str, kind: str) -> Iterator[str]:
    requested = getattr(asked.requests, kind) or target.requests.get(kind)
    limit = getattr(asked.limits, kind) or target.limits.get(kind)
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
        names = (model.pool.picker, model.pool.gateway, *_service_names(model.service))
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


def _monitor_names(model: Model) -> tuple[str, ...]:
    monitors = model.monitors
    return (monitors.pod_monitor, monitors.service_monitor) if monitors else ()


def room(models: Sequence[Model], nodes: config.Nodes | None, target: Hardware) -> Iterator[str]:
    """The first model whose replicas the nodes cannot hold; the scheduler's own sums, roughly."""
    if not nodes:
        return
    node = {"cpu": nodes.cpu, "memory": nodes.memory}
    if target.resource:
        node[target.resource] = str(nodes.devices)
    free = [quantity.parse_all(node) for _ in range(nodes.count)]
    for index, model in enumerate(models):
        pickers = model.pool.replicas
        if sum(_take(model.pool.pod_requests, free) for _ in range(pickers)) < pickers:
            yield wrong(
                "cluster.nodes",
                f"{nodes.count} with {_listed(quantity.parse_all(node))}",
                f"room for {_listed(model.pool.pod_requests)} more, which the endpoint picker of "
                f"models[{index}] asks for",
            )
            return
        for role in model.service.roles:
            at = f"models[{index}]" + (".prefill" if role.name == "prefill" else "")
            asked, pods = role.pod_requests, role.replicas * role.nodes
            if sum(_take(asked, free) for _ in range(pods)) < pods:
                yield wrong(
                    f"{at}.replicas",
                    role.replicas,
                    "fewer, smaller `resources`, or more in `cluster.nodes`: each asks for "
                    f"{_listed(asked)}, and {nodes.count} node(s) with "
                    f"{_listed(quantity.parse_all(node))} cannot hold them all",
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


def _listed(amounts: Mapping[str, Decimal]) -> str:
    """`cpu 0.5, memory 3Gi`."""
    return ", ".join(f"{kind} {_shown(amount)}" for kind, amount in amounts.items())


def _shown(amount: Decimal) -> str:
    for unit, size in (("Gi", 2**30), ("Mi", 2**20)):
        if amount >= size:
            return f"{amount / size:.4g}{unit}"
    return f"{amount.normalize():f}"
