"""Sizes: what a pod asks for on the stack's nodes, whether a model fits there, and what it holds.

model, target, release, nodes --measured--> Fit --> problems, holds, automatic
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from stack import capacity, config, flags, hardware, quantity, roles, sources
from stack.capacity import Fit, Settings, Shape
from stack.capacity.fit import VALUE_BYTES
from stack.ground import Ground
from stack.hardware import Hardware
from stack.plan import Capacity
from stack.problems import wrong
from stack.releases import Release
from stack.roles import Asked

RESERVED: Mapping[str, Decimal] = {"cpu": Decimal(2), "memory": Decimal(4 * 2**30)}
"""Of each node, beside its model servers: gateway, endpoint pickers, monitoring, Kubernetes."""
LENGTHS = (1024, 8192)
"""Tokens of requests that are counted, beside the longest."""
UNKNOWN_STORAGE, DISK = "20Gi", 1.15
"""Disk of a model of unknown size; of others, their weights' size times this."""
STEPS: Mapping[str, Decimal] = {"cpu": Decimal("0.5"), "memory": Decimal(2**30)}
"""What a share of a node is rounded down to."""
CPU_SERVER = 4 * 2**30
"""Bytes of a CPU pod that are neither weights nor cache; `capacity.device` has them as a margin."""
PUBLISHED = "bfloat16"
"""What models are published in, and served in where nothing else is said."""
READ_BYTES = 200e6
"""A second, from the pod's disk to its devices: of a slow network disk."""


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
            said = model.shape if isinstance(model.shape, str) else "given"
            yield wrong(
                f"models[{index}].shape", said, f"what the model's config.json says: {error}"
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


def kv_cache(model: config.Model, role: Asked, target: Hardware) -> str | None:
    """Of one replica: as the stack file says, or else as much of the default as memory leaves."""
    limit = role.resources.limits.memory or target.limits["memory"]
    if model.kv_cache or not target.kv_cache:
        return model.kv_cache
    memory = float(quantity.parse(limit))
    size = weights(model, model.dtype or target.dtype or PUBLISHED) or memory / 2
    left = int((memory - size - CPU_SERVER) // 2**20)
    return _capped(target.kv_cache, f"{left}Mi") if left > 0 else target.kv_cache


def startup_seconds(model: config.Model, ground: Ground) -> int:
    """After which a server that is not ready is restarted: time for download, reading, warming up.

    What is not known to be smaller is as large as the disk that it may take.
    """
    if ground.target.server == "simulator":
        return ground.target.startup_seconds
    size = weights(model) or float(quantity.parse(storage(model)))
    mbps = (ground.nodes or _USUAL).download_mbps
    return ground.target.startup_seconds + int(size * 8 / (mbps * 1e6) + size / READ_BYTES)


def measured(model: config.Model, role: Asked, ground: Ground) -> Fit | str:
    """One role's servers on the stack's accelerator, or why nothing can be said of them."""
    if ground.target.server == "simulator":
        return "the simulator has no memory to fill"
    if not (shape := _shape(model)):
        return f"{_repository(model)} is not among the known models, and has no `shape`"
    if not ground.target.has_devices:
        limit = role.resources.limits.memory or ground.target.limits["memory"]
        device = capacity.cpu(float(quantity.parse(limit)))
    elif known := capacity.DEVICES.get(ground.accelerator or ""):
        device = replace(known, memory=known.memory / ground.target.ranks_per_device)
    else:
        return "`cluster.nodes.accelerator` does not say on what"
    return capacity.fit(shape, device, _settings(model, role, ground))


def holds(model: config.Model, ground: Ground) -> Capacity | str:
    """What all replicas that answer can serve; the accelerators are those of all its pods."""
    decode, *_ = asked = [*roles.asked(model)]
    found = measured(model, decode, ground)
    if isinstance(found, str):
        return found
    copies = decode.replicas * decode.parallel.data
    lengths = {*(one for one in LENGTHS if one < found.max_model_len), found.max_model_len}
    return Capacity(
        kv_tokens=copies * found.kv_tokens,
        at_once={one: int(copies * found.concurrency_at(one)) for one in sorted(lengths)},
        accelerators=sum(
            role.pods * ground.target.devices(role.parallel.on_node) for role in asked
        ),
        is_bound=not found.known,
    )


def storage(model: config.Model) -> str:
    """Disk for a model's files; left out, what they take and some more for what is beside them."""
    takes = weights(model)
    if model.storage or not takes:
        return model.storage or UNKNOWN_STORAGE
    return f"{int(DISK * takes // 2**30) + 1}Gi"


def weights(model: config.Model, dtype: str = PUBLISHED) -> float | None:
    """Bytes of a model's weights, as its files have them or as a server does; None where they are
    not known."""
    known = _shape(model)
    return sum(known.weights(VALUE_BYTES[dtype])) if known else None


def _automatic(model: config.Model, ground: Ground) -> config.Model:
    """With `sizing` gone where it is settled; `size_checks` says of the others why it is not."""
    if not model.sizing or not ground.nodes or {*by_hand(model)}:
        return model
    [role] = roles.asked(model)
    found = measured(model, role, ground)
    if isinstance(found, str) or not (picked := _picked(found, role, ground)):
        return model
    return model.model_copy(
        update={
            "sizing": None,
            "tensor_parallel": picked.settings.tensor_parallel,
            "max_model_len": picked.max_model_len,
        }
    )


def by_hand(model: config.Model) -> Iterator[tuple[str, object]]:
    """Key and value of what a stack file says of sizes, beside which none are picked."""
    for key, value, left_out in (
        ("tensorParallel", model.tensor_parallel, "tensor_parallel" not in model.model_fields_set),
        ("dataParallel", model.data_parallel, model.data_parallel == 1),
        ("nodes", model.nodes, model.nodes == 1),
        ("prefill", "given", not model.prefill),
    ):
        if not left_out:
            yield key, value


_USUAL = config.Nodes(cpu="1", memory="1Gi")


def _repository(model: config.Model) -> str:
    """By which models are known; what is on a claim is taken for what it is called."""
    return sources.of(model).repository or model.name


def _shape(model: config.Model) -> Shape | None:
    if model.shape is None:
        return capacity.models().get(_repository(model))
    said = _read(model.shape) if isinstance(model.shape, str) else model.shape
    weights = said.get("weights_gib")
    return Shape.from_config(said, weights=None if weights is None else weights * 2**30)


def _read(path: str) -> dict[str, Any]:
    """A config.json, from the folder of the stack file."""
    try:
        return json.loads(Path(path).read_text())
    except OSError as error:
        raise ValueError(f"it cannot be read, {error.strerror}") from error


def _settings(model: config.Model, role: Asked, ground: Ground) -> Settings:
    target, release = ground.target, ground.release
    cache = kv_cache(model, role, target)
    arguments = (*target.args, *model.args, *role.args)
    share, batched = (flags.number(arguments, name) for name in flags.NUMBERS)
    usual = target.memory_utilization or release.memory_utilization
    return Settings(
        tensor_parallel=role.parallel.tensor,
        data_parallel=role.parallel.data,
        expert_parallel=flags.has(arguments, "--enable-expert-parallel"),
        max_model_len=model.max_model_len,
        dtype=model.dtype or target.dtype or PUBLISHED,
        quantization=model.quantization,
        kv_cache_dtype=model.kv_cache_dtype or target.kv_cache_dtype or "auto",
        kv_cache=int(quantity.parse(cache)) if cache else None,
        gpu_memory_utilization=share or usual,
        max_num_batched_tokens=int(batched) if batched else Settings.max_num_batched_tokens,
        reserves_graphs=release.reserves_graphs,
    )


def _pods_on_a_node(target: Hardware, stack: config.Stack, nodes: config.Nodes) -> int:
    asked = [role for model in stack.models for role in roles.asked(model)]
    pods = -(-sum(role.pods for role in asked) // nodes.count)
    if not target.has_devices:
        return pods
    # Where replicas are still to be chosen, as many as there are devices for.
    each = min(target.devices(role.parallel.on_node) for role in asked)
    most = nodes.devices // each if each else 0
    return max(1, most if any(model.sizing for model in stack.models) else min(most, pods))


def _share(kind: str, amount: str, pods: int) -> str:
    share = max(Decimal(), quantity.parse(amount) - RESERVED[kind]) / pods
    whole = max(1, share // STEPS[kind]) * STEPS[kind]
    if kind == "cpu":
        return str(int(whole)) if whole == int(whole) else f"{int(whole * 1000)}m"
    return f"{int(whole // 2**30)}Gi"


def _capped(amount: str, most: str | None) -> str:
    return most if most and quantity.parse(amount) > quantity.parse(most) else amount


def _quarter(amount: str) -> str:
    return f"{int(quantity.parse(amount) / 4 // 2**20)}Mi"


def _picked(found: Fit, role: Asked, ground: Ground) -> Fit | None:
    """The fewest ranks that hold a request of the length asked for, or the longest they hold."""
    room = ground.room(role.parallel)
    if ground.target.whole_nodes:
        whole = replace(found.settings, tensor_parallel=room.devices)
        one = capacity.fit(found.shape, found.device, whole)
        length = min(found.max_model_len, capacity.longest(one))
        sized = replace(whole, max_model_len=length)
        return capacity.fit(found.shape, found.device, sized) if length else None
    sizing = capacity.auto(found.shape, found.device, room, found.settings)
    return sizing.fit if sizing else None
