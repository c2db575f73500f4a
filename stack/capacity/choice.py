"""What to change so that a model fits, and what is picked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from stack.capacity.device import Device
from stack.capacity.fit import Fit, Settings, fit, longest, tensor_parallel_problem, tenths
from stack.capacity.shape import Shape

MIB = 2**20
ROUND = 1024
"""A length is suggested in whole multiples of it, where it is longer."""


ORDER = (
    "kv_cache",
    "replicas",
    "max_model_len",
    "tensor_parallel",
    "kv_cache_dtype",
    "quantization",
)
"""What takes least away from the user first: memory, copies, length, accelerators, accuracy."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """The machines, all alike."""

    nodes: int
    devices: int
    """Accelerators of each: a replica's tensor-parallel ranks sit on one."""

    def replicas(self, settings: Settings) -> int:
        """As many as the accelerators are enough for; stages and data ranks may cross nodes."""
        groups = self.nodes * (self.devices // settings.tensor_parallel)
        return groups // (settings.pipeline_parallel * settings.data_parallel)


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """What was picked, with what it comes to: an upper bound where `fit.known` is false."""

    fit: Fit
    replicas: int

    @property
    def tensor_parallel(self) -> int:
        return self.fit.settings.tensor_parallel

    @property
    def max_model_len(self) -> int:
        return self.fit.max_model_len


@dataclass(frozen=True, kw_only=True)
class Change:
    """New values of what a stack says, by the names of `Settings` and `replicas`."""

    values: Mapping[str, int | str]
    fit: Fit
    replicas: int


def served(one: Fit, replicas: int) -> str:
    """What all replicas hold, in the terms of those who use it."""
    ranks = replicas * one.settings.data_parallel
    most = "" if one.known else "at most "
    units = "accelerator(s)" if one.device.splits else "pod(s)"
    return (
        f"{most}{ranks * one.kv_tokens:,} KV tokens, {tenths(ranks * one.concurrency)} requests of "
        f"{one.max_model_len:,} tokens at once, "
        f"{replicas * one.settings.accelerators} {units}"
    )


def changes(one: Fit, room: Room, replicas: int, count: int = 3) -> tuple[Change, ...]:
    """The smallest changes with which the model fits on the machines, each of other values.

    Smallest is what changes the fewest values, then what takes the fewest accelerators, then what
    takes least away from the user. None does more than is needed.
    """
    candidates = sorted(_candidates(one, room, replicas), key=_size)
    found: dict[frozenset[str], Change] = {}
    for change in candidates:
        if not any(less.values.items() < change.values.items() for less in candidates):
            found.setdefault(frozenset(change.values), change)
    return tuple(found.values())[:count]


def auto(
    shape: Shape, device: Device, room: Room, settings: Settings | None = None
) -> Sizing | None:
    """The fewest accelerators that hold a request of `max_model_len`, or of the full context.

    Where not even a whole node does, the longest request that it holds; then as many replicas as
    the machines are enough for. None where no length fits.
    """
    asked = settings or Settings()
    fits = [
        fit(shape, device, replace(asked, tensor_parallel=ranks))
        for ranks in _ranks(shape, device, asked, room)
    ]
    wanted = asked.max_model_len or shape.context
    best = max(
        fits,
        key=lambda one: (min(wanted, longest(one)), -one.settings.tensor_parallel),
        default=None,
    )
    if not best or not (length := _rounded(min(wanted, longest(best)), wanted)):
        return None
    chosen = replace(best.settings, max_model_len=length)
    return Sizing(fit=fit(shape, device, chosen), replicas=room.replicas(chosen))


def _ranks(shape: Shape, device: Device, settings: Settings, room: Room) -> Iterator[int]:
    """Tensor parallelism that the model and a node allow."""
    for ranks in range(1, (room.devices if device.splits else min(1, room.devices)) + 1):
        asked = replace(settings, tensor_parallel=ranks)
        if not tensor_parallel_problem(shape, device, asked) and room.replicas(asked):
            yield ranks


def _rounded(tokens: int, wanted: int) -> int:
    return tokens if tokens < ROUND or tokens == wanted else tokens // ROUND * ROUND


def _size(change: Change) -> tuple[int, int, int, int, str]:
    return (
        len(change.values),
        change.replicas * change.fit.settings.accelerators,
        max(ORDER.index(name) for name in change.values),
        -change.replicas,
        str(sorted(change.values.items())),
    )


def _candidates(one: Fit, room: Room, replicas: int) -> Iterator[Change]:
    asked, shape, device = one.settings, one.shape, one.device
    shrinks = device.fp8 and not shape.quantized
    for ranks, kv_dtype, quantization in product(
        {asked.tensor_parallel, *_ranks(shape, device, asked, room)},
        {asked.kv_cache_dtype, *(("fp8",) if device.fp8 else ())},
        {asked.quantization, *(("fp8",) if shrinks else ())},
    ):
        settings = replace(
            asked, tensor_parallel=ranks, kv_cache_dtype=kv_dtype, quantization=quantization
        )
        if not (enough := min(replicas, room.replicas(settings))):
            continue
        for sized in _sized(fit(shape, device, settings)):
            values: dict[str, int | str] = {
                name: value for name, value in vars(sized).items() if value != getattr(asked, name)
            }
            if enough < replicas:
                values["replicas"] = enough
            if values and not (fits := fit(shape, device, sized)).problem:
                yield Change(values=values, fit=fits, replicas=enough)


def _sized(one: Fit) -> Iterator[Settings]:
    """The settings as they are, with the longest request that fits, and with a cache that does."""
    yield one.settings
    if 0 < (length := _rounded(longest(one), one.shape.context)) < one.max_model_len:
        yield replace(one.settings, max_model_len=length)
    if one.settings.kv_cache is not None:
        yield replace(one.settings, kv_cache=-(-int(one.request) // MIB) * MIB)
