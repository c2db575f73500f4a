"""Models that could not start on the stack's machines, with the sum that says so, and a way out."""

from collections.abc import Iterator
from dataclasses import replace

from pydantic.alias_generators import to_camel

from stack import capacity, config, quantity, roles, sizing
from stack.capacity import Fit
from stack.capacity.fit import gib
from stack.ground import Ground
from stack.hardware import Feature
from stack.problems import unknown, wrong
from stack.roles import Asked

SUGGESTIONS = 3
ALL = 100
"""More than there can be."""
OF_A_ROLE = frozenset({"nodes", "replicas", "tensor_parallel"})
"""What prefill says for itself."""


def problems(stack: config.Stack, ground: Ground) -> Iterator[str]:
    """Accelerators and shapes that are none, and models that could not start."""
    yield from _accelerator(ground)
    for index, model in enumerate(stack.models):
        at = f"models[{index}]"
        if model.sizing:
            yield from _not_sized(model, ground, at)
            continue
        for role in roles.asked(model):
            if isinstance(found := sizing.measured(model, role, ground), Fit):
                if role.role == "decode":
                    yield from _fp8(model, found, at)
                if found.problem:
                    yield _too_large(model, role, found, ground, at)
        yield from _disk(model, at)


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


def _disk(model: config.Model, at: str) -> Iterator[str]:
    """Files of a known model that do not fit where they are downloaded to."""
    key, said = ("claim.size", model.claim.size) if model.claim else ("storage", model.storage)
    takes = sizing.weights(model)
    if said and takes and quantity.parse(said) < takes:
        yield wrong(f"{at}.{key}", said, f"at least {gib(takes)}, the size of its weights")


def _fp8(model: config.Model, found: Fit, at: str) -> Iterator[str]:
    for key, value in (
        ("quantization", model.quantization),
        ("kvCacheDtype", model.kv_cache_dtype),
    ):
        if value == "fp8" and not found.device.fp8:
            yield wrong(f"{at}.{key}", value, f"left out: {found.device.name} has no fp8")


def _not_sized(model: config.Model, ground: Ground, at: str) -> Iterator[str]:
    """What is left of `sizing: auto`: why it could not be done."""
    if said := [*sizing.by_hand(model)]:
        for key, value in said:
            expected = "left out, or no `sizing: auto` beside it, which is for one node a replica"
            yield wrong(f"{at}.{key}", value, expected)
        return
    [role] = roles.asked(model)
    if not ground.nodes:
        yield wrong(f"{at}.sizing", "auto", "`cluster.nodes` too: sizes are picked for machines")
    elif isinstance(found := sizing.measured(model, role, ground), str):
        yield wrong(f"{at}.sizing", "auto", f"sizes of your own: {found}")
    else:
        yield _too_large(model, role, found, ground, at)


def _too_large(model: config.Model, role: Asked, found: Fit, ground: Ground, at: str) -> str:
    """The problem, then the sum it comes from, then what would do."""
    problem = found.problem
    expected = problem.expected if problem else "more or larger accelerators: no length fits"
    path, value = _where(model, role, found, at)
    lines = [
        *capacity.explain(found),
        "what would do:",
        *(f"  {_said(change, role)}" for change in _changes(model, role, found, ground)),
    ]
    if lines[-1] == "what would do:":
        lines[-1] = "what would do: a smaller model, or nodes with more or larger accelerators"
    return "\n".join([wrong(path, value, expected), *(f"      {line}" for line in lines)])


def _where(model: config.Model, role: Asked, found: Fit, at: str) -> tuple[str, object]:
    match found.problem.setting if found.problem else "memory":
        case "tensor_parallel":
            return f"{at}{role.at}.tensorParallel", role.parallel.tensor
        case "max_model_len":
            own = "" if model.max_model_len else ", the model's own"
            return f"{at}.maxModelLen", f"{found.max_model_len}{own}"
        case "kv_cache":
            default = f"{int(found.settings.kv_cache or 0) // 2**20}Mi, the default"
            return f"{at}.kvCache", model.kv_cache or default
        case _:
            return f"{at}.name", model.name


def _changes(model: config.Model, role: Asked, found: Fit, ground: Ground) -> list[capacity.Change]:
    """On as many nodes for a replica as there are, or as few more as it takes."""
    lacks = {str(feature) for feature in ground.target.lacks}
    most = ground.nodes.count if ground.nodes and Feature.NODES not in lacks else 1
    for nodes in range(role.parallel.nodes, max(most, role.parallel.nodes) + 1):
        wider = replace(role, parallel=replace(role.parallel, nodes=nodes))
        possible = [
            change
            for change in capacity.changes(found, ground.room(wider.parallel), role.replicas, ALL)
            if _allowed(model, wider, change.fit.settings.tensor_parallel, ground)
            and not lacks & {to_camel(name) for name in change.values}
        ]
        if possible:
            more = {"nodes": nodes} if nodes > role.parallel.nodes else {}
            return [
                replace(change, values={**more, **change.values})
                for change in possible[:SUGGESTIONS]
            ]
    return []


def _allowed(model: config.Model, role: Asked, tensor: int, ground: Ground) -> bool:
    if model.prefill:
        theirs = model.prefill.tensor_parallel or tensor
        whole = model.tensor_parallel % tensor if role.at else tensor % theirs
        if whole != 0:
            return False
    return ground.allows(replace(role.parallel, tensor=tensor))


def _said(change: capacity.Change, role: Asked) -> str:
    """In the stack file's own keys."""
    own = role.at.removeprefix(".") + "." if role.at else ""
    values = {
        (own if name in OF_A_ROLE else "") + to_camel(name): (
            f"{int(value) // 2**20}Mi" if name == "kv_cache" else value
        )
        for name, value in change.values.items()
    }
    listed = ", ".join(f"{key}: {value}" for key, value in values.items())
    return f"{listed}: {capacity.served(change.fit, change.replicas)}"
