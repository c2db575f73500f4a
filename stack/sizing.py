"""Sizes: what a pod asks for on the stack's nodes, whether a model fits there, and what it holds.

model, target, release, nodes --measured--> Fit --> problems, holds, automatic
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from pydantic.alias_generators import to_camel

from stack import capacity, config, hardware, quantity
from stack.capacity import Fit, Room, Settings, Shape
from stack.hardware import Feature, Hardware
from stack.problems import unknown, wrong
from stack.releases import Release

RESERVED: Mapping[str, Decimal] = {"cpu": Decimal(2), "memory": Decimal(4 * 2**30)}
"""Of each node, beside its model servers: gateway, endpoint pickers, monitoring, Kubernetes."""
STEPS: Mapping[str, Decimal] = {"cpu": Decimal("0.5"), "memory": Decimal(2**30)}
"""What a share of a node is rounded down to."""
CPU_SERVER = 4 * 2**30
"""Bytes of a CPU pod that are neither weights nor cache; `capacity.device` has them as a margin."""
READ_BYTES = 200e6
"""A second, from the pod's disk to its devices: of a slow network disk."""
SUGGESTIONS = 3


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What models are measured against."""

    hardware: str
    """The target's word."""
    target: Hardware
    release: Release
    nodes: config.Nodes | None

    @property
    def room(self) -> Room:
        """For ranks; where the machines are not known, one as the target is usually sold."""
        nodes, ranks = self.nodes, self.target.ranks_per_device
        if not self.target.has_devices:
            return Room(nodes=nodes.count if nodes else 1, devices=1)
        if not nodes:
            return Room(nodes=1, devices=self.target.node_devices * ranks)
        return Room(nodes=nodes.count, devices=nodes.devices * ranks)

    @property
    def accelerator(self) -> str | None:
        """A word of `capacity.DEVICES`."""
        return (self.nodes and self.nodes.accelerator) or self.target.accelerator

    def allows(self, tensor_parallel: int) -> bool:
        """Whether a replica may be split so."""
        target = self.target
        if target.whole_nodes:
            return tensor_parallel == self.room.devices
        return tensor_parallel == 1 or Feature.TENSOR_PARALLEL not in target.lacks


def sized(
    stack: config.Stack,
    release: Release,
    nodes_of: Callable[[Any, Hardware], config.Nodes | None],
) -> tuple[config.Stack, Ground]:
    """The stack with `sizing: auto` settled where it can be, but for replicas."""
    target = hardware.targets()[stack.hardware]
    nodes = nodes_of(stack.cluster, target)
    ground = Ground(
        hardware=stack.hardware,
        target=fitted(target, stack, nodes),
        release=release,
        nodes=nodes,
    )
    models = [_automatic(model, ground) for model in stack.models]
    return stack.model_copy(update={"models": models}), ground


def unsettled(stack: config.Stack) -> set[int]:
    """Models whose replicas are for the nodes to say."""
    return {
        index
        for index, model in enumerate(stack.models)
        if model.sizing and "replicas" not in model.model_fields_set
    }


def with_replicas(stack: config.Stack, counts: Mapping[int, int]) -> config.Stack:
    models = [
        model.model_copy(update={"replicas": counts.get(index, model.replicas)})
        for index, model in enumerate(stack.models)
    ]
    return stack.model_copy(update={"models": models})


def shapes(stack: config.Stack) -> Iterator[str]:
    """Of those that a stack file gives, what is none; nothing else here can do with one."""
    for index, model in enumerate(stack.models):
        try:
            _shape(model)
        # Whatever is no config.json goes wrong somewhere on the way, and nowhere in particular.
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            yield wrong(
                f"models[{index}].shape", "given", f"what the model's config.json says: {error}"
            )


def fitted(target: Hardware, stack: config.Stack, nodes: config.Nodes | None) -> Hardware:
    """The target with requests and limits that the stack's nodes have for each of its pods.

    A target's own sizes are those of the machines that its guide was tried on.
    """
    if not nodes:
        return target
    pods = _pods_on_a_node(target, stack, nodes)
    has = {"cpu": nodes.cpu, "memory": nodes.memory}
    shares = {kind: _share(kind, amount, pods) for kind, amount in has.items()}
    requests = {kind: _capped(amount, shares.get(kind)) for kind, amount in target.requests.items()}
    limits = {
        kind: _capped(amount, shares.get(kind)) if requests.get(kind) == shares[kind] else amount
        for kind, amount in target.limits.items()
    }
    shared = target.shared_memory and _capped(target.shared_memory, _quarter(limits["memory"]))
    return replace(target, requests=requests, limits=limits, shared_memory=shared)


def kv_cache(model: config.Model, target: Hardware) -> str | None:
    """Of one replica: as the stack file says, or else as much of the default as memory leaves."""
    limit = model.resources.limits.memory or target.limits["memory"]
    if model.kv_cache or not target.kv_cache:
        return model.kv_cache
    known = _shape(model)
    weights = sum(known.weights(2)) if known else float(quantity.parse(limit)) / 2
    left = int((float(quantity.parse(limit)) - weights - CPU_SERVER) // 2**20)
    return _capped(target.kv_cache, f"{left}Mi") if left > 0 else target.kv_cache


def startup_seconds(model: config.Model, ground: Ground) -> int:
    """After which a server that is not ready is restarted: time for download, reading, warming up.

    What is not known to be smaller is as large as the disk that it may take.
    """
    if ground.target.server == "simulator":
        return ground.target.startup_seconds
    known = _shape(model)
    size = sum(known.weights(2)) if known else float(quantity.parse(model.storage))
    mbps = (ground.nodes or _USUAL).download_mbps
    return ground.target.startup_seconds + int(size * 8 / (mbps * 1e6) + size / READ_BYTES)


def measured(model: config.Model, ground: Ground) -> Fit | str:
    """The model on the stack's accelerator, or why nothing can be said of it."""
    if ground.target.server == "simulator":
        return "the simulator has no memory to fill"
    if not (shape := _shape(model)):
        return f"{model.name} is not among the known models, and has no `shape`"
    if not ground.target.has_devices:
        limit = model.resources.limits.memory or ground.target.limits["memory"]
        device = capacity.cpu(float(quantity.parse(limit)))
    elif known := capacity.DEVICES.get(ground.accelerator or ""):
        device = replace(known, memory=known.memory / ground.target.ranks_per_device)
    else:
        return "`cluster.nodes.accelerator` does not say on what"
    return capacity.fit(shape, device, _settings(model, ground))


def holds(model: config.Model, ground: Ground) -> str:
    """What all replicas serve, for a person."""
    found = measured(model, ground)
    return (
        f"not known: {found}" if isinstance(found, str) else capacity.served(found, model.replicas)
    )


def problems(stack: config.Stack, ground: Ground) -> Iterator[str]:
    """Accelerators and shapes that are none, and models that could not start."""
    yield from _accelerator(ground)
    for index, model in enumerate(stack.models):
        at = f"models[{index}]"
        if model.sizing:
            yield from _not_sized(model, ground, at)
            continue
        if isinstance(found := measured(model, ground), Fit):
            yield from _fp8(model, found, at)
            if found.problem:
                yield _too_large(model, found, ground, at)


def _automatic(model: config.Model, ground: Ground) -> config.Model:
    """With `sizing` gone where it is settled; `problems` says of the others why it is not."""
    if not model.sizing or not ground.nodes or "tensor_parallel" in model.model_fields_set:
        return model
    found = measured(model, ground)
    if isinstance(found, str) or not (picked := _picked(found, ground)):
        return model
    return model.model_copy(
        update={
            "sizing": None,
            "tensor_parallel": picked.settings.tensor_parallel,
            "max_model_len": picked.max_model_len,
        }
    )


_USUAL = config.Nodes(cpu="1", memory="1Gi")


def _shape(model: config.Model) -> Shape | None:
    if model.shape is None:
        return capacity.models().get(model.name)
    weights = model.shape.get("weights_gib")
    return Shape.from_config(model.shape, weights=None if weights is None else weights * 2**30)


def _settings(model: config.Model, ground: Ground) -> Settings:
    target, release = ground.target, ground.release
    cache = kv_cache(model, target)
    return Settings(
        tensor_parallel=model.tensor_parallel,
        max_model_len=model.max_model_len,
        dtype=model.dtype or target.dtype or "bfloat16",
        quantization=model.quantization,
        kv_cache_dtype=model.kv_cache_dtype or target.kv_cache_dtype or "auto",
        kv_cache=int(quantity.parse(cache)) if cache else None,
        gpu_memory_utilization=target.memory_utilization or release.memory_utilization,
        reserves_graphs=release.reserves_graphs,
    )


def _pods_on_a_node(target: Hardware, stack: config.Stack, nodes: config.Nodes) -> int:
    replicas = -(-sum(model.replicas for model in stack.models) // nodes.count)
    if not target.has_devices:
        return replicas
    # Where replicas are still to be chosen, as many as there are devices for.
    each = min(target.devices(model.tensor_parallel) for model in stack.models)
    most = max(1, nodes.devices // each)
    return most if any(model.sizing for model in stack.models) else min(most, replicas)


def _share(kind: str, amount: str, pods: int) -> str:
    share = max(Decimal(), quantity.parse(amount) - RESERVED[kind]) / pods
    whole = max(1, share // STEPS[kind]) * STEPS[kind]
    return f"{int(whole * 1000)}m" if kind == "cpu" else f"{int(whole // 2**30)}Gi"


def _capped(amount: str, most: str | None) -> str:
    return most if most and quantity.parse(amount) > quantity.parse(most) else amount


def _quarter(amount: str) -> str:
    return f"{int(quantity.parse(amount) / 4 // 2**20)}Mi"


def _picked(found: Fit, ground: Ground) -> Fit | None:
    """The fewest ranks that hold a request of the length asked for, or the longest they hold."""
    room = ground.room
    if ground.target.whole_nodes:
        whole = replace(found.settings, tensor_parallel=room.devices)
        one = capacity.fit(found.shape, found.device, whole)
        length = min(found.max_model_len, capacity.longest(one))
        sized = replace(whole, max_model_len=length)
        return capacity.fit(found.shape, found.device, sized) if length else None
    sizing = capacity.auto(found.shape, found.device, room, found.settings)
    return sizing.fit if sizing else None


def _accelerator(ground: Ground) -> Iterator[str]:
    path, said = "cluster.nodes.accelerator", ground.nodes and ground.nodes.accelerator
    if not said:
        return
    if not ground.target.has_devices:
        yield wrong(path, said, f"nothing on hardware `{ground.hardware}`, which has none")
    elif said not in capacity.DEVICES:
        yield unknown(path, said, capacity.DEVICES)
    elif ground.target.accelerator not in {None, said}:
        yield wrong(
            path, said, f"`{ground.target.accelerator}`, or left out: `{ground.hardware}` is that"
        )


def _fp8(model: config.Model, found: Fit, at: str) -> Iterator[str]:
    for key, value in (
        ("quantization", model.quantization),
        ("kvCacheDtype", model.kv_cache_dtype),
    ):
        if value == "fp8" and not found.device.fp8:
            yield wrong(f"{at}.{key}", value, f"left out: {found.device.name} has no fp8")


def _not_sized(model: config.Model, ground: Ground, at: str) -> Iterator[str]:
    """What is left of `sizing: auto`: why it could not be done."""
    if "tensor_parallel" in model.model_fields_set:
        yield wrong(
            f"{at}.tensorParallel",
            model.tensor_parallel,
            "left out, or no `sizing: auto` beside it, which picks it",
        )
        return
    if not ground.nodes:
        yield wrong(f"{at}.sizing", "auto", "`cluster.nodes` too: sizes are picked for machines")
    elif isinstance(found := measured(model, ground), str):
        yield wrong(f"{at}.sizing", "auto", f"sizes of your own: {found}")
    else:
        yield _too_large(model, found, ground, at)


def _too_large(model: config.Model, found: Fit, ground: Ground, at: str) -> str:
    """The problem, then the sum it comes from, then what would do."""
    problem = found.problem
    expected = problem.expected if problem else "more or larger accelerators: no length fits"
    path, value = _where(model, found, at)
    lines = [
        *capacity.explain(found),
        "what would do:",
        *(f"  {_said(change)}" for change in _changes(model, found, ground)),
    ]
    if lines[-1] == "what would do:":
        lines[-1] = "what would do: a smaller model, or nodes with more or larger accelerators"
    return "\n".join([wrong(path, value, expected), *(f"      {line}" for line in lines)])


def _where(model: config.Model, found: Fit, at: str) -> tuple[str, object]:
    match found.problem.setting if found.problem else "memory":
        case "tensor_parallel":
            return f"{at}.tensorParallel", model.tensor_parallel
        case "max_model_len":
            own = "" if model.max_model_len else ", the model's own"
            return f"{at}.maxModelLen", f"{found.max_model_len}{own}"
        case "kv_cache":
            return f"{at}.kvCache", model.kv_cache or f"{found.settings.kv_cache}, the default"
        case _:
            return f"{at}.name", model.name


def _changes(model: config.Model, found: Fit, ground: Ground) -> list[capacity.Change]:
    lacks = {str(feature) for feature in ground.target.lacks}
    possible = [
        change
        for change in capacity.changes(found, ground.room, model.replicas, count=100)
        if ground.allows(change.fit.settings.tensor_parallel)
        and not lacks & {to_camel(name) for name in change.values}
    ]
    return possible[:SUGGESTIONS]


def _said(change: capacity.Change) -> str:
    """In the stack file's own keys."""
    values = {
        to_camel(name): f"{int(value) // 2**20}Mi" if name == "kv_cache" else value
        for name, value in change.values.items()
    }
    listed = ", ".join(f"{key}: {value}" for key, value in values.items())
    return f"{listed}: {capacity.served(change.fit, change.replicas)}"
