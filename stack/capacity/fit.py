"""The arithmetic: what one accelerator of a replica holds, and whether the server starts."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from stack.capacity.device import GIB, Device
from stack.capacity.shape import Cache, Shape

BLOCK = 16
"""Tokens that vLLM allocates at once."""
VALUE_BYTES: Mapping[str, float] = {
    "bfloat16": 2,
    "float16": 2,
    "float32": 4,
    "fp8": 1,
    "nvfp4": 1 / 2 + 1 / 16,  # a value, and an 8-bit scale per 16
    "fp8_ds_mla": 656 / 576,  # DeepSeek's sparse attention keeps the rotated part unquantized
}

KvDtype = Literal["auto", "bfloat16", "float16", "float32", "fp8", "nvfp4", "fp8_ds_mla"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Arguments of `vllm serve` that change what fits; defaults are its own."""

    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    data_parallel: int = 1
    """Ranks that spread one set of experts among them."""
    expert_parallel: bool = False
    """Whether an expert stays whole on its rank."""
    max_model_len: int | None = None
    """Left out, the model's context."""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    quantization: Literal["fp8"] | None = None
    """What the server does to weights that are not quantized yet."""
    kv_cache_dtype: KvDtype = "auto"
    kv_cache: int | None = None
    """Bytes on each accelerator; left out, what is left of `gpu_memory_utilization`."""
    gpu_memory_utilization: float = 0.92
    max_num_batched_tokens: int = 8192
    reserves_graphs: bool = True
    """Since vLLM 0.21 CUDA graphs are taken off the cache; before, they took what was over."""

    @property
    def accelerators(self) -> int:
        """Of one replica."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why the server would not start."""

    setting: Literal["tensor_parallel", "max_model_len", "kv_cache", "memory"]
    """Where it shows; `memory` is the accelerator's."""
    expected: str
    """What it would take, to be read after "expected"."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What one accelerator of a replica holds, in bytes; on the fullest, where they differ."""

    shape: Shape
    device: Device
    settings: Settings
    budget: float
    """What the server may use."""
    weights: float
    activation: float | None
    """None, like the next two, where nothing is known of the accelerator's overheads."""
    non_torch: float | None
    graphs: float | None
    left: float
    """For KV cache: below zero where not even the rest fits."""

    @property
    def cache(self) -> float:
        """KV cache that the server allocates, if it starts."""
        asked = self.settings.kv_cache
        return max(0.0, self.left if asked is None else min(self.left, asked))

    @property
    def token(self) -> float:
        """KV cache per token, with the layers that pad hybrid groups."""
        return sum(layers * each for layers, each, _ in _groups(self.shape, self.settings))

    @property
    def request(self) -> float:
        """KV cache of one request of `max_model_len`."""
        return request(self.shape, self.settings, self.max_model_len)

    @property
    def problem(self) -> Problem | None:
        """None where the server starts, as far as is known."""
        return next(_problems(self), None)

    @property
    def known(self) -> bool:
        """Whether the overheads are; if not, tokens are an upper bound."""
        return self.device.overheads is not None

    @property
    def verdict(self) -> Literal["starts", "cannot start", "unknown"]:
        if self.problem:
            return "cannot start"
        return "starts" if self.known else "unknown"

    @property
    def max_model_len(self) -> int:
        return self.settings.max_model_len or self.shape.context

    @property
    def kv_tokens(self) -> int:
        """As vLLM logs them when it starts, of one data-parallel rank."""
        return int(self.cache / (self.token * BLOCK)) * BLOCK

    @property
    def concurrency(self) -> float:
        """Requests of `max_model_len` that one data-parallel rank holds at once."""
        return self.concurrency_at(self.max_model_len)

    def concurrency_at(self, tokens: int) -> float:
        return self.cache / request(self.shape, self.settings, tokens)


def fit(shape: Shape, device: Device, settings: Settings) -> Fit:
    weights = _weights(shape, settings)
    activation = non_torch = graphs = None
    if known := device.overheads:
        activation = known.activation.get(
            shape.architecture, known.mixture if shape.experts else known.dense
        )
        non_torch = (
            known.sharded
            if settings.tensor_parallel > 1
            else known.staged
            if settings.pipeline_parallel > 1
            else known.alone
        )
        graphs = known.graphs if settings.reserves_graphs else 0
    # With a cache of given size vLLM does not look at its share of the memory.
    share = settings.gpu_memory_utilization if settings.kv_cache is None else 1
    budget = share * device.memory
    return Fit(
        shape=shape,
        device=device,
        settings=settings,
        budget=budget,
        weights=weights,
        activation=activation,
        non_torch=non_torch,
        graphs=graphs,
        left=budget - weights - sum(filter(None, (activation, non_torch, graphs))),
    )


def request(shape: Shape, settings: Settings, tokens: int) -> float:
    """Bytes that one request of `tokens` takes on each accelerator, in whole blocks."""
    total = 0.0
    for layers, each, cache in _groups(shape, settings):
        blocks = -(-tokens // BLOCK)
        if cache.window:
            # What a step adds is written before what left the window is given back.
            held = min(cache.window - 1 + settings.max_num_batched_tokens, tokens)
            blocks = -(-held // BLOCK) + 1
        total += layers * each * blocks * BLOCK
    states = -(-shape.states // settings.pipeline_parallel)
    return total + states * shape.state / settings.tensor_parallel


def longest(one: Fit) -> int:
    """Tokens of the longest request that fits, in whole blocks; 0 where none does."""
    context = one.shape.context
    blocks = bisect_right(
        range(BLOCK, context + BLOCK, BLOCK),
        one.cache,
        key=lambda tokens: request(one.shape, one.settings, tokens),
    )
    return min(blocks * BLOCK, context)


def tensor_parallel_problem(shape: Shape, device: Device, settings: Settings) -> str | None:
    """What tensor parallelism would have to divide, and does not."""
    ranks = settings.tensor_parallel
    block = shape.block if device.whole_blocks else 1
    sizes = dict(shape.divides)
    if shape.expert_width and not settings.expert_parallel:
        sizes["expert width"] = shape.expert_width
    for name, size in sizes.items():
        split = ranks * (settings.data_parallel if name == "expert width" else 1)
        if size % split:
            return f"a divisor of the model's {size} {name}"
        if name.endswith(("size", "width")) and (size // split) % block:
            return (
                f"ranks that hold whole quantization blocks of {block}: {split} would leave "
                f"each {size // split} of the {name}"
            )
    for heads in (cache.heads for cache in shape.caches):
        if heads % ranks and ranks % heads:
            return f"a divisor or multiple of the model's {heads} KV heads"
    return None


def explain(one: Fit) -> list[str]:
    """The sum, a line per term; the last lines say what it comes to."""
    settings, device = one.settings, one.device
    whole = sum(one.shape.weights(VALUE_BYTES[settings.dtype], _bits(settings)))
    share = one.budget / device.memory
    terms = [
        f"{gib(device.memory)} of {device.name}" + (f" x {share:g}" if share != 1 else ""),
        f"- {gib(one.weights)} weights"
        + (f", of {gib(whole)} in all" if settings.accelerators > 1 else ""),
    ]
    for name, amount in (
        ("working memory", one.activation),
        ("outside of torch", one.non_torch),
        ("CUDA graphs", one.graphs),
    ):
        if amount:
            terms.append(f"- {gib(amount)} {name}")
    if known := device.overheads:
        terms[-1] += f" ({known.source})"
    else:
        terms.append(f"- what the server itself takes: not known for {device.name}")
    most = "" if one.known else "at most "
    left = f"{gib(one.left)} for KV cache"
    if one.settings.kv_cache is not None:
        left += f", {gib(one.settings.kv_cache)} asked for"
    if one.cache:
        left += f": {most}{one.kv_tokens:,} tokens of {one.token / 1024:.4g} KiB"
    longest_takes = f"one request of {one.max_model_len:,} tokens takes {gib(one.request)}"
    return [*terms, f"= {most}{left}", f"{longest_takes}: {most}{tenths(one.concurrency)} at once"]


def tenths(amount: float) -> str:
    """Cut off: 0.96 of a request is none."""
    return f"{int(amount * 10) / 10:.1f}"


def gib(amount: float) -> str:
    return f"{amount / GIB:.2f} GiB"


def _weights(shape: Shape, settings: Settings) -> float:
    """On the fullest rank: of pipeline stages, one that has the embedding or the head."""
    tables, layers, experts = shape.weights(VALUE_BYTES[settings.dtype], _bits(settings))
    stages = settings.pipeline_parallel
    if stages > 1:
        part = -(-shape.layers // stages) / shape.layers
        tables, layers, experts = tables / (1 if shape.tied else 2), layers * part, experts * part
    return (tables + layers + experts / settings.data_parallel) / settings.tensor_parallel


def _bits(settings: Settings) -> float | None:
    return 8 if settings.quantization == "fp8" else None


def _groups(shape: Shape, settings: Settings) -> Iterator[tuple[int, float, Cache]]:
    """Layers of a kind, padded; bytes per token of each; the kind.

    vLLM allocates for groups of equally many layers, so a kind fills its last group up.
    """
    stages, ranks = settings.pipeline_parallel, settings.tensor_parallel
    auto = settings.dtype if settings.kv_cache_dtype == "auto" else settings.kv_cache_dtype
    counts = [-(-cache.layers // stages) for cache in shape.caches]
    states = [-(-shape.states // stages)] if shape.states else []
    group = min(counts + states)
    for cache, count in zip(shape.caches, counts, strict=True):
        yield -(-count // group) * group, cache.token(ranks, VALUE_BYTES[auto]), cache


def _problems(one: Fit) -> Iterator[Problem]:
    """Every reason, the first to change first."""
    settings, length, name = one.settings, one.max_model_len, one.device.name
    if divides := tensor_parallel_problem(one.shape, one.device, settings):
        yield Problem(setting="tensor_parallel", expected=divides)
    if length > one.shape.context:
        yield Problem(
            setting="max_model_len",
            expected=f"at most {one.shape.context}, the model's own context",
        )
    first = request(one.shape, settings, 1)
    if one.left < first:
        yield Problem(
            setting="memory",
            expected=f"room for {gib(one.budget - one.left + first)}, which are needed before "
            f"there is KV cache for a first token: {name} has {gib(one.budget)} to use",
        )
    elif settings.kv_cache is not None and settings.kv_cache > one.left:
        yield Problem(
            setting="kv_cache",
            expected=f"at most {gib(one.left)}, which {name} has left beside everything else",
        )
    elif settings.kv_cache is not None and settings.kv_cache < one.request:
        yield Problem(
            setting="kv_cache",
            expected=f"at least {gib(one.request)}, for one request of {length:,} tokens",
        )
    elif one.cache < one.request:
        yield Problem(
            setting="max_model_len",
            expected=f"at most {longest(one)}: one request of {length:,} tokens takes "
            f"{gib(one.request)} of KV cache, and {name} has {gib(one.cache)} left",
        )
